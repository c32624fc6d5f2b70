// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"parley.chat/protocol/id"
)

// Pauses after a hub was not reached.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

// couriers are the conversations in which submissions wait, and the hubs they go to.
type couriers struct {
	atOnce, ofHub, direct int
	now                   func() time.Time
	wake                  chan struct{} // one slot

	mu      sync.Mutex
	lines   map[id.Conversation]*line
	hubs    map[id.Server]*hub
	running int
}

// line is one conversation.
type line struct {
	hub     id.Server
	after   int64     // submissions up to this number have their answer, and perhaps not their entry
	since   time.Time // when the first of these was answered
	at      time.Time
	resting bool // until entries come that were promised
	running bool
	again   bool // something was added while it ran
}

// hub is how a server is, as far as was noticed here; absent if well and without work.
type hub struct {
	running, direct int
	pause           time.Duration // 0 while it answers
	until, failed   time.Time
}

func newCouriers(o Options) *couriers {
	return &couriers{atOnce: o.Couriers, ofHub: o.CouriersOfHub, direct: o.Direct, now: o.Now, wake: make(chan struct{}, 1),
		lines: map[id.Conversation]*line{}, hubs: map[id.Server]*hub{}}
}

// want has a conversation looked at.
func (c *couriers) want(conv id.Conversation, to id.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[conv]
	if l == nil {
		l = &line{}
		c.lines[conv] = l
	}
	l.hub, l.again = to, true
	if soon := c.now().Add(time.Second); l.at.After(soon) || l.resting { // What is added does not wait for what has its answer.
		l.at = soon
		if l.resting {
			l.at = time.Time{}
		}
	}
	c.ring()
}

// known tells whether a conversation is on the list.
func (c *couriers) known(conv id.Conversation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines[conv] != nil
}

func (c *couriers) ring() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// of finds a hub, or makes a note of it; the caller holds mu.
func (c *couriers) of(server id.Server) *hub {
	h := c.hubs[server]
	if h == nil {
		h = &hub{}
		c.hubs[server] = h
	}
	return h
}

// tidy forgets a hub that is well and without work; the caller holds mu.
func (c *couriers) tidy(server id.Server) {
	if h := c.hubs[server]; h != nil && h.running == 0 && h.direct == 0 && h.pause == 0 {
		delete(c.hubs, server)
	}
}

// isAway tells whether a hub was not reached lately.
func (c *couriers) isAway(server id.Server) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hubs[server]
	return h != nil && h.pause > 0
}

// heard forgets that a hub was away.
func (c *couriers) heard(server id.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.hubs[server]; h != nil {
		h.pause, h.until = 0, time.Time{}
		c.tidy(server)
	}
	c.ring()
}

// missed notes that a hub was not reached, and not to try again for so long at least.
func (c *couriers) missed(server id.Server, least time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.of(server)
	h.failed = c.now()
	if h.until.After(h.failed) { // Several were under way: it is one failure.
		return
	}
	h.pause = min(max(2*h.pause, firstPause), lastPause)
	h.until = h.failed.Add(max(least, h.pause/2+rand.N(h.pause/2+1)))
}

// Heard tells that a server is there again, by any word of it: what waits for it is sent now.
func (w *Writer) Heard(server id.Server) { w.couriers.heard(server) }

// verdict is what is to be done about a conversation after a round.
type verdict struct {
	idle  bool          // nothing waits
	rest  bool          // nothing waits but for entries that were promised
	pause time.Duration // before the next round
	after int64
}

// run carries what is due until ctx is done; it returns when the last courier is back.
func (c *couriers) run(ctx context.Context, carry func(context.Context, id.Conversation, int64) verdict) {
	var group sync.WaitGroup
	defer group.Wait()
	for {
		conv, l, wait := c.next()
		if l == nil {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-c.wake:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			timer.Stop()
			continue
		}
		group.Go(func() { c.done(conv, l, carry(ctx, conv, l.after)) })
	}
}

// next takes a conversation that is due, or tells how long to wait.
func (c *couriers) next() (id.Conversation, *line, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait, now := lastPause, c.now()
	if c.running >= c.atOnce {
		return "", nil, wait
	}
	for conv, l := range c.lines {
		h := c.of(l.hub)
		left := max(l.at.Sub(now), h.until.Sub(now))
		switch {
		case l.running || h.running >= c.ofHub:
		case left > 0:
			wait = min(wait, left)
		default:
			l.running, l.again = true, false
			if l.after != 0 && now.Sub(l.since) > followTime { // What did not come is sent again.
				l.after = 0
			}
			c.running++
			h.running++
			taken := *l
			return conv, &taken, 0
		}
		c.tidy(l.hub)
	}
	return "", nil, wait
}

func (c *couriers) done(conv id.Conversation, was *line, v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
	c.of(was.hub).running--
	c.tidy(was.hub)
	c.ring()
	l := c.lines[conv]
	l.running = false
	if v.after != 0 && l.after == 0 {
		l.since = c.now()
	}
	l.after, l.resting = v.after, v.rest
	switch {
	case l.again && (v.idle || v.rest):
		l.at = time.Time{}
	case l.again:
		l.at = c.now().Add(min(v.pause, time.Second))
	case v.idle:
		delete(c.lines, conv)
	case v.rest:
		l.at = l.since.Add(followTime + time.Second)
	default:
		l.at = c.now().Add(v.pause)
	}
}

// enter takes one of the places for asking a hub at once; false if there is none, or the hub was not reached a moment ago.
func (c *couriers) enter(server id.Server) (ok bool, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.of(server)
	now := c.now()
	if h.pause > 0 && now.Sub(h.failed) < 5*time.Second {
		return false, max(h.until.Sub(now), time.Second)
	}
	if h.direct >= c.direct {
		c.tidy(server)
		return false, time.Second
	}
	h.direct++
	return true, 0
}

func (c *couriers) leave(server id.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(server).direct--
	c.tidy(server)
}
