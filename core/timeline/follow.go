// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// PrefsOf makes the prefs of an own user who joins by an entry; nil for none.
type PrefsOf func(id.User, *conversation.Event) *Prefs

// GapError says that entries before those given are missing: all after Head, which does not exist if there is no replica.
type GapError struct{ Head conversation.Head }

// Error tells where the replica ends.
func (e *GapError) Error() string {
	if !e.Head.Exists {
		return "timeline: there is no replica"
	}
	return fmt.Sprintf("timeline: entries after seq %d are missing", e.Head.Seq)
}

// ForkError says that the hub gave a place twice: the entry at Seq has another hash here than the one given, or than the one given
// after it names.
type ForkError struct {
	Seq       int64
	Have, Got event.Hash
}

// Error tells where.
func (e *ForkError) Error() string { return fmt.Sprintf("timeline: two entries at seq %d", e.Seq) }

// RefusedError says that the entry may not stand in the log: the rules refuse it, or it cannot be read.
type RefusedError struct {
	Seq int64
	err error
}

// Error tells which and why.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("timeline: entry %d may not stand: %v", e.Seq, e.err)
}

// Unwrap is the refusal.
func (e *RefusedError) Unwrap() error { return e.err }

// ErrHub says that this server gives the conversation its order itself, and takes none from others.
var ErrHub = errors.New("timeline: this server is the hub")

// Follow appends entries of a replica, in the place and form the hub gave them. They must be consecutive, and be verified as to
// who signed them; whether they continue the chain and may stand is judged here. Those that are held already are compared and
// skipped. The head it returns is as committed, whatever the error: what comes before the entry at fault is appended.
// Errors: *GapError, *ForkError, conversation.Break, *RefusedError, ErrHub, and the faults Unavailable and Draining, after which the same
// entries may be given again. prefs may be nil.
func (t *Timeline) Follow(ctx context.Context, c id.Conversation, entries []Foreign, prefs PrefsOf) (conversation.Head, error) {
	f := &following{t: t, conv: c, prefs: prefs, fresh: map[int64]bool{}}
	return f.retry(ctx, func() (conversation.Head, error) { return f.follow(ctx, entries) })
}

// following is one call of Follow or Begin.
type following struct {
	t       *Timeline
	conv    id.Conversation
	prefs   PrefsOf
	related int64          // events about messages before those that are queued now
	fresh   map[int64]bool // entries whose tempId was not used, though its key was
}

// retry does it again where the memory was dropped, and where what looked like a repeat is none.
func (f *following) retry(ctx context.Context, do func() (conversation.Head, error)) (head conversation.Head, err error) {
	for tries := 0; tries < 3; {
		head, err = do()
		if repeat, ok := errors.AsType[*repeatError](err); ok {
			if err = f.compare(ctx, repeat); err != nil {
				return head, err
			}
			continue
		}
		if err != errDropped {
			return head, err
		}
		tries++
	}
	return head, away(errDropped)
}

// hold holds the conversation alone: nobody else follows it meanwhile.
func (f *following) hold(ctx context.Context) (c *conv, release func(), err error) {
	sh := f.t.shardOf(f.conv)
	if c, err = f.t.hold(ctx, sh, f.conv); err != nil {
		return nil, nil, err
	}
	sh.mu.Lock()
	if c.turn == nil {
		c.turn = make(chan struct{}, 1)
	}
	turn := c.turn
	sh.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return c, func() { <-turn; sh.release(c) }, nil
	case <-ctx.Done():
		sh.release(c)
		return nil, nil, away(ctx.Err())
	}
}

func (c *conv) committed() View {
	c.shard.mu.RLock()
	defer c.shard.mu.RUnlock()
	return c.view
}

func (f *following) follow(ctx context.Context, entries []Foreign) (conversation.Head, error) {
	c, release, err := f.hold(ctx)
	if err != nil {
		return conversation.Head{}, err
	}
	defer release()
	v := c.committed()
	switch {
	case v.State == nil:
		return v.Head, &GapError{}
	case v.State.Hub() == f.t.Self:
		return v.Head, ErrHub
	}
	if entries, err = f.unseen(ctx, v, entries); err != nil {
		return v.Head, err
	}
	for part := range slices.Chunk(entries, batchSize) {
		if err = f.append(ctx, c, part); err != nil {
			break
		}
	}
	return c.committed().Head, err
}

