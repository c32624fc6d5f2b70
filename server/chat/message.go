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
	"parley.chat/sdk"
)

// maxKept is how many messages of a conversation the app keeps for /edit, /react and the like.
const maxKept = 200

// keep remembers a message, in order of seq.
func (c *conv) keep(e frame.Event) {
	i, have := slices.BinarySearchFunc(c.messages, e.Seq, func(m frame.Event, seq int64) int { return int(m.Seq - seq) })
	if have {
		if e.ChangedSeq >= c.messages[i].ChangedSeq {
			c.messages[i] = e
		}
		return
	}
	c.messages = slices.Insert(c.messages, i, e)
	if len(c.messages) > maxKept {
		c.messages = slices.Delete(c.messages, 0, 1)
	}
}

// kept finds a message by its id, or nil.
func (c *conv) kept(messageID string) *frame.Event {
	for i := range c.messages {
		if c.messages[i].MessageID == messageID {
			return &c.messages[i]
		}
	}
	return nil
}

// messageChanged shows an edit, a reaction or a deletion.
func (a *app) messageChanged(e frame.Event) {
	c := a.get(e.ConversationID)
	a.note(e)
	if m := c.kept(e.TargetMessageID); m != nil {
		*m = sdk.Apply(*m, e, a.self)
	}
	if last := c.LastMessage; last != nil {
		now := sdk.Apply(*last, e, a.self)
		c.LastMessage = &now
	}
	if e.Seq <= c.shown {
		return
	}
	if a.open == e.ConversationID {
		c.shown = e.Seq
		a.screen.print(a.format(c, e))
	}
}

// expired takes the content of messages away.
func (a *app) expired(u sdk.Expired) {
	c := a.get(u.ConversationID)
	for _, id := range u.MessageIDs {
		if m := c.kept(id); m != nil {
			m.ExpiresAt = min(max(m.ExpiresAt, 1), time.Now().UnixMilli())
			*m = sdk.Shown(*m, time.Now())
		}
	}
}

// about describes an event about a message.
func (a *app) about(c *conv, e frame.Event) string {
	who, which := a.person(e.SenderID), "a message"
	m := c.kept(e.TargetMessageID)
	if m != nil {
		which = "#" + strconv.FormatInt(m.Seq, 10)
	}
	switch {
	case e.Type == frame.TypeEdit && e.Content == "":
		return who + " edited a message that is gone"
	case e.Type == frame.TypeEdit:
		return who + " edited " + which + ": " + clean(e.Content)
	case e.Type == frame.TypeDelete:
		return who + " deleted " + which
	case e.Action == frame.ActionRemove:
		return who + " took " + clean(e.Emoji) + " off " + which
	}
	return who + " put " + clean(e.Emoji) + " on " + which
}

// marks are what is said behind a message: edited, when it disappears, who reacted.
func marks(e frame.Event) string {
	var out string
	if e.EditedAt != 0 {
		out += " (edited)"
	}
	if e.ExpiresAt != 0 && e.ContentType != "" {
		out += " (until " + clock(e.ExpiresAt, time.Now()) + ")"
	}
	for _, r := range e.Reactions {
		out += " [" + clean(r.Emoji) + " " + strconv.FormatInt(r.Count, 10) + "]"
	}
	return out
}

// gone says why a message has no content; empty if it has some.
func (a *app) gone(e frame.Event) string {
	switch {
	case e.Withheld != "":
		return "(blocked)"
	case e.DeletedAt != 0 && e.DeletedBy == "":
		return "(deleted)"
	case e.DeletedAt != 0:
		return "(deleted by " + a.person(e.DeletedBy) + ")"
	case e.ExpiresAt != 0 && e.ExpiresAt <= time.Now().UnixMilli():
		return "(expired)"
	}
	return ""
}

