// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json"

	"parley.chat/core/conversation"
	"parley.chat/core/follower"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// Entries answers a follower who pulls a range: the entries after one, with a checkpoint of the last, or those before one. It
// has at most what fits into a body. After the entry by which the last member of the server parted it is empty, also if one came
// back: what follows begins with a snapshot. Faults: unknown_conversation, invalid_field. spec: FED-PULL-1
func (o *Outbox) Entries(ctx context.Context, origin id.Server, req replica.Entries) (replica.Range, error) {
	out := replica.Range{ConversationID: req.ConversationID, Records: []replica.Record{}}
	v, sight, err := o.followed(ctx, origin, req.ConversationID)
	if err != nil {
		return out, err
	}
	if v.State.Hub() != o.Self && (req.AfterSeq == nil || v.State.ReignAt(*req.AfterSeq+1).Hub != o.Self) {
		return out, stranger()
	}
	count := req.Limit
	if count == 0 {
		count = replica.MaxRecords
	}
	switch {
	case count < 0 || count > replica.MaxRecords:
		return out, fault.Invalid("limit", "must be 1 to %d", replica.MaxRecords)
	case (req.AfterSeq == nil) == (req.BeforeSeq == nil):
		return out, fault.Invalid("afterSeq", "there must be either afterSeq or beforeSeq")
	case req.AfterSeq != nil:
		return o.after(ctx, v, origin, *req.AfterSeq, count)
	}
	to := min(*req.BeforeSeq-1, sight.To())
	out.Records, err = o.before(ctx, v, max(sight.From(), to-int64(count)+1), to, o.shows(v, origin, nil))
	return out, err
}

// after reads the entries after one, as far as they are an unbroken run.
func (o *Outbox) after(ctx context.Context, v timeline.View, origin id.Server, after int64, count int) (replica.Range, error) {
	out := replica.Range{ConversationID: v.State.ID, Records: []replica.Record{}}
	if after < 0 {
		return out, fault.Invalid("afterSeq", "must not be negative")
	}
	rows, err := o.rows(ctx, v, origin)
	if err != nil {
		return out, err
	}
	sight, _ := follower.SightOf(v.State, origin, v.Head.Seq)
	to := min(sight.Reach(after+1), v.Head.Seq)
	var row *follower.Row
	for i := range rows {
		if rows[i].Covers(after + 1) {
			row, to = &rows[i], rows[i].Last(v.Head.Seq)
		}
	}
	to = min(to, v.State.ReignAt(after+1).Last) // A checkpoint is of one term. spec: FED-MOVE-11
	if to <= after {
		return out, nil
	}
	list, err := o.records(ctx, v, within{after + 1, to, count, replica.MaxBody}, o.shows(v, origin, row))
	if err != nil || len(list) == 0 {
		return out, err
	}
	if out.Records, err = fitting(list); err == nil {
		out.Checkpoint, err = o.end(ctx, v, out.Records[len(out.Records)-1])
	}
	if err == nil && out.Checkpoint == nil { // The hub before handed over later, and signed that.
		out.Records = []replica.Record{}
	}
	return out, err
}

// before reads a range of which the newest are wanted, if not all fit.
func (o *Outbox) before(ctx context.Context, v timeline.View, from, to int64, shows func(*conversation.Event) bool) ([]replica.Record, error) {
	for from <= to {
		list, err := o.records(ctx, v, within{from, to, replica.MaxRecords, replica.MaxBody}, shows)
		if err != nil {
			return nil, err
		}
		if int64(len(list)) == to-from+1 {
			slices.Reverse(list)
			list, err = fitting(list)
			slices.Reverse(list)
			return list, err
		}
		from += (to - from + 2) / 2
	}
	return []replica.Record{}, nil
}

// fitting are the first records, as many as an answer has room for, and one at least.
func fitting(list []replica.Record) ([]replica.Record, error) {
	room := replica.MaxBody - itemFrame
	for i, r := range list {
		raw, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		if room -= len(raw) + 1; room < 0 && i > 0 {
			return list[:i], nil
		}
	}
	return list, nil
}

// Snapshot answers a follower with a joined member who begins, or begins again; what is parked of the conversation is tried
// again then. Faults: unknown_conversation, not_member. spec: FED-PULL-4
func (o *Outbox) Snapshot(ctx context.Context, origin id.Server, c id.Conversation) (replica.Snapshot, error) {
	v, _, err := o.followed(ctx, origin, c)
	if err == nil && v.State.Hub() != o.Self {
		err = stranger()
	}
	if err != nil {
		return replica.Snapshot{}, err
	}
	if !slices.Contains(v.State.Servers(), origin) {
		return replica.Snapshot{}, fault.New(fault.NotMember, "no user of %s is a member any more", origin)
	}
	out, err := o.snapshot(ctx, v)
	if err != nil {
		return out, err
	}
	rows, err := o.rows(ctx, v, origin)
	if err != nil || !slices.ContainsFunc(rows, func(r follower.Row) bool { return r.Parked != "" }) {
		return out, err
	}
	if _, err := o.Store.Unpark(ctx, v.Shard, o.Now().UnixMilli()+1, origin, v.Conv); err != nil {
		return out, err
	}
	for _, r := range rows {
		r.Parked, r.ParkedAt = "", 0
		o.cursors.move(r)
	}
	o.moved(origin, follower.Ref{Shard: v.Shard, Conv: v.Conv, ID: c})
	return out, nil
}

func stranger() error { return fault.New(fault.UnknownConversation, "no such conversation") }

// followed finds a conversation that is or was ordered here for a server that has, or had, members in it. To others it does not exist.
// spec: FED-PULL-3
func (o *Outbox) followed(ctx context.Context, origin id.Server, c id.Conversation) (v timeline.View, sight follower.Sight, err error) {
	if _, err := id.ParseConversation(string(c)); err != nil {
		return v, sight, fault.Invalid("conversationId", "is no conversation id").Because(err)
	}
	if v, err = o.Timeline.View(ctx, c); err != nil {
		return v, sight, err
	}
	sight, ok := follower.SightOf(v.State, origin, v.Head.Seq)
	was := slices.ContainsFunc(v.State.Info.Moves, func(m conversation.Move) bool { return m.Hub == o.Self })
	if !ok || v.State.Hub() != o.Self && v.State.Create.Hub != o.Self && !was || origin == o.Self {
		return v, sight, stranger()
	}
	return v, sight, nil
}
