// SPDX-License-Identifier: Apache-2.0

package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley.chat/protocol/fault"
)

// MaxText is the longest text to search for, in bytes. spec: SEARCH-TEXT-1
const MaxText = 256

// Text is what a message must have: all the terms.
type Text struct{ Terms []Term }

// Term is words that follow each other. Of the last one a beginning is enough if Prefix is set.
type Term struct {
	Words  []string
	Prefix bool
}

// ParseText reads a text to search for: words, and phrases in double quotes. Of a word at the very end a beginning is enough.
// Faults: invalid_field. spec: SEARCH-TEXT-1 SEARCH-TEXT-2
func ParseText(s string) (*Text, error) {
	if len(s) > MaxText || !utf8.ValidString(s) {
		return nil, fault.Invalid("q", "must be at most %d bytes of UTF-8", MaxText)
	}
	out := &Text{}
	parts := strings.Split(s, `"`)
	if len(parts)%2 == 0 {
		return nil, fault.Invalid("q", "a quote is not closed")
	}
	for i, part := range parts {
		if i%2 == 1 {
			out.add(part, false)
			continue
		}
		words := strings.FieldsFunc(part, unicode.IsSpace)
		for j, word := range words {
			out.add(word, i == len(parts)-1 && j == len(words)-1)
		}
	}
	if len(out.Terms) == 0 {
		return nil, fault.Invalid("q", "has no letter and no digit")
	}
	return out, nil
}

// add adds what is one term: a word that is written with a hyphen is two that follow each other.
func (t *Text) add(s string, prefix bool) {
	if words := Words(s); len(words) > 0 {
		t.Terms = append(t.Terms, Term{Words: words, Prefix: prefix})
	}
}

// Match tells whether a text has what is searched for. It is the law; an index may be behind.
func (t *Text) Match(text string) bool {
	words := Words(text)
	for _, term := range t.Terms {
		if !term.in(words) {
			return false
		}
	}
	return true
}

func (t Term) in(words []string) bool {
	for at := 0; at+len(t.Words) <= len(words); at++ {
		if t.at(words[at : at+len(t.Words)]) {
			return true
		}
	}
	return false
}

func (t Term) at(words []string) bool {
	last := len(words) - 1
	return slices.Equal(t.Words[:last], words[:last]) &&
		(words[last] == t.Words[last] || t.Prefix && strings.HasPrefix(words[last], t.Words[last]))
}
