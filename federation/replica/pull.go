// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// Pauses between attempts to pull that got no further.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
	attempts   = 24 // in a row, an hour and a half; then the hub has to say it again
)

// pulls are the conversations of which something is missing.
type pulls struct {
	most, atOnce, ofHub int
	now                 func() time.Time
	wake                chan struct{} // one slot

	mu      sync.Mutex
	wanted  map[id.Conversation]*pull
	running int
	hubs    map[id.Server]*work
}

// work is what there is to ask of one hub.
type work struct{ wanted, running int }

// pull is what is missing of one conversation.
type pull struct {
	hub     id.Server
	upTo    int64
	at      time.Time // not before
	pause   time.Duration
	failed  int // attempts in a row
	running bool
}

func newPulls(o Options) *pulls {
	return &pulls{most: o.Waiting, atOnce: o.Pulls, ofHub: o.PullsOfHub, now: o.Now, wake: make(chan struct{}, 1),
		wanted: map[id.Conversation]*pull{}, hubs: map[id.Server]*work{}}
}

// want notes that the hub has entries up to a seq. Beyond the bound nothing is noted: the hub says it again.
func (r *Replicas) want(c id.Conversation, hub id.Server, upTo int64) { r.pulls.want(c, hub, upTo) }

func (p *pulls) want(c id.Conversation, hub id.Server, upTo int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.wanted[c]
	if one == nil {
		if len(p.wanted) >= p.most || p.of(hub).wanted >= p.most/4 {
			p.tidy(hub)
			return
		}
		one = &pull{hub: hub, upTo: -1}
		p.wanted[c] = one
		p.of(hub).wanted++
	}
	if one.hub != hub {
		p.of(one.hub).wanted--
		p.of(hub).wanted++
		p.tidy(one.hub)
		one.hub, one.upTo = hub, -1
	}
	if upTo > one.upTo {
		one.upTo, one.at, one.pause, one.failed = upTo, time.Time{}, 0, 0
	}
	p.ring()
}

// of finds the work of a hub, or makes it; the caller holds mu.
func (p *pulls) of(hub id.Server) *work {
	w := p.hubs[hub]
	if w == nil {
		w = &work{}
		p.hubs[hub] = w
	}
	return w
}

// tidy forgets a hub of which nothing is wanted; the caller holds mu.
func (p *pulls) tidy(hub id.Server) {
	if w := p.hubs[hub]; w != nil && w.wanted == 0 && w.running == 0 {
		delete(p.hubs, hub)
	}
}

func (p *pulls) forget(c id.Conversation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(c)
}

// drop forgets a conversation; the caller holds mu.
func (p *pulls) drop(c id.Conversation) {
	if one := p.wanted[c]; one != nil {
		delete(p.wanted, c)
		p.of(one.hub).wanted--
		p.tidy(one.hub)
	}
}

// heard makes what waits for the hub due.
func (p *pulls) heard(hub id.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.wanted {
		if one.hub == hub {
			one.at, one.pause = time.Time{}, 0
		}
	}
	p.ring()
}

// Heard tells that a server is there again: what waits to be asked of it is asked now.
func (r *Replicas) Heard(server id.Server) { r.pulls.heard(server) }

func (p *pulls) ring() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run asks for what is due until ctx is done; it returns when the last is back.
func (p *pulls) run(ctx context.Context, once func(context.Context, id.Conversation, id.Server, int64) (bool, error)) {
	var group sync.WaitGroup
	defer group.Wait()
	for {
		c, one, wait := p.next()
		if one == nil {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-p.wake:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			timer.Stop()
			continue
		}
		group.Go(func() {
			more, err := once(ctx, c, one.hub, one.upTo)
			p.done(c, one, more, err)
		})
	}
}

// next takes a conversation that is due, or tells how long to wait.
func (p *pulls) next() (id.Conversation, *pull, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait, now := lastPause, p.now()
	if p.running >= p.atOnce {
		return "", nil, wait
	}
	for c, one := range p.wanted {
		if one.running || p.of(one.hub).running >= p.ofHub {
			continue
		}
		if left := one.at.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		one.running = true
		p.running++
		p.of(one.hub).running++
		taken := *one
		return c, &taken, 0
	}
	return "", nil, wait
}

