// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// Mem is a timeline.Store in memory. Contract keeps it honest.
type Mem struct {
	groups [][]id.Shard

	mu     sync.Mutex
	shards []*memShard
	index  map[indexKey]timeline.IndexRow
}

// indexKey names a row of a user's index.
type indexKey struct {
	User         id.User
	Conversation id.Conversation
}

type memShard struct {
	timeline.Lease
	owner   string
	until   time.Time
	events  []*timeline.Row                 // in order of pos
	notes   map[[2]int64]*memNote           // by conv and seq of the message
	origins map[[2]int64]timeline.OriginRow // by conv and seq
	waiting map[[2]int64]bool               // submissions, by conv and dedup key
	convs   map[int64]*memConv
}

type memConv struct {
	id        id.Conversation
	created   []byte
	name      string
	info      []byte
	stateAt   int64
	createdAt int64
	head      conversation.Head
	mark      int64
	base      int64
	members   map[id.User]*memMember
}

type memMember struct {
	conversation.Member
	timeline.Pointer
}

// NewMem makes an empty store of as many databases as there are groups of shards.
func NewMem(groups ...[]id.Shard) *Mem {
	m := &Mem{groups: groups, index: map[indexKey]timeline.IndexRow{}}
	m.shards = make([]*memShard, len(slices.Concat(groups...)))
	for n := range m.shards {
		m.shards[n] = &memShard{Lease: timeline.Lease{Shard: id.Shard(n)}, convs: map[int64]*memConv{}, notes: map[[2]int64]*memNote{},
			origins: map[[2]int64]timeline.OriginRow{}, waiting: map[[2]int64]bool{}}
	}
	return m
}

// Shards implements timeline.Store.
func (m *Mem) Shards() int { return len(m.shards) }

// Groups implements timeline.Store.
func (m *Mem) Groups() [][]id.Shard { return m.groups }

// IndexOf reads the index of a user.
func (m *Mem) IndexOf(_ testing.TB, u id.User) (out []timeline.IndexRow) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, r := range m.index {
		if key.User == u {
			out = append(out, r)
		}
	}
	return out
}

// Acquire implements timeline.Store.
func (m *Mem) Acquire(_ context.Context, node string, shards []id.Shard, ttl time.Duration) (out []timeline.Lease, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range shards {
		sh := m.shards[n]
		if sh.owner != node && sh.owner != "" && time.Now().Before(sh.until) {
			continue
		}
		sh.owner, sh.until = node, time.Now().Add(ttl)
		sh.Epoch++
		out = append(out, sh.Lease)
	}
	return out, nil
}

// Renew implements timeline.Store.
func (m *Mem) Renew(_ context.Context, node string, leases []timeline.Lease, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stale := false
	for _, l := range leases {
		sh := m.shards[l.Shard]
		if sh.owner != node || sh.Epoch != l.Epoch {
			stale = true
			continue
		}
		sh.until = time.Now().Add(ttl)
	}
	if stale {
		return timeline.ErrStale
	}
	return nil
}

// Release implements timeline.Store.
func (m *Mem) Release(_ context.Context, node string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, sh := range m.shards {
		if sh.owner == node {
			sh.until = time.Time{}
		}
	}
	return nil
}

// Commit implements timeline.Store.
func (m *Mem) Commit(_ context.Context, b *timeline.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range b.Advance {
		if sh := m.shards[a.Shard]; sh.Epoch != a.Epoch || sh.Pos != a.PrevPos {
			return timeline.ErrStale
		}
	}
	for _, a := range b.Advance {
		m.shards[a.Shard].advance(a)
	}
	for _, e := range b.Events {
		sh := m.shards[e.Shard]
		copied := *e.Event
		sh.events = append(sh.events, &timeline.Row{Event: &copied, Dedup: e.Dedup, Hot: e.Hot})
	}
	for _, h := range b.Heads {
		c := m.shards[h.Shard].convs[h.Conv]
		c.head, c.mark = h.Head, h.Mark
	}
	for _, s := range b.States {
		m.state(s)
	}
	for _, r := range b.Members {
		m.member(r)
	}
	for _, p := range b.Points {
		m.point(p)
	}
	for _, p := range b.Prefs {
		have := m.shards[p.Shard].convs[p.Conv].members[p.User]
		have.Prefs, have.PrefsMark = p.Prefs, p.Mark
	}
	m.indexRows(b.Index)
	for _, r := range b.Relations {
		m.shards[r.Shard].relate(r)
	}
	for _, r := range b.Mentions {
		m.shards[r.Shard].note(r.Conv, r.Seq).mentions = r.Users
	}
	for _, r := range b.Origins {
		m.shards[r.Shard].origins[[2]int64{r.Conv, r.Seq}] = r
	}
	for _, r := range b.Settled {
		delete(m.shards[r.Shard].waiting, [2]int64{r.Conv, r.Dedup})
	}
	for _, r := range b.Erase {
		m.shards[r.Shard].erase(r.Conv, r.Seq)
	}
	return nil
}

func (sh *memShard) advance(a timeline.Advance) {
	sh.Pos = a.Pos
	if a.Flushed >= 0 {
		sh.Flushed = a.Flushed
	}
	if a.Mark >= 0 {
		sh.Mark = a.Mark
	}
}

func (m *Mem) state(s timeline.StateRow) {
	sh := m.shards[s.Shard]
	c := sh.convs[s.Conv]
	if c == nil {
		c = &memConv{id: s.ID, created: s.Created, members: map[id.User]*memMember{}}
		sh.convs[s.Conv] = c
	}
	c.base = max(c.base, s.Base)
	c.name, c.info, c.stateAt, c.createdAt, c.head = s.Name, s.Info, s.StateAt, s.Time, s.Head
}

