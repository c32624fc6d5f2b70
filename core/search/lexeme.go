// SPDX-License-Identifier: Apache-2.0

package search

import (
	"strconv"
	"strings"
)

// Block is how many seqs of a conversation share the lexemes of the index. A lexeme is a word together with its conversation
// and block, so that no look-up touches more messages than a block has, however common the word and however full the shard.
const Block = 4096

// Vector is the text form of the tsvector of a message: its words with their places.
func Vector(conv, seq int64, text string) string {
	words := Words(text)
	at := make(map[string][]int, len(words))
	order := make([]string, 0, len(words))
	for i, w := range words {
		if at[w] == nil {
			order = append(order, w)
		}
		at[w] = append(at[w], i+1)
	}
	scope := scope(conv, seq)
	var b strings.Builder
	for i, w := range order {
		if i > 0 {
			b.WriteByte(' ')
		}
		quote(&b, scope, w)
		for j, n := range at[w] {
			b.WriteByte(":,"[min(j, 1)])
			b.WriteString(strconv.Itoa(n))
		}
	}
	return b.String()
}

// In is the text form of the tsquery that finds the text in the block of a seq.
func (t *Text) In(conv, seq int64) string {
	scope := scope(conv, seq)
	var b strings.Builder
	for i, term := range t.Terms {
		if i > 0 {
			b.WriteString(" & ")
		}
		b.WriteByte('(')
		for j, w := range term.Words {
			if j > 0 {
				b.WriteString(" <-> ")
			}
			quote(&b, scope, w)
			if term.Prefix && j == len(term.Words)-1 {
				b.WriteString(":*")
			}
		}
		b.WriteByte(')')
	}
	return b.String()
}

func scope(conv, seq int64) string {
	return strconv.FormatInt(conv, 36) + "." + strconv.FormatInt(seq/Block, 36) + "/"
}

// quote writes a lexeme; words have letters, digits and marks only, so there is nothing to escape.
func quote(b *strings.Builder, scope, word string) {
	b.WriteByte('\'')
	b.WriteString(scope)
	b.WriteString(word)
	b.WriteByte('\'')
}
