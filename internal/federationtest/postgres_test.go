// SPDX-License-Identifier: Apache-2.0

package federationtest_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/federation/outbox"
	"parley.chat/federation/replica"
	"parley.chat/federation/submit"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	wire "parley.chat/protocol/replica"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const shards = 4

var template = pgtest.NewTemplate(func(ctx context.Context, dsn string) error {
	s, err := store.Open(ctx, shards, []store.Database{{DSN: dsn, Shards: []id.Shard{0, 1, 2, 3}}})
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Migrate(ctx)
})

// town is servers with all that federation has, but for the network: requests are calls, through the encoding.
type town struct {
	sides map[id.Server]*side
	cut   atomic.Bool
	wait  time.Duration // for the place of an event
}

// side is one server.
type side struct {
	town    *town
	name    id.Server
	private ed25519.PrivateKey
	store   *store.Store

	mu sync.Mutex // guards parts
	parts
	stop func()
}

// parts are what a process has in memory.
type parts struct {
	*timelinetest.Node
	outbox   *outbox.Outbox
	replicas *replica.Replicas
	writer   *submit.Writer
	hub      *submit.Hub
}

func newTown(t testing.TB, wait time.Duration, names ...id.Server) *town {
	t.Helper()
	w := &town{wait: wait, sides: map[id.Server]*side{}}
	for i, name := range names {
		s, err := store.Open(context.Background(), shards, []store.Database{{DSN: template.New(t), Shards: []id.Shard{0, 1, 2, 3}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = byte(i + 1)
		w.sides[name] = &side{town: w, name: name, private: ed25519.NewKeyFromSeed(seed), store: s}
	}
	for _, s := range w.sides {
		s.start(t)
	}
	return w
}

func (s *side) Signing() (string, ed25519.PrivateKey) {
	return key.ID(s.private.Public().(ed25519.PublicKey)), s.private
}

// Sign implements outbox.Signer.
func (s *side) Sign(c event.Checkpoint) (event.Signature, error) {
	keyID, private := s.Signing()
	return c.Sign(keyID, private)
}

func (w *town) Find(_ context.Context, server id.Server, keyID string) (key.Key, error) {
	s := w.sides[server]
	if s == nil {
		return key.Key{}, errors.New("no such server")
	}
	own, private := s.Signing()
	if own != keyID {
		return key.Key{}, errors.New("no such key")
	}
	return key.Key{ID: own, Public: private.Public().(ed25519.PublicKey), Until: 1 << 50}, nil
}

func (w *town) FindStored(ctx context.Context, server id.Server, keyID string) (key.Key, error) {
	return w.Find(ctx, server, keyID)
}

var errCut = errors.New("the line is cut")

// Call implements outbox.Client.
func (s *side) Call(ctx context.Context, to id.Server, path string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if s.town.cut.Load() {
		return errCut
	}
	answer, err := s.town.sides[to].serve(ctx, s.name, path, raw)
	if err != nil {
		return err
	}
	if raw, err = json.Marshal(answer); err != nil {
		return err
	}
	if s.town.cut.Load() { // It was heard, and the answer is lost.
		return errCut
	}
	return json.Unmarshal(raw, out)
}

func (s *side) now() parts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts
}

func (s *side) serve(ctx context.Context, from id.Server, path string, raw []byte) (any, error) {
	p := s.now()
	p.outbox.Heard(from)
	p.replicas.Heard(from)
	p.writer.Heard(from)
	switch path {
	case wire.TransactionsPath:
		var in wire.Transaction
		if err := wire.Decode(raw, &in); err != nil {
			return nil, err
		}
		out := wire.Taken{}
		for _, item := range in.Items {
			seq, err := p.replicas.Take(ctx, from, item)
			one := wire.Result{ConversationID: item.ConversationID, Seq: seq}
			if err != nil {
				one.Code = string(fault.From(err).Code)
			}
			out.Results = append(out.Results, one)
		}
		return out, nil
	case wire.SubmissionsPath:
		var in wire.Submissions
		if err := wire.Decode(raw, &in); err != nil {
			return nil, err
		}
		return p.hub.Receive(ctx, from, in)
	case wire.EntriesPath:
		var in wire.Entries
		if err := wire.Decode(raw, &in); err != nil {
			return nil, err
		}
		return p.outbox.Entries(ctx, from, in)
	case wire.SnapshotPath:
		var in wire.AskSnapshot
		if err := wire.Decode(raw, &in); err != nil {
			return nil, err
		}
		return p.outbox.Snapshot(ctx, from, in.ConversationID)
	}
	return nil, errors.New("no such path")
}

// Committed implements timeline.Out, as the rest.
func (s *side) Committed(_ context.Context, events []conversation.Committed) error {
	p := s.now()
	if p.writer == nil {
		return nil
	}
	p.writer.Committed(events)
	for _, e := range events {
		p.outbox.Moved(e.Event, e.State)
	}
	return nil
}

func (s *side) Receipts(context.Context, []conversation.Receipt) error { return nil }

func (s *side) Lost() {
	if o := s.now().outbox; o != nil {
		o.Lost()
	}
}

func (s *side) Erased(context.Context, []conversation.Erased) error { return nil }

// start starts a process.
func (s *side) start(t testing.TB) {
	t.Helper()
	var p parts
	log := slog.New(slog.DiscardHandler)
	p.Node = timelinetest.Start(t, s.store, func(o *timeline.Options) { o.Self, o.Out, o.Node = s.name, s, string(s.name) })
	p.outbox = outbox.New(outbox.Options{Self: s.name, Timeline: p.Node, Store: s.store, Client: s, Signer: s, Log: log})
	p.replicas = replica.New(replica.Options{Self: s.name, Timeline: p.Node, Store: s.store, Keys: s.town, Log: log,
		Ask: func(ctx context.Context, hub id.Server, in wire.Entries) (out wire.Range, err error) {
			return out, s.Call(ctx, hub, wire.EntriesPath, in, &out)
		},
		AskSnapshot: func(ctx context.Context, hub id.Server, c id.Conversation) (out wire.Snapshot, err error) {
			return out, s.Call(ctx, hub, wire.SnapshotPath, wire.AskSnapshot{ConversationID: c}, &out)
		}})
	p.writer = submit.NewWriter(submit.Options{Self: s.name, Timeline: p.Node, Store: s.store, Replicas: p.replicas, Signer: s,
		Limits: conversation.Limits{MaxMembers: event.MaxMembers}, Wait: s.town.wait,
		Send: func(ctx context.Context, hub id.Server, in wire.Submissions) (out wire.Ordered, err error) {
			return out, s.Call(ctx, hub, wire.SubmissionsPath, in, &out)
		}})
	p.hub = submit.NewHub(submit.HubOptions{Self: s.name, Timeline: p.Node, Store: s.store, Keys: s.town, Source: p.outbox})
	s.mu.Lock()
	s.parts = p
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = p.outbox.Run(ctx) })
	group.Go(func() { _ = p.replicas.Run(ctx) })
	group.Go(func() { _ = p.writer.Run(ctx) })
	s.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(s.stop)
}

