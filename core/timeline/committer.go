// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// queueSize bounds the commands waiting for a database, batchSize those in one commit.
const (
	queueSize = 4096
	batchSize = 256
)

// group is the committer of one database.
type group struct {
	t       *Timeline
	index   int
	shards  []*shard
	gen     atomic.Uint64 // raised when memory is dropped: what was built before is void
	queue   chan *pending
	commits chan *work
	sweeps  chan *work    // of expired messages
	doubt   chan struct{} // one slot: acquire again
	lost    atomic.Bool   // Out is to be told, by the writer, before anything that was committed later

	mu     sync.RWMutex // guards closed and, against it, sending to queue
	closed bool

	flushedAt, receiptsAt time.Time // writer's
	flushNow              bool      // writer's: receipts and prefs with the next commit
	renewedAt             time.Time // keeper's
	complainedAt          time.Time // keeper's
}

func newGroup(t *Timeline, index int) *group {
	return &group{
		t: t, index: index,
		queue:   make(chan *pending, queueSize),
		commits: make(chan *work),
		sweeps:  make(chan *work),
		doubt:   make(chan struct{}, 1),
	}
}

// work is a batch with those who wait for it.
type work struct {
	Batch
	gen     uint64
	pending []*pending
	prefs   []*pending // changes of prefs, settled after the batch
	out     []conversation.Committed
	touched map[*shard]int64 // new pos
	seen    []*seen
	swept   []swept
	done    chan error // of a sweep, with room for the outcome
}

// end tells a sweep how it ended.
func (w *work) end(err error) {
	if w.done != nil {
		w.done <- err
	}
}

func (g *group) run(ctx context.Context) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error { return g.keepLeases(ctx) })
	eg.Go(func() error { return g.build(ctx) })
	eg.Go(func() error { return g.write(ctx) })
	eg.Go(func() error { return g.sweep(ctx) })
	return eg.Wait()
}

// build decides queued commands while the writer commits the batch before: a batch grows exactly while the database is busy.
func (g *group) build(ctx context.Context) error {
	var w *work
	for {
		in, out := g.queue, g.commits
		if w == nil {
			out = nil
		} else if len(w.pending)+len(w.prefs) >= batchSize {
			in = nil
		}
		select {
		case p := <-in:
			w = g.decide(w, p)
		case out <- w:
			w = nil
		case <-ctx.Done():
			g.stop(w)
			return nil
		}
	}
}

// enqueue hands a command to the builder, or refuses it at once.
func (g *group) enqueue(p *pending) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return draining()
	}
	select {
	case g.queue <- p:
		return nil
	default:
		return fault.Retry(fault.Unavailable, time.Second, "the server is overloaded, send again")
	}
}

func draining() error {
	return fault.Retry(fault.Draining, time.Second, "the node is stopping, send again")
}

// stop answers everyone who still waits; nobody can queue up afterwards.
func (g *group) stop(w *work) {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	err := draining()
	if w != nil {
		w.fail(err)
	}
	for {
		select {
		case p := <-g.queue:
			p.finish(Result{}, err)
		default:
			return
		}
	}
}

func (w *work) fail(err error) {
	for _, p := range w.pending {
		p.finish(Result{}, err)
	}
	for _, p := range w.prefs {
		p.finish(Result{}, err)
	}
}

// begun is the batch that is being built, or a new one.
func begun(w *work, gen uint64) *work {
	if w == nil {
		w = &work{gen: gen, touched: map[*shard]int64{}}
	}
	return w
}

// decide adds the event of p to the batch, or answers p at once.
func (g *group) decide(w *work, p *pending) *work {
	gen := g.gen.Load()
	if w != nil && w.gen != gen {
		w.fail(away(errDropped))
		w = nil
	}
	c := p.conv
	if c.gen != gen {
		p.finish(Result{}, errDropped)
		return w
	}
	if p.prefs != nil {
		w = begun(w, gen)
		w.prefs = append(w.prefs, p)
		return w
	}
	if p.foreign != nil {
		return g.follow(w, p, gen)
	}
	if g.answerRepeat(p) {
		return w
	}
	if hub := g.t.elsewhere(c.state, &p.cmd); hub != "" {
		c.refuse(p, &ElsewhereError{Hub: hub})
		return w
	}
	if p.cmd.Still != nil && !p.cmd.Still() {
		p.finish(Result{}, ErrOutdated)
		return w
	}
	p.cmd.At = max(g.t.now(), c.head.Time)
	p.cmd.SentAt = max(p.sentAt, c.sentAt[p.cmd.Sender])
	if !c.relations.knows(p) {
		p.finish(Result{}, errDropped)
		return w
	}
	if p.cmd.About != (id.Message{}) {
		p.cmd.Target = c.relations.target(p)
	}
	if err := conversation.Decide(c.state, p.cmd.Proposal, g.t.Limits); err != nil {
		c.refuse(p, err)
		return w
	}
	if err := g.t.meter(p); err != nil {
		p.finish(Result{}, err)
		return w
	}
	e := p.event()
	after, err := conversation.Seal(e, c.head, c.state, p.cmd.At)
	if err != nil {
		p.finish(Result{}, err)
		return w
	}
	w = begun(w, gen)
	if p.about != nil && e.Type == frame.TypeEdit {
		e.ExpiresAt = p.about.ExpiresAt
	}
	w.add(p, e, after)
	return w
}