// unseen are the entries after the head; of those before the last one must be the one that is held.
func (f *following) unseen(ctx context.Context, v View, entries []Foreign) ([]Foreign, error) {
	for i, e := range entries {
		if e.ConversationID != f.conv || i > 0 && e.Seq != entries[i-1].Seq+1 {
			return nil, conversation.BreakSeq
		}
	}
	if len(entries) == 0 {
		return nil, nil
	}
	n := int(min(int64(len(entries)), v.Head.Seq+1-entries[0].Seq))
	if n < 0 {
		return nil, &GapError{Head: v.Head}
	}
	if n == 0 {
		return entries, nil
	}
	if last := entries[n-1]; last.Seq == v.Head.Seq && last.Hash == v.Head.Hash {
		return entries[n:], nil
	}
	return entries[n:], f.fork(ctx, v, entries[:n])
}

// fork compares entries with those held; it finds the first that differs.
func (f *following) fork(ctx context.Context, v View, entries []Foreign) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	first := entries[0].Seq
	held, err := f.t.Store.Events(ctx, v.Shard, v.Conv, Range{From: first, To: entries[len(entries)-1].Seq, Limit: len(entries)})
	if err != nil {
		return away(err)
	}
	for _, have := range held {
		if got := entries[have.Seq-first].Hash; got != have.Hash {
			return &ForkError{Seq: have.Seq, Have: have.Hash, Got: got}
		}
	}
	return nil
}

// append queues the entries, waits for all of them, whatever becomes of the caller, and returns the first error.
func (f *following) append(ctx context.Context, c *conv, entries []Foreign) error {
	done := make(chan outcomeOf, len(entries))
	own := make([]Foreign, 0, len(entries))
	queued := 0
	c.shard.mu.RLock()
	f.related = c.related
	c.shard.mu.RUnlock()
	var failed error // What could not be queued comes after all that was.
	for i, e := range entries {
		copied := *e.Event
		e.Event = &copied
		p, err := f.pending(ctx, c, e, own)
		if err == nil {
			p.then = func(_ Result, err error) { done <- outcomeOf{i, err} }
			err = f.queue(p)
		}
		if failed = err; err != nil {
			break
		}
		own, queued = append(own, e), queued+1
	}
	first := outcomeOf{at: len(entries), err: failed}
	for range queued {
		if out := <-done; out.err != nil && out.at < first.at {
			first = out
		}
	}
	return first.err
}

type outcomeOf struct {
	at  int
	err error
}

// queue hands p to the builder, with a hold of its own.
func (f *following) queue(p *pending) error {
	sh := p.conv.shard
	sh.mu.Lock()
	p.conv.pending++
	sh.mu.Unlock()
	err := sh.group.enqueue(p)
	if err != nil {
		sh.release(p.conv)
	}
	return err
}

// pending makes the command that the entry was. before are those that are queued before it and not committed.
func (f *following) pending(ctx context.Context, c *conv, e Foreign, before []Foreign) (*pending, error) {
	proposal, about, err := claim(&e)
	if err != nil {
		return nil, &RefusedError{e.Seq, err}
	}
	e.Shard, e.Conv, e.ExpiresAt, e.Facts = c.shard.n, 0, 0, nil
	p := &pending{conv: c, foreign: &e, isFresh: f.fresh[e.Seq], key: f.t.key(e.Sender, e.Device, e.TempID)}
	p.cmd = Command{
		ConversationID: f.conv, Proposal: proposal, Device: e.Device, TempID: e.TempID, AuthorTime: e.AuthorTime,
		Content: e.Content, About: about, Prefs: f.prefsOf(&e, proposal),
	}
	return p, f.aim(ctx, p, before)
}

