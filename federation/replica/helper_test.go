// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/core/timeline"
	"parley.chat/federation/replica"
	"parley.chat/internal/federationtest"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

const (
	a = id.Server("a.test") // the hub
	b = id.Server("b.test") // holds the replica
	c = id.Server("c.test") // another member's server
	m = id.Server("m.test") // has no member
)

var (
	alice = id.NewUser("alice", a)
	bob   = id.NewUser("bob", b)
	bert  = id.NewUser("bert", b)
	carol = id.NewUser("carol", c)
)

// room is three servers, and the Replicas of one of them.
type room struct {
	*federationtest.Net
	hub, here *federationtest.Server
	shelf     *federationtest.Shelf
	*replica.Replicas
	conv id.Conversation
	o    replica.Options

	mu      sync.Mutex
	asked   []wire.Entries
	answer  func(wire.Entries) (wire.Range, error)
	consent func(replica.Joining) (*timeline.Prefs, error)
	refused []id.User
	at      time.Time
}

func newRoom(t testing.TB) *room {
	t.Helper()
	n := federationtest.NewNet(t, []id.Server{a, b, c, m})
	r := &room{Net: n, hub: n.Servers[a], here: n.Servers[b], shelf: federationtest.NewShelf(n.Servers[b].Store)}
	r.o = replica.Options{
		Self: b, Timeline: r.here, Store: r.shelf, Keys: n, Ask: r.ask, Now: r.now,
		AskSnapshot: func(context.Context, id.Server, id.Conversation) (wire.Snapshot, error) {
			v, err := r.hub.View(t.Context(), r.conv)
			if err != nil {
				return wire.Snapshot{}, err
			}
			return overWire(t, r.hub.Snapshot(t, r.conv, v.State.Seq)), nil
		},
		Consent: func(_ context.Context, j replica.Joining) (*timeline.Prefs, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.consent == nil {
				return nil, nil
			}
			return r.consent(j)
		},
		Refuse: func(_ id.Conversation, u id.User) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.refused = append(r.refused, u)
		},
	}
	r.answer = func(in wire.Entries) (wire.Range, error) { return r.given(t, in), nil }
	r.restart()
	r.conv = r.hub.Group(t, "news", alice, bob, carol)
	return r
}

// restart forgets what was in memory.
func (r *room) restart() {
	r.o.Timeline = r.here
	r.Replicas = replica.New(r.o)
}

func (r *room) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() {
		return time.Now()
	}
	return r.at
}

func (r *room) setTime(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = at
}

func (r *room) ask(_ context.Context, _ id.Server, in wire.Entries) (wire.Range, error) {
	r.mu.Lock()
	r.asked = append(r.asked, in)
	answer := r.answer
	r.mu.Unlock()
	return answer(in)
}

func (r *room) asks() []wire.Entries {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

func (r *room) setAnswer(f func(wire.Entries) (wire.Range, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// given is what the honest hub answers.
func (r *room) given(t testing.TB, in wire.Entries) wire.Range {
	v, err := r.hub.View(t.Context(), r.conv)
	if err != nil {
		t.Error(err)
		return wire.Range{}
	}
	return overWire(t, r.hub.Range(t, r.conv, *in.AfterSeq+1, min(v.Head.Seq, *in.AfterSeq+int64(in.Limit))))
}

func (r *room) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	replicas := r.Replicas
	go func() {
		defer close(done)
		_ = replicas.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// say lets a user of a server send a text, and returns the seq.
func (r *room) say(t testing.TB, u id.User, text string) int64 {
	t.Helper()
	cmd := timelinetest.Message(t, r.conv, u, text, text)
	if u.Server() == a {
		return r.hub.MustAppend(t, cmd).Seq
	}
	return r.hub.Deliver(t, cmd).Seq
}

// change lets a user of the hub change the state.
func (r *room) change(t testing.TB, typ string, ch frame.Change) int64 {
	t.Helper()
	return r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, typ, id.NewULID(), ch)).Seq
}

// overWire is v as it arrives.
func overWire[T any](t testing.TB, v T) (out T) {
	t.Helper()
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Error(err)
	}
	return out
}

// give sends an item through the wire's encoding and takes it.
func (r *room) give(t testing.TB, from id.Server, item wire.Item) (int64, error) {
	t.Helper()
	item.ConversationID = r.conv
	raw, err := json.Marshal(wire.Transaction{Items: []wire.Item{item}})
	if err != nil {
		t.Fatal(err)
	}
	var got wire.Transaction
	if err := wire.Decode(raw, &got); err != nil {
		t.Fatal(err)
	}
	return r.Take(t.Context(), from, got.Items[0])
}

func (r *room) giveRange(t testing.TB, from, to int64) (int64, error) {
	t.Helper()
	rng := r.hub.Range(t, r.conv, from, to)
	return r.give(t, a, wire.Item{Range: &rng})
}

func (r *room) giveSnapshot(t testing.TB, seq int64) (int64, error) {
	t.Helper()
	s := r.hub.Snapshot(t, r.conv, seq)
	return r.give(t, a, wire.Item{Snapshot: &s})
}

// begin begins the replica at seq 0.
func (r *room) begin(t testing.TB) {
	t.Helper()
	if seq, err := r.giveSnapshot(t, 0); err != nil || seq != 0 {
		t.Fatalf("a snapshot was taken up to %d, %v", seq, err)
	}
}

func want(t testing.TB, what string, seq int64, err error, wantSeq int64, code fault.Code) {
	t.Helper()
	if code == "" && err != nil || code != "" && !fault.Is(err, code) || seq != wantSeq {
		t.Errorf("%s: taken up to %d, %v; want %d, %q", what, seq, err, wantSeq, code)
	}
}

// head is how far the replica is, -1 if there is none.
func (r *room) head(t testing.TB) int64 {
	t.Helper()
	v, err := r.here.View(t.Context(), r.conv)
	if fault.Is(err, fault.UnknownConversation) {
		return -1
	}
	if err != nil {
		t.Fatal(err)
	}
	return v.Head.Seq
}

// same checks that the replica holds what the hub has.
func (r *room) same(t testing.TB) {
	t.Helper()
	mine := timelinetest.Verify(t, r.here.Store, r.conv)
	theirs := timelinetest.Verify(t, r.hub.Store, r.conv)
	if len(mine) != len(theirs) {
		t.Fatalf("the replica has %d entries, the hub %d", len(mine), len(theirs))
	}
	for i, e := range mine {
		if e.Hash != theirs[i].Hash || string(e.Content) != string(theirs[i].Content) {
			t.Errorf("entry %d differs", i)
		}
	}
}

// rename changes the content of a message as if its author had written something else.
func rename(t testing.TB, rec *wire.Record, text string) {
	t.Helper()
	raw, err := event.MessageContent(frame.Send{Content: text, ContentType: "text"})
	if err != nil {
		t.Fatal(err)
	}
	rec.Content = raw
}
