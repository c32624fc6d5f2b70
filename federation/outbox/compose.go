// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"parley.chat/core/conversation"
	"parley.chat/core/follower"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// Room that is left in a body beside entries, in bytes: around the items, and for what an item has beside its entries.
const (
	envelope  = 32
	itemFrame = 1536
)

// transaction is one that is being made.
type transaction struct {
	server  id.Server
	tell    bool // nothing but heads
	items   []jsontext.Value
	sent    []sent
	entries int
	size    int // of the items
}

// sent is what an item was made of.
type sent struct {
	row  follower.Row
	view timeline.View
	told bool // by its head only
}

// body is the transaction as it is sent; its items are encoded already.
func (t *transaction) body() any {
	return struct {
		Items []jsontext.Value `json:"items"`
	}{t.items}
}

// room is how many bytes more there may be.
func (t *transaction) room() int { return replica.MaxBody - envelope - t.size }

func (t *transaction) refs() []follower.Ref {
	out := make([]follower.Ref, len(t.sent))
	for i, s := range t.sent {
		out[i] = s.row.Ref
	}
	return out
}

// check wants a result for each item.
func (t *transaction) check(results []replica.Result) error {
	if len(results) != len(t.sent) {
		return fmt.Errorf("an answer with %d results to %d items", len(results), len(t.sent))
	}
	for i, r := range results {
		if r.ConversationID != t.sent[i].row.ID {
			return errors.New("an answer with results of other conversations")
		}
	}
	return nil
}

// item is replica.Item with entries that are encoded already.
type item struct {
	ConversationID id.Conversation     `json:"conversationId"`
	Snapshot       *replica.Snapshot   `json:"snapshot,omitempty"`
	Range          *span               `json:"range,omitempty"`
	Head           *replica.Checkpoint `json:"head,omitempty"`
}

type span struct {
	ConversationID id.Conversation     `json:"conversationId"`
	Entries        []jsontext.Value    `json:"entries"`
	Checkpoint     *replica.Checkpoint `json:"checkpoint"`
}

// compose fills the transaction from the log, within its bounds (spec: FED-TXN-1). left are the conversations for which there was no room.
func (o *Outbox) compose(ctx context.Context, t *transaction, refs []follower.Ref) (left []follower.Ref, err error) {
	for i, ref := range refs {
		if t.entries >= replica.MaxRecords || len(t.sent) >= replica.MaxItems {
			return refs[i:], nil
		}
		fits, err := o.item(ctx, t, ref)
		if err != nil {
			return nil, fmt.Errorf("what %s is to have of %s: %w", t.server, ref.ID, err)
		}
		if !fits {
			return refs[i:], nil
		}
	}
	return nil, nil
}

// item adds what the follower is to have of one conversation, if anything; false means that there is no room for it.
func (o *Outbox) item(ctx context.Context, t *transaction, ref follower.Ref) (fits bool, err error) {
	v, err := o.Timeline.View(ctx, ref.ID)
	if err != nil {
		return true, o.passOver(ref, err)
	}
	rows, err := o.rows(ctx, v, t.server)
	if err != nil || len(rows) == 0 || rows[0].Parked != "" {
		return true, err
	}
	row := rows[0] // Another one waits until it has everything of this one.
	step := row.Next(v.Head.Seq)
	if v.State.Hub() != o.Self && row.Until == follower.None { // What it ordered before it was moved it hands on all the same.
		step.Kind = follower.Drop
	}
	out, s := item{ConversationID: row.ID}, sent{row: row, view: v}
	switch {
	case step.Kind == follower.Done:
		return true, nil
	case step.Kind == follower.Drop:
		if err := o.drop(ctx, row); err != nil || len(rows) == 1 {
			return true, err
		}
		return o.item(ctx, t, ref)
	case t.tell || step.Kind == follower.Tell:
		s.told = true
		out.Head, err = o.head(ctx, v, step.To)
	case step.Kind == follower.Snapshot:
		return o.snapshotItem(ctx, t, s, step.To)
	default:
		out.Range, err = o.span(ctx, v, row, step.To, t)
		if err == nil && out.Range == nil {
			return false, nil
		}
	}
	if err != nil {
		return true, err
	}
	return t.add(out, s)
}

// passOver is nil if there is nothing to send of a conversation that cannot be read: it does not exist, or another node has its
// shard now, which sends of it.
func (o *Outbox) passOver(ref follower.Ref, err error) error {
	if _, lost := o.Timeline.Epoch(ref.Shard); lost != nil || fault.Is(err, fault.UnknownConversation) {
		return nil
	}
	return err
}

// add encodes an item and takes it in, if there is room.
func (t *transaction) add(it item, s sent) (fits bool, err error) {
	raw, err := json.Marshal(it)
	if err != nil {
		return true, err
	}
	if len(raw)+1 > t.room() {
		return false, nil
	}
	t.items, t.sent, t.size = append(t.items, raw), append(t.sent, s), t.size+len(raw)+1
	if it.Range != nil {
		t.entries += len(it.Range.Entries)
	}
	return true, nil
}

