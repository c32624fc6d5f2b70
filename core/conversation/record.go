// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
)

// statusSent is the status of every committed event; the later ones follow from members' pointers.
const statusSent = "sent"

// Record is the event as clients see it, with status `sent`. Of an erased event the content fields are empty. It fails
// only if the content is not what the log may hold.
func (e *Event) Record() (frame.Event, error) {
	out := frame.Event{
		ConversationID: string(e.ConversationID),
		Seq:            e.Seq,
		MessageID:      e.MessageID.String(),
		Type:           e.Type,
		SenderID:       string(e.Sender),
		DeviceID:       string(e.Device),
		TempID:         e.TempID,
		Timestamp:      e.HubTime,
		Status:         statusSent,
		ExpiresAt:      e.ExpiresAt,
	}
	err := e.fill(&out)
	if err == nil && e.Facts != nil {
		err = e.Facts.fill(&out, e.Content == nil)
	}
	if err != nil {
		return frame.Event{}, fmt.Errorf("record of %s seq %d: %w", e.ConversationID, e.Seq, err)
	}
	return out, nil
}

func (e *Event) fill(out *frame.Event) error {
	switch {
	case e.Content == nil:
		return nil
	case e.Type == frame.TypeMessage:
		return fillMessage(out, e.Content)
	case !ChangesState(e.Type):
		return fillRelation(out, e.Content)
	}
	return fillChange(out, e.Content)
}

func fillMessage(out *frame.Event, content []byte) error {
	if fillPlain(out, string(content)) {
		return nil
	}
	var m frame.Send
	if err := json.Unmarshal(content, &m); err != nil {
		return err
	}
	out.Content, out.ContentType, out.MediaURL = m.Content, m.ContentType, m.MediaURL
	out.ReplyToMessageID, out.EncryptedContent = m.ReplyToMessageID, m.EncryptedContent
	out.Mentions, out.IsForwarded = m.Mentions, m.IsForwarded
	return nil
}

// fillPlain reads an object of known keys and strings without escapes, as nearly all messages are, at a fraction of the
// cost of a decoder. It returns false for anything else, good or bad: then out may hold some of it.
func fillPlain(out *frame.Event, s string) bool {
	if !strings.HasPrefix(s, "{") || !plain(s) {
		return false
	}
	for more := true; more; {
		var key, value string
		var ok bool
		if key, s, ok = cutQuoted(s[1:], ':'); !ok {
			return false
		}
		if value, s, ok = cutQuoted(s[1:], ',', '}'); !ok {
			return false
		}
		switch key {
		case "content":
			out.Content = value
		case "contentType":
			out.ContentType = value
		case "encryptedContent":
			out.EncryptedContent = value
		case "mediaUrl":
			out.MediaURL = value
		case "replyToMessageId":
			out.ReplyToMessageID = value
		default:
			return false
		}
		more = s[0] == ','
	}
	return s == "}"
}

// plain tells whether all strings in the JSON text s stand for themselves.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}

// cutQuoted cuts a quoted string off s; rest begins with one of next.
func cutQuoted(s string, next ...byte) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	value, rest, ok = strings.Cut(s[1:], `"`)
	return value, rest, ok && rest != "" && slices.Contains(next, rest[0])
}

func fillChange(out *frame.Event, content []byte) error {
	c, err := event.ParseChange(out.Type, content)
	if err != nil {
		return err
	}
	if out.Type == frame.TypeMemberAdd {
		c.Role = Simple // Whatever the log says: the fold joins new members with this role.
	}
	out.TargetMessageID = c.TargetMessageID
	c.TargetMessageID, c.SecretHash, c.Acceptance = "", "", nil
	out.Change = &c
	return nil
}

func fillRelation(out *frame.Event, content []byte) error {
	r, err := event.ParseRelation(content)
	if err != nil {
		return err
	}
	out.TargetMessageID, out.Action, out.Emoji = r.TargetMessageID, r.Action, r.Emoji
	out.Content, out.ContentType, out.Mentions = r.Content, r.ContentType, r.Mentions
	return nil
}

// fill shows a message as it is now. Of an erased one nothing but when and by whom is told.
func (f *Facts) fill(out *frame.Event, erased bool) error {
	out.ChangedSeq, out.DeletedAt, out.DeletedBy = f.ChangedSeq, f.DeletedAt, string(f.DeletedBy)
	if erased {
		return nil
	}
	out.Reactions = f.Reactions
	if f.Edited == nil {
		return nil
	}
	edit, err := event.ParseRelation(f.Edited)
	if err != nil {
		return err
	}
	out.Content, out.Mentions, out.EditedAt = edit.Content, edit.Mentions, f.EditedAt
	return nil
}
