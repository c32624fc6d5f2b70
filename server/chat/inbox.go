// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/frame"
)

// askedPause is how long it is not said again that somebody asks for the same conversation.
const askedPause = 10 * time.Minute

// requested says that somebody asks for a conversation, once for several messages.
func (a *app) requested(r frame.Request, now time.Time) {
	c := a.get(r.ConversationID)
	if c.Type == "" {
		c.Type, c.PeerID = "direct", r.SenderID
	}
	c.IsRequest = true
	if at, ok := a.asked[r.ConversationID]; ok && now.Sub(at) < askedPause {
		return
	}
	for k, at := range a.asked {
		if now.Sub(at) >= askedPause {
			delete(a.asked, k)
		}
	}
	a.asked[r.ConversationID] = now
	a.screen.print("(request) " + a.person(r.SenderID) + " wants to talk: /inbox")
}

// cmdInbox lists the requests in order of their peers, or those declined, and answers one by its number or its peer.
func (a *app) cmdInbox(ctx context.Context, args []string) error {
	read, says, none := a.client.AllConversations, "asks for a conversation", "nobody asks"
	declined := len(args) == 1 && args[0] == "declined"
	byName := len(args) == 2 && args[0] == "accept" && strings.Trim(args[1], "0123456789") != ""
	if declined || byName {
		read, says, none = a.client.HiddenConversations, "was declined", "you declined nobody"
	}
	all, err := read(ctx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c frame.Conversation) bool { return !c.IsRequest && !c.IsHidden })
	slices.SortFunc(all, func(x, y frame.Conversation) int { return strings.Compare(x.PeerID, y.PeerID) })
	switch {
	case byName:
		return a.takeBack(ctx, args[1], all)
	case len(args) == 0 || declined:
		if len(all) == 0 {
			a.screen.print(none)
		}
		for i, c := range all {
			a.screen.print(fmt.Sprintf("%3d  %s %s", i+1, a.person(c.PeerID), says))
		}
		return nil
	case len(args) != 2:
		return usage("/inbox")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 1 || n > len(all) {
		return errors.New("no such request: /inbox lists them")
	}
	return a.answer(ctx, args[0], all[n-1])
}

// takeBack accepts the declined request of a user.
func (a *app) takeBack(ctx context.Context, name string, declined []frame.Conversation) error {
	user, err := a.userID(name)
	if err != nil {
		return err
	}
	for _, c := range declined {
		if c.PeerID == user {
			return a.answer(ctx, "accept", c)
		}
	}
	return errors.New("you declined no request of " + a.person(user) + ": /inbox declined lists them")
}

// answer accepts or declines a request.
func (a *app) answer(ctx context.Context, how string, c frame.Conversation) error {
	switch how {
	case "accept":
		accepted, err := a.client.AcceptRequest(ctx, c.ConversationID)
		if err != nil {
			return err
		}
		a.get(c.ConversationID).Conversation = accepted
		a.screen.print("accepted: /open " + a.title(a.get(c.ConversationID)))
	case "decline":
		if err := a.client.DeclineRequest(ctx, c.ConversationID); err != nil {
			return err
		}
		a.hide(c)
		a.screen.print("declined: " + a.person(c.PeerID) + " is not told")
	default:
		return usage("/inbox")
	}
	delete(a.asked, c.ConversationID)
	return nil
}

// hide takes a declined conversation off the list, and closes it.
func (a *app) hide(s frame.Conversation) {
	c := a.learn(s)
	c.IsRequest, c.IsHidden = false, true
	a.listed = nil
	if a.open == c.ConversationID {
		a.open = ""
	}
}
