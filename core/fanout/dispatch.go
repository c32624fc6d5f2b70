// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

var errNoState = errors.New("no state came with the event")

const lastWords = time.Second // for what was queued when Run is told to end

// Run dispatches until ctx is done, then what is queued by then, and returns nil. It may be called once.
func (f *Fanout) Run(ctx context.Context) error {
	defer close(f.stopped)
	ticks := time.NewTicker(f.opt.TickEvery)
	defer ticks.Stop()
	f.greet()
	for {
		select {
		case w := <-f.queue:
			f.dispatch(ctx, w)
			f.drain(ctx)
		case <-f.doubt:
			f.burn(ctx)
		case <-ticks.C:
			f.tick(ctx)
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			defer cancel()
			f.drain(end)
			return nil
		}
	}
}

// drain dispatches what is queued already, so that its notes share packets, at most as much as the queue holds.
func (f *Fanout) drain(ctx context.Context) {
	defer f.flushAll(ctx)
	for range cap(f.queue) {
		select {
		case w := <-f.queue:
			f.dispatch(ctx, w)
		default:
			return
		}
	}
}

func (f *Fanout) dispatch(ctx context.Context, w work) {
	for i := range w.events {
		f.event(ctx, &w.events[i])
	}
	for i := range w.receipts {
		f.receipt(ctx, &w.receipts[i])
	}
	for i := range w.passing {
		f.pass(ctx, &w.passing[i])
	}
	f.count.events.Add(uint64(len(w.events)))
	f.count.receipts.Add(uint64(len(w.receipts)))
}

func (f *Fanout) pass(ctx context.Context, p *Passing) {
	for _, u := range p.To {
		f.address(u, p.Except)
	}
	n := Note{Except: p.Except, Only: p.Only, Device: p.Device, Version: p.Version}
	if p.Only != nil || p.Device != "" {
		f.out.sessions = slices.DeleteFunc(f.out.sessions, func(s Session) bool { return !n.reaches(s) })
	}
	f.deliver(ctx, n, func() (*Frame, error) { return p.Frame, nil })
}

func (f *Fanout) event(ctx context.Context, c *Committed) {
	e := c.Event
	if c.State == nil {
		f.skip(e.ConversationID, e.Seq, errNoState)
		return
	}
	var later []id.User // who do not see the message that was edited
	for u, m := range c.State.Members {
		if m.Membership != conversation.Joined || c.Withheld != nil && slices.Contains(c.Withheld, u) {
			continue
		}
		if e.HiddenFrom(m.FromSeq) || slices.Contains(c.Unseen, u) {
			later = append(later, u)
			continue
		}
		if u == e.Sender {
			f.address(u, c.Origin) // Only here, as asking each session for its id costs a cache miss each.
		} else {
			f.address(u, "")
		}
	}
	for _, u := range parted(e) {
		if m, ok := c.State.Member(u); ok && m.LeftSeq == e.Seq {
			f.address(u, c.Origin)
		}
	}
	f.deliver(ctx, Note{Shard: e.Shard, Pos: e.Pos, ConversationID: e.ConversationID, Seq: e.Seq, Except: c.Origin},
		func() (*Frame, error) { return f.encodeEvent(e) })
	if later != nil {
		f.editUnseen(ctx, c, later)
	}
	if c.Knock {
		f.knock(ctx, c)
	}
}

// knock tells those who do not get the event that somebody asks for a conversation.
func (f *Fanout) knock(ctx context.Context, c *Committed) {
	e := c.Event
	for _, u := range c.Withheld {
		f.address(u, "")
	}
	f.deliver(ctx, Note{Shard: e.Shard, Pos: e.Pos, ConversationID: e.ConversationID, Seq: e.Seq}, func() (*Frame, error) {
		return f.encode(frame.MessageRequest, frame.Request{ConversationID: string(e.ConversationID), SenderID: string(e.Sender), Timestamp: e.HubTime})
	})
}

// parted are the users whom the event itself put out: they get it, and nothing after it.
func parted(e *conversation.Event) []id.User {
	switch e.Type {
	case frame.TypeMemberLeave:
		return []id.User{e.Sender}
	case frame.TypeMemberRemove, frame.TypeMemberBan:
		change, err := event.ParseChange(e.Type, e.Content)
		if err != nil {
			return nil // Encoding tells.
		}
		users := make([]id.User, len(change.UserIDs))
		for i, u := range change.UserIDs {
			users[i] = id.User(u)
		}
		return users
	}
	return nil
}

