// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"parley.chat/protocol/frame"
)

// format is an event on one line.
func (a *app) format(c *conv, e frame.Event) string {
	at := clock(e.Timestamp, time.Now())
	switch e.Type {
	case frame.TypeMessage:
	case frame.TypeEdit, frame.TypeReaction, frame.TypeDelete:
		return at + " * " + a.about(c, e)
	default:
		return at + " * " + a.describe(e)
	}
	at += " #" + strconv.FormatInt(e.Seq, 10) + " "
	if gone := a.gone(e); gone != "" {
		return at + a.person(e.SenderID) + ": " + gone
	}
	line := at + a.person(e.SenderID) + ": " + a.preface(c, e) + clean(contentOf(e)) + marks(e)
	if e.SenderID == a.self {
		line += "  " + c.tick(e.Seq)
	}
	return line
}

// preview is a message in a list: its content, or why it has none.
func (a *app) preview(e frame.Event) string {
	if gone := a.gone(e); gone != "" {
		return gone
	}
	return clean(contentOf(e))
}

// contentOf is what can be shown of a message on a terminal.
func contentOf(e frame.Event) string {
	switch {
	case e.EncryptedContent != "":
		return "(encrypted)"
	case e.MediaURL != "":
		return strings.TrimSpace("[" + e.ContentType + " " + e.MediaURL + "] " + e.Content)
	}
	return e.Content
}

// describe says a state event.
func (a *app) describe(e frame.Event) string {
	var change frame.Change
	if e.Change != nil {
		change = *e.Change
	}
	who := a.person(e.SenderID)
	var names []string
	for _, u := range change.UserIDs {
		names = append(names, a.person(u))
	}
	whom := strings.Join(names, ", ")
	switch e.Type {
	case frame.TypeCreate:
		return who + " created the " + kindOf(change.ConversationType)
	case frame.TypeMemberAdd:
		return who + " added " + whom
	case frame.TypeMemberRemove:
		return who + " removed " + whom
	case frame.TypeMemberLeave:
		return who + " left"
	case frame.TypeMemberRole:
		return who + " made " + whom + " " + clean(change.Role)
	case frame.TypeRename:
		return who + " renamed it to " + clean(change.Name)
	}
	if text, ok := a.describeGovern(e, change, who, whom); ok {
		return text
	}
	return who + " did something this client does not know (" + clean(e.Type) + ")"
}

// kindOf is the word for a type of conversation.
func kindOf(conversationType string) string {
	switch conversationType {
	case "group", "channel":
		return conversationType
	}
	return "conversation"
}

// concerns tells whether a state event is about the user, or begins a conversation with them.
func concerns(e frame.Event, user string) bool {
	return e.Type == frame.TypeCreate || (e.Change != nil && slices.Contains(e.Change.UserIDs, user))
}

// membership follows whether the user is still a member.
func (a *app) membership(c *conv, e frame.Event) {
	me := e.Change != nil && slices.Contains(e.Change.UserIDs, a.self)
	switch {
	case e.Type == frame.TypeMemberAdd && me, e.Type == frame.TypeMemberJoin && e.SenderID == a.self:
		c.Membership = "joined"
	case e.Type == frame.TypeMemberBan && me:
		c.Membership = "banned"
	case e.Type == frame.TypeMemberRemove && me:
		c.Membership = "removed"
	case e.Type == frame.TypeMemberLeave && e.SenderID == a.self:
		c.Membership = "left"
	}
}

// clock is a time of day, with the day if that is another one.
func clock(ms int64, now time.Time) string {
	t := time.UnixMilli(ms)
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("Jan 2 15:04")
}
