// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// heard is a session that writes down what it is told, in order.
type heard struct {
	id     string
	user   id.User
	device id.Device

	mu      sync.Mutex
	notes   []*Note
	log     []string // pos of events, m<mark> of receipts, "lost", "revoked <code>"
	onEvent func()
}

func (h *heard) ID() string        { return h.id }
func (h *heard) User() id.User     { return h.user }
func (h *heard) Device() id.Device { return h.device }

func (h *heard) Deliver(n *Note) {
	h.mu.Lock()
	h.notes = append(h.notes, n)
	h.mu.Unlock()
	if n.Mark > 0 {
		h.tell(fmt.Sprintf("m%d", n.Mark))
		return
	}
	h.tell(fmt.Sprint(n.Pos))
}

func (h *heard) Lost()                  { h.tell("lost") }
func (h *heard) Revoke(code fault.Code) { h.tell("revoked " + string(code)) }

func (h *heard) tell(s string) {
	h.mu.Lock()
	h.log = append(h.log, s)
	h.mu.Unlock()
	if h.onEvent != nil {
		h.onEvent()
	}
}

func (h *heard) words() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.log)
}

func (h *heard) last(t testing.TB) *Note {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.notes) == 0 {
		t.Fatalf("%s got nothing", h.id)
	}
	return h.notes[len(h.notes)-1]
}

// register makes a session of the user, named after it, and registers it.
func register(f *Fanout, u id.User) *heard {
	h := &heard{id: "s-" + string(u), user: u, device: "D1"}
	f.Register(h)
	return h
}

// outbox is a bus that keeps what was sent.
type outbox struct {
	sent []*Packet
	to   []Node
	at   []time.Time
	err  error
	fn   func(*Packet)
}

func (o *outbox) Send(_ context.Context, to Node, p *Packet) error {
	o.sent, o.to, o.at = append(o.sent, p), append(o.to, to), append(o.at, time.Now())
	return o.err
}

func (o *outbox) Receive(fn func(*Packet)) { o.fn = fn }

// byName places users at the node that their server name says; those of "none" are nowhere.
type byName struct{}

func (byName) NodeOf(u id.User) Node {
	if u.Server() == "none" {
		return ""
	}
	return Node(u.Server())
}

// room makes the events of one conversation.
type room struct {
	t     testing.TB
	id    id.Conversation
	state *conversation.State
	seq   int64
	pos   int64
}

func newRoom(t testing.TB, members ...id.User) (*room, Committed) {
	t.Helper()
	slices.Sort(members)
	content, err := event.Create{Creators: members[:1], Hub: "a", Members: members, Type: event.Group}.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	r := &room{t: t, id: event.ConversationID(content), seq: -1}
	return r, r.next(frame.TypeCreate, members[0], content)
}

func (r *room) next(typ string, sender id.User, content []byte) Committed {
	r.t.Helper()
	r.seq++
	r.pos++
	e := &conversation.Event{
		Shard: 3, Pos: r.pos, ConversationID: r.id, Seq: r.seq, HubTime: 1000 + r.seq, Type: typ, Sender: sender,
		MessageID: id.NewMessage(1000, r.seq, [32]byte{}), Content: content,
	}
	after, err := conversation.Apply(r.state, e)
	if err != nil {
		r.t.Fatal(err)
	}
	r.state = after
	return Committed{Event: e, State: after}
}

func (r *room) message(sender id.User) Committed {
	return r.next(frame.TypeMessage, sender, []byte(`{"content":"hi","contentType":"text"}`))
}

func (r *room) change(typ string, sender id.User, c frame.Change) Committed {
	r.t.Helper()
	content, err := event.ChangeContent(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.next(typ, sender, content)
}

// now dispatches and flushes without Run.
func now(f *Fanout, events ...Committed) {
	f.dispatch(context.Background(), work{events: events})
	f.flushAll(context.Background())
}