// refuse answers p once the tentative state that refuses it is committed.
func (c *conv) refuse(p *pending, err error) {
	if c.last == nil {
		p.finish(Result{}, err)
		return
	}
	c.last.follow(follower{pending: p, refusal: err})
}

func (p *pending) event() *conversation.Event {
	e := &conversation.Event{
		Shard: p.conv.shard.n, Conv: p.conv.num,
		ConversationID: p.cmd.ConversationID,
		AuthorTime:     p.cmd.AuthorTime,
		Type:           p.cmd.Type,
		Sender:         p.cmd.Sender,
		Device:         p.cmd.Device,
		TempID:         p.cmd.TempID,
		Content:        p.cmd.Content,
	}
	if s := p.cmd.Signed; s != nil {
		e.Salt, e.Expects = s.Salt, p.cmd.Expects
		return e
	}
	_, _ = rand.Read(e.Salt[:]) // It never fails (Go 1.24).
	return e
}

// answerRepeat answers a tempId that was used before. spec: LOG-IDEMPOTENCE-1
func (g *group) answerRepeat(p *pending) bool {
	if p.cmd.TempID == "" {
		return false
	}
	p.conv.window.expire(g.t.now())
	known := p.known
	s := p.conv.window.seen[p.key]
	if s != nil {
		known = &s.Seen
	}
	if known == nil {
		return false
	}
	if mine := Fingerprint(p.cmd.Type, p.cmd.Content); known.Content != 0 && known.Content != mine {
		p.conv.refuse(p, fault.New(fault.TempIDConflict, "tempId %s was used for something else", p.cmd.TempID))
		return true
	}
	if s != nil {
		if first := s.wait.Load(); first != nil {
			first.follow(follower{pending: p})
			return true
		}
	}
	p.finish(Result{Seq: known.Seq, MessageID: known.Message, Duplicate: true}, nil)
	return true
}

// add puts the sealed event into the batch and makes it the tentative head.
func (w *work) add(p *pending, e *conversation.Event, after *conversation.State) {
	c, sh := p.conv, p.conv.shard
	before := c.state
	c.log.next++
	e.Pos = c.log.next
	if before == nil {
		e.Conv = e.Pos
		c.num = e.Pos
	}
	c.head, c.state, c.last = conversation.HeadAt(e), after, p
	c.sent(e, after)
	hot := c.window.full()
	s := c.window.add(Seen{Key: p.key, Content: Fingerprint(e.Type, e.Content), Seq: e.Seq, Message: e.MessageID, Hot: hot}, e.HubTime)
	s.wait.Store(p)
	w.seen = append(w.seen, s)
	w.touched[sh] = e.Pos
	w.Events = append(w.Events, &Row{Event: e, Dedup: p.key, Hot: hot})
	w.pending = append(w.pending, p)
	w.out = append(w.out, conversation.Committed{Event: e, State: after, Origin: p.cmd.Origin})
	p.result = Result{Seq: e.Seq, MessageID: e.MessageID}
	w.relate(p, e)
	w.origin(p, e, before, after)
	if after != before {
		w.addState(p, e, before, after)
	}
}

// addState writes what the event changed: the conversation's row, members, and the index of their users.
func (w *work) addState(p *pending, e *conversation.Event, before, after *conversation.State) {
	info, _ := after.Info.Canonical() // The state's hash has it already.
	row := StateRow{
		Shard: e.Shard, Conv: e.Conv, ID: e.ConversationID, Info: info,
		Name: after.Name, StateAt: after.Seq, Time: after.Created, Head: conversation.HeadAt(e),
	}
	switch {
	case e.Type == frame.TypeCreate:
		row.Created = e.Content
	case p.begin != nil:
		row.Begins, row.Base = true, e.Seq
		row.Created, _ = after.Create.Canonical() // It was read from that.
	}
	w.States = append(w.States, row)
	w.addFollowers(p.conv.shard.group.t, e, before, after)
	for u, m := range after.Members {
		had, ok := before.Member(u)
		if ok && had == m {
			continue
		}
		w.Members = append(w.Members, MemberRow{
			Shard: e.Shard, Conv: e.Conv, User: u, Member: m, Start: start(m, row.Base), ReadCount: e.Count, Prefs: p.cmd.Prefs[u],
		})
		if !ok || had.Membership != m.Membership {
			w.Index = append(w.Index, IndexRow{User: u, Conversation: e.ConversationID, Membership: m.Membership, ChangedPos: e.Pos, ChangedAt: e.HubTime})
		}
	}
}
