// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/spec"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func made(t *testing.T) site {
	t.Helper()
	s, err := build(spec.Files())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDocs_EveryChapterIsThere(t *testing.T) {
	h := Docs()
	for _, c := range contents() {
		w := get(t, h, c.Path)
		if w.Code != 200 || w.Header().Get("Content-Type") != htmlKind {
			t.Errorf("%s answers %d %s", c.Path, w.Code, w.Header().Get("Content-Type"))
		}
		if n := strings.Count(w.Body.String(), "<h1"); n != 1 {
			t.Errorf("%s has %d first headings", c.Path, n)
		}
		if !strings.Contains(w.Body.String(), `aria-current="page"`) {
			t.Errorf("%s does not mark itself in the contents", c.Path)
		}
	}
}

func TestDocs_EveryPageIsAChapter(t *testing.T) {
	listed := map[string]bool{notFound: true}
	for _, c := range contents() {
		listed[c.Path] = true
	}
	for path, f := range made(t) {
		if f.kind == htmlKind && !listed[path] {
			t.Errorf("%s is in no table of contents", path)
		}
	}
}

var (
	href = regexp.MustCompile(`(?:href|src)="([^"]*)"`)
	ids  = regexp.MustCompile(`\bid="([^"]*)"`)
)

func TestDocs_EveryLinkLeadsSomewhereAndNothingIsFetchedFromElsewhere(t *testing.T) {
	s := made(t)
	anchors := map[string]map[string]bool{}
	for path, f := range s {
		anchors[path] = map[string]bool{"": true}
		for _, m := range ids.FindAllStringSubmatch(string(f.body), -1) {
			if anchors[path][m[1]] {
				t.Errorf("%s has two anchors %q", path, m[1])
			}
			anchors[path][m[1]] = true
		}
	}
	for path, f := range s {
		if f.kind != htmlKind {
			continue
		}
		for _, m := range href.FindAllStringSubmatch(string(f.body), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if target == "" {
				target = path
			}
			if strings.HasPrefix(target, "https://github.com/ulid/") {
				continue // The one link to elsewhere; a link fetches nothing.
			}
			if _, ok := s[target]; !ok || !anchors[target][anchor] {
				t.Errorf("%s: the link %s leads nowhere", path, m[1])
			}
		}
		if strings.Contains(string(f.body), "<style") || strings.Contains(string(f.body), "style=") || regexp.MustCompile(`<script[^>]*>[^<]`).Match(f.body) {
			t.Errorf("%s has inline styles or scripts, which the policy forbids", path)
		}
	}
}

func TestDocs_RequirementsAndCodesHaveAnchors(t *testing.T) {
	h := Docs()
	if b := get(t, h, "/docs/40-sync").Body.String(); !strings.Contains(b, `id="SYNC-CURSOR-3"`) {
		t.Error("no anchor for a requirement")
	}
	b := get(t, h, "/docs/errors").Body.String()
	for _, c := range fault.All() {
		if !strings.Contains(b, `id="`+string(c)+`"`) {
			t.Errorf("no anchor for the code %s", c)
		}
	}
}

func TestDocs_LinksToRequirementsStayLinks(t *testing.T) {
	b := get(t, Docs(), "/docs/00-introduction").Body.String()
	if !strings.Contains(b, `<a href="/docs/20-log#LOG-IDEMPOTENCE-1">LOG-IDEMPOTENCE-1</a>`) {
		t.Error("the link to a requirement was rewritten wrongly")
	}
}

