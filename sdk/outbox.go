// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"sync"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// outbox holds what waits for an acknowledgement: a queue per conversation of which only the first is on the way, so
// that a refusal for now cannot let a later message overtake an earlier one.
type outbox struct {
	mu     sync.Mutex
	limit  int
	queues map[string][]*queued // by conversation
	byTemp map[string]*queued
	wake   chan struct{}
}

type queued struct {
	send      frame.Send
	done      chan outcome // one slot; nil if nobody waits
	attempts  int          // refusals for now
	notBefore time.Time    // when to write it, again
	onTheWay  bool         // written and not answered
	accepted  bool         // durable at the server, which keeps the order from there on
}

type outcome struct {
	ack frame.Ack
	err error
}

func newOutbox(limit int, wake chan struct{}) *outbox {
	return &outbox{limit: limit, queues: map[string][]*queued{}, byTemp: map[string]*queued{}, wake: wake}
}

// poke wakes the writer; one pending poke is enough.
func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// restore replaces the content by what a store held. Whoever waits learns that the session is over.
func (o *outbox) restore(sends []frame.Send) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, q := range o.byTemp {
		q.finish(outcome{err: errNoSession})
	}
	clear(o.queues)
	clear(o.byTemp)
	for _, s := range sends {
		o.push(&queued{send: s})
	}
}

// accepts tells whether a message with the tempId could be added now.
func (o *outbox) accepts(tempID string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.check(tempID)
}

func (o *outbox) check(tempID string) error {
	if len(o.byTemp) >= o.limit {
		return errOutboxFull(o.limit)
	}
	if o.byTemp[tempID] != nil {
		return fault.New(fault.TempIDConflict, "tempId %s is queued already", tempID)
	}
	return nil
}

// add queues a message at the end of its conversation.
func (o *outbox) add(q *queued) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.check(q.send.TempID); err != nil {
		return err
	}
	o.push(q)
	poke(o.wake)
	return nil
}

func errOutboxFull(limit int) error {
	return fault.Retry(fault.RateLimited, time.Second, "%d messages wait to be sent", limit)
}

func (o *outbox) push(q *queued) {
	o.queues[q.send.ConversationID] = append(o.queues[q.send.ConversationID], q)
	o.byTemp[q.send.TempID] = q
}

// next returns a message to write now and arms its resending. Without one it tells how long until there may be.
func (o *outbox) next(now time.Time) (*frame.Send, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	wait := time.Hour
	for _, line := range o.queues {
		q, d := first(line, now)
		if wait = min(wait, d); d > 0 {
			continue
		}
		q.notBefore, q.onTheWay = now.Add(ackTimeout), true
		s := q.send
		return &s, 0
	}
	return nil, wait
}

// first is what is to be written next of a conversation, and in how long: the first that the server does not have, unless one
// it has is due again before.
func first(line []*queued, now time.Time) (*queued, time.Duration) {
	soonest := line[0]
	for _, q := range line {
		if q.notBefore.Before(soonest.notBefore) {
			soonest = q
		}
		if !q.accepted {
			if !soonest.accepted || soonest.notBefore.After(now) {
				soonest = q
			}
			break
		}
	}
	return soonest, max(0, soonest.notBefore.Sub(now))
}

// accept notes that the server has a message and its hub does not yet: those behind it may follow, and it is said again now and
// then, as what became of it may get lost. Whoever waits is told.
func (o *outbox) accept(a frame.Ack, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := o.byTemp[a.TempID]
	if q == nil {
		return false
	}
	q.accepted, q.onTheWay, q.notBefore = true, false, now.Add(acceptedTimeout)
	q.finish(outcome{ack: a})
	poke(o.wake)
	return true
}

// reconnected makes what was on the way due again, since its outcome is unknown.
func (o *outbox) reconnected() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, line := range o.queues {
		for _, q := range line {
			if q.onTheWay || q.accepted {
				q.notBefore = time.Time{}
			}
		}
	}
}

// delay puts a message off that was refused for now, and tells for how long; nil if it is not queued.
func (o *outbox) delay(tempID string, now time.Time, err error) (*frame.Send, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := o.byTemp[tempID]
	if q == nil {
		return nil, 0
	}
	b := backoff{low: 200 * time.Millisecond, high: 30 * time.Second, n: q.attempts}
	q.attempts++
	q.onTheWay = false
	wait := max(b.next(), waitOf(err))
	q.notBefore = now.Add(wait)
	poke(o.wake)
	s := q.send
	return &s, wait
}

// settle takes a message out, tells its outcome to whoever waits, and returns it; nil if it is not queued.
func (o *outbox) settle(tempID string, r outcome) *frame.Send {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := o.byTemp[tempID]
	if q == nil {
		return nil
	}
	delete(o.byTemp, tempID)
	o.unlink(q)
	q.finish(r)
	poke(o.wake)
	return &q.send
}

func (o *outbox) unlink(q *queued) {
	conv := q.send.ConversationID
	rest := o.queues[conv][:0:0]
	for _, other := range o.queues[conv] {
		if other != q {
			rest = append(rest, other)
		}
	}
	if len(rest) == 0 {
		delete(o.queues, conv)
		return
	}
	o.queues[conv] = rest
}

func (q *queued) finish(r outcome) {
	if q.done != nil {
		q.done <- r
		q.done = nil
	}
}

// waiting tells how many messages are not settled.
func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.byTemp)
}

// Unsent tells how many messages wait for an acknowledgement.
func (c *Client) Unsent() int { return c.outbox.waiting() }

// settle settles a message in memory and in the store.
func (c *Client) settle(ctx context.Context, tempID string, r outcome) (*frame.Send, error) {
	s := c.outbox.settle(tempID, r)
	if s == nil {
		return nil, nil
	}
	return s, c.store.Update(ctx, func(st *State) { st.dropQueued(tempID) })
}
