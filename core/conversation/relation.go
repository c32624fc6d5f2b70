// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"time"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Bounds of what happens to one message. spec: LIMIT-EDIT-1 LIMIT-REACTION-1 LIMIT-MENTION-1 MSG-DELETE-2
const (
	MaxEdits         = 100
	MaxEmojis        = 50 // different ones on a message
	MaxUserReactions = 20 // of one user on a message
	MaxMentions      = 50
	DeleteWithin     = 48 * time.Hour // of the sender; who may delete those of others may always
)

// decideMessage judges what does not change the state: messages, and events about messages.
func decideMessage(s *State, m Member, p Proposal) error {
	if p.Type == frame.TypeMessage {
		if err := s.need(m, CanSend); err != nil {
			return err
		}
		if err := decideWait(s, p); err != nil {
			return err
		}
		return decideMentions(s, m, p)
	}
	if p.Unheld {
		return decideUnheld(s, m, p)
	}
	t := p.Target
	if t == nil || t.Type != frame.TypeMessage {
		return fault.New(fault.UnknownMessage, "no such message")
	}
	gone := t.gone(p.At)
	switch p.Type {
	case frame.TypeEdit:
		return decideEdit(s, m, p, gone)
	case frame.TypeReaction:
		return decideReaction(p, gone)
	case frame.TypeDelete:
		return decideDelete(s, m, p, gone)
	}
	return fault.Invalid("type", "no event of type %q can be proposed", p.Type)
}

// gone tells whether there is nothing left to do something to. What expired is gone before it is erased, so that all who judge
// an entry judge alike, however soon they erase.
func (t *Target) gone(at int64) bool {
	return t.Erased || t.ExpiresAt != 0 && t.ExpiresAt <= at
}

// decideMentions wants different members, or all where the member may. spec: MSG-MENTION-1
func decideMentions(s *State, m Member, p Proposal) error {
	if len(p.Mentions) == 0 {
		return nil
	}
	if len(p.Mentions) > MaxMentions {
		return fault.Invalid("mentions", "must be at most %d", MaxMentions)
	}
	seen := make(map[string]bool, len(p.Mentions))
	for _, u := range p.Mentions {
		if seen[u] {
			return fault.Invalid("mentions", "one stands twice")
		}
		seen[u] = true
		if u == frame.MentionAll {
			if err := s.need(m, CanMentionAll); err != nil && s.Type() != event.Direct {
				return err
			}
			continue
		}
		if have, ok := s.Member(id.User(u)); !ok || have.Membership != Joined {
			return fault.Invalid("mentions", "must be members of the conversation")
		}
	}
	return nil
}

// decideEdit lets the sender, who could send the new words as a message too. spec: MSG-EDIT-1 MSG-EDIT-8
func decideEdit(s *State, m Member, p Proposal, gone bool) error {
	if p.Target.Sender != p.Sender {
		return fault.New(fault.Forbidden, "only the sender edits a message")
	}
	if err := s.need(m, CanSend); err != nil {
		return err
	}
	if gone {
		return deleted()
	}
	if p.Target.Edits >= MaxEdits {
		return fault.New(fault.TooManyEdits, "a message is edited at most %d times", MaxEdits)
	}
	if err := decideWait(s, p); err != nil {
		return err
	}
	return decideMentions(s, m, p)
}

func deleted() error { return fault.New(fault.MessageDeleted, "the message was deleted or expired") }

func decideReaction(p Proposal, gone bool) error {
	if !event.IsEmoji(p.Emoji) {
		return fault.Invalid("emoji", "must be one character of at most %d bytes", event.MaxEmoji)
	}
	t, own := p.Target, p.Target.Own[p.Emoji]
	switch {
	case p.Action == frame.ActionRemove && (gone || !own), p.Action == frame.ActionAdd && !gone && own:
		return unchanged("emoji")
	case p.Action == frame.ActionRemove:
		return nil
	case p.Action != frame.ActionAdd:
		return fault.Invalid("action", "must be %s or %s", frame.ActionAdd, frame.ActionRemove)
	case gone:
		return deleted()
	case len(t.Own) >= MaxUserReactions, t.Emojis[p.Emoji] == 0 && len(t.Emojis) >= MaxEmojis:
		return fault.New(fault.TooManyReactions, "a message has at most %d different emoji, %d of one user", MaxEmojis, MaxUserReactions)
	}
	return nil
}

// decideDelete lets the sender for a while, and those who may delete what others wrote always. spec: MSG-DELETE-1 MSG-DELETE-2
func decideDelete(s *State, m Member, p Proposal, gone bool) error {
	isOwn, others := p.Target.Sender == p.Sender, s.Type() != event.Direct && s.May(m.Role, CanDeleteOthers)
	switch {
	case !isOwn && !others && s.Type() == event.Direct:
		return fault.New(fault.Forbidden, "only the sender deletes a message of a direct conversation for everyone")
	case !isOwn && !others:
		return fault.New(fault.InsufficientRole, "you may not delete messages of others")
	case gone:
		return unchanged("messageId")
	case !others && p.At-p.Target.Time > DeleteWithin.Milliseconds():
		return fault.New(fault.TooLate, "a message is deleted for everyone within %d hours", int(DeleteWithin.Hours()))
	}
	return nil
}
