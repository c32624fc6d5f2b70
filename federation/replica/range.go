// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"fmt"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// takeRange takes consecutive entries that end at a checkpoint.
func (r *Replicas) takeRange(ctx context.Context, from id.Server, v timeline.View, rng *wire.Range) (seq int64, err error) {
	if v.State == nil {
		return none, fault.New(fault.UnknownReplica, "there is no replica of the conversation here")
	}
	if len(rng.Records) == 0 { // Nothing but a head.
		return v.Head.Seq, r.takeHead(ctx, from, v, rng.Checkpoint)
	}
	entries, err := r.verified(ctx, v, rng)
	if err != nil {
		return v.Head.Seq, err
	}
	if err := r.contradicts(ctx, v, rng.Checkpoint); err != nil {
		return v.Head.Seq, err
	}
	if entries[0].Seq > v.Head.Seq+1 {
		r.want(rng.ConversationID, from, rng.Checkpoint.Seq)
		return v.Head.Seq, &timeline.GapError{Head: v.Head}
	}
	if err := r.keepHandover(ctx, rng); err != nil {
		return v.Head.Seq, err
	}
	prefs, refusing, err := r.consents(ctx, v, entries)
	if err != nil {
		return v.Head.Seq, err
	}
	head, err := r.o.Timeline.Follow(ctx, rng.ConversationID, entries, prefs)
	r.refuseFor(rng.ConversationID, refusing, head)
	if !head.Exists {
		head = v.Head
	}
	if err != nil {
		return head.Seq, r.notFollowed(ctx, v, rng, err)
	}
	r.o.Fail(FailBeforeAnswer)
	r.note(rng.ConversationID, rng.Checkpoint)
	return head.Seq, nil
}

// verified checks what stands by itself: the checkpoint is the hub's, the entries chain up to it, and those that are new are vouched
// for by their authors' servers. An entry that is held is compared by its hash, which says more.
func (r *Replicas) verified(ctx context.Context, v timeline.View, rng *wire.Range) ([]timeline.Foreign, error) {
	cp := rng.Checkpoint
	last := rng.Records[len(rng.Records)-1].Entry
	switch {
	case cp == nil:
		return nil, refused("a range without a checkpoint")
	case cp.Hub != v.State.Hub(), cp.ConversationID != rng.ConversationID:
		return nil, refused("a checkpoint of another hub or conversation")
	case cp.Term != v.State.Term():
		return nil, refused(fmt.Sprintf("of term %d, the conversation is in term %d", cp.Term, v.State.Term()))
	}
	c := r.checker(ctx, append(signers(cp, rng.Records, v.Head.Seq), successors(rng.Records)...))
	done, err := r.checking(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := c.checkpoint(cp, last.HubTime); err != nil {
		return nil, err
	}
	out := make([]timeline.Foreign, len(rng.Records))
	for i := range rng.Records {
		rec := &rng.Records[i]
		hash, err := rec.Entry.Hash(nil)
		switch {
		case err != nil:
			return nil, refuse(err)
		case rec.Entry.Term != cp.Term:
			return nil, refused("an entry of another term than its checkpoint")
		case i > 0 && (rec.Entry.Prev != out[i-1].Hash || rec.Entry.Seq != out[i-1].Seq+1):
			return nil, refused("entries that do not chain")
		}
		out[i] = foreign(rec, hash)
	}
	if end := out[len(out)-1]; end.Hash != cp.Hash || end.Seq != cp.Seq {
		return nil, refused("the checkpoint is not of the last entry")
	}
	for i := range rng.Records {
		rec := &rng.Records[i]
		if rec.Entry.Seq <= v.Head.Seq {
			continue
		}
		if err := form(rec); err != nil {
			return nil, err
		}
		if err := c.author(cp.Hub, rec); err != nil {
			return nil, err
		}
		if rec.Submission.Type == frame.TypeHubTransfer {
			if err := c.acceptance(rec); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// notFollowed looks at why the timeline did not take the whole range.
func (r *Replicas) notFollowed(ctx context.Context, v timeline.View, rng *wire.Range, err error) error {
	var fork *timeline.ForkError
	var gap *timeline.GapError
	switch {
	case errors.As(err, &fork):
		return r.diverge(ctx, v, rng.ConversationID, statement(rng), fork.Seq)
	case errors.As(err, &gap):
		r.want(rng.ConversationID, rng.Checkpoint.Hub, rng.Checkpoint.Seq)
	}
	return err
}

// refusing are own users who do not want to be members, by the entry that made them so.
type refusing map[id.User]int64

// consents asks for the own users whom new entries make members. Who joins by himself wants it.
func (r *Replicas) consents(ctx context.Context, v timeline.View, entries []timeline.Foreign) (timeline.PrefsOf, refusing, error) {
	type place struct {
		user id.User
		seq  int64
	}
	prefs, no := map[place]*timeline.Prefs{}, refusing{}
	for _, e := range entries {
		if e.Seq <= v.Head.Seq || e.Type != frame.TypeMemberAdd {
			continue
		}
		change, err := event.ParseChange(e.Type, e.Content)
		if err != nil {
			return nil, nil, refuse(err)
		}
		for _, name := range change.UserIDs {
			u := id.User(name)
			if u.Server() != r.o.Self {
				continue
			}
			p, err := r.o.Consent(ctx, Joining{ConversationID: e.ConversationID, State: v.State, User: u, By: e.Sender})
			switch {
			case isAway(err):
				return nil, nil, err
			case err != nil:
				no[u] = e.Seq
			}
			prefs[place{u, e.Seq}] = p
		}
	}
	return func(u id.User, e *conversation.Event) *timeline.Prefs { return prefs[place{u, e.Seq}] }, no, nil
}

// isAway tells whether an error is about now, and not about what was asked.
func isAway(err error) bool {
	if err == nil {
		return false
	}
	f, ok := errors.AsType[*fault.Error](err)
	return !ok || fault.Lookup(f.Code).Status >= 500
}

// refuseFor lets those be taken out again who do not want to be members and are.
func (r *Replicas) refuseFor(c id.Conversation, no refusing, head conversation.Head) {
	for u, seq := range no {
		if head.Exists && head.Seq >= seq {
			r.o.Refuse(c, u)
		}
	}
}
