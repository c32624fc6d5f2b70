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

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// set changes settings of the open conversation.
func (a *app) set(ctx context.Context, in rest.EditConversation) error {
	_, err := a.client.Edit(ctx, a.open, in)
	return err
}

func (a *app) cmdDescribe(ctx context.Context, args []string) error {
	text := strings.Join(args, " ")
	return a.set(ctx, rest.EditConversation{Description: &text})
}

func (a *app) cmdPermissions(ctx context.Context, args []string) error {
	if len(args) == 2 {
		return a.set(ctx, rest.EditConversation{Permissions: map[string]string{args[0]: strings.ToLower(args[1])}})
	}
	if len(args) != 0 {
		return errors.New("usage: " + commands()["/permissions"].usage)
	}
	c, err := a.client.Conversation(ctx, a.open)
	if err != nil {
		return err
	}
	for _, what := range slices.Sorted(maps.Keys(c.Permissions)) {
		a.screen.print(fmt.Sprintf("  %-14s  %s", clean(what), clean(c.Permissions[what])))
	}
	return nil
}

func (a *app) cmdSlow(ctx context.Context, args []string) error {
	n, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return errors.New("usage: " + commands()["/slow"].usage)
	}
	return a.set(ctx, rest.EditConversation{SlowMode: &n})
}

func (a *app) cmdTimer(ctx context.Context, args []string) error {
	n, ok := map[string]int64{"off": 0, "1d": 86400, "7d": 604800, "90d": 7776000}[strings.ToLower(args[0])]
	if !ok {
		return errors.New("usage: " + commands()["/timer"].usage)
	}
	return a.set(ctx, rest.EditConversation{EphemeralTimer: &n})
}

func (a *app) cmdTransfer(ctx context.Context, args []string) error {
	return a.withUser(ctx, args[0], a.client.TransferOwner)
}

// withUser does what is done to a user of the open conversation.
func (a *app) withUser(ctx context.Context, name string, do func(ctx context.Context, conversationID, userID string) error) error {
	user, err := a.userID(name)
	if err != nil {
		return err
	}
	return a.aboutUsers(do(ctx, a.open, user), user)
}

func (a *app) cmdBan(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return a.withUser(ctx, args[0], a.client.Ban)
	}
	return pages(func(cursor string) (string, error) {
		page, err := a.client.Bans(ctx, a.open, cursor, 0)
		for _, b := range page.Bans {
			a.screen.print(fmt.Sprintf("  %s, by %s", a.person(b.UserID), a.person(b.BannedBy)))
		}
		return page.NextCursor, err
	})
}

// pages reads page after page until there is no next cursor.
func pages(read func(cursor string) (next string, err error)) error {
	for cursor := ""; ; {
		next, err := read(cursor)
		if err != nil || next == "" || next == cursor {
			return err
		}
		cursor = next
	}
}

func (a *app) cmdUnban(ctx context.Context, args []string) error {
	return a.withUser(ctx, args[0], a.client.Unban)
}

func (a *app) cmdLink(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0, args[0] == "ask":
		link, err := a.client.CreateLink(ctx, a.open, rest.CreateLink{NeedsApproval: len(args) > 0})
		if err != nil {
			return err
		}
		a.screen.print("Whoever has this may join: /join " + clean(link.Token))
		return nil
	case args[0] == "list":
		links, err := a.client.Links(ctx, a.open)
		for i, l := range links {
			a.screen.print(fmt.Sprintf("  %d  by %s, used %d times", i+1, a.person(l.CreatedBy), l.Uses))
		}
		return err
	case args[0] == "revoke" && len(args) == 2:
		return a.revoke(ctx, args[1])
	}
	return errors.New("usage: " + commands()["/link"].usage)
}

// revoke ends the link of a number in /link list.
func (a *app) revoke(ctx context.Context, number string) error {
	links, err := a.client.Links(ctx, a.open)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(links) {
		return errors.New("no link has this number: /link list")
	}
	return a.client.RevokeLink(ctx, a.open, links[n-1].LinkID)
}

