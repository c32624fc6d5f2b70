// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/federation/replica"
	"parley.chat/federation/submit"
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
	b = id.Server("b.test") // submits
	c = id.Server("c.test")
	m = id.Server("m.test") // has no member
)

var (
	alice = id.NewUser("alice", a)
	bob   = id.NewUser("bob", b)
	bert  = id.NewUser("bert", b)
	carol = id.NewUser("carol", c)
)

// room is a hub, and a server with a replica and a Writer.
type room struct {
	*federationtest.Net
	hub, here *federationtest.Server
	conv      id.Conversation
	shelf     *federationtest.Shelf
	replicas  *replica.Replicas
	*submit.Writer
	receiver *submit.Hub
	o        submit.Options
	stop     func()

	deaf     atomic.Bool // entries are not given
	mu       sync.Mutex
	cut      bool
	sends    []wire.Submissions
	answer   func(in wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error)
	outcomes []submit.Outcome
	admit    func(*timeline.Command) error
}

// errCut says that the line is cut.
var errCut = errors.New("the line is cut")

func newRoom(t testing.TB, change ...func(*submit.Options)) *room {
	t.Helper()
	r := &room{}
	r.Net = federationtest.NewNet(t, []id.Server{a, b, c, m}, func(o *timeline.Options) {
		if o.Self == b {
			o.Out = &out{room: r, Out: o.Out}
		}
	})
	r.hub, r.here = r.Servers[a], r.Servers[b]
	r.shelf = federationtest.NewShelf(r.here.Store)
	r.receiver = newHubOf(r, t, a)
	r.o = submit.Options{Self: b, Signer: r.here, Limits: conversation.Limits{MaxMembers: event.MaxMembers}, Wait: time.Minute,
		Send: func(ctx context.Context, hub id.Server, in wire.Submissions) (wire.Ordered, error) {
			return r.send(ctx, t, hub, in)
		},
		Outcome: func(o submit.Outcome) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.outcomes = append(r.outcomes, o)
		}}
	for _, f := range change {
		f(&r.o)
	}
	r.start(t)
	r.conv = r.hub.Group(t, "news", alice, bob, carol)
	r.begin(t)
	return r
}

// newHubOf is the door of a server for submissions.
func newHubOf(r *room, t testing.TB, self id.Server) *submit.Hub {
	return submit.NewHub(submit.HubOptions{Self: self, Timeline: r.Servers[self], Store: r.Servers[self].Queue, Keys: r, Source: &source{r, t}, Signer: r.Servers[self],
		Admit: func(_ context.Context, _ id.Server, cmd *timeline.Command) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.admit == nil {
				return nil
			}
			return r.admit(cmd)
		}})
}

// start starts what has memory, as after a restart of the process.
func (r *room) start(t testing.TB) {
	t.Helper()
	replicas := replica.New(replica.Options{Self: b, Timeline: r.here, Store: r.shelf, Keys: r,
		Ask: func(ctx context.Context, _ id.Server, in wire.Entries) (wire.Range, error) {
			if r.isCut() || r.deaf.Load() {
				return wire.Range{}, errCut
			}
			out, err := (&source{r, t}).Entries(ctx, b, in)
			return overWire(t, out), err
		},
		AskSnapshot: func(ctx context.Context, _ id.Server, conv id.Conversation) (wire.Snapshot, error) {
			return (&source{r, t}).Snapshot(ctx, b, conv)
		}})
	o := r.o
	o.Timeline, o.Store, o.Replicas = r.here, r.here.Queue, replicas
	w := submit.NewWriter(o)
	r.mu.Lock()
	r.replicas, r.Writer = replicas, w
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = w.Run(ctx) })
	group.Go(func() { _ = replicas.Run(ctx) })
	r.stop = func() { cancel(); group.Wait() }
	t.Cleanup(r.stop)
}

// out tells the Writer of what is committed before others.
type out struct {
	room *room
	timeline.Out
}

func (o *out) Committed(ctx context.Context, events []conversation.Committed) error {
	o.room.mu.Lock()
	w := o.room.Writer
	o.room.mu.Unlock()
	if w != nil {
		w.Committed(events)
	}
	return o.Out.Committed(ctx, events)
}

// source is what an honest hub says.
type source struct {
	*room
	t testing.TB
}

func (s *source) Entries(_ context.Context, _ id.Server, in wire.Entries) (wire.Range, error) {
	v, err := s.hub.View(context.Background(), in.ConversationID)
	if err != nil || v.Head.Seq <= *in.AfterSeq {
		return wire.Range{ConversationID: in.ConversationID}, err
	}
	limit := int64(in.Limit)
	if limit == 0 {
		limit = wire.MaxRecords
	}
	return s.hub.Range(s.t, in.ConversationID, *in.AfterSeq+1, min(v.Head.Seq, *in.AfterSeq+limit)), nil
}

