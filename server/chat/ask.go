// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

func (e *entrance) interactive() bool { return term.IsTerminal(int(e.in.Fd())) }

func (e *entrance) say(s string) { _, _ = fmt.Fprintln(e.out, s) }

// wantsAccount asks whether to make the account: the server does not tell whether it was the name or the password.
func (e *entrance) wantsAccount() (bool, error) {
	s, err := e.ask((*term.Terminal).ReadLine, "Wrong password, or no account "+e.user+" on "+e.server+". Create it? [y/N] ")
	s = strings.ToLower(strings.TrimSpace(s))
	return s == "y" || s == "yes", err
}

// readSecret reads a line that is not shown.
func (e *entrance) readSecret(prompt string) (string, error) {
	return e.ask(func(t *term.Terminal) (string, error) { return t.ReadPassword(prompt) }, "")
}

// ask reads one line from the terminal in raw mode: there Ctrl-C and Ctrl-D end a question, as io.EOF.
func (e *entrance) ask(read func(*term.Terminal) (string, error), prompt string) (string, error) {
	old, err := term.MakeRaw(int(e.in.Fd()))
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	line, err := read(term.NewTerminal(bytewise{e.in, e.out}, prompt))
	_ = term.Restore(int(e.in.Fd()), old)
	if err != nil {
		e.say("")
	}
	return line, err
}

// bytewise reads one byte at a time, so that nothing behind the line is taken away from whoever reads next.
type bytewise struct {
	in *os.File
	io.Writer
}

func (b bytewise) Read(p []byte) (int, error) { return b.in.Read(p[:min(1, len(p))]) }
