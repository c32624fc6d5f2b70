// SPDX-License-Identifier: Apache-2.0

package federationtest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	wire "parley.chat/protocol/replica"
)

// Net is the servers there are.
type Net struct {
	mu      sync.Mutex
	keys    map[id.Server][]key.Key
	away    map[id.Server]bool
	Servers map[id.Server]*Server
}

// Server is one homeserver.
type Server struct {
	Name    id.Server
	KeyID   string
	Private ed25519.PrivateKey
	*timelinetest.Node
	Store *timelinetest.Mem
	Queue *Queue // the store with the submissions that wait
	net   *Net
}

// NewNet starts servers of these names; they end with the test. change may alter the options of their timelines.
func NewNet(t testing.TB, names []id.Server, change ...func(*timeline.Options)) *Net {
	t.Helper()
	n := &Net{keys: map[id.Server][]key.Key{}, away: map[id.Server]bool{}, Servers: map[id.Server]*Server{}}
	for _, name := range names {
		seed := sha256.Sum256([]byte(name))
		s := &Server{Name: name, Private: ed25519.NewKeyFromSeed(seed[:]), Store: timelinetest.NewMem([]id.Shard{0, 1}), net: n}
		s.Queue = NewQueue(s.Store)
		public := s.Private.Public().(ed25519.PublicKey)
		s.KeyID = key.ID(public)
		n.keys[name] = []key.Key{{ID: s.KeyID, Public: public, Until: time.Now().Add(24 * time.Hour).UnixMilli()}}
		n.Servers[name] = s
		s.Start(t, change...)
	}
	return n
}

// Start runs the server's timeline on its store, as after a restart.
func (s *Server) Start(t testing.TB, change ...func(*timeline.Options)) {
	t.Helper()
	all := append([]func(*timeline.Options){func(o *timeline.Options) { o.Self = s.Name }}, change...)
	s.Node = timelinetest.Start(t, s.Queue, all...)
}

// ErrAway is the answer about keys of a server that is away.
var ErrAway = errors.New("the server is away")

// Find finds a key of a server.
func (n *Net) Find(_ context.Context, server id.Server, keyID string) (key.Key, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.keys[server] {
		if k.ID == keyID && !n.away[server] {
			return k, nil
		}
	}
	return key.Key{}, ErrAway
}

// FindStored is Find.
func (n *Net) FindStored(ctx context.Context, server id.Server, keyID string) (key.Key, error) {
	return n.Find(ctx, server, keyID)
}

// Away takes the keys of a server away, or gives them back.
func (n *Net) Away(server id.Server, away bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.away[server] = away
}

// SetKey changes the life of the server's key.
func (n *Net) SetKey(server id.Server, change func(*key.Key)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.keys[server][0])
}

// User is a user of the server.
func (s *Server) User(name string) id.User { return id.NewUser(name, s.Name) }

// Group makes a group of the server, with members.
func (s *Server) Group(t testing.TB, name string, members ...id.User) id.Conversation {
	t.Helper()
	c := event.Create{Creators: members[:1], Hub: s.Name, Members: slices.Sorted(slices.Values(members)), Name: name, Type: event.Group}
	copy(c.Nonce[:], name)
	raw, err := c.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	cmd := timeline.Command{
		ConversationID: event.ConversationID(raw), Proposal: conversation.Proposal{Type: frame.TypeCreate, Sender: members[0], Create: c},
		Device: timelinetest.Device, TempID: "create", Content: raw,
	}
	s.MustAppend(t, cmd)
	return cmd.ConversationID
}

// Submitted signs a command as a submission of its sender's server.
func (n *Net) Submitted(t testing.TB, cmd timeline.Command) wire.Submitted {
	t.Helper()
	out := wire.Submitted{Content: cmd.Content, Submission: event.Submission{
		AuthorTime: cmd.AuthorTime, ConversationID: cmd.ConversationID, DeviceID: cmd.Device, Expects: cmd.Expects, Sender: cmd.Sender,
		TempID: cmd.TempID, Type: cmd.Type,
	}}
	sum := sha256.Sum256(append([]byte(cmd.TempID), cmd.Content...))
	out.Salt = [16]byte(sum[:16])
	out.Submission.ContentHash = event.ContentHash(out.Salt, out.Content)
	n.SignSubmission(t, &out)
	return out
}

