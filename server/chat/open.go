// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
)

func (a *app) cmdList(ctx context.Context, args []string) error {
	everything := len(args) == 1 && args[0] == "all"
	if len(args) > 0 && !everything {
		return usage("/list")
	}
	if err := a.fetchList(ctx); err != nil {
		a.screen.print("! " + explain(err) + "; this is as known:")
	}
	a.showList(everything)
	return nil
}

func (a *app) cmdDirect(ctx context.Context, args []string) error {
	peer, err := a.userID(args[0])
	if err != nil {
		return a.shut(err)
	}
	if peer == a.self {
		return a.shut(errors.New("that is you: /dm takes the name of someone else"))
	}
	c, err := a.client.CreateDirect(ctx, peer)
	if err != nil {
		return a.shut(err)
	}
	return a.enter(ctx, c)
}

func (a *app) cmdOpen(ctx context.Context, args []string) error {
	chosen, err := a.choose(ctx, strings.Join(args, " "))
	if err != nil {
		return a.shut(err)
	}
	c, err := a.client.Conversation(ctx, chosen)
	if err != nil {
		return a.shut(err)
	}
	return a.enter(ctx, c)
}

// shut closes what is open, since another conversation was meant and cannot be opened: what is typed next is not for this one.
func (a *app) shut(err error) error {
	c := a.convs[a.open]
	a.open = ""
	if c == nil {
		return err
	}
	return errors.New(explain(err) + "; " + a.title(c) + " is closed, no conversation is open now")
}

// enter opens a conversation and shows its end.
func (a *app) enter(ctx context.Context, s frame.Conversation) error {
	c := a.learn(s)
	a.open = s.ConversationID
	a.screen.print("── " + a.title(c) + " ──")
	if !reads(c) {
		if err := a.learnReceipts(ctx, c); err != nil {
			return err
		}
	}
	if err := a.page(ctx, sdk.Range{Limit: openingLines}); err != nil {
		return err
	}
	if c.Draft != "" {
		a.screen.print("(draft) " + clean(c.Draft))
	}
	return nil
}

// learnReceipts reads how far the members got, for the ticks, and so who can be mentioned.
func (a *app) learnReceipts(ctx context.Context, c *conv) error {
	for page := (rest.Members{HasMore: true}); page.HasMore; {
		var err error
		if page, err = a.client.Members(ctx, c.ConversationID, page.NextCursor, mostMembers); err != nil {
			return err
		}
		a.learnMembers(c, page)
	}
	return nil
}

// mostMembers is the largest page of members.
const mostMembers = 100

func (a *app) learnMembers(c *conv, page rest.Members) {
	for _, m := range page.Members {
		if m.Role == "owner" {
			c.owners[m.UserID] = true
		}
		delete(c.gone, m.UserID)
		a.receipt(frame.Receipt{
			ConversationID: c.ConversationID, UserID: m.UserID, DeliveredSeq: m.DeliveredSeq, ReadSeq: m.ReadSeq,
		})
	}
}

func (a *app) cmdHistory(ctx context.Context, args []string) error {
	n, err := lines(args, "/history")
	if err != nil {
		return err
	}
	return a.page(ctx, sdk.Range{Limit: n})
}

// cmdOlder shows what stands before the oldest line that was shown.
func (a *app) cmdOlder(ctx context.Context, args []string) error {
	n, err := lines(args, "/older")
	if err != nil {
		return err
	}
	before := a.get(a.open).oldest
	switch {
	case before < 0:
		return a.page(ctx, sdk.Range{Limit: n})
	case before == 0:
		a.screen.print("That was the beginning.")
		return nil
	}
	return a.page(ctx, sdk.Range{BeforeSeq: &before, Limit: n})
}

// lines reads how many lines are wanted.
func lines(args []string, name string) (int, error) {
	if len(args) == 0 {
		return 20, nil
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > 200 {
		return 0, errors.New("usage: " + name + " [1 to 200]")
	}
	return n, nil
}

// page shows a page of events, the oldest first.
func (a *app) page(ctx context.Context, r sdk.Range) error {
	page, err := a.client.Messages(ctx, a.open, r)
	if err != nil {
		return err
	}
	c := a.get(a.open)
	if len(page.Messages) == 0 && r.BeforeSeq != nil {
		a.screen.print("That was the beginning.")
	}
	slices.Reverse(page.Messages)
	for i, e := range page.Messages {
		a.note(e)
		if i == 0 {
			c.oldest = e.Seq
		}
		c.shown = max(c.shown, e.Seq)
		if e.Type == frame.TypeMessage {
			c.keep(e)
			if e.SenderID == a.self {
				c.recorded(e)
			}
		}
		a.screen.print(a.format(c, e))
	}
	if n := len(page.Messages); n > 0 && r.BeforeSeq == nil {
		a.read(c, page.Messages[n-1])
	}
	a.ticks(a.open)
	return nil
}
