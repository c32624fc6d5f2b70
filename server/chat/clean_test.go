// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean_LeavesOrdinaryTextAlone(t *testing.T) {
	for _, s := range []string{"", "hello", "naïve café", "日本語", "👩\u200D👩\u200D👧 ❤\uFE0F", "می\u200Cخواهم", "a  b"} {
		if got := clean(s); got != s {
			t.Errorf("clean(%q) = %q", s, got)
		}
	}
}

func TestClean_DefusesWhatMovesOrHides(t *testing.T) {
	cases := map[string]string{
		"a\nb\r\nc\rd":        "a⏎b⏎c⏎d",
		"\x1b]0;title\x07":    "\uFFFD]0;title\uFFFD",
		"\u009b31mred":        "\uFFFD31mred",
		"tab\there":           "tab here",
		"\u202Egpj.exe":       "\uFFFDgpj.exe",
		"\u2066x\u2069":       "\uFFFDx\uFFFD",
		"zero\u200Bwidth":     "zero\uFFFDwidth",
		"bad\xffbyte":         "bad\uFFFDbyte",
		"\U000E0041tag":       "\uFFFDtag",
		"para\u2029graph":     "para⏎graph",
		"back\b\b\bspace\x7f": "back\uFFFD\uFFFD\uFFFDspace\uFFFD",
	}
	for in, want := range cases {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[31m\n\u202E")
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || strings.ContainsAny(got, "\u2028\u2029\u202A\u202E\u2066\u2069\uFEFF") {
			t.Errorf("clean(%q) = %q", s, got)
		}
		if again := clean(got); again != got {
			t.Errorf("clean is not stable: %q, %q", got, again)
		}
	})
}

func TestShort_CutsByRunes(t *testing.T) {
	for in, want := range map[string]string{"": "", "abcd": "abcd", "abcde": "abc…", "äöüß": "äöüß", "äöüßx": "äöü…"} {
		if got := short(in, 4); got != want {
			t.Errorf("short(%q, 4) = %q, want %q", in, got, want)
		}
	}
}
