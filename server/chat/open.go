// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"parley.chat/protocol/frame"
	"parley.chat/sdk"
)

func (a *app) cmdList(ctx context.Context, _ []string) error {
	if err := a.fetchList(ctx); err != nil {
		a.screen.print("! " + explain(err) + "; this is as known:")
	}
	a.showList()
	return nil
}

func (a *app) cmdDirect(ctx context.Context, args []string) error {
	peer, err := a.userID(args[0])
	if err != nil {
		return err
	}
	if peer == a.self {
		return errors.New("that is you: /dm takes the name of someone else")
	}
	c, err := a.client.CreateDirect(ctx, peer)
	if err != nil {
		return a.aboutUsers(err, peer)
	}
	return a.enter(ctx, c)
}

func (a *app) cmdOpen(ctx context.Context, args []string) error {
	chosen, err := a.choose(ctx, strings.Join(args, " "))
	if err != nil {
		return err
	}
	c, err := a.client.Conversation(ctx, chosen)
	if err != nil {
		return err
	}
	return a.enter(ctx, c)
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
	return a.history(ctx, openingLines)
}

// learnReceipts reads how far the members got, for the ticks.
func (a *app) learnReceipts(ctx context.Context, c *conv) error {
	page, err := a.client.Members(ctx, c.ConversationID, "", 0)
	for _, m := range page.Members {
		a.receipt(frame.Receipt{
			ConversationID: c.ConversationID, UserID: m.UserID, DeliveredSeq: m.DeliveredSeq, ReadSeq: m.ReadSeq,
		})
	}
	return err
}

func (a *app) cmdHistory(ctx context.Context, args []string) error {
	n := 20
	if len(args) > 0 {
		var err error
		if n, err = strconv.Atoi(args[0]); err != nil || n < 1 || n > 200 {
			return errors.New("usage: /history [1 to 200]")
		}
	}
	return a.page(ctx, n, true)
}

func (a *app) history(ctx context.Context, n int) error { return a.page(ctx, n, false) }

// page shows the newest events, with the numbers of messages if they are wanted.
func (a *app) page(ctx context.Context, n int, numbered bool) error {
	page, err := a.client.Messages(ctx, a.open, sdk.Range{Limit: n})
	if err != nil {
		return err
	}
	c := a.get(a.open)
	slices.Reverse(page.Messages)
	for _, e := range page.Messages {
		a.note(e)
		c.shown = max(c.shown, e.Seq)
		line := a.format(c, e)
		if e.Type == frame.TypeMessage {
			c.keep(e)
			if numbered {
				line += "  #" + strconv.FormatInt(e.Seq, 10)
			}
		}
		a.screen.print(line)
	}
	if len(page.Messages) > 0 {
		a.read(c, page.Messages[len(page.Messages)-1])
	}
	return nil
}
