// SPDX-License-Identifier: Apache-2.0

package spec_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/internal/gen/spectext"
	"parley.chat/protocol/fault"
	"parley.chat/spec"
)

func TestGenerated_FilesAreCurrent(t *testing.T) {
	want, err := spectext.Generate(spec.Files())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range want {
		if diff := cmp.Diff(string(content), string(read(t, name))); diff != "" {
			t.Errorf("%s is not current, run go generate ./spec (-want +got):\n%s", name, diff)
		}
	}
}

func TestErrors_GoCatalogueIsTheYAML(t *testing.T) {
	codes := load[spectext.Code](t, "errors.yaml")
	if len(codes) != len(fault.All()) {
		t.Fatalf("errors.yaml has %d codes, package fault %d", len(codes), len(fault.All()))
	}
	for i, c := range fault.All() {
		want := spectext.Code{Code: string(c), Status: fault.Lookup(c).Status, Retry: fault.Lookup(c).Retry,
			Close: fault.Lookup(c).Close, Since: codes[i].Since, Meaning: fault.Lookup(c).Meaning}
		if diff := cmp.Diff(want, codes[i]); diff != "" {
			t.Errorf("code %d differs (-go +yaml):\n%s", i, diff)
		}
	}
}

func TestErrors_FieldsAreOfTheirSets(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	retry := map[string]bool{"never": true, "later": true, "after_login": true, "after_resync": true}
	for _, c := range load[spectext.Code](t, "errors.yaml") {
		inRange := c.Close == 0 || c.Close == 1009 || c.Close >= 4000 && c.Close <= 4599
		if !name.MatchString(c.Code) || strings.HasPrefix(c.Code, "x_") || !retry[c.Retry] || !inRange || c.Meaning == "" {
			t.Errorf("malformed: %+v", c)
		}
		if c.Status < 400 || c.Status > 599 {
			t.Errorf("%s has status %d", c.Code, c.Status)
		}
	}
}

func TestLimits_NameKnownCodesAndAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range load[spectext.Limit](t, "limits.yaml") {
		if seen[l.Name] || l.Value <= 0 || l.Unit == "" || l.Of == "" || l.Max != 0 && l.Max < l.Value {
			t.Errorf("malformed or twice: %+v", l)
		}
		seen[l.Name] = true
		if l.Error != "" && !knownCode(l.Error) {
			t.Errorf("%s: unknown code %s", l.Name, l.Error)
		}
	}
}

func TestFeatures_AreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range load[spectext.Feature](t, "features.yaml") {
		current := f.Status == "current" && f.Since != ""
		planned := f.Status == "planned" && f.Since == "" && !f.Core
		if seen[f.Name] || f.Of == "" || !current && !planned {
			t.Errorf("malformed or twice: %+v", f)
		}
		seen[f.Name] = true
	}
}

var citation = regexp.MustCompile(`//.*\bspec:((?:[ ,]+[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*-[0-9]+\b)+)`)

func TestCode_CitesExistingRequirements(t *testing.T) {
	known := map[string]bool{}
	reqs, err := spectext.Requirements(spec.Files())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reqs {
		known[r.ID] = true
	}
	cited := 0
	eachGoFile(t, func(path, text string) {
		for _, m := range citation.FindAllStringSubmatch(text, -1) {
			for _, id := range strings.FieldsFunc(m[1], func(r rune) bool { return r == ' ' || r == ',' }) {
				cited++
				if !known[id] {
					t.Errorf("%s cites %s, which no sentence of the specification has", path, id)
				}
			}
		}
	})
	if cited == 0 {
		t.Error("no citation found at all: the search is broken")
	}
}

func TestProse_LinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, name := range glob(t, "*.md") {
		for _, m := range link.FindAllStringSubmatch(withoutCode(string(read(t, name))), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.HasPrefix(target, "https://") {
				continue
			}
			if target == "" {
				target = name
			}
			if _, err := fs.Stat(spec.Files(), target); err != nil {
				t.Errorf("%s: link to %s: %v", name, m[1], err)
				continue
			}
			if anchor != "" && !hasAnchor(string(read(t, target)), anchor) {
				t.Errorf("%s: %s has no anchor %s", name, target, anchor)
			}
		}
	}
}

func TestProse_SchemaLinksAndCodesInBackticksExist(t *testing.T) {
	code := regexp.MustCompile("(?:with|get|gets|else|is|be|answers|error|code is|then|and) `([a-z]+_[a-z_]+)`")
	members := regexp.MustCompile(`^(member_|message_|delivery_|send_|conversation_)`)
	for _, name := range glob(t, "[0-9]*.md") {
		for _, m := range code.FindAllStringSubmatch(string(read(t, name)), -1) {
			if !members.MatchString(m[1]) && !knownCode(m[1]) {
				t.Errorf("%s speaks of %q, which is no code", name, m[1])
			}
		}
	}
}

// hasAnchor tells whether a page has a heading or a requirement of that name.
func hasAnchor(text, anchor string) bool {
	if strings.Contains(text, "["+anchor+"]") {
		return true
	}
	drop := regexp.MustCompile("[^a-z0-9_ -]")
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		heading := drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(strings.TrimLeft(line, "#"))), "")
		if strings.ReplaceAll(heading, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// withoutCode drops fenced blocks.
func withoutCode(text string) string {
	return regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
}

func knownCode(code string) bool {
	for _, c := range fault.All() {
		if string(c) == code {
			return true
		}
	}
	return false
}

func eachGoFile(t *testing.T, f func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err == nil {
			f(path, string(raw))
		}
		return nil // A file may go away while others work in the tree.
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := fs.ReadFile(spec.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := fs.Glob(spec.Files(), pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	return names
}

func load[T any](t *testing.T, name string) []T {
	t.Helper()
	out, err := spectext.Load[T](spec.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