func TestDocs_TheReferenceNamesEveryOperation(t *testing.T) {
	doc, err := readTree(spec.Files(), openAPI)
	if err != nil {
		t.Fatal(err)
	}
	b := get(t, Docs(), "/docs/api").Body.String()
	n := 0
	for _, item := range doc.at("paths").members() {
		for _, o := range item.members() {
			n++
			if id := o.at("operationId").text(); !strings.Contains(b, `<h3 id="`+id+`"`) {
				t.Errorf("operation %s is missing", id)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d operations found", n)
	}
}

func TestDocs_RawFilesAreServedUnchanged(t *testing.T) {
	h := Docs()
	for path, want := range map[string]string{
		"/docs/openapi.yaml":            "openapi: \"3.1.0\"",
		"/docs/asyncapi.yaml":           "asyncapi: \"3.0.0\"",
		"/docs/errors.yaml":             "not_member",
		"/docs/schemas/event.json":      `"title": "Event"`,
		"/docs/requirements.yaml":       "SYNC-CURSOR-3",
		"/docs/search.json":             "SYNC-CURSOR-3",
		"/docs/assets/style.css":        ":root",
		"/docs/assets/search.js":        "search",
		"/docs/40-sync.md":              "<h1",
		"/docs/40-sync/":                "<h1",
		"/docs/":                        "The Parley protocol",
		"/docs/examples/ack/valid.json": "sent",
	} {
		if w := get(t, h, path); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s answers %d without %q", path, w.Code, want)
		}
	}
}

func TestDocs_StrictPolicyOnEveryAnswer(t *testing.T) {
	for _, path := range []string{"/docs", "/docs/nothing", "/docs/openapi.yaml"} {
		h := get(t, Docs(), path).Header()
		if p := h.Get("Content-Security-Policy"); p != policy || strings.Contains(p, "unsafe") || strings.Contains(p, "*") {
			t.Errorf("%s has the policy %q", path, p)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s lets browsers guess", path)
		}
	}
}

func TestDocs_UnknownPagesAndOtherMethodsAreRefused(t *testing.T) {
	h := Docs()
	if w := get(t, h, "/docs/nothing"); w.Code != 404 || !strings.Contains(w.Body.String(), "No such page") {
		t.Errorf("unknown page: %d", w.Code)
	}
	if w := get(t, h, "/docs/../spec/doc.go"); w.Code != 404 {
		t.Errorf("path out of the site: %d", w.Code)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/docs", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("HEAD", "/docs", nil))
	if w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", w.Code, w.Body.Len())
	}
}

func TestDocs_AnUnchangedPageIsNotSentAgain(t *testing.T) {
	h := Docs()
	tag := get(t, h, "/docs").Header().Get("ETag")
	r := httptest.NewRequest("GET", "/docs", nil)
	r.Header.Set("If-None-Match", tag)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if tag == "" || w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("tag %q: %d with %d bytes", tag, w.Code, w.Body.Len())
	}
}

func TestSearch_FindsPagesRulesCodesAndCalls(t *testing.T) {
	var entries []entry
	if err := json.Unmarshal(made(t)["/docs/search.json"].body, &entries); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	want := map[string]string{"SYNC-CURSOR-3": "/docs/40-sync#SYNC-CURSOR-3", "not_member": "/docs/errors#not_member", "Register an account": "/docs/api#register", "message_ack": "/docs/frames#server.message_ack"}
	for _, e := range entries {
		kinds[e.Kind]++
		if want[e.Title] == e.URL {
			delete(want, e.Title)
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the index: %v", want)
	}
	for _, k := range []string{"page", "section", "rule", "code", "call", "frame", "shape", "value"} {
		if kinds[k] == 0 {
			t.Errorf("no entry of kind %s", k)
		}
	}
}

func TestDocs_WordsOfForceStandOutButNotInCode(t *testing.T) {
	b := get(t, Docs(), "/docs/40-sync").Body.String()
	if !strings.Contains(b, "A cursor <strong>MUST NOT</strong> be longer") {
		t.Error("MUST NOT does not stand out")
	}
	if !strings.Contains(b, "it <strong>MAY</strong> cover less") {
		t.Error("the second word of a sentence does not stand out")
	}
}

func TestWords_AreEscapedAndBackticksBecomeCode(t *testing.T) {
	if got := words("a `<b>` & c"); got != "a <code>&lt;b&gt;</code> &amp; c" {
		t.Errorf("got %s", got)
	}
}
