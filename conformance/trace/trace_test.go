// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"parley.chat/conformance/cases"
	"parley.chat/conformance/suite"
)

const root = "../.."

func house(t *testing.T) *table {
	t.Helper()
	tr, err := load(os.DirFS(root), cases.All())
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestHouse_EveryMustHasACaseOrAReason(t *testing.T) {
	tr := house(t)
	for _, wrong := range append(tr.amiss(), tr.changed(cases.Quotes())...) {
		t.Error(wrong)
	}
}

func TestHouse_CoverageIsCurrent(t *testing.T) {
	have, err := os.ReadFile(root + "/spec/coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(house(t).coverage(), string(have)); diff != "" {
		t.Errorf("run go run ./conformance/trace -write\n%s", diff)
	}
}

func TestHouse_EveryIDIsPublished(t *testing.T) {
	if list := house(t).unpublished(); len(list) > 0 {
		t.Errorf("run go run ./conformance/trace -write: %v are not in spec/requirements.lock", list)
	}
}

// small is a tree in which everything is right.
func small() fstest.MapFS {
	return fstest.MapFS{
		"spec/requirements.yaml":   {Data: []byte("- {id: A-1, level: MUST, text: one, file: a.md}\n- {id: A-2, level: MUST, text: two, file: a.md}\n- {id: B-1, level: SHOULD, text: three, file: b.md}\n")},
		"spec/limits.yaml":         {Data: []byte("[]")},
		"spec/features.yaml":       {Data: []byte("[]")},
		"spec/requirements.lock":   {Data: []byte("A-1\nA-2\n")},
		"conformance/reasons.yaml": {Data: []byte("- {id: A-2, kind: client, reason: because}\n")},
		"core/x.go":                {Data: []byte("package x\n\n\t" + "// " + "spe" + "c: A-1, B-1\nfunc f() {}\n")},
	}
}

func shows(ids ...string) []*suite.Case {
	c := &suite.Case{ID: "C-1"}
	for _, id := range ids {
		c.Requirements = append(c.Requirements, suite.Req{ID: id})
	}
	return []*suite.Case{c}
}

func load1(t *testing.T, tree fstest.MapFS, ids ...string) *table {
	t.Helper()
	tr, err := load(tree, shows(ids...))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestAmiss_NothingIsAmissInARightTree(t *testing.T) {
	tr := load1(t, small(), "A-1")
	if list := tr.amiss(); len(list) > 0 {
		t.Error(list)
	}
	if diff := cmp.Diff([]string{"core/x.go:3"}, tr.code["A-1"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"B-1"}, tr.unpublished()); diff != "" {
		t.Error(diff)
	}
}

func TestAmiss_EachFaultIsFound(t *testing.T) {
	for want, change := range map[string]func(fstest.MapFS) []string{
		"A-1 has neither a case nor a reason":   func(fstest.MapFS) []string { return nil },
		"A-2 has cases and a reason":            func(fstest.MapFS) []string { return []string{"A-1", "A-2"} },
		"case C-1: there is no requirement X-1": func(fstest.MapFS) []string { return []string{"A-1", "X-1"} },
		"core/y.go:1: there is no requirement X-2": func(f fstest.MapFS) []string {
			f["core/y.go"] = &fstest.MapFile{Data: []byte("// " + "spe" + "c: X-2\n")}
			return []string{"A-1"}
		},
		"reasons.yaml: there is no requirement X-3": func(f fstest.MapFS) []string {
			f["conformance/reasons.yaml"].Data = append(f["conformance/reasons.yaml"].Data, "- {id: X-3}\n"...)
			return []string{"A-1"}
		},
		"A-9 was published and is gone": func(f fstest.MapFS) []string {
			f["spec/requirements.lock"].Data = []byte("A-1\nA-9\n")
			return []string{"A-1"}
		},
	} {
		tree := small()
		ids := change(tree)
		if list := strings.Join(load1(t, tree, ids...).amiss(), "\n"); !strings.Contains(list, want) {
			t.Errorf("want %q among\n%s", want, list)
		}
	}
}

func TestChanged_ASentenceThatChangedIsFound(t *testing.T) {
	tr := load1(t, small(), "A-1")
	if list := tr.changed(map[string]string{"A-1": "one"}); len(list) > 0 {
		t.Error(list)
	}
	if list := tr.changed(map[string]string{"A-1": "another"}); len(list) != 1 || !strings.Contains(list[0], "C-1") {
		t.Error(list)
	}
}

func TestCoverage_CountsAndLinks(t *testing.T) {
	page := load1(t, small(), "A-1").coverage()
	for _, want := range []string{"**1 of 2**", "| [a.md](a.md) | 2 | 1 | 1 |", "| [A-1](a.md#A-1) | must | C-1 |", "client: because"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestRun_WritesWhatIsGenerated(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, small()); err != nil {
		t.Fatal(err)
	}
	err := run([]string{"-dir", dir, "-write"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "A-1 has neither") {
		t.Errorf("a tree with other requirements than the cases is right: %v", err)
	}
	lock, err := os.ReadFile(dir + "/spec/requirements.lock")
	if err != nil || string(lock) != "A-1\nA-2\nB-1\n" {
		t.Errorf("the lock is %q: %v", lock, err)
	}
}
