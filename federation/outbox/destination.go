// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"parley.chat/core/follower"
	"parley.chat/protocol/id"
)

// Pauses after failures, and before a follower that is behind is told again. spec: FED-TXN-7
const (
	firstPause  = time.Second
	longest     = time.Hour
	firstRecall = 30 * time.Second
)

// maxMoved bounds the conversations noted for a destination. One more, and it goes through its positions instead.
const maxMoved = 256

// destination is a server that has something to get, or that fails. Outbox.mu guards it.
type destination struct {
	name  id.Server
	moved []follower.Ref // with something new, the longest noted first, each once
	noted map[place]bool // those in moved
	scan  *position      // going through all positions; nil if there is no need
	again bool           // … once more after this

	busy, queued, slow bool
	line               int  // it has its turn from
	scanned            bool // the last turn was of the scan
	alone              int  // so many turns with one item each: one of several was refused as a whole

	failures int
	since    time.Time // of the first failure
	why      string
	tried    time.Time // the last turn's begin
	next     time.Time // no turn before
	held     bool      // the server named next itself

	recall time.Time     // when to tell it again, as it is behind; zero if it is not
	pause  time.Duration // until the recall after

	at    time.Time // in later
	index int       // in later, -1 if it is not there
}

// place is a conversation, for short.
type place struct {
	shard id.Shard
	conv  int64
}

// position is where going through all positions of a destination is: after a row of a shard.
type position struct {
	shard id.Shard
	after follower.Row
}

// destination finds or makes one; the caller holds mu.
func (o *Outbox) destination(name id.Server) *destination {
	d := o.dests[name]
	if d == nil {
		d = &destination{name: name, index: -1}
		o.dests[name] = d
	}
	return d
}

// add notes a conversation. Of a destination that fails nothing is noted: everything is looked through when it is back.
func (d *destination) add(ref follower.Ref) {
	at := place{ref.Shard, ref.Conv}
	switch {
	case d.failures > 0 || len(d.moved) >= maxMoved && !d.noted[at]:
		d.look()
	case !d.noted[at]:
		if d.noted == nil {
			d.noted = map[place]bool{}
		}
		d.noted[at] = true
		d.moved = append(d.moved, ref)
	}
}

// take takes the longest noted ones, at most n.
func (d *destination) take(n int) []follower.Ref {
	n = min(n, len(d.moved))
	refs := d.moved[:n:n]
	d.moved = d.moved[n:]
	for _, r := range refs {
		delete(d.noted, place{r.Shard, r.Conv})
	}
	if len(d.moved) == 0 {
		d.moved, d.noted = nil, nil
	}
	return refs
}

// look wants all positions to be gone through, from the start.
func (d *destination) look() {
	if d.scan == nil {
		d.scan = &position{}
	} else if *d.scan != (position{}) || d.busy {
		d.again = true
	}
}

// wants tells whether there is something to do.
func (d *destination) wants() bool { return len(d.moved) > 0 || d.scan != nil }

// fail notes that a turn came to nothing.
func (d *destination) fail(now time.Time, why string) {
	if d.failures == 0 {
		d.since = now
	}
	d.failures++
	d.why, d.slow, d.alone = why, true, 0
	d.moved, d.noted = nil, nil
	d.scan, d.again = &position{}, false
	wait := longest
	if d.failures < 13 { // 2^12 seconds are beyond the longest.
		wait = min(longest, firstPause<<(d.failures-1))
	}
	d.next = now.Add(wait/2 + rand.N(wait/2+1)) // Servers that failed together are not tried together.
}

// succeed notes that an answer came.
func (d *destination) succeed(took time.Duration) (recovered bool) {
	recovered = d.failures > 0
	d.failures, d.why, d.next, d.held = 0, "", time.Time{}, false
	d.slow = took > slowTurn
	return recovered
}

// remind sets when the follower is told again, as it is behind.
func (d *destination) remind(now time.Time) {
	if d.recall.IsZero() {
		d.pause = min(longest, max(firstRecall, 2*d.pause))
		d.recall = now.Add(d.pause)
	}
}

// due tells when the destination is to have its next turn.
func (d *destination) due() (at time.Time, ok bool) {
	switch {
	case d.busy || d.queued:
		return at, false
	case d.wants():
		return d.next, true
	case !d.recall.IsZero():
		if d.recall.Before(d.next) {
			return d.next, true
		}
		return d.recall, true
	}
	return at, false
}

// place puts d where its state says: in line for a turn, among those that wait for a time, or nowhere. The caller holds mu.
func (o *Outbox) place(d *destination) {
	at, ok := d.due()
	if d.index >= 0 {
		heap.Remove(&o.later, d.index)
	}
	switch {
	case !ok && !d.busy && !d.queued && d.failures == 0:
		delete(o.dests, d.name)
	case !ok:
	case at.After(o.Now()):
		d.at = at
		heap.Push(&o.later, d)
		if d.index == 0 {
			o.poke()
		}
	default:
		o.queue(d)
	}
}

// queue puts d in line; the caller holds mu.
func (o *Outbox) queue(d *destination) {
	if !d.wants() { // It is behind, and has been long enough.
		d.recall = time.Time{}
		d.look()
	}
	line := 0
	if d.slow {
		line = 1
	}
	d.queued = true
	o.ready[line] = append(o.ready[line], d)
	o.poke()
}

func (o *Outbox) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// later are destinations that wait, the next one first.
type later []*destination

// Len implements heap.Interface.
func (l later) Len() int { return len(l) }

// Less implements heap.Interface.
func (l later) Less(i, j int) bool { return l[i].at.Before(l[j].at) }

// Swap implements heap.Interface.
func (l later) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].index, l[j].index = i, j
}

// Push implements heap.Interface.
func (l *later) Push(v any) {
	d := v.(*destination)
	d.index = len(*l)
	*l = append(*l, d)
}

// Pop implements heap.Interface.
func (l *later) Pop() any {
	last := len(*l) - 1
	d := (*l)[last]
	(*l)[last] = nil
	*l = (*l)[:last]
	d.index = -1
	return d
}
