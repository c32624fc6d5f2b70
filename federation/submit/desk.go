// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"sync"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// desk knows who waits for which submission, and how many submissions wait.
type desk struct {
	most       int // held
	conv, user int // most of each
	wait       time.Duration
	keptCounts int

	mu    sync.Mutex
	held  map[submission.Key]*held
	convs map[place]int // submissions that wait; absent: not counted yet
	users map[id.User]int
}

// place names a conversation.
type place struct {
	shard id.Shard
	conv  int64
}

// held is a submission that somebody waits for.
type held struct {
	content uint64 // timeline.Fingerprint
	durable bool
	hurry   bool // the hub is away: who waits is told at once that it is accepted
	waiters []*waiter
}

type waiter struct {
	then   func(timeline.Result, error)
	origin string
	timer  *time.Timer
}

func newDesk(o Options) *desk {
	return &desk{most: o.MaxHeld, conv: o.MaxConversation, user: o.MaxUser, wait: o.Wait, keptCounts: 8192,
		held: map[submission.Key]*held{}, convs: map[place]int{}, users: map[id.User]int{}}
}

// join lets t wait for a submission that is held already. done is true if t is settled by that.
func (d *desk) join(t *ticket) (done bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.held[t.row.Key()]
	if h == nil {
		return false, nil
	}
	if h.content != timeline.Fingerprint(t.cmd.Type, t.cmd.Content) {
		return true, conflict(t.cmd.TempID)
	}
	d.add(t.row.Key(), h, t)
	return true, nil
}

func conflict(tempID string) error {
	return fault.New(fault.TempIDConflict, "tempId %s was used for something else", tempID)
}

// full refuses more than may wait.
func full() error {
	return fault.Retry(fault.QueueFull, 10*time.Second, "too much waits for the server of this conversation already, send again later")
}

// counted tells whether the submissions of a conversation were counted.
func (d *desk) counted(p place) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.convs[p]
	return ok
}

// count notes how many submissions of a conversation wait.
func (d *desk) count(p place, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.convs) >= d.keptCounts {
		for other, n := range d.convs {
			if n == 0 {
				delete(d.convs, other)
			}
		}
	}
	d.convs[p] = n
}

// open holds a new submission, or refuses more than may wait.
func (d *desk) open(t *ticket) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := place{t.row.Shard, t.row.Conv}
	if len(d.held) >= d.most || d.convs[p] >= d.conv || d.users[t.cmd.Sender] >= d.user {
		return full()
	}
	h := &held{content: timeline.Fingerprint(t.cmd.Type, t.cmd.Content)}
	d.held[t.row.Key()] = h
	d.convs[p]++
	d.users[t.cmd.Sender]++
	d.add(t.row.Key(), h, t)
	return nil
}

// add lets t wait; the caller holds mu.
func (d *desk) add(k submission.Key, h *held, t *ticket) {
	one := &waiter{then: t.then, origin: t.cmd.Origin}
	h.waiters = append(h.waiters, one)
	if h.durable {
		d.arm(k, h, one)
	}
}

// durable starts the clocks of those who wait: from now on it may be said that the submission is accepted.
func (d *desk) durable(k submission.Key, hurry bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.held[k]
	if h == nil {
		return
	}
	h.durable, h.hurry = true, hurry
	for _, one := range h.waiters {
		d.arm(k, h, one)
	}
}

// arm lets a waiter be told after a moment; the caller holds mu.
func (d *desk) arm(k submission.Key, h *held, one *waiter) {
	wait := d.wait
	if h.hurry {
		wait = 0
	}
	one.timer = time.AfterFunc(wait, func() {
		if d.leave(k, h, one) {
			one.then(timeline.Result{Accepted: true}, nil)
		}
	})
}

// leave takes a waiter off; false if it was answered.
func (d *desk) leave(k submission.Key, h *held, one *waiter) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held[k] != h {
		return false
	}
	for i, other := range h.waiters {
		if other == one {
			h.waiters = append(h.waiters[:i:i], h.waiters[i+1:]...)
			if len(h.waiters) == 0 {
				delete(d.held, k)
			}
			return true
		}
	}
	return false
}

// isHeld tells whether somebody waits for a submission.
func (d *desk) isHeld(k submission.Key) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held[k] != nil
}

// recount takes back that a submission was counted.
func (d *desk) recount(k submission.Key, sender id.User) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uncount(k, sender)
}

// uncount counts one less; the caller holds mu.
func (d *desk) uncount(k submission.Key, sender id.User) {
	if p := (place{k.Shard, k.Conv}); d.convs[p] > 0 {
		d.convs[p]--
	}
	if d.users[sender]--; d.users[sender] <= 0 {
		delete(d.users, sender)
	}
}

// close takes a submission off the desk with those who still wait for it: it waits no more if settled.
func (d *desk) close(k submission.Key, sender id.User, settled bool) []*waiter {
	d.mu.Lock()
	defer d.mu.Unlock()
	if settled {
		d.uncount(k, sender)
	}
	h := d.held[k]
	if h == nil {
		return nil
	}
	delete(d.held, k)
	for _, one := range h.waiters {
		if one.timer != nil {
			one.timer.Stop()
		}
	}
	return h.waiters
}

func answer(list []*waiter, r timeline.Result, err error) {
	for i, one := range list {
		r.Duplicate = i > 0
		one.then(r, err)
	}
}

// Committed tells of events that were committed, before anybody else is told: those who wait for theirs are answered, and their
// sessions are noted in the events, because they get the answer instead. It does not block.
func (w *Writer) Committed(events []conversation.Committed) {
	for i := range events {
		e := events[i].Event
		if e.Type == frame.TypeHubTransfer && events[i].State != nil { // What waits goes elsewhere from now on.
			w.couriers.want(e.ConversationID, events[i].State.Hub())
		}
		if e.Sender.Server() != w.o.Self || e.TempID == "" || events[i].State.Hub() == w.o.Self || !waits(e.Type) {
			continue
		}
		k := submission.Key{Shard: e.Shard, Conv: e.Conv, Dedup: timeline.DedupKey(e.Device, e.TempID)}
		origin := w.finish(k, outcomeOf(e), timeline.Result{Seq: e.Seq, MessageID: e.MessageID}, nil)
		if events[i].Origin == "" {
			events[i].Origin = origin
		}
	}
}

func outcomeOf(e *conversation.Event) Outcome {
	return Outcome{Sender: e.Sender, Device: e.Device, ConversationID: e.ConversationID, TempID: e.TempID}
}

// finish answers those who wait for a submission, or else tells the sender's sessions. It returns the session of who waited.
func (w *Writer) finish(k submission.Key, out Outcome, r timeline.Result, err error) (origin string) {
	code := ""
	if err != nil {
		code = string(fault.From(err).Code)
	}
	w.outcomes.WithLabelValues(code).Inc()
	waiters := w.desk.close(k, out.Sender, true)
	switch {
	case len(waiters) > 0:
	case code == string(fault.Unchanged): // As good as done, and there is no entry to tell of.
		return ""
	default:
		out.Result, out.Err = r, err
		w.o.Outcome(out)
		return ""
	}
	answer(waiters, r, err)
	return waiters[0].origin
}
