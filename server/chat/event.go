// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"slices"
	"strconv"
	"time"

	"parley.chat/protocol/frame"
)

// message shows a message, unless it is of this run and stands there already.
func (a *app) message(e frame.Event) {
	c := a.get(e.ConversationID)
	a.note(e)
	c.keep(e)
	own := e.SenderID == a.self
	seen := e.Seq <= c.shown || (own && c.find(e.TempID) != nil)
	switch {
	case seen:
	case a.open == e.ConversationID:
		c.shown = e.Seq
		a.screen.print(a.format(c, e))
		if !own {
			a.read(c, e)
		}
	case !own && a.greeted && !a.quiet(c, e, time.Now()):
		a.screen.print("(" + a.title(c) + ") " + a.person(e.SenderID) + ": " + short(a.preview(e), 80))
	}
}

// quiet tells whether the user wants to hear nothing of a message in a conversation that is not open.
func (a *app) quiet(c *conv, e frame.Event, now time.Time) bool {
	switch {
	case c.IsRequest, c.IsHidden, c.Notifications == "none":
		return true
	case c.Notifications == "mentions", c.muted(now):
		return !slices.Contains(e.Mentions, a.self) && !slices.Contains(e.Mentions, frame.MentionAll)
	}
	return false
}

// read tells the server that the user saw the conversation up to the message.
func (a *app) read(c *conv, e frame.Event) {
	c.UnreadCount = 0
	if err := a.client.MarkRead(c.ConversationID, e.MessageID); err != nil {
		a.screen.print("! " + explain(err))
	}
}

func (a *app) change(ctx context.Context, e frame.Event) {
	c := a.get(e.ConversationID)
	fresh := a.note(e)
	a.membership(c, e)
	if fresh && a.greeted && begins(e, a.self) {
		a.introduce(ctx, c)
	}
	ownerLeft := c.follow(e)
	switch {
	case e.Seq <= c.shown:
	case a.open == e.ConversationID:
		c.shown = e.Seq
		a.screen.print(a.format(c, e))
		if ownerLeft && c.Membership != "left" {
			a.succession(ctx, c)
		}
	case a.greeted && fresh && e.SenderID != a.self && concerns(e, a.self):
		a.screen.print("(" + a.title(c) + ") " + a.describe(e))
	}
}

// begins tells whether an event makes the user a member of what others made.
func begins(e frame.Event, self string) bool {
	added := e.Type == frame.TypeMemberAdd && e.Change != nil && slices.Contains(e.Change.UserIDs, self)
	return added || e.Type == frame.TypeMemberJoin && e.SenderID == self
}

// introduce reads what a conversation is called that the user came into. Without it the list tells later.
func (a *app) introduce(ctx context.Context, c *conv) {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	if s, err := a.client.Conversation(ctx, c.ConversationID); err == nil {
		a.learn(s)
	}
}

// ticks tells how far own messages got: plainly line by line, else the prompt does.
func (a *app) ticks(conversationID string) {
	for _, o := range a.get(conversationID).moved() {
		if a.plain {
			line := o.tick + " " + short(clean(o.text), 40)
			if o.seq >= 0 {
				line += "  #" + strconv.FormatInt(o.seq, 10)
			}
			a.screen.print(line)
		}
	}
}
