// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// personalCommands are about what belongs to oneself.
func personalCommands() map[string]command {
	return map[string]command{
		"/mute":     {"/mute 8h|always|off", "hear nothing of it for a while", 1, true, (*app).cmdMute},
		"/pinchat":  {"/pinchat [off]", "keep it at the top", 0, true, (*app).cmdPinChat},
		"/archive":  {"/archive [off]", "put it away", 0, true, (*app).cmdArchive},
		"/unread":   {"/unread", "look at it again later", 0, true, (*app).cmdUnread},
		"/notify":   {"/notify all|mentions|none", "what you are notified of", 1, true, (*app).cmdNotify},
		"/draft":    {"/draft [TEXT]", "what you began to write, on all devices", 0, true, (*app).cmdDraft},
		"/star":     {"/star [off]", "star the newest message, or take its star away", 0, true, (*app).cmdStar},
		"/starred":  {"/starred", "your starred messages", 0, false, (*app).cmdStarred},
		"/receipts": {"/receipts", "who got the newest message", 0, true, (*app).cmdReceipts},
		"/block":    {"/block USER", "hear nothing of someone", 1, false, (*app).cmdBlock},
		"/unblock":  {"/unblock USER", "lift a block", 1, false, (*app).cmdUnblock},
		"/blocks":   {"/blocks", "whom you block", 0, false, (*app).cmdBlocks},
		"/inbox":    {"/inbox [accept|decline N]", "who asks for a conversation", 0, false, (*app).cmdInbox},
		"/settings": {"/settings [NAME VALUE]", "your settings, or change one", 0, false, (*app).cmdSettings},
	}
}

func usage(name string) error { return errors.New("usage: " + personalCommands()[name].usage) }

