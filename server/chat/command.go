// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// command is one of the things to type; args are at least need.
type command struct {
	usage, help string
	need        int
	inside      bool // only with an open conversation
	do          func(a *app, ctx context.Context, args []string) error
}

// errLeave is what a command answers that ends the app.
var errLeave = errors.New("leaving")

// do runs a command, or sends text to the open conversation. A text that begins with a slash is typed with two.
func (a *app) do(ctx context.Context, s string) error {
	s = strings.TrimRight(s, "\r")
	switch {
	case strings.TrimSpace(s) == "":
		return nil
	case strings.HasPrefix(s, "//"):
		return a.send(ctx, s[1:])
	case !strings.HasPrefix(s, "/"):
		return a.send(ctx, s)
	}
	words, err := wordsOf(s)
	if err != nil {
		return err
	}
	c, ok := commands()[words[0]]
	switch {
	case !ok:
		return fmt.Errorf("unknown command %s; /help lists them", words[0])
	case len(words)-1 < c.need:
		return errors.New("usage: " + c.usage)
	case c.inside && a.open == "":
		return errors.New("no conversation is open: /list, then /open N, or /dm NAME")
	}
	return c.do(a, ctx, words[1:])
}

// wordsOf cuts a command into words; what is text is one word, exactly as it was typed.
func wordsOf(s string) ([]string, error) {
	name, rest, _ := strings.Cut(strings.TrimLeft(s, " "), " ")
	n, isText := textAfter(name)
	if !isText {
		return split(s)
	}
	words := []string{name}
	for ; n > 0 && strings.TrimSpace(rest) != ""; n-- {
		var word string
		word, rest, _ = strings.Cut(strings.TrimLeft(rest, " "), " ")
		words = append(words, word)
	}
	if strings.TrimSpace(rest) != "" {
		words = append(words, rest)
	}
	return words, nil
}

// textAfter tells after how many words the text of a command begins, if it takes one.
func textAfter(name string) (words int, ok bool) {
	switch name {
	case "/draft", "/describe":
		return 0, true
	case "/edit", "/reply", "/forward":
		return 1, true
	case "/report":
		return 2, true
	}
	return 0, false
}

// split cuts a line into words; double quotes keep spaces in a word.
func split(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	quoted, inWord := false, false
	for _, r := range s {
		switch {
		case r == '"':
			quoted, inWord = !quoted, true
		case r == ' ' && !quoted:
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quoted {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

func (a *app) send(ctx context.Context, text string) error {
	if a.open == "" {
		return errors.New("no conversation is open: /list, then /open N, or /dm NAME")
	}
	return a.sendMessage(ctx, frame.Send{ConversationID: a.open, Content: text, Mentions: a.mentions(text)})
}

// sendMessage sends to the open conversation.
func (a *app) sendMessage(ctx context.Context, m frame.Send) error {
	text := m.Content
	tempID, err := a.client.SendAsync(ctx, m)
	if err != nil {
		return err
	}
	// The acknowledgement comes through Events, which this goroutine reads after this.
	c := a.get(a.open)
	o := c.sending(tempID, text)
	preface := a.preface(c, frame.Event{ReplyToMessageID: m.ReplyToMessageID})
	if a.plain {
		a.screen.print(o.tick + " " + preface + short(clean(text), 40))
	} else {
		a.screen.print(clock(time.Now().UnixMilli(), time.Now()) + " you: " + preface + clean(text))
	}
	a.spendDraft(ctx, c)
	return nil
}

// spendDraft clears the draft of a conversation in which something was sent. If that fails, the next message does it.
func (a *app) spendDraft(ctx context.Context, c *conv) {
	if c.Draft == "" {
		return
	}
	var none string
	if s, err := a.client.SetPrefs(ctx, c.ConversationID, rest.EditPrefs{Draft: &none}); err == nil {
		c.Conversation = s
	}
}

func (a *app) cmdLogout(ctx context.Context, _ []string) error {
	if err := a.client.Logout(ctx); err != nil {
		return err
	}
	a.screen.print("Logged out.")
	return errLeave
}

func (a *app) cmdQuit(context.Context, []string) error { return errLeave }
