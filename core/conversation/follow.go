// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"bytes"
	"encoding/json"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// ProposalOf reads from a complete event what its sender proposed, and which message it is about, if any: who did not give the
// order judges by that. Of content that was erased nothing is known. The error is a fault: the log may not hold such content.
func ProposalOf(e *Event) (p Proposal, about id.Message, err error) {
	p = Proposal{Type: e.Type, Sender: e.Sender, At: e.HubTime, Expects: e.Expects}
	switch {
	case e.Content == nil && (e.Type == frame.TypeMessage || e.Type == frame.TypeEdit):
		p.Unheld = e.Type == frame.TypeEdit
		return p, about, nil
	case e.Type == frame.TypeMessage:
		p.Mentions, err = mentionsOf(e.Content)
		return p, about, err
	case !ChangesState(e.Type):
		return relationOf(p, e.Content)
	case e.Type == frame.TypeCreate:
		p.Create, err = event.ParseCreate(e.Content)
		return p, about, err
	}
	if p.Change, err = event.ParseChange(e.Type, e.Content); err == nil && e.Type == frame.TypePin {
		about, _ = id.ParseMessage(p.Change.TargetMessageID) // Decide looks at its form.
	}
	return p, about, err
}

// mentionsOf are those of a message. Its content must be what event.MessageContent makes.
func mentionsOf(content []byte) ([]string, error) {
	var m frame.Send
	if err := canonical.Check(content); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(content, &m); err != nil {
		return nil, fault.New(fault.MalformedJSON, "not the content of a message").Because(err)
	}
	again, err := event.MessageContent(m)
	if err == nil && !bytes.Equal(again, content) {
		err = fault.New(fault.MalformedJSON, "not the content of a message")
	}
	return m.Mentions, err
}

func relationOf(p Proposal, content []byte) (Proposal, id.Message, error) {
	r, err := event.ParseRelation(content)
	if err != nil {
		return p, id.Message{}, err
	}
	p.Action, p.Emoji, p.Mentions = r.Action, r.Emoji, r.Mentions
	about, err := id.ParseMessage(r.TargetMessageID)
	if err != nil {
		return p, about, fault.New(fault.UnknownMessage, "no such message").Because(err)
	}
	return p, about, nil
}

// Judge says whether an entry that another server gave its place may stand after state s: what Decide refuses it refuses,
// whatever that server allowed. What only the hub can know is believed: that whoever joins by a link knew its secret, and that a
// conversation may be so large. spec: FED-TAKE-5
func Judge(s *State, p Proposal) error {
	if s != nil && p.Change.LinkID != "" {
		l, _ := s.Info.link(p.Change.LinkID)
		p.SecretHash = l.SecretHash
	}
	return Decide(s, p, Limits{MaxMembers: event.MaxMembers})
}

// decideUnheld judges what an event about a message that is not held here says by itself.
func decideUnheld(s *State, m Member, p Proposal) error {
	switch p.Type {
	case frame.TypeEdit:
		if err := s.need(m, CanSend); err != nil {
			return err
		}
		if err := decideWait(s, p); err != nil {
			return err
		}
		return decideMentions(s, m, p)
	case frame.TypeReaction:
		p.Target = &Target{Own: map[string]bool{p.Emoji: p.Action == frame.ActionRemove}}
		return decideReaction(p, false)
	case frame.TypeDelete:
		return nil
	}
	return fault.Invalid("type", "no event of type %q can be proposed", p.Type)
}
