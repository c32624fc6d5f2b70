// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"errors"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Snapshot is what a replica begins with: an entry that changed the state, and the state after it.
type Snapshot struct {
	State *conversation.State // as ParseState made it; its Seq is set here
	Entry Foreign
}

// Begin makes a replica that starts at the snapshot's entry, or starts again there if no own user is a member any more by what is
// held: then a hole stays, which nobody here may read. The entry must be verified as to who signed it; that it commits to the state
// is judged here. One that is held already is compared and skipped. Pointers of members who joined before start at the entry.
// Errors: *GapError where the replica is to be continued instead, *ForkError, conversation.Break, *RefusedError, ErrHub, and the
// faults Unavailable and Draining.
func (t *Timeline) Begin(ctx context.Context, s Snapshot, prefs PrefsOf) error {
	f := &following{t: t, conv: s.State.ID, prefs: prefs, fresh: map[int64]bool{}}
	_, err := f.retry(ctx, func() (conversation.Head, error) { return f.begin(ctx, s) })
	return err
}

func (f *following) begin(ctx context.Context, s Snapshot) (conversation.Head, error) {
	c, release, err := f.hold(ctx)
	if err != nil {
		return conversation.Head{}, err
	}
	defer release()
	v := c.committed()
	if v.State != nil && v.State.Hub() == f.t.Self || s.State.Hub() == f.t.Self {
		return v.Head, ErrHub
	}
	if v.State != nil && s.Entry.Seq <= v.Head.Seq {
		_, err := f.unseen(ctx, v, []Foreign{s.Entry})
		return v.Head, err
	}
	if v.State != nil && f.t.hasOwn(v.State) {
		return v.Head, &GapError{Head: v.Head}
	}
	copied := *s.Entry.Event
	s.Entry.Event = &copied
	if s.State, err = f.start(v.State, s); err != nil {
		return v.Head, err
	}
	return v.Head, f.queueBegin(c, s)
}

// queueBegin queues the beginning and waits for it.
func (f *following) queueBegin(c *conv, s Snapshot) error {
	e := s.Entry
	e.Shard, e.Conv, e.ExpiresAt, e.Facts = c.shard.n, 0, 0, nil
	done := make(chan error, 1)
	p := &pending{conv: c, foreign: &e, begin: s.State, key: f.t.key(e.Sender, e.Device, e.TempID)}
	p.then = func(_ Result, err error) { done <- err }
	var joined []id.User
	for u, m := range s.State.Members {
		if m.Membership == conversation.Joined {
			joined = append(joined, u)
		}
	}
	p.cmd = Command{
		ConversationID: f.conv, Proposal: conversation.Proposal{Type: e.Type, Sender: e.Sender}, Device: e.Device, TempID: e.TempID,
		Content: e.Content, Prefs: f.ask(joined, e.Event),
	}
	if err := f.queue(p); err != nil {
		return err
	}
	return <-done
}

// hasOwn tells whether an own user is a member.
func (t *Timeline) hasOwn(s *conversation.State) bool {
	for u, m := range s.Members {
		if m.Membership == conversation.Joined && t.isOwn(u) {
			return true
		}
	}
	return false
}

// start checks the snapshot and completes its state. before is what is held, nil if nothing is.
func (f *following) start(before *conversation.State, s Snapshot) (*conversation.State, error) {
	e := s.Entry
	if e.ConversationID != s.State.ID || !conversation.ChangesState(e.Type) || e.Content == nil {
		return nil, &RefusedError{e.Seq, errors.New("a replica begins with a change of the state")}
	}
	proposal, _, err := claim(&e)
	if err != nil {
		return nil, &RefusedError{e.Seq, err}
	}
	if e.Seq == 0 {
		return f.found(e, proposal)
	}
	next, err := conversation.VerifyAt(e.Event, e.Prev, e.Term, s.State)
	if err != nil {
		return nil, err
	}
	next.Remember(before)
	return next, nil
}