// snapshotItem adds a snapshot and the entries after it. A snapshot for which there is no room in any transaction is told of: the
// follower asks for it.
func (o *Outbox) snapshotItem(ctx context.Context, t *transaction, s sent, to int64) (fits bool, err error) {
	snap, err := o.snapshot(ctx, s.view)
	if err != nil {
		return true, err
	}
	out := item{ConversationID: s.row.ID, Snapshot: &snap}
	if fits, err = t.add(out, s); err != nil || !fits && len(t.sent) > 0 {
		return fits, err
	}
	if !fits {
		s.told, out.Snapshot = true, nil
		if out.Head, err = o.head(ctx, s.view, to); err == nil {
			fits, err = t.add(out, s)
		}
		return fits, err
	}
	t.entries++
	if base := snap.Record.Entry.Seq; to > base && to-base <= follower.Near {
		s.row.Acked = base
		err = o.extend(ctx, t, s, to)
	}
	return true, err
}

// extend adds to the snapshot that was added last the entries that follow, as far as there is room.
func (o *Outbox) extend(ctx context.Context, t *transaction, s sent, to int64) error {
	follow, err := o.span(ctx, s.view, s.row, to, t)
	if err != nil || follow == nil {
		return err
	}
	raw, err := json.Marshal(follow)
	if err != nil || len(raw)+len(`,"range":`) > t.room() {
		return err
	}
	last := len(t.items) - 1
	whole := append(t.items[last][:len(t.items[last])-1:len(t.items[last])-1], `,"range":`...)
	t.items[last] = append(append(whole, raw...), '}')
	t.size += len(raw) + len(`,"range":`)
	t.entries += len(follow.Entries)
	return nil
}

// span reads and encodes the entries after those that the follower has and up to another, as many as there is room for; nil if
// there is none.
func (o *Outbox) span(ctx context.Context, v timeline.View, row follower.Row, to int64, t *transaction) (*span, error) {
	count, room := replica.MaxRecords-t.entries, t.room()-itemFrame
	if count <= 0 || room <= 0 {
		return nil, nil
	}
	list, err := o.records(ctx, v, within{row.Acked + 1, to, count, room}, o.shows(v, row.Server, &row))
	if err != nil {
		return nil, err
	}
	out := &span{ConversationID: v.State.ID}
	var last replica.Record
	for _, r := range list {
		raw, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		if room -= len(raw) + 1; room < 0 {
			break
		}
		out.Entries, last = append(out.Entries, raw), r
	}
	if len(out.Entries) == 0 {
		return nil, nil
	}
	out.Checkpoint, err = o.sign(last)
	return out, err
}

// within are entries, and how many at once.
type within struct {
	from, to     int64
	count, bytes int
}

// shows tells which entries the server gets with their content: what its members may read, and, of the entries that a row is about,
// all but edits of messages from before any member came. spec: FED-TXN-5 FED-PULL-2
func (o *Outbox) shows(v timeline.View, server id.Server, row *follower.Row) func(*conversation.Event) bool {
	sight, _ := follower.SightOf(v.State, server, v.Head.Seq)
	return func(e *conversation.Event) bool {
		if row != nil && row.Covers(e.Seq) && e.Type != frame.TypeEdit {
			return true
		}
		return sight.Shows(e)
	}
}

