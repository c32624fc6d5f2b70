// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// hands tells whether a server that is not the hub hands on entries up to the one by which the hub handed over. Who signed them says
// everything; it only brings them. spec: FED-MOVE-11
func hands(s *conversation.State, from id.Server, item *wire.Item) bool {
	rng := item.Range
	if item.Wrong != nil || item.Snapshot != nil || item.Head != nil || rng == nil || rng.Checkpoint == nil || len(rng.Records) == 0 {
		return false
	}
	last := rng.Records[len(rng.Records)-1].Submission.Type
	return last == frame.TypeHubTransfer && rng.Checkpoint.Hub == s.Hub() && slices.Contains(s.Servers(), from)
}

// takeOther answers a server that is not the hub as far as is known here. It may be the next one, then the entry that made it so is
// pulled; or the one before, which does not know yet that all it ordered is held. spec: FED-MOVE-9
func (r *Replicas) takeOther(ctx context.Context, from id.Server, v timeline.View, item wire.Item) (int64, error) {
	cp := checkpointOf(&item)
	if cp == nil || cp.ConversationID != v.State.ID || !slices.Contains(v.State.Servers(), from) {
		return none, stranger()
	}
	reign := v.State.ReignAt(cp.Seq)
	switch {
	case item.Snapshot != nil && cp.Seq > v.Head.Seq, cp.Hub == from && cp.Term > v.State.Term():
		r.want(v.State.ID, from, cp.Seq)
		return v.Head.Seq, fault.New(fault.EntriesMissing, "entries before these are missing here")
	case reign.Hub == from && cp.Hub == from && cp.Term == reign.Term && cp.Seq <= v.Head.Seq:
		if err := r.verifyHead(ctx, cp); err != nil {
			return none, r.explain(v.State.ID, from, err)
		}
		if err := r.contradicts(ctx, v, cp); err != nil {
			return none, r.explain(v.State.ID, from, err)
		}
		return cp.Seq, nil
	}
	return none, stranger()
}

// checkpointOf is the last thing that an item says.
func checkpointOf(item *wire.Item) *wire.Checkpoint {
	switch {
	case item.Wrong != nil:
		return nil
	case item.Head != nil:
		return item.Head
	case item.Range != nil:
		return item.Range.Checkpoint
	case item.Snapshot != nil:
		return &item.Snapshot.Checkpoint
	}
	return nil
}

// successors are the keys with which new hubs gave their word.
func successors(records []wire.Record) (out []named) {
	for i := range records {
		if records[i].Submission.Type != frame.TypeHubTransfer || records[i].Content == nil {
			continue
		}
		if c, err := event.ParseChange(frame.TypeHubTransfer, records[i].Content); err == nil && c.Acceptance != nil {
			out = append(out, named{id.Server(c.Hub), c.Acceptance.KeyID})
		}
	}
	return out
}

// movers are the keys by which moves of a hub are shown.
func movers(list []wire.Moved) (out []named) {
	for i := range list {
		one := []wire.Record{list[i].Record}
		out = append(append(out, signers(&list[i].Checkpoint, one, -1)...), successors(one)...)
	}
	return out
}

// acceptance wants the new hub's word to be signed by it, by a key within its life. spec: FED-MOVE-4
func (c *checker) acceptance(rec *wire.Record) error {
	change, err := event.ParseChange(frame.TypeHubTransfer, rec.Content)
	if err != nil {
		return refuse(err)
	}
	before := &conversation.State{ID: rec.Entry.ConversationID, Info: conversation.Info{Moves: make([]conversation.Move, rec.Entry.Term)}}
	word, sig, err := conversation.AcceptanceOf(before, change)
	if err != nil {
		return refuse(err)
	}
	k, err := c.key(word.Hub, sig.KeyID)
	switch {
	case err != nil:
		return err
	case !k.Covers(rec.Entry.HubTime):
		return refused(fmt.Sprintf("key %s of %s was not in its life when the conversation was handed over", k.ID, word.Hub))
	}
	if err := word.Verify(sig, k.Public); err != nil {
		return refuse(err)
	}
	return nil
}

// moves wants each move of a state to be shown: the entry by which the hub before handed over, signed by that, and accepted by the
// next. The first hub is in the create object, of which the conversation has its id. spec: FED-MOVE-10
func (c *checker) moves(st *conversation.State, list []wire.Moved) error {
	if len(list) != len(st.Info.Moves) {
		return refused("a move of the hub is not shown")
	}
	hub := st.Create.Hub
	for i := range list {
		rec, cp, move := &list[i].Record, &list[i].Checkpoint, st.Info.Moves[i]
		hash, err := rec.Entry.Hash(nil)
		if err != nil {
			return refuse(err)
		}
		switch {
		case rec.Entry.ConversationID != st.ID, cp.ConversationID != st.ID, cp.Hub != hub, cp.Hash != hash, cp.Seq != rec.Entry.Seq:
			return refused("a move of the hub is shown by something else")
		case rec.Entry.Seq != move.Seq, rec.Entry.Term != int64(i), cp.Term != int64(i), rec.Submission.Type != frame.TypeHubTransfer:
			return refused("a move of the hub is shown by another entry")
		}
		if err := c.moved(rec, cp, move.Hub); err != nil {
			return err
		}
		hub = move.Hub
	}
	return nil
}

func (c *checker) moved(rec *wire.Record, cp *wire.Checkpoint, to id.Server) error {
	if err := form(rec); err != nil {
		return err
	}
	change, err := event.ParseChange(frame.TypeHubTransfer, rec.Content)
	if err != nil {
		return refuse(err)
	}
	if id.Server(change.Hub) != to {
		return refused("the hub was moved to another server")
	}
	if err := c.checkpoint(cp, rec.Entry.HubTime); err != nil {
		return err
	}
	if err := c.author(cp.Hub, rec); err != nil {
		return err
	}
	return c.acceptance(rec)
}

// keepHandover keeps by what the hub ended its term, before its last entry is taken: whoever follows the next one is shown it.
// spec: FED-MOVE-12
func (r *Replicas) keepHandover(ctx context.Context, rng *wire.Range) error {
	last := rng.Records[len(rng.Records)-1]
	if last.Submission.Type != frame.TypeHubTransfer {
		return nil
	}
	raw, err := json.Marshal(rng.Checkpoint)
	if err != nil {
		return err
	}
	if err := r.o.Store.SaveHandover(ctx, rng.ConversationID, last.Entry.Term, raw); err != nil {
		return fault.Retry(fault.Unavailable, time.Second, "this server cannot do that now").Because(err)
	}
	return nil
}