// find is the message that a word names: its number as /history shows it, or last; own wants the last of the user.
func (a *app) find(ctx context.Context, word string, own bool) (frame.Event, error) {
	c := a.get(a.open)
	if word == "last" {
		for _, m := range slices.Backward(c.messages) {
			if m.DeletedAt == 0 && (!own || m.SenderID == a.self) {
				return m, nil
			}
		}
		return frame.Event{}, errors.New("there is no such message; /history shows them")
	}
	seq, err := strconv.ParseInt(strings.TrimPrefix(word, "#"), 10, 64)
	if err != nil || seq < 0 {
		return frame.Event{}, fmt.Errorf("%s is no message: take the number before the name, or last", clean(word))
	}
	for _, m := range c.messages {
		if m.Seq == seq {
			return m, nil
		}
	}
	after, before := seq-1, seq+1
	page, err := a.client.Messages(ctx, a.open, sdk.Range{AfterSeq: &after, BeforeSeq: &before})
	if err == nil && (len(page.Messages) != 1 || page.Messages[0].Type != frame.TypeMessage) {
		err = errors.New("there is no message with this number")
	}
	if err != nil {
		return frame.Event{}, err
	}
	return page.Messages[0], nil
}

func (a *app) cmdEdit(ctx context.Context, args []string) error {
	m, err := a.find(ctx, args[0], true)
	if err != nil {
		return err
	}
	now, err := a.client.EditMessage(ctx, a.open, m.MessageID, args[1], a.mentions(args[1])...)
	if err == nil {
		a.get(a.open).keep(now)
	}
	return err
}

func (a *app) cmdDelete(ctx context.Context, args []string) error {
	m, err := a.find(ctx, args[0], true)
	if err != nil {
		return err
	}
	if err := a.client.DeleteMessage(ctx, a.open, m.MessageID); err != nil {
		return err
	}
	a.screen.print("deleted " + a.quote(m))
	return nil
}

func (a *app) cmdReact(ctx context.Context, args []string) error {
	m, err := a.find(ctx, args[0], false)
	if err != nil {
		return err
	}
	return a.client.React(ctx, a.open, m.MessageID, args[1])
}

func (a *app) cmdUnreact(ctx context.Context, args []string) error {
	m, err := a.find(ctx, args[0], false)
	if err != nil {
		return err
	}
	return a.client.Unreact(ctx, a.open, m.MessageID, args[1])
}

func (a *app) cmdReply(ctx context.Context, args []string) error {
	m, err := a.find(ctx, args[0], false)
	if err != nil {
		return err
	}
	return a.sendMessage(ctx, frame.Send{ConversationID: a.open, Content: args[1], ReplyToMessageID: m.MessageID, Mentions: a.mentions(args[1])})
}

func (a *app) cmdForward(ctx context.Context, args []string) error {
	m, err := a.find(ctx, args[0], false)
	if err != nil {
		return err
	}
	if m.ContentType == "" {
		return errors.New("the message has no content any more")
	}
	to, err := a.choose(ctx, strings.Trim(strings.TrimSpace(args[1]), `"`))
	if err != nil {
		return err
	}
	_, err = a.client.SendAsync(ctx, frame.Send{
		ConversationID: to, Content: m.Content, ContentType: m.ContentType, MediaURL: m.MediaURL, EncryptedContent: m.EncryptedContent, IsForwarded: true,
	})
	if err == nil {
		a.screen.print("forwarded to " + a.title(a.get(to)))
	}
	return err
}

// preface says what a message replies to, and that it was forwarded.
func (a *app) preface(c *conv, e frame.Event) string {
	var out string
	if e.IsForwarded {
		out = "(forwarded) "
	}
	if e.ReplyToMessageID == "" {
		return out
	}
	if m := c.kept(e.ReplyToMessageID); m != nil {
		return out + "(to " + a.person(m.SenderID) + ", #" + strconv.FormatInt(m.Seq, 10) + ") "
	}
	return out + "(reply) "
}
