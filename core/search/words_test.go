// SPDX-License-Identifier: Apache-2.0

package search_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/search"
	"parley.chat/protocol/fault"
)

func TestWords_AreWhatPeopleType(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"Hello, World!":                 "hello world",
		"Café crème, naïve Ångström":    "cafe creme naive angstrom",
		"Straße ΣΊΣΥΦΟΣ σίσυφος":        "strasse σισυφοσ σισυφοσ",
		"ﬁne ① ２３ x² İstanbul":          "fine 1 23 x2 istanbul",
		"foo-bar_baz@example.org 12:30": "foo bar baz example org 12 30",
		"東京都へ行く tokyo":                  "東 京 都 へ 行 く tokyo",
		"שָׁלוֹם مُحَمَّد":              "שלום محمد",
		"हिन्दी शब्द":                   "हिन्दी शब्द",
		"👍 \x00 — \u200b'\\":            "",
	} {
		if diff := cmp.Diff(strings.Fields(want), search.Words(text), equateEmpty); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

var equateEmpty = cmp.Transformer("empty", func(in []string) []string {
	return append([]string{}, in...)
})

func TestWords_AreBounded(t *testing.T) {
	words := search.Words(strings.Repeat("a", 10_000) + " " + strings.Repeat("b ", 10_000))
	if len(words) != 4096 || len(words[0]) != 64 {
		t.Errorf("%d words, the first of %d bytes", len(words), len(words[0]))
	}
}

func TestParseText_ReadsWordsPhrasesAndABeginning(t *testing.T) {
	term := func(prefix bool, words ...string) search.Term { return search.Term{Words: words, Prefix: prefix} }
	for q, want := range map[string][]search.Term{
		"hello":              {term(true, "hello")},
		"Hello  wor":         {term(false, "hello"), term(true, "wor")},
		`"Hello World" x`:    {term(false, "hello", "world"), term(true, "x")},
		`a "b c"`:            {term(false, "a"), term(false, "b", "c")},
		`a"b"c`:              {term(false, "a"), term(false, "b"), term(true, "c")},
		"foo-bar":            {term(true, "foo", "bar")},
		`"" ! x`:             {term(true, "x")},
		"' & | :* <-> \\ x(": {term(true, "x")},
		"京都":                 {term(true, "京", "都")},
	} {
		got, err := search.ParseText(q)
		if err != nil {
			t.Errorf("%q: %v", q, err)
			continue
		}
		if diff := cmp.Diff(want, got.Terms); diff != "" {
			t.Errorf("%q (-want +got):\n%s", q, diff)
		}
	}
}

func TestParseText_RefusesWhatFindsNothing(t *testing.T) {
	for _, q := range []string{"", "  ", `"`, `a "b`, `""`, "!?", "\xff", strings.Repeat("a", 257)} {
		if _, err := search.ParseText(q); !fault.Is(err, fault.InvalidField) {
			t.Errorf("%q: %v", q, err)
		}
	}
	if _, err := search.ParseText(strings.Repeat("a", 256)); err != nil {
		t.Errorf("256 bytes: %v", err)
	}
}

func TestText_MatchesByTheLaw(t *testing.T) {
	const text = "The quick brown fox; the lazy dog. Grüße aus 京都市"
	for q, want := range map[string]bool{
		"fox": true, "FOX quick": true, "fo": true, "fo dog": false, "gruss": true, "grüße": true,
		`"quick brown"`: true, `"brown quick"`: false, `"quick fox"`: false, `"quick bro"`: false, `"the lazy dog"`: true,
		"都市": true, "京市": false, "cat": false, "the the": true, "quick-brown": true,
	} {
		parsed, err := search.ParseText(q)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Match(text); got != want {
			t.Errorf("%q: %v, want %v", q, got, want)
		}
	}
}

func TestVector_NamesWordsWithScopeAndPlaces(t *testing.T) {
	if got, want := search.Vector(71, 2*search.Block+5, "to be, or not to be"), `'1z.2/to':1,5 '1z.2/be':2,6 '1z.2/or':3 '1z.2/not':4`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	q, err := search.ParseText(`be "not to" o`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := q.In(71, 3*search.Block-1), `('1z.2/be') & ('1z.2/not' <-> '1z.2/to') & ('1z.2/o':*)`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func FuzzParseText(f *testing.F) {
	for _, s := range []string{`hello "big world" wor`, "' & :* \\", "東京 ﬁ \u0301\u0323", `a"b"c`, "İ ẞ ŉ ǰ"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, q, text string) {
		for _, w := range search.Words(text) {
			if w == "" || len(w) > 64 || !utf8.ValidString(w) || strings.ContainsAny(w, "'\\ \x00:\"") {
				t.Fatalf("%q has the word %q", text, w)
			}
		}
		parsed, err := search.ParseText(q)
		if err != nil {
			if !fault.Is(err, fault.InvalidField) {
				t.Fatal(err)
			}
			return
		}
		if strings.Count(parsed.In(1, 1), "'")%2 != 0 {
			t.Fatalf("%q makes %s", q, parsed.In(1, 1))
		}
		// Whatever is searched for is in a text that is just that, and in one that has it somewhere.
		var all []string
		for _, term := range parsed.Terms {
			all = append(all, term.Words...)
		}
		if plain := strings.Join(all, " "); slices.Equal(search.Words(plain), all) && !parsed.Match(plain) {
			t.Fatalf("%q does not match %q", q, plain)
		}
	})
}
