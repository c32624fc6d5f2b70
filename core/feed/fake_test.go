// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/core/fanout"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const shards = 4

// world is a log in memory: the Log and the Owner of a Feed.
type world struct {
	mu     sync.Mutex
	events map[id.Conversation][]*conversation.Event
	states map[id.Conversation]*conversation.State
	pos    map[id.Shard]int64
	away   error
	recent bool   // memory reaches back to every cursor
	before func() // called at the start of UserIndex, to race with it
}

func newWorld() *world {
	return &world{events: map[id.Conversation][]*conversation.Event{}, states: map[id.Conversation]*conversation.State{}, pos: map[id.Shard]int64{}}
}

func (w *world) feed() *Feed {
	return New(Options{Log: w, Owner: memory{w}, Shards: shards, Realm: []byte("test")})
}

// append commits an event, as the timeline would, and returns it.
func (w *world) append(t testing.TB, c id.Conversation, e conversation.Event) *conversation.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.ConversationID, e.Shard = c, c.Shard(shards)
	var head conversation.Head
	if n := len(w.events[c]); n > 0 {
		head = conversation.HeadAt(w.events[c][n-1])
	}
	after, err := conversation.Seal(&e, head, w.states[c], 1000)
	if err != nil {
		t.Fatal(err)
	}
	w.pos[e.Shard]++
	e.Pos = w.pos[e.Shard]
	e.Conv = e.Pos
	if head.Exists {
		e.Conv = w.events[c][0].Conv
	}
	w.events[c] = append(w.events[c], &e)
	w.states[c] = after
	return &e
}

func (w *world) create(t testing.TB, a, b id.User) (id.Conversation, *conversation.Event) {
	raw, err := event.NewDirect(a, b).Canonical()
	if err != nil {
		t.Fatal(err)
	}
	c := event.ConversationID(raw)
	return c, w.append(t, c, conversation.Event{Type: frame.TypeCreate, Sender: a, Content: raw})
}

func (w *world) send(t testing.TB, c id.Conversation, from id.User, text string) *conversation.Event {
	content, err := event.MessageContent(frame.Send{ContentType: "text", Content: text})
	if err != nil {
		t.Fatal(err)
	}
	return w.append(t, c, conversation.Event{Type: frame.TypeMessage, Sender: from, Content: content})
}

func (w *world) UserIndex(_ context.Context, u id.User) ([]Membership, error) {
	if w.before != nil {
		w.before()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Membership
	for c, s := range w.states {
		if m, ok := s.Member(u); ok {
			out = append(out, Membership{ID: c, Membership: m.Membership, ChangedPos: w.events[c][m.JoinedSeq].Pos})
		}
	}
	return out, w.away
}

func (w *world) Heads(_ context.Context, _ id.Shard, convs []id.Conversation) (map[id.Conversation]Head, error) {
	return map[id.Conversation]Head{}, nil // Nothing is flushed: memory knows.
}

func (w *world) Events(_ context.Context, n id.Shard, conv int64, r timeline.Range) ([]*conversation.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*conversation.Event
	for c, list := range w.events {
		if c.Shard(shards) != n || list[0].Conv != conv {
			continue
		}
		for _, e := range list {
			if e.Seq >= r.From && e.Seq <= r.To && e.Pos > r.AfterPos {
				copied := *e
				out = append(out, &copied)
			}
		}
	}
	if len(out) > r.Limit && r.Newest {
		out = out[len(out)-r.Limit:]
	}
	return out[:min(len(out), r.Limit)], nil
}

func (w *world) SeqAt(_ context.Context, n id.Shard, conv, pos, low, _ int64) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c, list := range w.events {
		if c.Shard(shards) == n && list[0].Conv == conv {
			for _, e := range list {
				if e.Pos <= pos {
					low = max(low, e.Seq)
				}
			}
		}
	}
	return low, nil
}

func (w *world) Mentions(context.Context, id.Shard, int64, id.User, int64, []timeline.Span) (int64, error) {
	return 0, nil
}

func (w *world) Edits(context.Context, id.Shard, int64, int64, timeline.Range) ([]*conversation.Event, error) {
	return nil, nil
}

func (w *world) Reactors(context.Context, id.Shard, int64, int64, timeline.ReactorRange) ([]conversation.Reactor, error) {
	return nil, nil
}

func (w *world) Position(n id.Shard) (timeline.Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return timeline.Position{Pos: w.pos[n]}, nil
}