func (f *Fanout) receipt(ctx context.Context, r *Receipt) {
	for _, u := range r.To {
		f.address(u, "")
	}
	f.deliver(ctx, Note{Shard: r.Shard, Mark: r.Mark, ConversationID: r.ConversationID, Seq: r.Seq},
		func() (*Frame, error) { return f.encodeReceipt(r) })
}

// address notes that u gets what is at hand.
func (f *Fanout) address(u id.User, except string) {
	node := f.opt.Self
	if f.opt.Placement != nil {
		node = f.opt.Placement.NodeOf(u)
	}
	switch {
	case node == f.opt.Self:
		for _, s := range f.sessions.of(u) {
			if except == "" || s.ID() != except {
				f.out.sessions = append(f.out.sessions, s)
			}
		}
	case node != "" && f.opt.Bus != nil:
		l := f.link(node)
		if l.note == nil {
			l.note = &Note{}
			f.out.remote = append(f.out.remote, l)
		}
		l.note.Users = append(l.note.Users, u)
	}
}

// deliver hands n to those addressed; the frame is encoded if there are any.
func (f *Fanout) deliver(ctx context.Context, n Note, encode func() (*Frame, error)) {
	o := &f.out
	if len(o.sessions) == 0 && len(o.remote) == 0 {
		return
	}
	var err error
	if n.Frame, err = encode(); err != nil {
		f.skip(n.ConversationID, n.Seq, err)
	} else {
		f.hand(ctx, n)
	}
	for _, l := range o.remote {
		l.note = nil
	}
	clear(o.sessions)
	o.sessions, o.remote = o.sessions[:0], o.remote[:0]
}

func (f *Fanout) skip(c id.Conversation, seq int64, err error) {
	f.count.skipped.Add(1)
	f.opt.Log.Error("event not delivered", slog.String("conversation", string(c)), slog.Int64("seq", seq), slog.Any("error", err))
}

func (f *Fanout) hand(ctx context.Context, n Note) {
	for _, l := range f.out.remote {
		note := l.note
		users := note.Users
		*note = n
		note.Users = users
		f.push(ctx, l, note)
	}
	if len(f.out.sessions) == 0 {
		return
	}
	shared := &n
	for _, s := range f.out.sessions {
		s.Deliver(shared)
	}
	f.count.delivered.Add(uint64(len(f.out.sessions)))
}

func (f *Fanout) encodeEvent(e *conversation.Event) (*Frame, error) {
	record, err := e.Record()
	if err != nil {
		return nil, err
	}
	if !conversation.ChangesState(e.Type) && e.Type != frame.TypeMessage {
		return f.encodeRelation(&record)
	}
	typ := frame.ConversationUpdated
	if e.Type == frame.TypeMessage {
		typ = frame.MessageReceived
	}
	f.out.data = frame.AppendEvent(f.out.data[:0], &record)
	return f.frame(typ), nil
}

// encode wraps data of which there is little.
func (f *Fanout) encode(typ string, v any) (*Frame, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, errors.Join(errors.New("encode "+typ), err)
	}
	f.out.data = append(f.out.data[:0], data...)
	return f.frame(typ), nil
}

func (f *Fanout) encodeReceipt(r *Receipt) (*Frame, error) {
	if r.Prefs != nil {
		return f.encode(frame.ConversationSettings, r.Prefs)
	}
	if r.Many != nil {
		return f.encode(frame.ReceiptsFrame, frame.MovedPointers{ConversationID: string(r.ConversationID), Receipts: r.Many})
	}
	data, err := json.Marshal(frame.Delivery{
		ConversationID: string(r.ConversationID),
		MessageID:      r.MessageID.String(),
		Status:         r.Status,
		UserID:         string(r.User),
		Seq:            &r.Seq,
	})
	if err != nil {
		return nil, errors.Join(errors.New("encode receipt"), err)
	}
	f.out.data = append(f.out.data[:0], data...)
	return f.frame(frame.DeliveryAck), nil
}

// frame wraps the encoded data.
func (f *Fanout) frame(typ string) *Frame {
	f.count.encoded.Add(1)
	return NewFrame(typ, frame.AppendFrame(nil, typ, f.out.data))
}
