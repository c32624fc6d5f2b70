// SPDX-License-Identifier: Apache-2.0

package spectext

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func prose(text string) fstest.MapFS {
	return fstest.MapFS{"10-a.md": {Data: []byte(text)}}
}

func TestRequirements_AreFoundWithSectionAndLevel(t *testing.T) {
	got, err := Requirements(prose(`# A

Some words. A server MUST NOT lie,
whatever happens. [A-LIE-1] It is bad. A client SHOULD ask. [A-ASK-1]

## Part two

- It MAY rest; see [A-LIE-1](10-a.md#A-LIE-1). [A-REST-1]
- Nothing here.
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Requirement{
		{ID: "A-LIE-1", Level: "MUST", Text: "A server MUST NOT lie, whatever happens.", File: "10-a.md", Section: "A", Since: "1.0"},
		{ID: "A-ASK-1", Level: "SHOULD", Text: "A client SHOULD ask.", File: "10-a.md", Section: "A", Since: "1.0"},
		{ID: "A-REST-1", Level: "MAY", Text: "It MAY rest; see [A-LIE-1](10-a.md#A-LIE-1).", File: "10-a.md", Section: "Part two", Since: "1.0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRequirements_CodeAndCommentsAreNotProse(t *testing.T) {
	got, err := Requirements(prose("# A\n\n```\nit MUST not be read [A-B-1]\n```\n\n<!-- MUST -->\n"))
	if err != nil || len(got) > 0 {
		t.Errorf("got %v, %v, want nothing", got, err)
	}
}

func TestRequirements_BadProseIsRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"sentence without id", "A server MUST work.", "no id"},
		{"sentence without id before one with", "It SHOULD work. It MUST run. [A-B-1]", "no id"},
		{"sentence without id after one with", "It MUST run. [A-B-1] It MAY rest.", "no id"},
		{"id without force", "It runs. [A-B-1]", "no MUST"},
		{"id twice", "It MUST run. [A-B-1]\n\nIt MUST rest. [A-B-1]", "already"},
		{"table row without id", "| it MUST run | x |", "no id"},
		{"lower-case id", "It MUST run. [a-b-1]", "no id"},
	} {
		if _, err := Requirements(prose(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestGenerate_IsStableOnItsOwnOutput(t *testing.T) {
	files := fstest.MapFS{
		"errors.yaml":  {Data: []byte(`- {code: too_big, status: 413, retry: never, close: 1009, since: "1.0", meaning: "Too big."}`)},
		"openapi.yaml": {Data: []byte("paths:\n  /b:\n    get: {operationId: readB, x-errors: [too_big]}\n  /a:\n    put: {operationId: writeA, x-errors: [too_big]}\n")},
		"limits.yaml":  {Data: []byte(`- {name: size, value: 5, max: 9, unit: bytes, error: too_big, discovery: true, of: "a thing"}`)},
		"90-limits.md": {Data: []byte("# Limits\n\nIt MUST fit. [A-FIT-1]\n\n<!-- limits -->\nstale\n<!-- end -->\nafter\n")},
	}
	first, err := Generate(files)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range first {
		files[name] = &fstest.MapFile{Data: content}
	}
	second, err := Generate(files)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the second run differs:\n%s", diff)
	}
	for name, part := range map[string]string{
		"90-limits.md":      "| `size` * | 5 bytes, up to 9 | a thing | [too_big](errors.md#too_big) |",
		"errors.md":         "### too_big\n\nToo big.\n\nRetry: `never` · closes a socket with 1009 · `readB` `writeA` · since 1.0",
		"requirements.yaml": "- id: A-FIT-1",
	} {
		if !strings.Contains(string(first[name]), part) {
			t.Errorf("%s lacks %q:\n%s", name, part, first[name])
		}
	}
	if page := string(first["90-limits.md"]); strings.Contains(page, "stale") || !strings.HasSuffix(page, "after\n") {
		t.Errorf("the page around the table is wrong:\n%s", page)
	}
}

func TestLoad_UnknownMembersAreRefused(t *testing.T) {
	files := fstest.MapFS{"errors.yaml": {Data: []byte(`- {code: x, colour: red}`)}}
	if _, err := Load[Code](files, "errors.yaml"); err == nil {
		t.Error("want an error")
	}
}

func FuzzRequirements(f *testing.F) {
	f.Add("# A\n\nIt MUST run. [A-B-1]\n")
	f.Add("```\n[A-B-1]\n- x MUST [A-1](y) [A-2]")
	f.Fuzz(func(t *testing.T, text string) {
		reqs, err := Requirements(prose(text))
		for _, r := range reqs {
			if err == nil && (r.Level == "" || !strings.Contains(r.Text, r.Level)) {
				t.Errorf("%+v has no force", r)
			}
		}
	})
}
