// SPDX-License-Identifier: Apache-2.0

package text_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"parley.chat/protocol/text"
)

const limit = 64

func TestIsName_ShowsSomethingAndHidesNothing(t *testing.T) {
	for _, s := range []string{
		"", "Team", "Zoë", "名前", "علي", "\u200fعلي", "a b", " a ", "क्\u200dष", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "❤\ufe0f", "-", ".",
		"\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", strings.Repeat("n", limit), strings.Repeat("é", limit/2), "a\u3164",
	} {
		if !text.IsName(s, limit) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{
		" ", "\u00a0", "\u3000", "\u200b", "\u200d\u200c", "\ufeff", "\u2060", "\u00ad", "\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\ufe0f", "\U000E0041",
		"\u180e", "\u061c", " \u200d\u3164 ", "\U0001d159", "a\nb", "a\x00b", "a\x7fb", "a\u0085b", "a\u2028b", "a\u2029b", "a\tb", "\xff", "a\xc3",
		strings.Repeat("n", limit+1), strings.Repeat("é", limit/2) + "e",
	} {
		if text.IsName(s, limit) {
			t.Errorf("%q is taken", s)
		}
	}
	for r := rune(0x2020); r < 0x2070; r++ {
		turns := r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
		if text.IsName("a"+string(r)+"b", limit) == turns {
			t.Errorf("%U is taken: %v", r, !turns)
		}
	}
}

func TestIsLines_AllowsLineFeedsAndNoOtherControls(t *testing.T) {
	for s, want := range map[string]bool{
		"": true, "a\nb\n": true, "\n": true, " ": true, "a\r\nb": false, "a\tb": false, "a\u202eb": false, "a\u2066b": false, "\xff": false,
		strings.Repeat("n", limit): true, strings.Repeat("n", limit+1): false,
	} {
		if text.IsLines(s, limit) != want {
			t.Errorf("%q is taken: %v", s, !want)
		}
		if got := text.IsLine(s, limit); got != (want && !strings.Contains(s, "\n")) {
			t.Errorf("as one line %q is taken: %v", s, got)
		}
	}
}

func TestIsVisible_EveryLetterDigitAndSymbolThatIsNoFiller(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.In(r, unicode.Nd, unicode.Lu, unicode.Ll, unicode.P) && !text.IsVisible(r) {
			t.Errorf("%U is not visible", r)
		}
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Z) && text.IsVisible(r) {
			t.Errorf("%U is visible", r)
		}
	}
}

func TestIsURL_LoadsFromWhereItSays(t *testing.T) {
	for _, s := range []string{
		"https://example.org/a.png", "http://example.org", "http://example.org:8080/a?b=c#d", "https://[::1]/a", "https://例え.jp/あ", "/media/a.png", "/",
		"/a//b", "/a?u=https://b", "/a@b:c", "/a:b",
		"https://example.org/" + strings.Repeat("a", limit-20),
	} {
		if !text.IsURL(s, limit) {
			t.Errorf("%q is refused", s)
		}
	}
	for _, s := range []string{
		"", "a.png", "./a", "//evil.example", "//evil.example/a", "///evil.example", `/\evil.example`, `\\evil.example`, `\/evil.example`, `/a\b`, `https:\\evil.example`,
		`https://example.org\@evil.example`, "http://", "https://", "http:///a", "http://:80/a", "https://?a", "https://#a", "http:example.org", "https:/example.org",
		"https://user@evil.example", "https://user:secret@evil.example/a", "https://@evil.example", "https://example.org@evil.example",
		"javascript:alert(1)", "data:image/png;base64,AAAA", "ftp://example.org/a", "file:///etc/passwd", "HTTPS://example.org", " https://example.org",
		"https://example.org/a b", "https://example.org/\n", "/\t/evil.example", "/\n/evil.example", "/a\x00", "/a\x7f", "/a\u0085", "/a\u00a0b", "/a\u202eb", "/\xff",
		"https://example.org:port/", "https://[::1/a", "https://%zz/", "/%zz", "https://example.org/" + strings.Repeat("a", limit-19),
	} {
		if text.IsURL(s, limit) {
			t.Errorf("%q is taken", s)
		}
	}
}

func FuzzIsURL(f *testing.F) {
	for _, s := range []string{"https://example.org/a", "/a", "//evil", `/\evil`, "http://", "https://a@b", "/%2f/evil", "http://a:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !text.IsURL(s, limit) {
			return
		}
		home := &url.URL{Scheme: "https", Host: "home.example", Path: "/"}
		u, err := home.Parse(s)
		if err != nil || u.User != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
			t.Fatalf("%q is taken, and leads to %v, %v", s, u, err)
		}
		if s[0] == '/' && u.Host != home.Host {
			t.Errorf("the path %q leads to %s", s, u.Host)
		}
		if len(s) > limit || strings.ContainsAny(s, "\\ \t\r\n\x00") {
			t.Errorf("%q is taken", s)
		}
	})
}

func FuzzIsName(f *testing.F) {
	for _, s := range []string{"Team", "\u202ea", "\u200d", "\u3164", "a\nb", "\U0001F468\u200d\U0001F469"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !text.IsName(s, limit) || s == "" {
			return
		}
		if len(s) > limit || !utf8.ValidString(s) || strings.TrimSpace(s) == "" || strings.ContainsFunc(s, unicode.IsControl) ||
			strings.ContainsAny(s, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029") {
			t.Errorf("%q is taken", s)
		}
		if !text.IsLines(s, limit) || !strings.ContainsFunc(s, text.IsVisible) {
			t.Errorf("%q is a name and no text", s)
		}
	})
}
