// SPDX-License-Identifier: Apache-2.0

package search

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Bounds of what is indexed of one message.
const (
	maxWords    = 4096
	maxWordSize = 64 // bytes; the rest of a longer word does not count
)

// Words cuts a text into the words it is found by, in order: runs of letters and digits, compatibility forms made plain, case
// folded, without the accents and points that people leave out. Scripts that write no spaces give a word for each character.
// spec: SEARCH-WORD-1
func Words(text string) []string {
	var out []string
	word := make([]byte, 0, maxWordSize)
	flush := func() {
		if len(word) > 0 && len(out) < maxWords {
			out = append(out, string(word))
		}
		word = word[:0]
	}
	for _, r := range cases.Fold().String(norm.NFKD.String(text)) {
		switch {
		case isAccent(r):
		case isAlone(r):
			flush()
			word = utf8.AppendRune(word, r)
			flush()
		case isOfWord(r):
			if len(word)+utf8.RuneLen(r) <= maxWordSize {
				word = utf8.AppendRune(word, r)
			}
		default:
			flush()
		}
		if len(out) == maxWords {
			return out
		}
	}
	flush()
	return out
}

func isOfWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsNumber(r) || unicode.IsMark(r))
}

// isAccent tells the marks that are often left out: accents, Hebrew points, Arabic vowels.
func isAccent(r rune) bool {
	return r >= 0x300 && r <= 0x36f || r >= 0x591 && r <= 0x5c7 && unicode.Is(unicode.Mn, r) || r >= 0x64b && r <= 0x65f
}

// isAlone tells letters of scripts without spaces between words.
func isAlone(r rune) bool {
	return r > 0xe00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) &&
		unicode.IsLetter(r)
}
