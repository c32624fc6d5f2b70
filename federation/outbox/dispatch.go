// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Bounds of turns: how many are under way at once, of these how many at most, and how many for sure, with destinations that
// fail or were slow last, and what is slow. Servers that do not answer cannot keep the others from having turns. spec: FED-TXN-8
const (
	maxTurns = 64
	maxSlow  = 32
	minSlow  = 4

	maxBuilding = 4 // turns that read the database
	slowTurn    = 5 * time.Second
)

// dispatch gives turns to destinations, in the order in which they came to want one.
func (o *Outbox) dispatch(ctx context.Context) error {
	var turns sync.WaitGroup
	defer turns.Wait()
	if !o.recollect(ctx) {
		return nil
	}
	timer := time.NewTimer(longest)
	defer timer.Stop()
	for {
		o.mu.Lock()
		for d := o.pick(); d != nil; d = o.pick() {
			turns.Go(func() { o.turn(ctx, d) })
		}
		wait := longest
		if len(o.later) > 0 {
			wait = o.later[0].at.Sub(o.Now())
		}
		o.metrics.failing.Set(float64(o.failing))
		o.mu.Unlock()
		timer.Reset(max(wait, time.Millisecond))
		select {
		case <-o.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// recollect reads which destinations fail; false means that ctx is done.
func (o *Outbox) recollect(ctx context.Context) bool {
	for {
		list, err := o.Store.Destinations(ctx)
		if err == nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			for _, f := range list {
				d := o.destination(f.Server)
				if d.failures == 0 {
					o.failing++
				}
				d.failures, d.since, d.why, d.slow = max(1, f.Failures), time.UnixMilli(f.FailingSince), f.LastError, true
				d.next = time.UnixMilli(f.NextTry)
				if late := o.Now().Add(longest); d.next.After(late) { // The clock was put back.
					d.next = late
				}
				d.look()
				o.place(d)
			}
			return true
		}
		o.Log.Warn("failing servers not read; tried again in a second", "error", err)
		if !sleep(ctx, time.Second) {
			return false
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pick takes the next destination that may have a turn, nil if there is none; the caller holds mu.
func (o *Outbox) pick() *destination {
	for now := o.Now(); len(o.later) > 0 && !o.later[0].at.After(now); {
		o.queue(heap.Pop(&o.later).(*destination))
	}
	line := 0
	if len(o.ready[0]) == 0 || o.under[1] < minSlow && len(o.ready[1]) > 0 {
		line = 1
	}
	if o.under[0] >= maxTurns || len(o.ready[line]) == 0 || line == 1 && o.under[1] >= maxSlow {
		return nil
	}
	d := o.ready[line][0]
	if o.ready[line] = o.ready[line][1:]; len(o.ready[line]) == 0 {
		o.ready[line] = nil
	}
	d.queued, d.busy, d.line, d.tried = false, true, line, o.Now()
	o.under[0]++
	o.under[1] += line
	return d
}