// crash ends the process as SIGKILL does, and starts another.
func (s *side) crash(t testing.TB) {
	t.Helper()
	s.Node.Kill()
	s.stop()
	s.start(t)
}

// group makes a group with a member of every side.
func (s *side) group(t testing.TB, name string) id.Conversation {
	t.Helper()
	var members []id.User
	for other := range s.town.sides {
		members = append(members, id.NewUser("user", other))
	}
	create := event.Create{Creators: []id.User{id.NewUser("user", s.name)}, Hub: s.name, Members: sortedUsers(members), Name: name, Type: event.Group}
	copy(create.Nonce[:], name)
	raw, err := create.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	cmd := timeline.Command{ConversationID: event.ConversationID(raw), Content: raw, Device: timelinetest.Device, TempID: "create",
		Proposal: conversation.Proposal{Type: frame.TypeCreate, Sender: create.Creators[0], Create: create}}
	if _, err := s.writer.Append(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	return cmd.ConversationID
}

func sortedUsers(list []id.User) []id.User {
	out := append([]id.User(nil), list...)
	for i := range out {
		for j := i + 1; j < len(out); j++ {
			if out[j] < out[i] {
				out[i], out[j] = out[j], out[i]
			}
		}
	}
	return out
}

// same waits until the log of a conversation is the same on all sides, with so many messages.
func (w *town) same(t testing.TB, c id.Conversation, messages int64) []*conversation.Event {
	t.Helper()
	var logs [][]*conversation.Event
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		done := true
		for _, s := range w.sides {
			v, err := s.View(t.Context(), c)
			done = done && err == nil && v.Head.Count == messages
		}
		if done {
			break
		}
		if time.Now().After(deadline) {
			for name, s := range w.sides {
				v, err := s.View(t.Context(), c)
				t.Errorf("%s: %d messages at seq %d, %v", name, v.Head.Count, v.Head.Seq, err)
			}
			t.Fatalf("not the same in time; want %d messages", messages)
		}
	}
	for _, s := range w.sides {
		logs = append(logs, timelinetest.Verify(t, s.store, c))
	}
	for _, l := range logs[1:] {
		for i := range l {
			if l[i].Hash != logs[0][i].Hash {
				t.Fatalf("entry %d differs", i)
			}
		}
	}
	return logs[0]
}