func (a *app) cmdJoin(ctx context.Context, args []string) error {
	c, requested, err := a.client.JoinLink(ctx, args[0])
	if err != nil {
		return err
	}
	if requested {
		a.screen.print("You asked to join; a member has to let you in.")
		return nil
	}
	return a.enter(ctx, c)
}

func (a *app) cmdRequests(ctx context.Context, _ []string) error {
	return pages(func(cursor string) (string, error) {
		page, err := a.client.Requests(ctx, a.open, cursor, 0)
		for _, r := range page.Requests {
			a.screen.print("  " + a.person(r.UserID))
		}
		return page.NextCursor, err
	})
}

func (a *app) cmdApprove(ctx context.Context, args []string) error {
	return a.withUser(ctx, args[0], a.client.Approve)
}

func (a *app) cmdDecline(ctx context.Context, args []string) error {
	return a.withUser(ctx, args[0], a.client.Decline)
}

func (a *app) cmdPin(ctx context.Context, args []string) error {
	c, err := a.client.Conversation(ctx, a.open)
	switch {
	case err != nil:
		return err
	case len(args) > 0 && args[0] != "off":
		return errors.New("usage: " + commands()["/pin"].usage)
	case c.LastMessage == nil:
		return errors.New("there is no message to pin")
	case len(args) > 0:
		return a.client.Unpin(ctx, a.open, c.LastMessage.MessageID)
	}
	return a.client.Pin(ctx, a.open, c.LastMessage.MessageID)
}

func (a *app) cmdPins(ctx context.Context, _ []string) error {
	return pages(func(cursor string) (string, error) {
		page, err := a.client.Pins(ctx, a.open, cursor, 0)
		for _, e := range page.Messages {
			a.screen.print("  " + a.format(a.get(a.open), e))
		}
		return page.NextCursor, err
	})
}

// describeGovern says the state events about settings, bans, links and pins.
func (a *app) describeGovern(e frame.Event, change frame.Change, who, whom string) (text string, ok bool) {
	switch e.Type {
	case frame.TypeSettings:
		return who + " changed " + settingsOf(change), true
	case frame.TypeMemberBan:
		return who + " banned " + whom, true
	case frame.TypeMemberUnban:
		return who + " lifted the ban of " + whom, true
	case frame.TypeOwnerTransfer:
		return who + " handed the group over to " + whom, true
	case frame.TypeMemberJoin:
		return who + " joined by a link", true
	case frame.TypeJoinRequest:
		return who + " asks to join: /approve or /decline", true
	case frame.TypeJoinDecline:
		return who + " declined " + whom, true
	case frame.TypeLinkCreate:
		return who + " made an invite link", true
	case frame.TypeLinkRevoke:
		return who + " revoked an invite link", true
	case frame.TypePin:
		return who + " pinned a message", true
	case frame.TypeUnpin:
		return who + " took a pin away", true
	}
	return "", false
}

// settingsOf names what settings change.
func settingsOf(c frame.Change) string {
	var out []string
	if c.Description != nil {
		out = append(out, "the description to "+strconv.Quote(short(clean(*c.Description), 80)))
	}
	if c.AvatarURL != nil {
		out = append(out, "the picture")
	}
	for _, what := range slices.Sorted(maps.Keys(c.Permissions)) {
		out = append(out, "who may "+clean(what)+" to "+clean(c.Permissions[what]))
	}
	if c.EphemeralTimer != nil {
		out = append(out, fmt.Sprintf("the timer to %d days", *c.EphemeralTimer/86400))
	}
	if c.HistoryVisibility != "" {
		out = append(out, "the history to "+clean(c.HistoryVisibility))
	}
	if c.SlowMode != nil {
		out = append(out, fmt.Sprintf("slow mode to %d seconds", *c.SlowMode))
	}
	if c.ServerSearch != nil {
		out = append(out, "search")
	}
	return strings.Join(out, ", ")
}
