// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"
)

// maxLine bounds a line of plain input: a message is at most 64 KiB.
const maxLine = 128 << 10

// screen is where lines come from and go to. read is for one goroutine, the rest for another.
type screen interface {
	read() (string, error) // io.EOF when the user leaves
	print(line string)     // line is clean
	prompt(p string)       // what stands before the line being typed
	close()
}

func openScreen(plain bool, in, out *os.File) (screen, error) {
	if plain {
		s := bufio.NewScanner(in)
		s.Buffer(nil, maxLine)
		return &plainScreen{in: s, out: out}, nil
	}
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, firstPrompt)
	t.SetBracketedPasteMode(true)
	s := &terminal{t: t, in: in, out: out, restore: old, shown: firstPrompt}
	s.fit()
	return s, nil
}

// onKey implements keyed. It is called before read.
func (t *terminal) onKey(f func(line string)) {
	t.t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key >= ' ' && utf8.ValidRune(key) {
			f(line[:pos] + string(key) + line[pos:])
		}
		return "", 0, false
	}
}

// plainScreen is lines in, lines out.
type plainScreen struct {
	in  *bufio.Scanner
	out io.Writer
}

func (p *plainScreen) read() (string, error) {
	if p.in.Scan() {
		return p.in.Text(), nil
	}
	if err := p.in.Err(); err != nil {
		return "", err
	}
	return "", io.EOF
}

func (p *plainScreen) print(line string) { _, _ = fmt.Fprintln(p.out, line) }
func (p *plainScreen) prompt(string)     {}
func (p *plainScreen) close()            {}

const firstPrompt = "> "

// toRowStart clears the row. The line editor did that before, but counts runes: after a wide one it stops short.
const toRowStart = "\r\x1b[K"

// terminal is a raw terminal with line editing.
type terminal struct {
	t       *term.Terminal
	in, out *os.File
	restore *term.State

	mu    sync.Mutex // guards what follows; a leaf
	width int
	shown string // the prompt
}

// fit follows the size of the window; it is asked whenever something is written.
func (s *terminal) fit() {
	w, h, err := term.GetSize(int(s.out.Fd()))
	if err != nil || w <= 0 || h <= 0 {
		return
	}
	s.mu.Lock()
	changed := w != s.width
	s.width = w
	s.mu.Unlock()
	if changed {
		_ = s.t.SetSize(w, h)
	}
}

func (s *terminal) read() (string, error) {
	line, err := s.t.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	if err == nil {
		s.wipe(line)
	}
	return line, err
}

func (s *terminal) print(line string) {
	s.fit()
	_, _ = s.t.Write([]byte(toRowStart + line + "\n"))
}

func (s *terminal) prompt(p string) {
	p = narrow(p)
	s.mu.Lock()
	same := p == s.shown
	s.shown = p
	s.mu.Unlock()
	if same {
		return
	}
	s.fit()
	s.t.SetPrompt(p)
	_, _ = s.t.Write([]byte(toRowStart)) // Draws the prompt anew.
}

// wipe takes the typed line away, which the app shows in its own way: all rows it stood on.
func (s *terminal) wipe(line string) {
	s.fit()
	s.mu.Lock()
	rows, known := 0, s.width > 0
	if known {
		rows = rowsAbove(s.shown+line, s.width)
	}
	s.mu.Unlock()
	if known {
		_, _ = fmt.Fprintf(s.t, "\x1b[%dA\r\x1b[J", rows)
	}
}

func (s *terminal) close() {
	s.t.SetBracketedPasteMode(false)
	_, _ = fmt.Fprint(s.out, "\r\n")
	_ = term.Restore(int(s.in.Fd()), s.restore)
}
