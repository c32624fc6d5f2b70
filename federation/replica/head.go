// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"fmt"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// takeHead takes a checkpoint by itself: it says how far there is to pull.
func (r *Replicas) takeHead(ctx context.Context, from id.Server, v timeline.View, cp *wire.Checkpoint) error {
	if cp == nil || v.State == nil && cp.Hub != from || v.State != nil && (cp.ConversationID != v.State.ID || cp.Hub != v.State.ReignAt(cp.Seq).Hub) {
		return refused("a head that is not signed by its hub")
	}
	if v.State == nil { // The snapshot was too large to be sent unasked.
		if err := r.verifyHead(ctx, cp); err != nil {
			return err
		}
		r.want(cp.ConversationID, from, cp.Seq)
		return fault.New(fault.UnknownReplica, "there is no replica of the conversation here")
	}
	if term := v.State.ReignAt(cp.Seq).Term; cp.Term != term {
		return refused(fmt.Sprintf("a head of term %d, the conversation is in term %d", cp.Term, term))
	}
	if err := r.verifyHead(ctx, cp); err != nil {
		return err
	}
	if err := r.contradicts(ctx, v, cp); err != nil {
		return err
	}
	if cp.Seq > v.Head.Seq {
		r.want(cp.ConversationID, from, cp.Seq)
	} else {
		r.note(cp.ConversationID, cp)
	}
	return nil
}

func (r *Replicas) verifyHead(ctx context.Context, cp *wire.Checkpoint) error {
	c := r.checker(ctx, signers(cp, nil, 0))
	done, err := r.checking(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.checkpoint(cp, 0)
}

// Witness looks at a head that any server holds, as servers exchange them: it must be one that the hub signed, and then either agrees
// with the replica, is ahead of it, which is pulled, or proves that the hub showed two histories. Faults: unknown_conversation,
// entry_refused, diverged, unavailable.
func (r *Replicas) Witness(ctx context.Context, cp wire.Checkpoint) error {
	leave, err := r.slots.enter(ctx, cp.ConversationID)
	if err != nil {
		return err
	}
	defer leave()
	v, err := r.view(ctx, cp.ConversationID)
	if err != nil {
		return err
	}
	if v.State == nil {
		return stranger()
	}
	if v.State.ReignAt(cp.Seq).Hub != cp.Hub {
		_, err := r.takeOther(ctx, cp.Hub, v, wire.Item{ConversationID: cp.ConversationID, Head: &cp})
		return err
	}
	if err := r.recall(ctx, cp.ConversationID); err != nil {
		return err
	}
	if err := r.takeHead(ctx, v.State.Hub(), v, &cp); err != nil {
		return r.explain(cp.ConversationID, cp.Hub, err)
	}
	return nil
}

// Head is the newest checkpoint by which the replica was verified; false if none is known.
func (r *Replicas) Head(ctx context.Context, c id.Conversation) (wire.Checkpoint, bool, error) {
	k, err := r.remember(ctx, c)
	if err != nil || k.checkpoint == nil {
		return wire.Checkpoint{}, false, err
	}
	return *k.checkpoint, true, nil
}

// contradicts compares a verified checkpoint with what is held, and with the newest checkpoint kept. spec: FED-PROOF-1
func (r *Replicas) contradicts(ctx context.Context, v timeline.View, cp *wire.Checkpoint) error {
	k, err := r.remember(ctx, v.State.ID)
	if err != nil {
		return err
	}
	if had := k.checkpoint; had != nil && had.Term == cp.Term && had.Seq == cp.Seq && had.Hash != cp.Hash {
		return r.diverge(ctx, v, v.State.ID, Statement{Checkpoint: *cp}, cp.Seq)
	}
	if cp.Seq > v.Head.Seq || cp.Seq < v.Base {
		return nil
	}
	if cp.Seq == v.Head.Seq {
		if cp.Hash != v.Head.Hash {
			return r.diverge(ctx, v, v.State.ID, Statement{Checkpoint: *cp}, cp.Seq)
		}
		return nil
	}
	hashes, err := r.o.Store.Hashes(ctx, v.Shard, v.Conv, cp.Seq, 1)
	if err != nil {
		return err
	}
	if len(hashes) == 1 && hashes[0] != cp.Hash {
		return r.diverge(ctx, v, v.State.ID, Statement{Checkpoint: *cp}, cp.Seq)
	}
	return nil
}