func (m *Mem) member(r timeline.MemberRow) {
	members := m.shards[r.Shard].convs[r.Conv].members
	have := members[r.User]
	if have == nil || have.JoinedSeq != r.JoinedSeq {
		before := have
		have = &memMember{Pointer: timeline.Pointer{Delivered: r.Start, Read: r.Start, ReadCount: r.ReadCount}}
		if before != nil {
			have.Prefs, have.PrefsMark = before.Prefs, before.PrefsMark
		}
		members[r.User] = have
	}
	if r.Prefs != nil {
		have.Prefs = r.Prefs
	}
	have.Member = r.Member
}

func (m *Mem) point(p timeline.PointRow) {
	have := m.shards[p.Shard].convs[p.Conv].members[p.User]
	have.Delivered, have.Read = max(have.Delivered, p.Delivered), max(have.Read, p.Read)
	have.ReadCount = max(have.ReadCount, p.ReadCount)
	if p.Mark > 0 {
		have.Mark = p.Mark
		if p.ToldDelivered {
			have.DeliveredMark = p.Mark
		}
	}
}

func (m *Mem) indexRows(rows []timeline.IndexRow) {
	for _, r := range rows {
		key := indexKey{r.User, r.Conversation}
		if have, ok := m.index[key]; !ok || have.ChangedPos <= r.ChangedPos {
			m.index[key] = r
		}
	}
}

// IndexMembers implements timeline.Store.
func (m *Mem) IndexMembers(_ context.Context, rows []timeline.IndexRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.indexRows(rows)
	return nil
}

// LoadConversation implements timeline.Store.
func (m *Mem) LoadConversation(_ context.Context, n id.Shard, c id.Conversation, since int64, _ int) (*timeline.Loaded, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sh := m.shards[n]
	for num, mc := range sh.convs {
		if mc.id == c {
			return sh.load(num, mc, since)
		}
	}
	return nil, timeline.ErrNoConversation
}

func (sh *memShard) load(num int64, mc *memConv, since int64) (*timeline.Loaded, error) {
	create, err := event.ParseCreate(mc.created)
	if err != nil {
		return nil, err
	}
	st := &conversation.State{ID: mc.id, Create: create, Name: mc.name, Seq: mc.stateAt, Created: mc.createdAt, Members: map[id.User]conversation.Member{}}
	if st.Info, err = conversation.ParseInfo(mc.info); err != nil {
		return nil, err
	}
	out := &timeline.Loaded{Conv: num, Base: mc.base, State: st, Head: mc.head, Mark: mc.mark, Pointers: map[id.User]timeline.Pointer{}}
	for u, m := range mc.members {
		m.Mentioned = sh.mentioned(num, u)
		st.Members[u], out.Pointers[u] = m.Member, m.Pointer
		if m.Membership == conversation.Joined {
			st.Joined++
		}
	}
	for _, e := range sh.events {
		if e.Conv == num {
			take(out, e, since)
			if conversation.Countable(e.Type) {
				out.Last = sh.facts(e.Event, "")
			}
		}
	}
	return out, nil
}

func take(out *timeline.Loaded, e *timeline.Row, since int64) {
	if e.HubTime >= since {
		out.Window = append(out.Window, timeline.Seen{
			Key: e.Dedup, Content: timeline.Fingerprint(e.Type, e.Content), Seq: e.Seq, Message: e.MessageID, Hot: e.Hot,
		})
	}
	if n := len(out.Recent); n > 0 && out.Recent[n-1].Seq+1 != e.Seq {
		out.Recent = nil
	}
	out.Recent = append(out.Recent, timeline.Ref{Seq: e.Seq, Count: e.Count, Message: e.MessageID, Sender: e.Sender})
	out.Recent = out.Recent[max(0, len(out.Recent)-64):]
	if e.Seq > out.Head.Seq {
		out.Head, out.Dirty = conversation.HeadAt(e.Event), true
	}
	if p, ok := out.Pointers[e.Sender]; ok && e.Seq > p.Read && conversation.MovesPointers(e.Type) {
		out.Pointers[e.Sender] = p.Spoke(e.Seq, e.Count)
	}
}

// Unflushed implements timeline.Store.
func (m *Mem) Unflushed(_ context.Context, l timeline.Lease) (out []id.Conversation, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sh := m.shards[l.Shard]
	for _, e := range sh.events {
		if c := sh.convs[e.Conv].id; e.Pos > l.Flushed && e.Pos <= l.Pos && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out, nil
}

// FindHot implements timeline.Store.
func (m *Mem) FindHot(_ context.Context, n id.Shard, conv, dedup, since int64) (*conversation.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.shards[n].events {
		if e.Conv == conv && e.Dedup == dedup && e.Hot && e.HubTime >= since {
			return e.Event, nil
		}
	}
	return nil, nil
}

// Events implements timeline.Store.
func (m *Mem) Events(_ context.Context, n id.Shard, conv int64, r timeline.Range) (out []*conversation.Event, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sh := m.shards[n]
	for _, e := range sh.events {
		if e.Conv == conv && e.Seq >= r.From && e.Seq <= r.To && e.Pos > r.AfterPos {
			copied := sh.facts(e.Event, r.Reader)
			copied.ConversationID = ""
			out = append(out, copied)
		}
	}
	slices.SortFunc(out, func(a, b *conversation.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	if len(out) > r.Limit && r.Newest {
		return out[len(out)-r.Limit:], nil
	}
	return out[:min(len(out), r.Limit)], nil
}

// EnsurePartitions implements timeline.Store: there is room.
func (m *Mem) EnsurePartitions(context.Context, id.Shard, int64) error { return nil }
