// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"fmt"
	"maps"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Replay judges a whole log, entry by entry: that the chain holds, and that each sender had the right to it. It remembers of every
// message what later events are judged by, so its memory grows with the log; it is for audits, not for serving. The zero Replay is
// before the create event. It is not for concurrent use.
type Replay struct {
	State *State
	Head  Head

	base   int64
	about  map[int64]*Target            // messages by seq
	own    map[int64]map[id.User]owning // reactions
	sentAt map[id.User]int64
}

type owning map[string]bool

// ReplayFrom continues after an entry that is known to be right, with the state after it. Messages before it are not known.
func ReplayFrom(s *State, e *Event) *Replay { return &Replay{State: s, Head: HeadAt(e), base: e.Seq} }

// Next takes the next complete event, or says why it may not stand: a Break, a refusal of the rules, or what is amiss with its form.
func (r *Replay) Next(e *Event) error {
	after, err := Verify(e, r.Head, r.State)
	if err != nil {
		return err
	}
	p, about, err := ProposalOf(e)
	if err != nil {
		return fmt.Errorf("seq %d: %w", e.Seq, err)
	}
	r.aim(&p, about)
	if err := Judge(r.State, p); err != nil {
		return fmt.Errorf("seq %d, %s by %s: %w", e.Seq, e.Type, e.Sender, err)
	}
	r.note(e, p, about)
	r.State, r.Head = after, HeadAt(e)
	return nil
}

// aim adds to the proposal what the log has of the message it is about, and of its sender.
func (r *Replay) aim(p *Proposal, about id.Message) {
	if Slow(p.Type) {
		p.SentAt = r.sentAt[p.Sender]
	}
	if about == (id.Message{}) {
		return
	}
	if about.Seq() < r.base {
		p.Unheld = true
		return
	}
	t := r.about[about.Seq()]
	if from, to, ok := r.State.Visible(p.Sender, r.Head.Seq); t == nil || !ok || t.Seq < from || t.Seq > to {
		return
	}
	copied := *t
	copied.Own = r.own[t.Seq][p.Sender]
	p.Target = &copied
}

func (r *Replay) note(e *Event, p Proposal, about id.Message) {
	if r.about == nil {
		r.about, r.own, r.sentAt = map[int64]*Target{}, map[int64]map[id.User]owning{}, map[id.User]int64{}
	}
	if Slow(e.Type) {
		r.sentAt[e.Sender] = e.HubTime
	}
	if e.Type == frame.TypeMessage {
		t := &Target{Seq: e.Seq, Type: e.Type, Sender: e.Sender, Time: e.HubTime}
		if r.State.Info.EphemeralTimer > 0 {
			t.ExpiresAt = e.HubTime + 1000*r.State.Info.EphemeralTimer
		}
		r.about[e.Seq] = t
		return
	}
	t := r.about[about.Seq()]
	if about == (id.Message{}) || t == nil {
		return
	}
	switch e.Type {
	case frame.TypeEdit:
		t.Edits++
	case frame.TypeDelete:
		t.Erased, t.Emojis = true, nil
		delete(r.own, t.Seq)
	case frame.TypeReaction:
		r.react(t, p)
	}
}

func (r *Replay) react(t *Target, p Proposal) {
	users := r.own[t.Seq]
	if users == nil {
		users = map[id.User]owning{}
		r.own[t.Seq] = users
	}
	mine, emojis := maps.Clone(users[p.Sender]), maps.Clone(t.Emojis)
	if mine == nil {
		mine = owning{}
	}
	if emojis == nil {
		emojis = map[string]int{}
	}
	if p.Action == frame.ActionAdd {
		mine[p.Emoji] = true
		emojis[p.Emoji]++
	} else {
		delete(mine, p.Emoji)
		if emojis[p.Emoji]--; emojis[p.Emoji] <= 0 {
			delete(emojis, p.Emoji)
		}
	}
	users[p.Sender], t.Emojis = mine, emojis
}
