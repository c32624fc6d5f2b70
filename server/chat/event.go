// SPDX-License-Identifier: Apache-2.0

package chat

import (
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
	case !own && a.greeted:
		a.screen.print("(" + a.title(c) + ") " + a.person(e.SenderID) + ": " + short(clean(contentOf(e)), 80))
	}
}

// read tells the server that the user saw the conversation up to the message.
func (a *app) read(c *conv, e frame.Event) {
	c.UnreadCount = 0
	if err := a.client.MarkRead(c.ConversationID, e.MessageID); err != nil {
		a.screen.print("! " + explain(err))
	}
}

func (a *app) change(e frame.Event) {
	c := a.get(e.ConversationID)
	fresh := a.note(e)
	a.membership(c, e)
	switch {
	case e.Seq <= c.shown:
	case a.open == e.ConversationID:
		c.shown = e.Seq
		a.screen.print(a.format(c, e))
	case a.greeted && fresh && e.SenderID != a.self && concerns(e, a.self):
		a.screen.print("(" + a.title(c) + ") " + a.describe(e))
	}
}

// ticks tells how far own messages got: plainly line by line, else the prompt does.
func (a *app) ticks(conversationID string) {
	for _, o := range a.get(conversationID).moved() {
		if a.plain {
			a.screen.print(o.tick + " " + short(clean(o.text), 40))
		}
	}
}