// talk lets the user of a side say n things, each until it is taken, and returns what was said.
func (s *side) talk(t testing.TB, c id.Conversation, from, n int) (said []string) {
	for i := from; i < from+n; i++ {
		tempID := fmt.Sprintf("%s-%d", s.name[:1], i)
		for {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			_, err := s.now().writer.Append(ctx, timelinetest.Message(t, c, id.NewUser("user", s.name), tempID, "text "+tempID))
			cancel()
			if err == nil {
				break
			}
			if f := fault.From(err); fault.Lookup(f.Code).Status < 500 {
				t.Errorf("%s: %v", tempID, err)
				return said
			}
			time.Sleep(5 * time.Millisecond)
		}
		said = append(said, tempID)
	}
	return said
}

// order is what one side's user said, as the log has it.
func order(log []*conversation.Event, by id.Server) (out []string) {
	for _, e := range log {
		if e.Type == frame.TypeMessage && e.Sender.Server() == by {
			out = append(out, e.TempID)
		}
	}
	return out
}

// Two servers talk in conversations of both, while the line is cut and both crash: at the end each has the same log, and everything that
// was taken stands in it once, in the order of who said it.
func TestServers_SayEverythingOnceThroughCutsAndCrashes(t *testing.T) {
	const a, b, rounds, each = id.Server("a.test"), id.Server("b.test"), 3, 25
	w := newTown(t, 50*time.Millisecond, a, b)
	convs := []id.Conversation{w.sides[a].group(t, "of a"), w.sides[b].group(t, "of b")}
	for _, c := range convs {
		w.same(t, c, 0)
	}
	said := map[id.Conversation]map[id.Server][]string{}
	var mu sync.Mutex
	for _, c := range convs {
		said[c] = map[id.Server][]string{}
	}
	for round := range rounds {
		var group sync.WaitGroup
		for _, c := range convs {
			for _, s := range w.sides {
				group.Go(func() {
					list := s.talk(t, c, round*each, each)
					mu.Lock()
					defer mu.Unlock()
					said[c][s.name] = append(said[c][s.name], list...)
				})
			}
		}
		time.Sleep(rand.N(30 * time.Millisecond)) // Somewhere in the middle.
		switch round % 3 {
		case 0:
			w.cut.Store(true)
			time.Sleep(rand.N(100 * time.Millisecond))
			w.cut.Store(false)
		case 1:
			w.sides[b].crash(t)
		case 2:
			w.sides[a].crash(t)
		}
		group.Wait()
	}
	for _, c := range convs {
		log := w.same(t, c, 2*rounds*each)
		for name := range w.sides {
			if diff := cmp.Diff(said[c][name], order(log, name)); diff != "" {
				t.Errorf("what %s said: %s", name, diff)
			}
		}
	}
	for name, s := range w.sides {
		timelinetest.Eventually(t, "nothing waits", func() bool { return s.waiting(t) == 0 })
		if proofs, err := s.now().replicas.Proofs(t.Context(), 10); err != nil || len(proofs) != 0 {
			t.Errorf("%s accuses the other: %v, %v", name, proofs, err)
		}
	}
}

func (s *side) waiting(t testing.TB) (n int) {
	for shard := range shards {
		list, err := s.store.WaitingSubmissions(t.Context(), id.Shard(shard))
		if err != nil {
			t.Error(err)
		}
		n += len(list)
	}
	return n
}

// A hub that tells another history after changes of the state is convicted by what the tables hold.
func TestServers_AForkIsProvedFromTheTables(t *testing.T) {
	const a, b = id.Server("a.test"), id.Server("b.test")
	w := newTown(t, 50*time.Millisecond, a, b)
	hub, here := w.sides[a], w.sides[b]
	c := hub.group(t, "of a")
	w.same(t, c, 0) // From the start on.
	for _, name := range []string{"one", "two", "three"} {
		cmd := timelinetest.Change(t, c, id.NewUser("user", a), frame.TypeRename, name, frame.Change{Name: name})
		if _, err := hub.writer.Append(t.Context(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	timelinetest.Eventually(t, "the replica has it", func() bool {
		v, err := here.View(t.Context(), c)
		return err == nil && v.Head.Seq == 3
	})
	after := int64(0)
	rng, err := hub.outbox.Entries(t.Context(), b, wire.Entries{ConversationID: c, AfterSeq: &after, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	rng.Checkpoint.Hash[0] ^= 1
	sig, err := hub.Sign(rng.Checkpoint.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	rng.Checkpoint.Signatures = []event.Signature{sig}
	if err := here.replicas.Witness(t.Context(), *rng.Checkpoint); !fault.Is(err, fault.Diverged) {
		t.Fatalf("another history: %v", err)
	}
	proofs, err := here.replicas.Proofs(t.Context(), 10)
	if err != nil || len(proofs) != 1 {
		t.Fatalf("%d proofs, %v", len(proofs), err)
	}
	find := func(s id.Server, keyID string) (key.Key, error) { return w.Find(t.Context(), s, keyID) }
	if err := replica.VerifyProof(proofs[0], find); err != nil {
		t.Error(err)
	}
}
