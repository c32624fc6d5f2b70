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
	return a.set(ctx, rest.EditConversation{Description: &args[0]})
}

func (a *app) cmdPermissions(ctx context.Context, args []string) error {
	if len(args) == 2 {
		return a.permit(ctx, args[0], strings.ToLower(args[1]))
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

// permit gives a capability to a role and those above it.
func (a *app) permit(ctx context.Context, what, role string) error {
	names := []string{"send", "invite", "editInfo", "pin", "remove", "ban", "deleteOthers", "mentionAll", "manageLinks", "changeSettings"}
	i := slices.IndexFunc(names, func(s string) bool { return strings.EqualFold(s, what) })
	if i < 0 {
		return fmt.Errorf("no permission %s; they are %s", quoted(what), strings.Join(names, ", "))
	}
	if !slices.Contains([]string{"owner", "admin", "member"}, role) {
		return fmt.Errorf("no role %s: a permission is of owner, admin or member", quoted(role))
	}
	return a.set(ctx, rest.EditConversation{Permissions: map[string]string{names[i]: role}})
}

func (a *app) cmdSlow(ctx context.Context, args []string) error {
	if strings.EqualFold(args[0], "off") {
		args[0] = "0"
	}
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

func (a *app) cmdHub(ctx context.Context, args []string) error {
	return a.client.MoveHub(ctx, a.open, args[0])
}

// withUser does what is done to a user of the open conversation.
func (a *app) withUser(ctx context.Context, name string, do func(ctx context.Context, conversationID, userID string) error) error {
	user, err := a.userID(name)
	if err != nil {
		return err
	}
	return do(ctx, a.open, user)
}

func (a *app) cmdBan(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return a.withUser(ctx, args[0], a.client.Ban)
	}
	return a.pages("nobody is banned", func(cursor string) (string, error) {
		page, err := a.client.Bans(ctx, a.open, cursor, 0)
		for _, b := range page.Bans {
			a.list1(a.person(b.UserID) + ", by " + a.person(b.BannedBy))
		}
		return page.NextCursor, err
	})
}

// pages reads page after page until there is no next cursor, and says so if that listed nothing.
func (a *app) pages(empty string, read func(cursor string) (next string, err error)) error {
	a.listing = 0
	for cursor := ""; ; {
		next, err := read(cursor)
		if err != nil {
			return err
		}
		if next == "" || next == cursor {
			break
		}
		cursor = next
	}
	if a.listing == 0 && empty != "" {
		a.screen.print(empty)
	}
	return nil
}

// list1 prints a line of what pages reads.
func (a *app) list1(line string) {
	a.listing++
	a.screen.print("  " + line)
}

// counted is a number of things.
func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.FormatInt(n, 10) + " " + what + "s"
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
		if err == nil && len(links) == 0 {
			a.screen.print("there are no invite links")
		}
		for i, l := range links {
			a.screen.print(fmt.Sprintf("%3d  by %s, used %s", i+1, a.person(l.CreatedBy), counted(l.Uses, "time")))
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
	return a.pages("nobody asks to join", func(cursor string) (string, error) {
		page, err := a.client.Requests(ctx, a.open, cursor, 0)
		for _, r := range page.Requests {
			a.list1(a.person(r.UserID))
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
	on, e, err := a.marked(ctx, args, "/pin")
	switch {
	case err != nil:
		return err
	case on:
		return a.client.Pin(ctx, a.open, e.MessageID)
	}
	return a.client.Unpin(ctx, a.open, e.MessageID)
}

func (a *app) cmdPins(ctx context.Context, _ []string) error {
	return a.pages("nothing is pinned", func(cursor string) (string, error) {
		page, err := a.client.Pins(ctx, a.open, cursor, 0)
		for _, e := range page.Messages {
			a.list1(a.format(a.get(a.open), e))
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
	case frame.TypeHubTransfer:
		return who + " moved the conversation to " + change.Hub, true
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
		return who + " pinned " + a.which(e), true
	case frame.TypeUnpin:
		return who + " unpinned " + a.which(e), true
	}
	return "", false
}

// which names the message an event is about, with its text if that is known.
func (a *app) which(e frame.Event) string {
	if m := a.get(e.ConversationID).kept(e.TargetMessageID); m != nil {
		return a.quote(*m)
	}
	return "a message"
}

// spanOf is a time in seconds, in the largest unit that it is a multiple of.
func spanOf(seconds int64) string {
	switch {
	case seconds == 0:
		return "off"
	case seconds%86400 == 0:
		return counted(seconds/86400, "day")
	case seconds%3600 == 0:
		return counted(seconds/3600, "hour")
	case seconds%60 == 0:
		return counted(seconds/60, "minute")
	}
	return counted(seconds, "second")
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
		out = append(out, "the timer to "+spanOf(*c.EphemeralTimer))
	}
	if c.HistoryVisibility != "" {
		out = append(out, "the history to "+clean(c.HistoryVisibility))
	}
	if c.SlowMode != nil {
		out = append(out, "slow mode to "+spanOf(*c.SlowMode))
	}
	if c.ServerSearch != nil {
		out = append(out, "the search of words to "+either(*c.ServerSearch, "on", "off"))
	}
	return strings.Join(out, ", ")
}