// found is the state after create, which needs no snapshot.
func (f *following) found(e Foreign, p conversation.Proposal) (*conversation.State, error) {
	if e.Prev != (event.Hash{}) || e.Term != 0 {
		return nil, conversation.BreakHash
	}
	after, err := conversation.Verify(e.Event, conversation.Head{}, nil)
	if err != nil {
		return nil, broken(e.Seq, err)
	}
	if err := conversation.Judge(nil, p); err != nil {
		return nil, &RefusedError{e.Seq, err}
	}
	return after, nil
}

// broken is why an entry does not continue the chain, or cannot be folded.
func broken(seq int64, err error) error {
	if _, ok := errors.AsType[conversation.Break](err); ok {
		return err
	}
	return &RefusedError{seq, err}
}

// follow adds the entry of p to the batch, or answers p at once.
func (g *group) follow(w *work, p *pending, gen uint64) *work {
	c, e := p.conv, p.foreign.Event
	e.Conv = c.num
	after := p.begin
	var err error
	if after == nil {
		after, err = c.judge(p)
	}
	switch {
	case err == errDropped:
		p.finish(Result{}, err)
		return w
	case err != nil:
		c.refuse(p, err)
		return w
	}
	w = begun(w, gen) // Not a newer one: the conversation is of that.
	if p.begin != nil {
		c.sentAt = nil // There may have been other times between.
	}
	w.add(p, e, after)
	if own := g.t.isOwn(e.Sender) && e.TempID != ""; own && p.begin == nil {
		w.Settled = append(w.Settled, SettledRow{Shard: e.Shard, Conv: e.Conv, Dedup: p.key})
	}
	return w
}

// judge checks that the entry of p continues the chain and may stand, and returns the state after it.
func (c *conv) judge(p *pending) (*conversation.State, error) {
	f := p.foreign
	switch {
	case c.state == nil || f.Seq != c.head.Seq+1:
		return nil, errDropped // What was queued before it failed.
	case f.Prev != c.head.Hash:
		return nil, &ForkError{Seq: c.head.Seq, Have: c.head.Hash, Got: f.Prev}
	case f.Term != c.state.Term():
		return nil, conversation.BreakHash
	}
	if s := c.window.seen[p.key]; s != nil && f.TempID != "" && !p.isFresh && s.at >= f.HubTime-dedupLife.Milliseconds() {
		return nil, &repeatError{entry: f.Event, first: s.Seen.Seq}
	}
	after, err := conversation.Verify(f.Event, c.head, c.state)
	if err != nil {
		return nil, broken(f.Seq, err)
	}
	if !c.relations.knows(p) {
		return nil, errDropped
	}
	p.cmd.SentAt, p.cmd.Target = c.sentAt[f.Sender], c.relations.target(p)
	if err := conversation.Judge(c.state, p.cmd.Proposal); err != nil {
		return nil, &RefusedError{f.Seq, err}
	}
	f.ExpiresAt = c.expiry(p)
	return after, nil
}

// expiry is the end of the entry's content. That of a message before the base is not known: by the timer of now.
func (c *conv) expiry(p *pending) int64 {
	switch {
	case p.about != nil && p.foreign.Type == frame.TypeEdit:
		return p.about.ExpiresAt
	case p.cmd.Unheld && p.foreign.Type == frame.TypeEdit && c.state.Info.EphemeralTimer > 0:
		return max(1, p.cmd.About.Time()+1000*c.state.Info.EphemeralTimer)
	}
	return conversation.Expiry(p.foreign.Event, c.state)
}

// beginAt makes the pointers of members who joined before the entry with which the replica begins; the caller holds shard.mu.
func (c *conv) beginAt(e *conversation.Event, s *conversation.State, prefs map[id.User]*Prefs) {
	c.view.Base = e.Seq
	for u, m := range s.Members {
		had, ok := c.view.State.Member(u)
		if ok && c.pointers[u] != nil && had.JoinedSeq == m.JoinedSeq {
			continue
		}
		c.startPointer(u, Pointer{Delivered: start(m, e.Seq), Read: start(m, e.Seq), ReadCount: e.Count, Prefs: prefs[u]})
	}
}

// start is where the pointers of a member start in a log that is held from base on.
func start(m conversation.Member, base int64) int64 {
	if m.Membership == conversation.Joined {
		return max(m.JoinedSeq, base)
	}
	return m.JoinedSeq
}
