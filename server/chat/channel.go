// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"strings"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/sdk"
)

// reads tells whether the user reads the conversation without being a member.
func reads(c *conv) bool { return c.Role == "reader" }

func (a *app) cmdChannel(ctx context.Context, args []string) error {
	public := len(args) > 1 && args[1] == "public"
	if len(args) > 2 || len(args) == 2 && !public {
		return errors.New("usage: " + commands()["/channel"].usage)
	}
	c, err := a.client.CreateChannel(ctx, args[0], public)
	if err != nil {
		return err
	}
	if err := a.enter(ctx, c); err != nil {
		return err
	}
	if public {
		a.screen.print("Others read it with: /subscribe " + clean(c.ConversationID))
	}
	return nil
}

func (a *app) cmdSubscribe(ctx context.Context, args []string) error {
	c, err := a.client.Subscribe(ctx, args[0])
	if err != nil {
		return err
	}
	return a.enter(ctx, c)
}

func (a *app) cmdUnsubscribe(ctx context.Context, _ []string) error {
	c := a.get(a.open)
	if !reads(c) {
		return errors.New("you are a member here: /leave")
	}
	if err := a.client.Unsubscribe(ctx, a.open); err != nil {
		return err
	}
	a.forget(a.open)
	a.open = ""
	a.screen.print("You no longer read " + a.title(c) + ".")
	return nil
}

// forget takes a conversation out of what is known.
func (m *model) forget(conversationID string) {
	delete(m.convs, conversationID)
	m.listed = nil
}

// headMoved shows what is new in an open channel, and tells that there is something in another one.
func (a *app) headMoved(ctx context.Context, h frame.ChannelHead) {
	c := a.get(h.ConversationID)
	if h.HeadSeq <= c.shown {
		return
	}
	if a.open != h.ConversationID {
		if a.greeted && h.HeadSeq > c.HeadSeq {
			a.learnChannel(ctx, h)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if err := a.catchUp(ctx, c); err != nil {
		a.fail(err)
	}
}

// learnChannel reads how a channel stands that is not open, and says so.
func (a *app) learnChannel(ctx context.Context, h frame.ChannelHead) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	s, err := a.client.Conversation(ctx, h.ConversationID)
	if err != nil {
		return // It shows with the next hint, or in the list.
	}
	c := a.learn(s)
	if m := c.LastMessage; m != nil && c.UnreadCount > 0 && !a.quiet(c, *m, time.Now()) {
		a.screen.print("(" + a.title(c) + ") " + short(strings.TrimSpace(a.preview(*m)), 80))
	}
}

// catchUp prints what was posted in the open channel since.
func (a *app) catchUp(ctx context.Context, c *conv) error {
	after := c.shown
	for more := true; more; {
		page, err := a.client.Messages(ctx, c.ConversationID, sdk.Range{AfterSeq: &after})
		if err != nil {
			return err
		}
		for _, e := range page.Messages {
			a.note(e)
			c.shown, after = max(c.shown, e.Seq), e.Seq
			a.screen.print(a.format(c, e))
			a.read(c, e)
		}
		more = page.HasMore && len(page.Messages) > 0
	}
	return nil
}
