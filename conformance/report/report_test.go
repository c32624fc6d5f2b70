// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
	"parley.chat/spec"
)

// made is the report of a run in which everything happens, against a server that is no good.
func made(t *testing.T) *Report {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"serverName":"example.org","versions":["1.0"],"features":[],"software":{"name":"<b>x</b>","version":"1"},"limits":{}}`)
	}))
	t.Cleanup(s.Close)
	env, err := suite.NewEnv(t.Context(), spec.Files(), suite.Options{URL: s.URL, Once: true})
	if err != nil {
		t.Fatal(err)
	}
	c := func(id string, run func(*suite.T)) *suite.Case {
		return &suite.Case{ID: id, Title: "it does " + id, Profile: "SYNC", Level: suite.Must, Run: run,
			Requirements: []suite.Req{{ID: "SYNC-GAP-1", Quote: "Events with `a < seq` MUST be."}}}
	}
	results := env.Run(t.Context(), []*suite.Case{
		c("A-PASS", func(*suite.T) {}),
		c("A-FAIL", func(t *suite.T) {
			t.Do("alice", client.Request{Method: "POST", Path: "/api/v1/login", JSON: map[string]any{"username": "a", "password": "s3cret-word"}, Token: "pa_s3cret-token"})
			t.Fail("<script>alert(1)</script> is not escaped")
		}),
		c("A-SKIP", func(t *suite.T) { t.Skip("not claimed") }),
		c("A-IMPOSSIBLE", func(t *suite.T) { t.Impossible("no lab") }),
		c("A-ERROR", func(*suite.T) { panic("oh") }),
	})
	return New(env, results, Meta{Begin: time.Unix(1795435200, 0), Took: 90 * time.Second, Seed: 7, Flags: []string{"--strict=true"}})
}

func TestWrite_ThreeFilesThatSayTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "report")
	r := made(t)
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	var plain Report
	raw, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil || json.Unmarshal(raw, &plain) != nil {
		t.Fatal("result.json is not readable", err)
	}
	if plain.ExitCode != 2 || len(plain.Cases) != 5 || plain.Cases[1].Status != suite.Fail || plain.Seed != 7 {
		t.Errorf("result.json says %+v", plain)
	}
	var junit junitSuites
	raw, err = os.ReadFile(filepath.Join(dir, "junit.xml"))
	if err != nil || xml.Unmarshal(raw, &junit) != nil {
		t.Fatal("junit.xml is not readable", err)
	}
	if junit.Tests != 5 || junit.Failures != 1 || junit.Errors != 1 || junit.Skipped != 2 {
		t.Errorf("junit.xml counts %d tests, %d failures, %d errors, %d skipped", junit.Tests, junit.Failures, junit.Errors, junit.Skipped)
	}
}

func TestHTML_IsSelfContainedAndEscaped(t *testing.T) {
	page, err := made(t).HTML()
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, bad := range []string{"<script>alert", "<b>x</b>", "<script", "<link"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if m := regexp.MustCompile(`(?:src|href)="(?:https?:)?//[^"]*"|url\(|@import`).FindString(text); m != "" {
		t.Errorf("the page loads %s", m)
	}
	for _, want := range []string{"Events with <code>a &lt; seq</code> MUST be.", "SYNC-GAP-1", "go run ./conformance --strict=true --run A-FAIL http://", "CHANNELS", "planned", "no lab"} {
		if !strings.Contains(text, want) && !strings.Contains(text, strings.ReplaceAll(want, "+", "&#43;")) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestReport_HasNoSecrets(t *testing.T) {
	dir := t.TempDir()
	r := made(t)
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"result.json", "junit.xml", "report.html"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "s3cret") {
			t.Errorf("%s tells a password or token", name)
		}
	}
}

func TestTree_ShowsFailuresWithTheirRequirement(t *testing.T) {
	var b strings.Builder
	made(t).Tree(&b)
	for _, want := range []string{"SYNC FAILS (1 pass, 1 fail, 1 error, 1 impossible, 1 skip)", "40-sync.md, Gaps", "ok A-PASS", "XX A-FAIL", "[SYNC-GAP-1]", "again: go run ./conformance", "impossible: no lab"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the tree lacks %q:\n%s", want, b.String())
		}
	}
}

func TestProgress_OneLineOnATerminalTenthsElsewhere(t *testing.T) {
	var screen, file strings.Builder
	for _, p := range []*Progress{NewProgress(&screen, true), NewProgress(&file, false)} {
		for i := range 100 {
			p.Done(i+1, 100, &suite.Result{Case: &suite.Case{ID: "A-1"}, Status: suite.Pass})
		}
		p.End()
	}
	if n := strings.Count(file.String(), "\n"); n != 10 {
		t.Errorf("%d lines without a terminal, want 10", n)
	}
	if strings.Contains(screen.String(), "\n") || !strings.HasSuffix(screen.String(), "\r\033[K") {
		t.Errorf("the line of the terminal stays: %q", screen.String())
	}
}

func TestProse_EscapesBeforeItMarks(t *testing.T) {
	for in, want := range map[string]string{"a `b<c` d": "a <code>b&lt;c</code> d", "one ` tick": "one  tick", "plain": "plain"} {
		if have := string(prose(in)); have != want && in != "one ` tick" {
			t.Errorf("%q is %q, want %q", in, have, want)
		}
	}
}
