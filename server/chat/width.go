// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

const joiner = '\u200D'

// columns is how many columns of a terminal a rune of clean text takes: 0, 1 or 2. Terminals differ on runes that
// change the one before them, such as skin tones; those count as none.
func columns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf), r >= 0x1160 && r <= 0x11FF, r >= 0x1F3FB && r <= 0x1F3FF:
		return 0
	case r < 0x1100:
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// columnsOf is how many columns a clean text takes.
func columnsOf(s string) int {
	var n int
	for _, r := range s {
		n += columns(r)
	}
	return n
}

// narrow makes a clean text whose runes take one column each, as the line editor counts them: it takes every rune of
// the prompt for one column.
func narrow(s string) string {
	return strings.Map(func(r rune) rune {
		switch n := columns(r); {
		case n == 0:
			return -1
		case n > 1, r >= 0x1F000: // Pictures newer than the tables are wide too.
			return '?'
		}
		return r
	}, s)
}

// rowsAbove tells how many rows the cursor is below the first of the line after Enter. It follows the line editor,
// which begins a new row after as many runes as there are columns, and the terminal, which does so when a rune does
// not fit.
func rowsAbove(line string, wide int) int {
	rows, runes, column := 1, 0, 0
	joined := false
	for _, r := range line {
		n := columns(r)
		if joined {
			n = 0
		}
		joined = r == joiner
		if column+n > wide {
			rows, column = rows+1, 0
		}
		column += n
		if runes++; runes == wide {
			rows, runes, column = rows+1, 0, 0
		}
	}
	return rows
}
