// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"maps"
	"slices"

	"parley.chat/protocol/frame"
)

// Change is what a live frame about a message tells.
type Change struct {
	ConversationID string       `json:"conversationId"`
	MessageID      string       `json:"messageId"`
	MessageIDs     []string     `json:"messageIds"`
	Reason         string       `json:"reason"`
	Event          *frame.Event `json:"event"`
}

// Changed takes a live change of a message.
func (b *Book) Changed(c Change) error {
	if c.Event != nil {
		return b.Live(*c.Event)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range append(c.MessageIDs, c.MessageID) {
		b.expired[m] = true
	}
	return nil
}

// isNewer tells whether a record of the same entry says more: an ack has no content, an older record is not what it is now.
func isNewer(e, have frame.Event) bool {
	if have.ContentType == "" && have.DeletedAt == 0 {
		return true
	}
	return e.ChangedSeq > have.ChangedSeq || e.ContentType == "" && e.DeletedAt == 0 && e.ExpiresAt > 0 && e.DeviceID != ""
}

// Now is a message as the device must show it after all that it was told, by the words of the spec.
func (b *Book) Now(conv string, seq int64, reader string) frame.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.events[conv][seq]
	m.Reactions = slices.Clone(m.Reactions)
	for _, at := range slices.Sorted(maps.Keys(b.events[conv])) {
		if e := b.events[conv][at]; e.TargetMessageID == m.MessageID && e.Seq > m.ChangedSeq {
			apply(&m, e, reader)
		}
	}
	if b.expired[m.MessageID] {
		erase(&m)
	}
	return m
}

func erase(m *frame.Event) {
	m.Content, m.ContentType, m.MediaURL, m.ReplyToMessageID, m.EncryptedContent = "", "", "", "", ""
	m.Mentions, m.IsForwarded, m.Reactions, m.EditedAt = nil, false, nil, 0
}

func apply(m *frame.Event, e frame.Event, reader string) {
	m.ChangedSeq = e.Seq
	switch e.Type {
	case frame.TypeEdit:
		if m.DeletedAt == 0 {
			m.Content, m.Mentions, m.EditedAt = e.Content, e.Mentions, e.Timestamp
		}
	case frame.TypeDelete:
		erase(m)
		m.DeletedAt, m.DeletedBy = e.Timestamp, e.SenderID
	case frame.TypeReaction:
		react(m, e, reader)
	}
}

func react(m *frame.Event, e frame.Event, reader string) {
	i := slices.IndexFunc(m.Reactions, func(r frame.Reaction) bool { return r.Emoji == e.Emoji })
	if e.Action == frame.ActionAdd {
		if i < 0 {
			m.Reactions = append(m.Reactions, frame.Reaction{Emoji: e.Emoji})
			i = len(m.Reactions) - 1
		}
		r := &m.Reactions[i]
		r.Count++
		r.IsOwn = r.IsOwn || e.SenderID == reader
		if len(r.UserIDs) < 20 {
			r.UserIDs = append(slices.Clone(r.UserIDs), e.SenderID)
		}
		return
	}
	if i < 0 {
		return
	}
	r := &m.Reactions[i]
	r.Count--
	r.IsOwn = r.IsOwn && e.SenderID != reader
	r.UserIDs = slices.DeleteFunc(slices.Clone(r.UserIDs), func(u string) bool { return u == e.SenderID })
	if r.Count == 0 {
		m.Reactions = slices.Delete(m.Reactions, i, i+1)
	}
}
