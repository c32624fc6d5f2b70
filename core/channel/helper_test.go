// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/fanout"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const shards = 4

var errAway = errors.New("the database is away")

// memory is a Store in memory, and an Owner with whatever heads a test gave it.
type memory struct {
	mu    sync.Mutex
	rows  map[key]Reader
	index map[id.User][]id.Conversation
	views map[Place]map[int64]int64
	heads map[id.Conversation]timeline.View
	epoch int64
	away  error
	calls map[string]int

	before func(call string) // called without the lock, to race with the call
}

func newMemory() *memory {
	return &memory{
		rows: map[key]Reader{}, index: map[id.User][]id.Conversation{}, views: map[Place]map[int64]int64{},
		heads: map[id.Conversation]timeline.View{}, epoch: 1, calls: map[string]int{},
	}
}

func (m *memory) channels(change func(*Options)) *Channels {
	o := Options{Store: m, Owner: m, Shards: shards, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	return New(o)
}

// enter begins a call of the store; the caller holds mu until it returns.
func (m *memory) enter(call string) error {
	if m.before != nil {
		m.before(call)
	}
	m.mu.Lock()
	m.calls[call]++
	return m.away
}

func (m *memory) Subscriptions(_ context.Context, u id.User, limit int) ([]id.Conversation, error) {
	err := m.enter("Subscriptions")
	defer m.mu.Unlock()
	list := slices.Clone(m.index[u])
	return list[:min(limit, len(list))], err
}

func (m *memory) Subscribe(_ context.Context, p Place, c id.Conversation, r Reader, pardon bool) (Reader, error) {
	err := m.enter("Subscribe")
	defer m.mu.Unlock()
	if err != nil {
		return r, err
	}
	k := key{p, r.User}
	if have, ok := m.rows[k]; !ok || have.BannedAt > 0 && pardon {
		m.rows[k] = r
	}
	have := m.rows[k]
	if have.BannedAt == 0 && !slices.Contains(m.index[r.User], c) {
		m.index[r.User] = append(m.index[r.User], c)
	}
	return have, nil
}

func (m *memory) Unsubscribe(_ context.Context, p Place, c id.Conversation, u id.User, bannedAt int64) error {
	err := m.enter("Unsubscribe")
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	m.index[u] = slices.DeleteFunc(m.index[u], func(o id.Conversation) bool { return o == c })
	k := key{p, u}
	have, ok := m.rows[k]
	switch {
	case bannedAt > 0:
		have.User, have.BannedAt = u, bannedAt
		m.rows[k] = have
	case ok && have.BannedAt == 0:
		delete(m.rows, k)
	}
	return nil
}

func (m *memory) Readers(_ context.Context, n id.Shard, convs []int64, u id.User) (map[int64]Reader, error) {
	err := m.enter("Readers")
	defer m.mu.Unlock()
	out := map[int64]Reader{}
	for _, c := range convs {
		if r, ok := m.rows[key{Place{n, c}, u}]; ok {
			out[c] = r
		}
	}
	return out, err
}

func (m *memory) Subscribers(context.Context, Place, id.User, bool, int) ([]Reader, error) {
	err := m.enter("Subscribers")
	defer m.mu.Unlock()
	return nil, err
}

func (m *memory) Count(_ context.Context, p Place) (n int64, err error) {
	err = m.enter("Count")
	defer m.mu.Unlock()
	for k, r := range m.rows {
		if k.Place == p && r.BannedAt == 0 {
			n++
		}
	}
	return n, err
}

func (m *memory) Set(_ context.Context, p Place, u id.User, s Settings) error {
	err := m.enter("Set")
	defer m.mu.Unlock()
	if r, ok := m.rows[key{p, u}]; ok && err == nil {
		r.Settings = s
		m.rows[key{p, u}] = r
	}
	return err
}

func (m *memory) Views(_ context.Context, p Place, seqs []int64) (map[int64]int64, error) {
	err := m.enter("Views")
	defer m.mu.Unlock()
	out := map[int64]int64{}
	for _, s := range seqs {
		if n := m.views[p][s]; n > 0 {
			out[s] = n
		}
	}
	return out, err
}

func (m *memory) Flush(_ context.Context, points []Point, views []Views) error {
	err := m.enter("Flush")
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	for _, p := range points {
		if r, ok := m.rows[key{p.Place, p.User}]; ok && r.BannedAt == 0 {
			r.ReadSeq, r.ReadCount = max(r.ReadSeq, p.Read), max(r.ReadCount, p.ReadCount)
			m.rows[key{p.Place, p.User}] = r
		}
	}
	for _, v := range views {
		if m.views[v.Place] == nil {
			m.views[v.Place] = map[int64]int64{}
		}
		for s := v.First; s <= v.Last; s++ {
			m.views[v.Place][s] += v.Add
		}
	}
	return nil
}

func (m *memory) View(_ context.Context, c id.Conversation) (timeline.View, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.heads[c]
	if !ok {
		return v, fault.New(fault.UnknownConversation, "no such conversation")
	}
	return v, nil
}

func (m *memory) Epoch(id.Shard) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.epoch, nil
}

// lose drops the lease and takes it again.
func (m *memory) lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
}

func (m *memory) count(call string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[call]
}

// channel makes a channel numbered n with alice as owner.
func (m *memory) channel(t testing.TB, n int, visibility string) timeline.View {
	t.Helper()
	create := event.Create{
		Creators: []id.User{"alice@x"}, Hub: "x", Members: []id.User{"alice@x"}, Name: fmt.Sprint("channel ", n),
		Nonce: [16]byte{byte(n), byte(n >> 8)}, Type: event.Channel, Visibility: visibility,
	}
	raw, err := create.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	c := event.ConversationID(raw)
	state, err := conversation.Apply(nil, &conversation.Event{Type: frame.TypeCreate, ConversationID: c, Sender: "alice@x", Content: raw})
	if err != nil {
		t.Fatal(err)
	}
	v := timeline.View{Shard: c.Shard(shards), Conv: int64(n) + 1, State: state, Head: conversation.Head{Exists: true, Pos: int64(n) + 1}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heads[c] = v
	return v
}

// post moves the head by one message at a position and returns what was committed.
func (m *memory) post(v timeline.View, pos int64) conversation.Committed {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.heads[v.State.ID]
	now.Head.Seq++
	now.Head.Count++
	now.Head.Pos = pos
	e := &conversation.Event{Shard: now.Shard, Pos: pos, Conv: now.Conv, ConversationID: v.State.ID, Seq: now.Head.Seq, Count: now.Head.Count, Type: frame.TypeMessage, HubTime: pos}
	now.Last = e
	m.heads[v.State.ID] = now
	return conversation.Committed{Event: e, State: now.State}
}

// session collects what it is told.
type session struct {
	user id.User
	name string
	mu   sync.Mutex
	got  []*fanout.Note
	lost int
}

func (s *session) ID() string        { return s.name }
func (s *session) User() id.User     { return s.user }
func (s *session) Device() id.Device { return "" }
func (s *session) Revoke(fault.Code) {}
func (s *session) Lost()             { s.mu.Lock(); defer s.mu.Unlock(); s.lost++ }
func (s *session) Deliver(n *fanout.Note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, n)
}

func (s *session) hints() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

// clock is a time that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantFault(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("got %v, want %s", err, code)
	}
}