func (a *app) prefer(ctx context.Context, in rest.EditPrefs) error {
	c, err := a.client.SetPrefs(ctx, a.open, in)
	if err == nil {
		a.get(a.open).Conversation = c
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

func (a *app) cmdMute(ctx context.Context, args []string) error {
	until := int64(0)
	switch args[0] {
	case "off":
	case "always":
		until = 1<<53 - 1
	default:
		d, err := time.ParseDuration(args[0])
		if err != nil || d <= 0 {
			return usage("/mute")
		}
		until = time.Now().Add(d).UnixMilli()
	}
	return a.prefer(ctx, rest.EditPrefs{MutedUntil: &until})
}

func (a *app) cmdPinChat(ctx context.Context, args []string) error {
	on, err := onOff(args, "/pinchat")
	if err != nil {
		return err
	}
	return a.prefer(ctx, rest.EditPrefs{IsPinned: on})
}

func (a *app) cmdArchive(ctx context.Context, args []string) error {
	on, err := onOff(args, "/archive")
	if err != nil {
		return err
	}
	return a.prefer(ctx, rest.EditPrefs{IsArchived: on})
}

func (a *app) cmdUnread(ctx context.Context, _ []string) error {
	on := true
	return a.prefer(ctx, rest.EditPrefs{MarkedUnread: &on})
}

func (a *app) cmdNotify(ctx context.Context, args []string) error {
	if !slices.Contains([]string{"all", "mentions", "none"}, args[0]) {
		return usage("/notify")
	}
	return a.prefer(ctx, rest.EditPrefs{Notifications: &args[0]})
}

func (a *app) cmdDraft(ctx context.Context, args []string) error {
	if len(args) > 0 {
		text := strings.Join(args, " ")
		return a.prefer(ctx, rest.EditPrefs{Draft: &text})
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

func (a *app) cmdStar(ctx context.Context, args []string) error {
	on, err := onOff(args, "/star")
	if err != nil {
		return err
	}
	e, err := a.newest(ctx)
	if err != nil {
		return err
	}
	if *on {
		return a.client.Star(ctx, a.open, e.MessageID)
	}
	return a.client.Unstar(ctx, a.open, e.MessageID)
}

func (a *app) cmdStarred(ctx context.Context, _ []string) error {
	return pages(func(cursor string) (string, error) {
		page, err := a.client.Starred(ctx, cursor, 0)
		for _, e := range page.Messages {
			a.screen.print("  " + a.format(a.get(e.ConversationID), e))
		}
		return page.NextCursor, err
	})
}

func (a *app) cmdReceipts(ctx context.Context, _ []string) error {
	e, err := a.newest(ctx)
	if err != nil {
		return err
	}
	told := false
	return pages(func(cursor string) (string, error) {
		page, err := a.client.Receipts(ctx, a.open, e.MessageID, cursor, 0)
		if err == nil && !told {
			told = true
			a.screen.print(fmt.Sprintf("delivered to %d, read by %d of %d", page.DeliveredCount, page.ReadCount, page.MemberCount))
		}
		for _, r := range page.Receipts {
			a.screen.print("  " + a.person(r.UserID) + " " + r.Status)
		}
		return page.NextCursor, err
	})
}

func (a *app) cmdBlock(ctx context.Context, args []string) error {
	user, err := a.userID(args[0])
	if err != nil {
		return err
	}
	return a.client.Block(ctx, user)
}

func (a *app) cmdUnblock(ctx context.Context, args []string) error {
	user, err := a.userID(args[0])
	if err != nil {
		return err
	}
	return a.client.Unblock(ctx, user)
}

func (a *app) cmdBlocks(ctx context.Context, _ []string) error {
	return pages(func(cursor string) (string, error) {
		page, err := a.client.Blocks(ctx, cursor, 0)
		for _, b := range page.Blocks {
			a.screen.print("  " + a.person(b.UserID))
		}
		return page.NextCursor, err
	})
}

// cmdInbox lists the requests in order of their peers, and answers one by its number.
func (a *app) cmdInbox(ctx context.Context, args []string) error {
	all, err := a.client.AllConversations(ctx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c frame.Conversation) bool { return !c.IsRequest })
	slices.SortFunc(all, func(x, y frame.Conversation) int { return strings.Compare(x.PeerID, y.PeerID) })
	if len(args) == 0 {
		if len(all) == 0 {
			a.screen.print("nobody asks")
		}
		for i, c := range all {
			a.screen.print(fmt.Sprintf("%d  %s asks for a conversation", i+1, a.person(c.PeerID)))
		}
		return nil
	}
	if len(args) != 2 {
		return usage("/inbox")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 1 || n > len(all) {
		return errors.New("no such request: /inbox lists them")
	}
	switch c := all[n-1]; args[0] {
	case "accept":
		c, err = a.client.AcceptRequest(ctx, c.ConversationID)
		if err == nil {
			a.get(c.ConversationID).Conversation = c
		}
		return err
	case "decline":
		return a.client.DeclineRequest(ctx, c.ConversationID)
	}
	return usage("/inbox")
}

func (a *app) cmdSettings(ctx context.Context, args []string) error {
	s, err := a.client.Settings(ctx)
	if len(args) > 0 {
		s, err = a.changeSetting(ctx, args)
	}
	if err != nil {
		return err
	}
	values := map[string]string{
		"readreceipts": strconv.FormatBool(s.ReadReceipts), "lastseen": s.LastSeen, "online": s.Online,
		"message": s.WhoMayMessage, "add": s.WhoMayAdd,
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		a.screen.print("  " + name + " " + values[name])
	}
	return nil
}

func (a *app) changeSetting(ctx context.Context, args []string) (rest.Settings, error) {
	var in rest.EditSettings
	if len(args) != 2 {
		return rest.Settings{}, usage("/settings")
	}
	value := args[1]
	switch args[0] {
	case "readreceipts":
		on := value == "true" || value == "on"
		if !on && value != "false" && value != "off" {
			return rest.Settings{}, errors.New("readreceipts is on or off")
		}
		in.ReadReceipts = &on
	case "lastseen":
		in.LastSeen = &value
	case "online":
		in.Online = &value
	case "message":
		in.WhoMayMessage = &value
	case "add":
		in.WhoMayAdd = &value
	default:
		return rest.Settings{}, errors.New("the settings are readreceipts, lastseen, online, message, add")
	}
	return a.client.SetSettings(ctx, in)
}
