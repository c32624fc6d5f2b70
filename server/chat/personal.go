// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// prefer changes own settings of the open conversation and says what that means.
func (a *app) prefer(ctx context.Context, in rest.EditPrefs, done string) error {
	c, err := a.client.SetPrefs(ctx, a.open, in)
	if err == nil {
		a.get(a.open).Conversation = c
		a.screen.print(a.title(a.get(a.open)) + " " + done)
	}
	return err
}

// onOff reads an optional `off`.
func onOff(args []string, name string) (*bool, error) {
	on := len(args) == 0
	if !on && (len(args) > 1 || args[0] != "off") {
		return nil, usage(name)
	}
	return &on, nil
}

func either(on bool, yes, no string) string {
	if on {
		return yes
	}
	return no
}

// duration reads what time.ParseDuration does, and whole days.
func duration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

func (a *app) cmdMute(ctx context.Context, args []string) error {
	until, done := int64(0), "is no longer muted"
	switch args[0] {
	case "off":
	case "always":
		until, done = 1<<53-1, "is muted"
	default:
		d, err := duration(args[0])
		if err != nil || d <= 0 {
			return usage("/mute")
		}
		until = time.Now().Add(d).UnixMilli()
		done = "is muted until " + clock(until, time.Now())
	}
	return a.prefer(ctx, rest.EditPrefs{MutedUntil: &until}, done)
}

func (a *app) cmdPinChat(ctx context.Context, args []string) error {
	on, err := onOff(args, "/pinchat")
	if err != nil {
		return err
	}
	return a.prefer(ctx, rest.EditPrefs{IsPinned: on}, either(*on, "stays at the top", "no longer stays at the top"))
}

func (a *app) cmdArchive(ctx context.Context, args []string) error {
	on, err := onOff(args, "/archive")
	if err != nil {
		return err
	}
	return a.prefer(ctx, rest.EditPrefs{IsArchived: on}, either(*on, "is archived: /list all shows it", "is back in the list"))
}

func (a *app) cmdUnread(ctx context.Context, _ []string) error {
	on := true
	return a.prefer(ctx, rest.EditPrefs{MarkedUnread: &on}, "is marked unread")
}

func (a *app) cmdNotify(ctx context.Context, args []string) error {
	what := strings.ToLower(args[0])
	done := map[string]string{"all": "tells you every message", "mentions": "tells you only what mentions you", "none": "tells you no message"}[what]
	if done == "" {
		return usage("/notify")
	}
	return a.prefer(ctx, rest.EditPrefs{Notifications: &what}, done)
}

func (a *app) cmdDraft(ctx context.Context, args []string) error {
	if len(args) > 0 {
		text, done := args[0], "keeps the draft"
		if strings.TrimSpace(text) == "-" {
			text, done = "", "has no draft any more"
		}
		return a.prefer(ctx, rest.EditPrefs{Draft: &text}, done)
	}
	c, err := a.client.Conversation(ctx, a.open)
	if err != nil {
		return err
	}
	if c.Draft == "" {
		a.screen.print("no draft")
		return nil
	}
	a.screen.print("draft: " + clean(c.Draft))
	return nil
}

// newest is the newest message of the open conversation.
func (a *app) newest(ctx context.Context) (frame.Event, error) {
	c, err := a.client.Conversation(ctx, a.open)
	if err != nil {
		return frame.Event{}, err
	}
	if c.LastMessage == nil {
		return frame.Event{}, errors.New("there is no message yet")
	}
	return *c.LastMessage, nil
}

// marked reads `[off] [N|last]`: the message that is meant, else the newest, and whether it gets the mark.
func (a *app) marked(ctx context.Context, args []string, name string) (on bool, e frame.Event, err error) {
	on = len(args) == 0 || args[0] != "off"
	if !on {
		args = args[1:]
	}
	if len(args) > 1 {
		return on, e, usage(name)
	}
	e, err = a.chosen(ctx, args)
	return on, e, err
}

// chosen is the message of an optional number, else the newest.
func (a *app) chosen(ctx context.Context, args []string) (frame.Event, error) {
	if len(args) == 0 {
		return a.newest(ctx)
	}
	return a.find(ctx, args[0], false)
}

// quote names a message by its number and the beginning of its text.
func (a *app) quote(e frame.Event) string {
	return "#" + strconv.FormatInt(e.Seq, 10) + ": " + short(a.preview(e), 40)
}

func (a *app) cmdStar(ctx context.Context, args []string) error {
	on, e, err := a.marked(ctx, args, "/star")
	if err != nil {
		return err
	}
	do, done := a.client.Star, "starred "
	if !on {
		do, done = a.client.Unstar, "took the star off "
	}
	if err := do(ctx, a.open, e.MessageID); err != nil {
		return err
	}
	a.screen.print(done + a.quote(e))
	return nil
}

func (a *app) cmdStarred(ctx context.Context, _ []string) error {
	return a.pages("nothing is starred", func(cursor string) (string, error) {
		page, err := a.client.Starred(ctx, cursor, 0)
		for _, e := range page.Messages {
			a.list1(a.place(ctx, e.ConversationID) + " " + a.format(a.get(e.ConversationID), e))
		}
		return page.NextCursor, err
	})
}

func (a *app) cmdReceipts(ctx context.Context, args []string) error {
	e, err := a.chosen(ctx, args)
	if err != nil {
		return err
	}
	told := false
	return a.pages("", func(cursor string) (string, error) {
		page, err := a.client.Receipts(ctx, a.open, e.MessageID, cursor, 0)
		if err == nil && !told {
			told = true
			a.screen.print(a.quote(e) + fmt.Sprintf(", delivered to %d, read by %d of %d", page.DeliveredCount, page.ReadCount, page.MemberCount))
		}
		for _, r := range page.Receipts {
			a.list1(a.person(r.UserID) + " " + clean(r.Status))
		}
		return page.NextCursor, err
	})
}

func (a *app) cmdBlock(ctx context.Context, args []string) error {
	user, err := a.userID(args[0])
	if err != nil {
		return err
	}
	if err := a.client.Block(ctx, user); err != nil {
		return err
	}
	a.screen.print(a.person(user) + " is blocked")
	return nil
}

func (a *app) cmdUnblock(ctx context.Context, args []string) error {
	user, err := a.userID(args[0])
	if err != nil {
		return err
	}
	if err := a.client.Unblock(ctx, user); err != nil {
		return err
	}
	a.screen.print(a.person(user) + " is no longer blocked")
	return nil
}

func (a *app) cmdBlocks(ctx context.Context, _ []string) error {
	return a.pages("you block nobody", func(cursor string) (string, error) {
		page, err := a.client.Blocks(ctx, cursor, 0)
		for _, b := range page.Blocks {
			a.list1(a.person(b.UserID))
		}
		return page.NextCursor, err
	})
}
