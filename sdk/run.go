// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// run is what one call of Run keeps between connections. Only the goroutine of Run touches it.
type run struct {
	c      *Client
	self   Session
	t      *timeline
	cursor string

	saveAt    time.Time // when to store; zero if nothing moved
	fresh     bool      // syncing without a cursor: conversations begin where the server lets them
	syncBy    time.Time // when the answer to sync must be there; zero once caught up
	liveSince time.Time // zero while not caught up
	broken    bool      // an update was not handed over: what is in memory must not be stored
}

// Run keeps the live connection until ctx ends or the session does: it connects, syncs, follows what happens, sends
// what is queued, and reconnects by itself. It returns nil after ctx ended, otherwise the reason, which also comes as
// the last Connection update if there is room for it. It may be called again, but not twice at a time.
func (c *Client) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return errors.New("run: running already")
	}
	defer c.running.Store(false)
	self, ok := c.Session()
	if !ok {
		return errNoSession
	}
	st, err := c.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	r := &run{c: c, self: self, t: newTimeline(self.UserID, st.High), cursor: st.Cursor}
	err = r.forever(ctx)
	select {
	case c.events <- Connection{State: Stopped, Err: err}:
	default:
	}
	return err
}

func (r *run) forever(ctx context.Context) error {
	pauses := backoff{low: r.c.opts.MinBackoff, high: r.c.opts.MaxBackoff}
	var last time.Duration
	for {
		if err := r.c.emit(ctx, Connection{State: Connecting}); err != nil {
			return nil
		}
		err := r.once(ctx)
		r.save(context.WithoutCancel(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if reason := final(err); reason != nil {
			return reason
		}
		// A server that accepts and drops at once is no success.
		if !r.liveSince.IsZero() && time.Since(r.liveSince) > last {
			pauses.reset()
		}
		last = max(pauses.next(), waitOf(err))
		r.c.log.InfoContext(ctx, "connection ended", "error", err, "retryIn", last)
		if r.c.emit(ctx, Connection{State: Waiting, Err: err, RetryIn: last}) != nil || pause(ctx, last) != nil {
			return nil
		}
	}
}

func (r *run) once(ctx context.Context) error {
	r.liveSince = time.Time{}
	l, err := r.c.connect(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	return r.live(ctx, l)
}

// save stores how far everything was handed over.
func (r *run) save(ctx context.Context) {
	if r.saveAt.IsZero() || r.broken {
		return
	}
	r.saveAt = time.Time{}
	cursor, high := r.cursor, r.t.take()
	err := r.c.store.Update(ctx, func(st *State) {
		// After a logout or another login the state is no longer of this run.
		if st.Session != nil && st.Session.DeviceID == r.self.DeviceID {
			st.advance(cursor, high)
		}
	})
	if err != nil {
		r.c.log.WarnContext(ctx, "position not stored", "error", err)
		r.t.giveBack(high)
		r.moved()
	}
}

// moved arms the saving.
func (r *run) moved() {
	if r.saveAt.IsZero() {
		r.saveAt = time.Now().Add(saveEvery)
	}
}
