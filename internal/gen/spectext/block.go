// SPDX-License-Identifier: Apache-2.0

package spectext

import "strings"

// block is a paragraph, a list item or a table row of Markdown, on one line.
type block struct {
	section string // the heading above it
	text    string
}

// blocks splits Markdown. Fenced code and comments are left out.
func blocks(text string) []block {
	s := splitter{}
	for _, line := range strings.Split(text, "\n") {
		s.line(line)
	}
	s.flush()
	return s.out
}

type splitter struct {
	section string
	lines   []string
	fenced  bool
	out     []block
}

func (s *splitter) line(line string) {
	trimmed := strings.TrimSpace(line)
	switch {
	case strings.HasPrefix(trimmed, "```"):
		s.flush()
		s.fenced = !s.fenced
	case s.fenced:
	case trimmed == "" || strings.HasPrefix(trimmed, "<!--"):
		s.flush()
	case strings.HasPrefix(line, "#"):
		s.flush()
		s.section = strings.TrimSpace(strings.TrimLeft(line, "#"))
	case strings.HasPrefix(trimmed, "- ") || strings.HasPrefix(trimmed, "|"):
		s.flush()
		s.lines = append(s.lines, strings.TrimPrefix(trimmed, "- "))
	default:
		s.lines = append(s.lines, trimmed)
	}
}

func (s *splitter) flush() {
	if len(s.lines) > 0 {
		s.out = append(s.out, block{section: s.section, text: strings.Join(s.lines, " ")})
	}
	s.lines = nil
}
