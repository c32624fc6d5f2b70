// SPDX-License-Identifier: Apache-2.0

package web

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func render(t *testing.T, name, text string) page {
	t.Helper()
	pages, err := prosePages(fstest.MapFS{name: {Data: []byte(text)}})
	if err != nil || len(pages) != 1 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	return pages[0]
}

func TestAddress_LinksOfTheRepositoryBecomeLinksOfTheSite(t *testing.T) {
	for link, want := range map[string]string{
		"40-sync.md":          "/docs/40-sync",
		"40-sync.md#gaps":     "/docs/40-sync#gaps",
		"README.md":           "/docs",
		"openapi.yaml":        "/docs/openapi.yaml",
		"schemas/event.json":  "/docs/schemas/event.json",
		"#here":               "#here",
		"https://example.org": "https://example.org",
		"/docs/errors#x":      "/docs/errors#x",
	} {
		if got := address(link); got != want {
			t.Errorf("%s became %s, want %s", link, got, want)
		}
	}
}

func TestProse_HeadingsAreNamedAsOnGitHub(t *testing.T) {
	p := render(t, "10-a.md", "# Title\n\n## Who may read what?\n\n### not_member\n\n## `code` & more\n")
	want := []heading{{2, "who-may-read-what", "Who may read what?"}, {3, "not_member", "not_member"}, {2, "code--more", "code & more"}}
	if diff := cmp.Diff(want, p.Headings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p.Title != "Title" || p.Path != "/docs/10-a" {
		t.Errorf("title %q at %q", p.Title, p.Path)
	}
}

func TestProse_RequirementsBecomeAnchors(t *testing.T) {
	p := render(t, "10-a.md", "# A\n\nIt MUST `run`\nfast. [A-RUN-1] See [A-RUN-2](20-b.md#A-RUN-2) and [that](20-b.md).\n")
	for _, part := range []string{
		`<a class="rule" id="A-RUN-1" href="#A-RUN-1">A-RUN-1</a>`,
		`<a href="/docs/20-b#A-RUN-2">A-RUN-2</a>`,
		`<a href="/docs/20-b">that</a>`,
		`It <strong>MUST</strong> <code>run</code>`,
	} {
		if !strings.Contains(string(p.Body), part) {
			t.Errorf("%q is missing in\n%s", part, p.Body)
		}
	}
	want := []entry{{Title: "A-RUN-1", URL: "/docs/10-a#A-RUN-1", Text: "It MUST run fast.", Kind: "rule"}}
	if diff := cmp.Diff(want, p.entries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProse_WordsOfForceInCodeAndWithinWordsStay(t *testing.T) {
	p := render(t, "10-a.md", "# A\n\n`MUST` MUSTARD MAY\n\n```\nMUST\n```\n")
	if n := strings.Count(string(p.Body), "<strong>"); n != 1 || !strings.Contains(string(p.Body), "<strong>MAY</strong>") {
		t.Errorf("%d words stand out in\n%s", n, p.Body)
	}
}

func TestProse_RawHTMLIsNotRendered(t *testing.T) {
	p := render(t, "10-a.md", "# A\n\n<script>alert(1)</script>\n\n<img src=x>\n")
	if strings.Contains(string(p.Body), "<script") || strings.Contains(string(p.Body), "<img") {
		t.Errorf("raw HTML got through:\n%s", p.Body)
	}
}

func TestProse_WideTablesScroll(t *testing.T) {
	p := render(t, "10-a.md", "# A\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n")
	if b := string(p.Body); !strings.Contains(b, `<div class="scroll"><table>`) || strings.Contains(b, "style=") {
		t.Errorf("the table is\n%s", b)
	}
}

func FuzzProse(f *testing.F) {
	f.Add("# A\n\nIt MUST run. [A-RUN-1]\n\n- MAY [x](y) [A-1]")
	f.Add("MUSTMAY [A-1][A-1](b)\n\n|a|\n|-|\n|SHOULD NOT|")
	f.Fuzz(func(t *testing.T, text string) {
		pages, err := prosePages(fstest.MapFS{"10-a.md": {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		if b := string(pages[0].Body); strings.Contains(b, "<script") {
			t.Errorf("raw HTML got through: %s", b)
		}
	})
}
