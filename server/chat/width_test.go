// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestColumns_CountsAsTerminalsDo(t *testing.T) {
	cases := map[rune]int{
		'a': 1, 'é': 1, '✓': 1, '…': 1, '─': 1, '日': 2, '한': 2, 'ａ': 2, '👩': 2, '🚀': 2,
		'\u0301': 0, '\uFE0F': 0, joiner: 0, '\u200C': 0, '\U0001F3FD': 0,
	}
	for r, want := range cases {
		if got := columns(r); got != want {
			t.Errorf("columns(%q) = %d, want %d", r, got, want)
		}
	}
}

func TestNarrow_LeavesOnlyWhatTakesOneColumn(t *testing.T) {
	cases := map[string]string{
		"":                     "",
		"[✓✓ read] bob> ":      "[✓✓ read] bob> ",
		"naïve":                "naïve",
		"e\u0301té":            "eté",
		"🚀 crew":               "? crew",
		"日本":                   "??",
		"❤\uFE0F":              "❤",
		"👩\u200D👧":             "??",
		"\U0001F1E9\U0001F1EA": "??",
	}
	for in, want := range cases {
		if got := narrow(in); got != want {
			t.Errorf("narrow(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzNarrow(f *testing.F) {
	f.Add("🚀 e\u0301 日本 ✓")
	f.Fuzz(func(t *testing.T, s string) {
		got := narrow(clean(s))
		n := 0
		for _, r := range got {
			n += columns(r)
		}
		if n != utf8.RuneCountInString(got) {
			t.Errorf("narrow(%q) = %q takes %d columns", s, got, n)
		}
	})
}

func TestRowsAbove_CountsEveryRowOfTheLine(t *testing.T) {
	cases := []struct {
		line string
		want int
	}{
		{"", 1},
		{strings.Repeat("a", 9), 1},
		{strings.Repeat("a", 10), 2}, // The editor goes to the next row at once.
		{strings.Repeat("a", 11), 2},
		{strings.Repeat("a", 25), 3},
		{strings.Repeat("日", 5), 1},
		{strings.Repeat("日", 6), 2},
		{"a" + strings.Repeat("日", 5), 2}, // The fifth does not fit into one column.
		{strings.Repeat("e\u0301", 4), 1},
		{strings.Repeat("a", 7) + "👩\u200D👧", 2}, // Ten runes.
		{strings.Repeat("a", 5) + "👩\u200D👧", 1},
	}
	for _, c := range cases {
		if got := rowsAbove(c.line, 10); got != c.want {
			t.Errorf("rowsAbove(%q) = %d, want %d", c.line, got, c.want)
		}
	}
}