func (s *source) Snapshot(_ context.Context, _ id.Server, conv id.Conversation) (wire.Snapshot, error) {
	v, err := s.hub.View(context.Background(), conv)
	if err != nil {
		return wire.Snapshot{}, err
	}
	return s.hub.Snapshot(s.t, conv, v.State.Seq), nil
}

// send is the line between the servers.
func (r *room) send(ctx context.Context, t testing.TB, hub id.Server, in wire.Submissions) (wire.Ordered, error) {
	if hub != a {
		return wire.Ordered{}, errors.New("no such server")
	}
	r.mu.Lock()
	r.sends = append(r.sends, in)
	cut, answer := r.cut, r.answer
	r.mu.Unlock()
	if cut {
		return wire.Ordered{}, errCut
	}
	honest := func() (wire.Ordered, error) { return r.receive(ctx, t, b, in) }
	if answer != nil {
		return answer(in, honest)
	}
	return honest()
}

// receive hands a request to the hub, as it arrives.
func (r *room) receive(ctx context.Context, t testing.TB, from id.Server, in wire.Submissions) (wire.Ordered, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		t.Error(err)
	}
	var got wire.Submissions
	if err := wire.Decode(raw, &got); err != nil {
		return wire.Ordered{}, err
	}
	out, err := r.receiver.Receive(ctx, from, got)
	if err != nil {
		return out, err
	}
	return overWire(t, out), nil
}

// overWire is v as it arrives.
func overWire[T any](t testing.TB, v T) (out T) {
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Error(err)
	}
	return out
}

func (r *room) isCut() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut
}

func (r *room) setCut(cut bool) {
	r.mu.Lock()
	r.cut = cut
	r.mu.Unlock()
}

func (r *room) setAnswer(f func(wire.Submissions, func() (wire.Ordered, error)) (wire.Ordered, error)) {
	r.mu.Lock()
	r.answer = f
	r.mu.Unlock()
}

func (r *room) sent() []wire.Submissions {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sends)
}

func (r *room) told() []submit.Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.outcomes)
}

// begin begins the replica, or goes on with it, from what the hub has.
func (r *room) begin(t testing.TB) {
	t.Helper()
	s := overWire(t, r.hub.Snapshot(t, r.conv, 0))
	if _, err := r.replicas.Take(t.Context(), a, wire.Item{ConversationID: r.conv, Snapshot: &s}); err != nil {
		t.Fatal(err)
	}
}

// push hands on what the replica has not.
func (r *room) push(t testing.TB) {
	t.Helper()
	v, err := r.here.View(t.Context(), r.conv)
	if err != nil {
		t.Fatal(err)
	}
	after := v.Head.Seq
	rng, err := (&source{r, t}).Entries(t.Context(), b, wire.Entries{ConversationID: r.conv, AfterSeq: &after})
	if err != nil || len(rng.Records) == 0 {
		return
	}
	rng = overWire(t, rng)
	if _, err := r.replicas.Take(t.Context(), a, wire.Item{ConversationID: r.conv, Range: &rng}); err != nil {
		t.Fatal(err)
	}
}

func (r *room) message(t testing.TB, by id.User, tempID string) timeline.Command {
	return timelinetest.Message(t, r.conv, by, tempID, "text-"+tempID)
}

// say appends a message and wants it to have a place.
func (r *room) say(t testing.TB, by id.User, tempID string) timeline.Result {
	t.Helper()
	res, err := r.Append(t.Context(), r.message(t, by, tempID))
	if err != nil || res.Accepted {
		t.Fatalf("say %s: %+v, %v", tempID, res, err)
	}
	return res
}

// log are the tempIds of the messages in the hub's log, in order.
func (r *room) log(t testing.TB) (out []string) {
	t.Helper()
	for _, e := range timelinetest.Verify(t, r.hub.Store, r.conv) {
		if e.Type == frame.TypeMessage {
			out = append(out, e.TempID)
		}
	}
	return out
}

// same checks that both have the same log.
func (r *room) same(t testing.TB) {
	t.Helper()
	mine, theirs := timelinetest.Verify(t, r.here.Store, r.conv), timelinetest.Verify(t, r.hub.Store, r.conv)
	if len(mine) != len(theirs) {
		t.Fatalf("the replica has %d entries, the hub %d", len(mine), len(theirs))
	}
	for i := range mine {
		if mine[i].Hash != theirs[i].Hash {
			t.Errorf("entry %d differs", i)
		}
	}
}

func wantFault(t testing.TB, what string, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}
