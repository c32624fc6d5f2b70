// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/core/limit"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// maxState is the largest state of a snapshot in bytes.
const maxState = 768 << 10

// takeSnapshot begins a replica, or goes on with one that the snapshot is ahead of.
func (r *Replicas) takeSnapshot(ctx context.Context, from id.Server, v timeline.View, s *wire.Snapshot) (int64, error) {
	st, f, err := r.readSnapshot(ctx, from, s)
	if err != nil {
		return end(v), err
	}
	if v.State != nil {
		if err := r.contradicts(ctx, v, &s.Checkpoint); err != nil {
			return end(v), err
		}
	}
	if v.State == nil || !r.hasOwn(v.State) {
		if err := r.begin(ctx, from, st, f); err != nil {
			return end(v), r.notBegun(ctx, v, s, err)
		}
		r.note(st.ID, &s.Checkpoint)
		return f.Seq, nil
	}
	if f.Seq > v.Head.Seq { // It is told because the hub does not know what is here.
		r.want(st.ID, from, f.Seq)
	}
	return v.Head.Seq, nil
}

// readSnapshot verifies all that a snapshot says but for the effect of its entry. spec: FED-SNAPSHOT-1
func (r *Replicas) readSnapshot(ctx context.Context, from id.Server, s *wire.Snapshot) (*conversation.State, timeline.Foreign, error) {
	none := timeline.Foreign{}
	entry := s.Record.Entry
	hash, err := entry.Hash(nil)
	if err != nil {
		return nil, none, refuse(err)
	}
	create, err := event.ParseCreate([]byte(s.Create))
	if err != nil {
		return nil, none, refuse(err)
	}
	cp := &s.Checkpoint
	switch {
	case event.ConversationID([]byte(s.Create)) != entry.ConversationID, cp.ConversationID != entry.ConversationID:
		return nil, none, refused("a snapshot of several conversations")
	case cp.Hash != hash || cp.Seq != entry.Seq || cp.Term != entry.Term:
		return nil, none, refused("the checkpoint is not of the entry")
	case len(s.State) > maxState, len(create.Members) > event.MaxMembers, len(s.JoinedAt) > event.MaxMembers:
		return nil, none, refused("a snapshot of a conversation that is too large")
	case entry.StateHash == nil || canonical.Hash("state", []byte(s.State)) != *entry.StateHash:
		return nil, none, refused("the state is not the one the entry commits to")
	case entry.Seq == 0 && string(s.Record.Content) != s.Create:
		return nil, none, refused("the first entry is not the create object")
	}
	st, err := conversation.ParseState([]byte(s.State), create, s.JoinedAt)
	if err != nil {
		return nil, none, refuse(err)
	}
	if err := r.hubOf(st, cp, from); err != nil {
		return nil, none, err
	}
	c := r.checker(ctx, append(signers(cp, []wire.Record{s.Record}, -1), movers(s.Moves)...))
	done, err := r.checking(ctx)
	if err != nil {
		return nil, none, err
	}
	defer done()
	if err := c.moves(st, s.Moves); err != nil {
		return nil, none, err
	}
	if err := c.checkpoint(cp, entry.HubTime); err != nil {
		return nil, none, err
	}
	if err := form(&s.Record); err != nil {
		return nil, none, err
	}
	if err := c.author(cp.Hub, &s.Record); err != nil {
		return nil, none, err
	}
	return st, foreign(&s.Record, hash), nil
}

// hubOf wants the sender to be the hub, and the checkpoint to be by who ordered the entry. spec: FED-SNAPSHOT-2
func (r *Replicas) hubOf(st *conversation.State, cp *wire.Checkpoint, from id.Server) error {
	reign := st.ReignAt(cp.Seq)
	switch {
	case st.Hub() != from && cp.Hub == from, from == r.o.Self:
		return stranger()
	case st.Hub() != from:
		return refused("a snapshot of a server that is not the hub")
	case reign.Term != cp.Term || reign.Hub != cp.Hub:
		return refused("the entry is of another term than the state")
	}
	return nil
}

func (r *Replicas) hasOwn(s *conversation.State) bool { return slices.Contains(s.Servers(), r.o.Self) }

// begin asks own members and begins a replica. spec: FED-SNAPSHOT-3 FED-SNAPSHOT-4
func (r *Replicas) begin(ctx context.Context, from id.Server, st *conversation.State, f timeline.Foreign) error {
	if wait := r.begins.Take(string(from), 1, r.o.Now().UnixMilli()); wait > 0 {
		return limit.Refusal(wait, "too many new conversations of this server")
	}
	prefs, no, here := map[id.User]*timeline.Prefs{}, refusing{}, 0
	for _, u := range slices.Sorted(maps.Keys(st.Members)) {
		if st.Members[u].Membership != conversation.Joined || u.Server() != r.o.Self {
			continue
		}
		if u == f.Sender && (f.Type == frame.TypeMemberJoin || f.Type == frame.TypeCreate) {
			here++ // He wants it.
			continue
		}
		p, err := r.o.Consent(ctx, Joining{ConversationID: st.ID, State: st, User: u, By: f.Sender})
		switch {
		case isAway(err):
			return err
		case err != nil:
			no[u] = f.Seq
		}
		if !fault.Is(err, fault.UnknownUser) {
			here++
		}
		prefs[u] = p
	}
	if here == 0 {
		return fault.New(fault.NoMemberHere, "no member of the conversation has an account here")
	}
	err := r.o.Timeline.Begin(ctx, timeline.Snapshot{State: st, Entry: f}, func(u id.User, _ *conversation.Event) *timeline.Prefs { return prefs[u] })
	if err == nil {
		r.refuseFor(st.ID, no, conversation.Head{Exists: true, Seq: f.Seq})
	}
	return err
}

// notBegun looks at why the timeline did not begin.
func (r *Replicas) notBegun(ctx context.Context, v timeline.View, s *wire.Snapshot, err error) error {
	var fork *timeline.ForkError
	var gap *timeline.GapError
	conv := s.Record.Entry.ConversationID
	switch {
	case errors.As(err, &fork):
		return r.diverge(ctx, v, conv, Statement{Checkpoint: s.Checkpoint, Entries: []event.Entry{s.Record.Entry}}, fork.Seq)
	case errors.As(err, &gap): // An own user became a member meanwhile.
		r.want(conv, s.Checkpoint.Hub, s.Checkpoint.Seq)
	case errors.Is(err, timeline.ErrHub):
		return fmt.Errorf("begin %s: %w", conv, err)
	}
	return err
}