// claim is what the entry was proposed as. What the store could not write is refused, whoever let it pass: it would fail the batches
// of everybody.
func claim(e *Foreign) (p conversation.Proposal, about id.Message, err error) {
	if _, err = id.ParseUser(string(e.Sender)); err != nil {
		return p, about, fault.Invalid("sender", "is not a user id").Because(err)
	}
	if _, err = id.ParseDevice(string(e.Device)); err != nil && e.Device != "" {
		return p, about, fault.Invalid("deviceId", "is not a device id").Because(err)
	}
	if checkTempID(e.KeyID) != nil {
		return p, about, fault.Invalid("signature", "names no key")
	}
	if err = checkTempID(e.TempID); err != nil {
		return p, about, err
	}
	return conversation.ProposalOf(e.Event)
}

// prefsOf are those of the own users who join by the entry.
func (f *following) prefsOf(e *Foreign, p conversation.Proposal) map[id.User]*Prefs {
	var users []id.User
	switch e.Type {
	case frame.TypeCreate:
		users = p.Create.Members
	case frame.TypeMemberJoin:
		users = []id.User{e.Sender}
	case frame.TypeMemberAdd:
		for _, u := range p.Change.UserIDs {
			users = append(users, id.User(u))
		}
	}
	return f.ask(users, e.Event)
}

func (f *following) ask(users []id.User, e *conversation.Event) map[id.User]*Prefs {
	if f.prefs == nil {
		return nil
	}
	out := map[id.User]*Prefs{}
	for _, u := range users {
		if f.t.isOwn(u) {
			if p := f.prefs(u, e); p != nil {
				out[u] = p
			}
		}
	}
	return out
}

// aim finds the message that the entry is about: among those queued before it, or in the store. One before the base is not looked
// for: what was done to it is not known here.
func (f *following) aim(ctx context.Context, p *pending, before []Foreign) error {
	m, sh := p.cmd.About, p.conv.shard
	if m == (id.Message{}) {
		return nil
	}
	sh.mu.RLock()
	v := p.conv.view
	p.asOf = p.conv.related
	sh.mu.RUnlock()
	switch {
	case m.Seq() < v.Base:
		p.cmd.Unheld = true
		return nil
	case len(before) > 0 && m.Seq() >= before[0].Seq:
		p.asOf = f.related // Nothing was decided about it then.
		if i := m.Seq() - before[0].Seq; i < int64(len(before)) && before[i].MessageID == m {
			p.about = &Target{Event: before[i].Event}
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	found, err := f.t.Store.Target(ctx, sh.n, v.Conv, m.Seq(), p.cmd.Sender)
	if err == nil && found != nil && found.MessageID == m {
		p.about = found
		p.deleted, err = f.deleted(ctx, v, found)
	}
	if err != nil {
		return away(err)
	}
	return nil
}

// deleted tells whether an entry deleted the message. What this server erased by itself, because it expired by the own clock or
// because its author's account is gone, is still there for the hub: after a deletion nothing happens to a message any more.
func (f *following) deleted(ctx context.Context, v View, m *Target) (bool, error) {
	if m.Content != nil || m.Facts == nil || m.Facts.DeletedAt == 0 {
		return false, nil
	}
	at := m.Facts.ChangedSeq
	events, err := f.t.Store.Events(ctx, v.Shard, v.Conv, Range{From: at, To: at, Limit: 1})
	if err != nil || len(events) == 0 || events[0].Type != frame.TypeDelete {
		return false, err
	}
	r, err := event.ParseRelation(events[0].Content)
	return err == nil && r.TargetMessageID == m.MessageID.String(), nil
}

// repeatError says that the key of an entry's tempId was used by the entry before it at seq first.
type repeatError struct {
	entry *conversation.Event
	first int64
}

func (e *repeatError) Error() string { return "timeline: a tempId looks used" }

// compare refuses an entry that repeats a tempId; keys are short, and can be made to collide.
func (f *following) compare(ctx context.Context, r *repeatError) error {
	v, err := f.t.View(ctx, f.conv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	events, err := f.t.Store.Events(ctx, v.Shard, v.Conv, Range{From: r.first, To: r.first, Limit: 1})
	if err != nil {
		return away(err)
	}
	for _, e := range events {
		if e.Sender == r.entry.Sender && e.Device == r.entry.Device && e.TempID == r.entry.TempID {
			return &RefusedError{r.entry.Seq, fault.New(fault.TempIDConflict, "the tempId was used at seq %d", r.first)}
		}
	}
	f.fresh[r.entry.Seq] = true
	return nil
}
