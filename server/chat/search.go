// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
)

// found is the last search and what it found so far.
type found struct {
	search   sdk.Search
	messages []frame.Event
	more     bool
}

const (
	foundLines = 10 // one page of found messages
	emptyPages = 20 // pages without messages that are passed over in one go
	aroundSeqs = 5  // messages before and after the one gone to
)

func (a *app) cmdSearch(ctx context.Context, args []string) error {
	s := sdk.Search{Limit: foundLines}
	var words []string
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, ":")
		var err error
		switch {
		case value == "":
			words = append(words, phrase(arg))
		case name == "from" && value == "me":
			s.SenderID = a.self
		case name == "from":
			s.SenderID, err = a.userID(value)
		case name == "in":
			s.ConversationID, err = a.choose(ctx, value)
		case name == "kind":
			s.ContentType = value
		default:
			words = append(words, phrase(arg))
		}
		if err != nil {
			return err
		}
	}
	s.Text = strings.Join(words, " ")
	return a.search(ctx, s)
}

// phrase puts the quotes back around words that were typed as one.
func phrase(s string) string {
	if strings.Contains(s, " ") {
		return `"` + s + `"`
	}
	return s
}

func (a *app) cmdFind(ctx context.Context, args []string) error {
	words := make([]string, len(args))
	for i, arg := range args {
		words[i] = phrase(arg)
	}
	return a.search(ctx, sdk.Search{Text: strings.Join(words, " "), ConversationID: a.open, Limit: foundLines})
}

// cmdWords switches the search by words on or off, and says what that means.
func (a *app) cmdWords(ctx context.Context, args []string) error {
	on := strings.EqualFold(args[0], "on")
	if !on && !strings.EqualFold(args[0], "off") {
		return errors.New("usage: " + commands()["/words"].usage)
	}
	if err := a.set(ctx, rest.EditConversation{ServerSearch: &on}); err != nil {
		return err
	}
	if on {
		a.screen.print("The server now keeps an index of the words of this group, of older messages too.")
	}
	return nil
}

func (a *app) cmdMore(ctx context.Context, _ []string) error {
	if !a.found.more {
		return errors.New("there is no more: /search WORDS begins a new search")
	}
	return a.goOn(ctx)
}

func (a *app) search(ctx context.Context, s sdk.Search) error {
	a.found = found{search: s, more: true}
	return a.goOn(ctx)
}

// goOn shows the next page that has messages.
func (a *app) goOn(ctx context.Context) error {
	f := &a.found
	for range emptyPages {
		page, err := a.client.Search(ctx, f.search)
		if fault.Is(err, fault.SearchDisabled) {
			return errors.New("words are searched only in groups that have it switched on (/words on), and this is none")
		}
		if err != nil {
			return err
		}
		f.search.Cursor, f.more = page.NextCursor, page.HasMore
		for _, e := range page.Messages {
			f.messages = append(f.messages, e)
			a.screen.print(fmt.Sprintf("%3d  %s  %s", len(f.messages), a.place(ctx, e.ConversationID), a.line1(e)))
		}
		if len(page.Messages) == 0 && page.HasMore {
			continue
		}
		a.tellFound(page.SkippedConversations, page.IncompleteConversations)
		return nil
	}
	a.screen.print("Nothing yet; /more looks further back.")
	return nil
}

// line1 is a found message on one line.
func (a *app) line1(e frame.Event) string { return short(a.format(a.get(e.ConversationID), e), 100) }

// place is the title of a conversation in short; one that the list did not have is asked for.
func (a *app) place(ctx context.Context, conversationID string) string {
	c := a.get(conversationID)
	if c.Type == "" {
		if s, err := a.client.Conversation(ctx, conversationID); err == nil {
			c = a.learn(s)
		}
	}
	return "(" + short(a.title(c), 20) + ")"
}

func (a *app) tellFound(skipped, incomplete int) {
	f := a.found
	switch {
	case len(f.messages) == 0:
		a.screen.print("Nothing is found.")
	case f.more:
		a.screen.print("/more goes on, /goto N opens one of them.")
	default:
		a.screen.print("That is all; /goto N opens one of them.")
	}
	if f.search.Text != "" && skipped > 0 {
		a.screen.print(fmt.Sprintf("Of %d conversations the words are not searched.", skipped))
	}
	if incomplete > 0 {
		a.screen.print(fmt.Sprintf("Of %d conversations the older messages are not indexed yet.", incomplete))
	}
}

func (a *app) cmdGoto(ctx context.Context, args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > len(a.found.messages) {
		return fmt.Errorf("%s is no number of a found message: /search finds some", quoted(args[0]))
	}
	e := a.found.messages[n-1]
	s, err := a.client.Conversation(ctx, e.ConversationID)
	if err != nil {
		return a.shut(err)
	}
	c := a.learn(s)
	a.open = e.ConversationID
	a.screen.print("── " + a.title(c) + ", around what was found ──")
	if err := a.vicinity(ctx, c, e.Seq); err != nil {
		return err
	}
	a.screen.print("/history shows the newest.")
	return nil
}

// vicinity shows the messages about a seq.
func (a *app) vicinity(ctx context.Context, c *conv, seq int64) error {
	after, before := seq-aroundSeqs-1, seq+aroundSeqs+1
	for {
		page, err := a.client.Messages(ctx, c.ConversationID, sdk.Range{AfterSeq: &after, BeforeSeq: &before, Limit: 2*aroundSeqs + 1})
		if err != nil {
			return err
		}
		for _, m := range page.Messages {
			a.note(m)
			if m.Type == frame.TypeMessage && m.SenderID == a.self {
				c.recorded(m)
			}
			mark := "  "
			if m.Seq == seq {
				mark = "> "
			}
			a.screen.print(mark + a.format(c, m))
			after = m.Seq
		}
		if !page.HasMore || len(page.Messages) == 0 {
			return nil
		}
	}
}
