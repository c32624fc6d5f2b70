// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes text of other people safe to print on one line: line breaks become a sign, control characters (and with
// them escape sequences) and what reorders or hides text become U+FFFD.
func clean(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
			return '⏎'
		case r == '\t':
			return ' '
		case unicode.IsControl(r) || treacherous(r):
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// treacherous tells runes that show nothing and change how others show: bidirectional controls, invisible operators,
// tags, and noncharacters. The joiners of scripts and emoji are not among them.
func treacherous(r rune) bool {
	switch {
	case r == '\u061C', r == '\u200B', r == '\u200E', r == '\u200F', r == '\u00AD', r == '\uFEFF':
		return true
	case r >= '\u202A' && r <= '\u202E', r >= '\u2060' && r <= '\u206F', r >= '\uFFF9' && r <= '\uFFFB':
		return true
	case r >= 0xE0000 && r <= 0xE007F:
		return true
	}
	return r&0xFFFE == 0xFFFE
}

// short cuts a clean text to at most n runes.
func short(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