func (w *world) View(_ context.Context, c id.Conversation) (timeline.View, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.view(c), nil
}

func (w *world) view(c id.Conversation) timeline.View {
	list := w.events[c]
	v := timeline.View{Shard: c.Shard(shards), Conv: list[0].Conv, State: w.states[c], Head: conversation.HeadAt(list[len(list)-1])}
	if last := list[len(list)-1]; conversation.Countable(last.Type) {
		copied := *last
		v.Last = &copied
	}
	return v
}

func (w *world) Pointers(context.Context, id.Conversation) (map[id.User]timeline.Pointer, error) {
	return map[id.User]timeline.Pointer{}, nil
}

// memory is the world as an Owner: its Heads overlay is another method than the Log's.
type memory struct{ *world }

func (memory) Epoch(id.Shard) (int64, error) { return 1, nil }

func (o memory) Recent(n id.Shard, since timeline.Position, limit int) (moved []timeline.View, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.events {
		if v := o.view(c); v.Shard == n && v.Head.Pos > since.Pos {
			moved = append(moved, v)
		}
	}
	return moved, o.recent && len(moved) <= limit
}

func (o memory) Heads(n id.Shard, convs []id.Conversation, f func(int, timeline.View)) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, c := range convs {
		if len(o.events[c]) > 0 {
			f(i, o.view(c))
		}
	}
	return 1
}

// client is a Sink that keeps what it got, and a client's rules: duplicates dropped, gaps fetched.
type client struct {
	mu      sync.Mutex
	w       *world
	user    id.User
	have    map[id.Conversation][]int64 // seqs in the order they came, without duplicates
	cursor  string
	pages   int
	full    bool // refuses live frames
	later   []func(context.Context)
	closed  fault.Code
	pageErr error
}

func newClient(w *world, u id.User) *client {
	return &client{w: w, user: u, have: map[id.Conversation][]int64{}}
}

func (c *client) Push(f *fanout.Frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full {
		return false
	}
	c.take(f.Payload())
	return true
}

func (c *client) PushPage(_ context.Context, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages++
	c.take(payload)
	return c.pageErr
}

func (c *client) Later(f func(context.Context)) { c.later = append(c.later, f) }
func (c *client) Close(code fault.Code)         { c.closed = code }

func (c *client) take(payload []byte) {
	var f struct {
		Type string
		Data json.RawMessage
	}
	if err := json.Unmarshal(payload, &f); err != nil {
		panic(err)
	}
	if f.Type == frame.SyncFrame {
		var s frame.Sync
		if err := json.Unmarshal(f.Data, &s); err != nil {
			panic(err)
		}
		for _, conv := range s.Conversations {
			if g := conv.Gap; g != nil {
				for seq := g.AfterSeq + 1; seq < g.BeforeSeq; seq++ {
					c.add(conv.ConversationID, seq)
				}
			}
		}
		for _, e := range s.Messages {
			c.add(e.ConversationID, e.Seq)
		}
		c.cursor = s.Cursor
		return
	}
	var e frame.Event
	if err := json.Unmarshal(f.Data, &e); err != nil {
		panic(err)
	}
	c.add(e.ConversationID, e.Seq)
}

func (c *client) add(conv string, seq int64) {
	list := c.have[id.Conversation(conv)]
	for _, have := range list {
		if have == seq {
			return
		}
	}
	c.have[id.Conversation(conv)] = append(list, seq)
}

// check demands every event of every conversation, once and in order.
func (c *client) check(t testing.TB) {
	t.Helper()
	for conv, list := range c.w.events {
		got := c.have[conv]
		if len(got) != len(list) {
			t.Fatalf("%s: %d events, want %d: %v", conv, len(got), len(list), got)
		}
		for i, seq := range got {
			if seq != int64(i) {
				t.Fatalf("%s: order %v", conv, got)
			}
		}
	}
}

func noteOf(t testing.TB, e *conversation.Event) *fanout.Note {
	record, err := e.Record()
	if err != nil {
		t.Fatal(err)
	}
	return &fanout.Note{Shard: e.Shard, Pos: e.Pos, ConversationID: e.ConversationID, Seq: e.Seq,
		Frame: fanout.NewFrame(frame.MessageReceived, frame.AppendFrame(nil, frame.MessageReceived, frame.AppendEvent(nil, &record)))}
}

var errAway = errors.New("away")