// records reads entries as they are handed on.
func (o *Outbox) records(ctx context.Context, v timeline.View, w within, shows func(*conversation.Event) bool) ([]replica.Record, error) {
	list, err := o.Store.Records(ctx, v.Shard, v.Conv, w.from, w.to, w.count, w.bytes)
	if err == nil {
		err = o.complete(ctx, v, list)
	}
	if err != nil {
		return nil, err
	}
	out := make([]replica.Record, len(list))
	for i, f := range list {
		if f.Seq != w.from+int64(i) {
			return nil, fmt.Errorf("the log has no entry %d", w.from+int64(i))
		}
		if out[i], err = Record(f, shows(f.Event)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Record is an entry as it is handed on, with its content or without.
func Record(f timeline.Foreign, shows bool) (replica.Record, error) {
	r := replica.Record{Submission: f.Submission()}
	sub, err := r.Submission.Hash(nil)
	if err != nil {
		return r, err
	}
	r.Entry = event.Entry{
		ConversationID: f.ConversationID, Count: f.Count, HubTime: f.HubTime, MessageID: f.MessageID, Prev: f.Prev, Seq: f.Seq,
		StateHash: f.StateHash, SubmissionHash: sub, Term: f.Term,
	}
	if f.Signature != nil {
		r.Signature = &event.Signature{Server: f.Sender.Server(), KeyID: f.KeyID, Bytes: f.Signature}
	}
	if shows && f.Content != nil {
		r.Salt, r.Content = f.Salt, f.Content
	}
	return r, nil
}

// sign makes the checkpoint of an entry.
func (o *Outbox) sign(r replica.Record) (*replica.Checkpoint, error) {
	hash, err := r.Entry.Hash(nil)
	if err != nil {
		return nil, err
	}
	return o.checkpoint(event.Checkpoint{ConversationID: r.Entry.ConversationID, Hash: hash, Seq: r.Entry.Seq, Term: r.Entry.Term})
}

func (o *Outbox) checkpoint(c event.Checkpoint) (*replica.Checkpoint, error) {
	c.Hub, c.Time = o.Self, o.Now().UnixMilli()
	sig, err := o.Signer.Sign(c)
	if err != nil {
		return nil, err
	}
	return &replica.Checkpoint{Checkpoint: c, Signatures: []event.Signature{sig}}, nil
}

// head makes the checkpoint of the entry at seq.
func (o *Outbox) head(ctx context.Context, v timeline.View, seq int64) (*replica.Checkpoint, error) {
	if seq == v.Head.Seq && seq != v.State.Seq { // An entry that changes no state has the term that holds after it.
		return o.checkpoint(event.Checkpoint{ConversationID: v.State.ID, Hash: v.Head.Hash, Seq: seq, Term: v.State.Term()})
	}
	f, err := o.one(ctx, v, seq)
	if err != nil {
		return nil, err
	}
	rec, err := Record(f, false)
	if err != nil {
		return nil, err
	}
	point, err := o.end(ctx, v, rec)
	if err == nil && point == nil {
		err = fmt.Errorf("entry %d was ordered by another server", seq)
	}
	return point, err
}

// one reads one entry.
func (o *Outbox) one(ctx context.Context, v timeline.View, seq int64) (timeline.Foreign, error) {
	list, err := o.Store.Records(ctx, v.Shard, v.Conv, seq, seq, 1, replica.MaxBody)
	if err == nil && (len(list) != 1 || list[0].Seq != seq) {
		err = fmt.Errorf("the log has no entry %d", seq)
	}
	if err == nil {
		err = o.complete(ctx, v, list)
	}
	if err != nil {
		return timeline.Foreign{}, err
	}
	return list[0], nil
}

// snapshot is that of the newest change of the state.
func (o *Outbox) snapshot(ctx context.Context, v timeline.View) (out replica.Snapshot, err error) {
	f, err := o.one(ctx, v, v.State.Seq)
	if err != nil {
		return out, err
	}
	if out.Record, err = Record(f, true); err != nil {
		return out, err
	}
	point, err := o.end(ctx, v, out.Record)
	if err == nil && point == nil {
		err = fmt.Errorf("nothing is kept of how term %d ended", f.Term)
	}
	if err != nil {
		return out, err
	}
	create, err := v.State.Create.Canonical()
	if err != nil {
		return out, err
	}
	state, err := v.State.Canonical()
	if err != nil {
		return out, err
	}
	out.Create, out.State, out.Checkpoint, out.JoinedAt = string(create), string(state), *point, map[id.User]int64{}
	for u, m := range v.State.Members {
		if m.Membership == conversation.Joined {
			out.JoinedAt[u] = m.JoinedAt
		}
	}
	out.Moves, err = o.moves(ctx, v)
	return out, err
}

// moves shows that the hub is the hub: the entries by which the conversation was handed over, each signed by who was it before.
func (o *Outbox) moves(ctx context.Context, v timeline.View) ([]replica.Moved, error) {
	var out []replica.Moved
	for _, m := range v.State.Info.Moves {
		f, err := o.one(ctx, v, m.Seq)
		if err != nil {
			return nil, err
		}
		rec, err := Record(f, true)
		if err != nil {
			return nil, err
		}
		point, err := o.end(ctx, v, rec)
		if err == nil && point == nil {
			err = fmt.Errorf("nothing is kept of how term %d ended", f.Term)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, replica.Moved{Record: rec, Checkpoint: *point})
	}
	return out, nil
}

// end is the checkpoint of a record, by who ordered it: this server, or the one that handed over with it; nil if there is none.
func (o *Outbox) end(ctx context.Context, v timeline.View, r replica.Record) (*replica.Checkpoint, error) {
	reign := v.State.ReignAt(r.Entry.Seq)
	if reign.Hub == o.Self {
		return o.sign(r)
	}
	if r.Entry.Seq != reign.Last {
		return nil, nil
	}
	raw, err := o.Store.Handover(ctx, v.State.ID, reign.Term)
	if err != nil || raw == nil {
		return nil, err
	}
	point := &replica.Checkpoint{}
	return point, json.Unmarshal(raw, point)
}