// SignSubmission signs what was changed again.
func (n *Net) SignSubmission(t testing.TB, s *wire.Submitted) {
	t.Helper()
	by := n.Servers[s.Submission.Sender.Server()]
	var err error
	if s.Signature, err = s.Submission.Sign(by.KeyID, by.Private); err != nil {
		t.Fatal(err)
	}
}

// Deliver appends a command of another server's user at the hub s, signed by that server.
func (s *Server) Deliver(t testing.TB, cmd timeline.Command) timeline.Result {
	t.Helper()
	sub := s.net.Submitted(t, cmd)
	cmd.Signed = &timeline.Signed{Salt: sub.Salt, KeyID: sub.Signature.KeyID, Signature: sub.Signature.Bytes}
	return s.MustAppend(t, cmd)
}

// Log is the whole log of a conversation that the server has from the start, as records, with the states after them.
func (s *Server) Log(t testing.TB, c id.Conversation) (out []wire.Record, states []*conversation.State) {
	t.Helper()
	v, err := s.View(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Store.Records(t.Context(), v.Shard, v.Conv, 0, id.MaxSeq, 1<<30, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var st *conversation.State
	for _, f := range list {
		after, err := conversation.Apply(st, f.Event)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := conversation.EntryOf(f.Event, f.Prev, f.Term, after)
		if err != nil {
			t.Fatal(err)
		}
		rec := wire.Record{Submission: f.Event.Submission(), Entry: entry, Salt: f.Salt, Content: f.Content}
		if f.Signature != nil {
			rec.Signature = &event.Signature{Server: f.Sender.Server(), KeyID: f.KeyID, Bytes: f.Signature}
		}
		out, states, st = append(out, rec), append(states, after), after
	}
	return out, states
}

// Signing is the server's key.
func (s *Server) Signing() (string, ed25519.PrivateKey) { return s.KeyID, s.Private }

// Range is what the hub says of the entries from a seq on, up to another.
func (s *Server) Range(t testing.TB, c id.Conversation, from, to int64) wire.Range {
	t.Helper()
	log, _ := s.Log(t, c)
	out := wire.Range{ConversationID: c, Records: slices.Clone(log[from : to+1])}
	s.SignRange(t, &out)
	return out
}

// SignRange signs a range anew, by its last entry.
func (s *Server) SignRange(t testing.TB, r *wire.Range) {
	t.Helper()
	r.Checkpoint = s.Checkpoint(t, r.Records[len(r.Records)-1].Entry)
}

// Checkpoint signs a checkpoint of an entry.
func (s *Server) Checkpoint(t testing.TB, e event.Entry) *wire.Checkpoint {
	t.Helper()
	hash, err := e.Hash(nil)
	if err != nil {
		t.Fatal(err)
	}
	out := &wire.Checkpoint{Checkpoint: event.Checkpoint{
		ConversationID: e.ConversationID, Hash: hash, Hub: s.Name, Seq: e.Seq, Term: e.Term, Time: time.Now().UnixMilli(),
	}}
	s.SignHead(t, out)
	return out
}

// SignHead signs what was changed again.
func (s *Server) SignHead(t testing.TB, c *wire.Checkpoint) {
	t.Helper()
	sig, err := c.Sign(s.KeyID, s.Private)
	if err != nil {
		t.Fatal(err)
	}
	c.Signatures = []event.Signature{sig}
}

// Snapshot is what the hub gives to who begins a replica at a change of the state.
func (s *Server) Snapshot(t testing.TB, c id.Conversation, seq int64) wire.Snapshot {
	t.Helper()
	log, states := s.Log(t, c)
	state, err := states[seq].Canonical()
	if err != nil {
		t.Fatal(err)
	}
	joined := map[id.User]int64{}
	for u, m := range states[seq].Members {
		if m.Membership == conversation.Joined {
			joined[u] = m.JoinedAt
		}
	}
	return wire.Snapshot{Create: string(log[0].Content), State: string(state), JoinedAt: joined, Record: log[seq], Checkpoint: *s.Checkpoint(t, log[seq].Entry)}
}
