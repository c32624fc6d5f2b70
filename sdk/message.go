// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// MessageChange is an edit, a reaction or a deletion; TargetMessageID names the message. It takes part in the order of events.
// Apply brings the message up to date.
type MessageChange struct{ frame.Event }

// Expired tells that messages disappeared while this client was connected; for others Shown goes by their ExpiresAt.
type Expired struct {
	ConversationID string
	MessageIDs     []string
}

func (MessageChange) update() {}
func (Expired) update()       {}

// EditMessage gives an own message another text and returns it as it is then. Mentions replace those it had.
func (c *Client) EditMessage(ctx context.Context, conversationID, messageID, text string, mentions ...string) (frame.Event, error) {
	var out frame.Event
	err := c.call(ctx, http.MethodPatch, messagePath(conversationID, messageID), rest.EditMessage{Content: text, Mentions: mentions}, &out)
	return out, err
}

// DeleteMessage erases a message for everyone. It is done also if it was gone already.
func (c *Client) DeleteMessage(ctx context.Context, conversationID, messageID string) error {
	return c.call(ctx, http.MethodDelete, messagePath(conversationID, messageID), nil, nil)
}

// React puts an emoji on a message. It is done also if it was there already.
func (c *Client) React(ctx context.Context, conversationID, messageID, emoji string) error {
	return c.call(ctx, http.MethodPut, messagePath(conversationID, messageID)+"/reactions/"+url.PathEscape(emoji), nil, nil)
}

// Unreact takes an own emoji off a message. It is done also if it was not there.
func (c *Client) Unreact(ctx context.Context, conversationID, messageID, emoji string) error {
	return c.call(ctx, http.MethodDelete, messagePath(conversationID, messageID)+"/reactions/"+url.PathEscape(emoji), nil, nil)
}

// Edits returns a page of the versions of a message, the one that was sent first; cursor and limit as in Conversations.
func (c *Client) Edits(ctx context.Context, conversationID, messageID, cursor string, limit int) (rest.Edits, error) {
	var out rest.Edits
	err := c.call(ctx, http.MethodGet, messagePath(conversationID, messageID)+"/edits"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

// Reactions returns a page of who reacted to a message; cursor and limit as in Conversations.
func (c *Client) Reactions(ctx context.Context, conversationID, messageID, cursor string, limit int) (rest.Reactions, error) {
	var out rest.Reactions
	err := c.call(ctx, http.MethodGet, messagePath(conversationID, messageID)+"/reactions"+pageQuery(cursor, limit), nil, &out)
	return out, err
}

func messagePath(conversationID, messageID string) string {
	return conversationPath(conversationID) + "/messages/" + url.PathEscape(messageID)
}

// Apply is the message after an event about it, as the user self sees it. An event that is in the record already, or is about
// another message, changes nothing. The record given stays as it is.
func Apply(m, change frame.Event, self string) frame.Event {
	if change.TargetMessageID != m.MessageID || change.Seq <= m.ChangedSeq {
		return m
	}
	m.ChangedSeq = change.Seq
	switch change.Type {
	case frame.TypeEdit:
		if m.DeletedAt == 0 {
			m.Content, m.Mentions, m.EditedAt = change.Content, change.Mentions, change.Timestamp
		}
	case frame.TypeDelete:
		m = hidden(m)
		m.DeletedAt, m.DeletedBy = change.Timestamp, change.SenderID
	case frame.TypeReaction:
		m.Reactions = reacted(m.Reactions, change, self)
	}
	return m
}

// Shown is the message as it may be shown at a time: without content once it expired.
func Shown(m frame.Event, now time.Time) frame.Event {
	if m.ExpiresAt != 0 && m.ExpiresAt <= now.UnixMilli() {
		return hidden(m)
	}
	return m
}

// hidden is a message without its content.
func hidden(m frame.Event) frame.Event {
	m.Content, m.ContentType, m.MediaURL, m.ReplyToMessageID, m.EncryptedContent = "", "", "", "", ""
	m.Mentions, m.IsForwarded, m.Reactions, m.EditedAt = nil, false, nil, 0
	return m
}

// reacted is the list after an emoji came or went. A record tells the first 20 users only.
func reacted(list []frame.Reaction, change frame.Event, self string) []frame.Reaction {
	const told = 20
	list = slices.Clone(list)
	i := slices.IndexFunc(list, func(r frame.Reaction) bool { return r.Emoji == change.Emoji })
	if i < 0 {
		if change.Action == frame.ActionRemove {
			return list
		}
		list, i = append(list, frame.Reaction{Emoji: change.Emoji}), len(list)
	}
	r := &list[i]
	r.UserIDs = slices.DeleteFunc(slices.Clone(r.UserIDs), func(u string) bool { return u == change.SenderID })
	if change.Action == frame.ActionRemove {
		r.Count--
		r.IsOwn = r.IsOwn && change.SenderID != self
		if r.Count <= 0 {
			list = slices.Delete(list, i, i+1)
		}
		return list
	}
	r.Count++
	r.IsOwn = r.IsOwn || change.SenderID == self
	if len(r.UserIDs) < told {
		r.UserIDs = append(r.UserIDs, change.SenderID)
	}
	return list
}

// changed is the data of the three frames about a message.
type changed struct {
	ConversationID string       `json:"conversationId"`
	MessageID      string       `json:"messageId"`
	MessageIDs     []string     `json:"messageIds"`
	Event          *frame.Event `json:"event"`
}

// messageChanged takes such a frame in: its event has a place in the order.
func (c *conn) messageChanged(ctx context.Context, in changed) error {
	if in.Event != nil {
		return c.arrived(ctx, *in.Event)
	}
	all := in.MessageIDs
	if len(all) == 0 {
		all = []string{in.MessageID}
	}
	return c.c.emit(ctx, Expired{ConversationID: in.ConversationID, MessageIDs: all})
}