// done puts a conversation back if something is still missing, at once if it got further.
func (p *pulls) done(c id.Conversation, was *pull, more bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	p.of(was.hub).running--
	p.tidy(was.hub)
	p.ring()
	one := p.wanted[c]
	if one == nil {
		return
	}
	one.running = false
	switch {
	case !more && one.upTo <= was.upTo && one.hub == was.hub:
		p.drop(c)
	case err == nil:
		one.failed = 0
	case one.failed >= attempts:
		p.drop(c)
	default:
		one.failed++
		one.pause = min(max(2*one.pause, firstPause), lastPause)
		one.at = p.now().Add(one.pause/2 + rand.N(one.pause/2+1))
	}
}

// pullOnce asks for one range, or for a snapshot where no range continues what is held, and takes it. more tells that there is still
// something to ask for.
func (r *Replicas) pullOnce(ctx context.Context, c id.Conversation, hub id.Server, upTo int64) (more bool, err error) {
	v, err := r.view(ctx, c)
	if err != nil {
		return true, err
	}
	from := r.sources(v, hub)
	if v.State != nil && v.Head.Seq >= upTo || len(from) == 0 {
		return false, nil
	}
	if err := r.recall(ctx, c); err != nil {
		return !fault.Is(err, fault.Diverged), err
	}
	for _, server := range from {
		if more, err = r.pullFrom(ctx, c, server, v, upTo); err == nil {
			break
		}
	}
	return more, err
}

// sources are whom to ask for what a server says there is: the hub first. The server may be the one to which it was moved meanwhile.
func (r *Replicas) sources(v timeline.View, said id.Server) []id.Server {
	switch {
	case v.State == nil || !r.hasOwn(v.State) || v.State.Hub() == said:
		return []id.Server{said}
	case v.State.Hub() == r.o.Self || !slices.Contains(v.State.Servers(), said):
		return nil
	}
	return []id.Server{v.State.Hub(), said}
}

func (r *Replicas) pullFrom(ctx context.Context, c id.Conversation, hub id.Server, v timeline.View, upTo int64) (more bool, err error) {
	item, err := r.ask(ctx, c, hub, v)
	if err != nil {
		r.o.Log.Debug("a hub does not give what is missing", slog.String("conversation", string(c)), slog.String("server", string(hub)), slog.Any("error", err))
		return true, err
	}
	seq, err := r.Take(ctx, hub, item)
	switch {
	case fault.Is(err, fault.Diverged), fault.Is(err, fault.UnknownConversation), fault.Is(err, fault.NoMemberHere):
		return false, err
	case err == nil && seq <= end(v):
		err = errLess
	}
	return err != nil || seq < upTo, err
}

func (r *Replicas) ask(ctx context.Context, c id.Conversation, hub id.Server, v timeline.View) (wire.Item, error) {
	item := wire.Item{ConversationID: c}
	if v.State == nil || !r.hasOwn(v.State) {
		s, err := r.o.AskSnapshot(ctx, hub, c)
		if err == nil && s.Record.Entry.ConversationID != c {
			err = errLess
		}
		item.Snapshot = &s
		return item, err
	}
	after := v.Head.Seq
	rng, err := r.o.Ask(ctx, hub, wire.Entries{ConversationID: c, AfterSeq: &after, Limit: wire.MaxRecords})
	if err == nil && (rng.ConversationID != c || len(rng.Records) == 0 || rng.Records[0].Entry.Seq > after+1) {
		err = errLess
	}
	item.Range = &rng
	return item, err
}

// errLess says that a hub gave less than it said there is.
var errLess = errors.New("the hub gives less than it said there is")

// Pull asks a hub for all that is missing up to a seq, or for a snapshot where there is no replica, and waits for it. It is for those who
// need the entries now; what others miss is pulled by Run.
func (r *Replicas) Pull(ctx context.Context, hub id.Server, c id.Conversation, upTo int64) error {
	for {
		if more, err := r.pullOnce(ctx, c, hub, upTo); err != nil || !more {
			return err
		}
	}
}
