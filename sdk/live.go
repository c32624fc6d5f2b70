// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"parley.chat/protocol/frame"
)

// conn is one connection while it lives: a reader and a writer beside the goroutine of Run.
type conn struct {
	*run
	link link
	gate atomic.Bool // open while caught up: only then the outbox and receipts are written
}

// live follows one connection to its end and returns why it ended.
func (r *run) live(ctx context.Context, l link) error {
	inner, cancel := context.WithCancel(ctx)
	c := &conn{run: r, link: l}
	frames, ended := make(chan []byte), make(chan error, 1)
	r.c.outbox.reconnected()
	r.c.receipt.reconnected(time.Now())
	var wg sync.WaitGroup
	wg.Go(func() { ended <- c.readAll(inner, frames) })
	wg.Go(func() {
		if err := c.writeAll(inner); err != nil {
			r.c.log.DebugContext(ctx, "writing ended", "error", err)
		}
		l.close() // The reader finds out, and knows the close code.
	})
	defer wg.Wait()
	defer l.close()
	defer cancel()
	if err := c.askSync(ctx); err != nil {
		// The reader ends too, and may know a close code.
		r.c.log.DebugContext(ctx, "sync not asked", "error", err)
	}
	return c.follow(ctx, frames, ended)
}

func (c *conn) readAll(ctx context.Context, frames chan<- []byte) error {
	for {
		raw, err := c.link.read(ctx)
		if err != nil {
			return err
		}
		select {
		case frames <- raw:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follow handles frames and whatever falls due between them.
func (c *conn) follow(ctx context.Context, frames <-chan []byte, ended <-chan error) error {
	timer := time.NewTimer(c.due(time.Now()))
	defer timer.Stop()
	for {
		var err error
		select {
		case raw := <-frames:
			err = c.handle(ctx, raw)
		case <-timer.C:
			err = c.tick(ctx, time.Now())
		case err = <-ended:
			return err
		}
		if err != nil {
			return err
		}
		timer.Reset(c.due(time.Now()))
	}
}

// due tells how long until tick has work.
func (c *conn) due(now time.Time) time.Duration {
	next := now.Add(time.Hour)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	sooner(c.saveAt)
	sooner(c.syncBy)
	if c.t.nHeld > maxHeld {
		return 0
	}
	for _, h := range c.t.holes() {
		sooner(h.since.Add(holdFor))
	}
	return max(next.Sub(now), 0)
}

func (c *conn) tick(ctx context.Context, now time.Time) error {
	if !c.syncBy.IsZero() && now.After(c.syncBy) {
		return errors.New("the server does not answer sync")
	}
	for _, h := range c.t.holes() {
		if now.Sub(h.since) < holdFor && c.t.nHeld <= maxHeld {
			continue
		}
		if err := c.fill(ctx, h); err != nil {
			return err
		}
	}
	if !c.saveAt.IsZero() && !now.Before(c.saveAt) {
		c.save(ctx)
	}
	return nil
}

// askSync closes the gate and asks for what moved since the cursor.
func (c *conn) askSync(ctx context.Context) error {
	c.gate.Store(false)
	c.fresh = c.cursor == ""
	c.syncBy = time.Now().Add(syncTimeout)
	raw, err := encodeFrame(frame.SyncFrame, frame.SyncRequest{Cursor: c.cursor})
	if err != nil {
		return err
	}
	return c.link.write(ctx, raw)
}

// caughtUp opens the gate.
func (c *conn) caughtUp(ctx context.Context) error {
	c.syncBy, c.fresh = time.Time{}, false
	c.t.seal()
	if c.gate.Swap(true) {
		return nil
	}
	c.liveSince = time.Now()
	c.c.moment.reconnected()
	poke(c.c.outbox.wake)
	return c.c.emit(ctx, Connection{State: Live})
}

// writeAll writes receipts and the outbox as they fall due, and pings.
func (c *conn) writeAll(ctx context.Context) error {
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, err := c.writeDue(ctx)
		if err != nil {
			return err
		}
		timer.Reset(wait)
		select {
		case <-c.c.outbox.wake:
		case <-timer.C:
		case <-ping.C:
			err = c.keepAlive(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// writeDue writes all that is due and tells how long until there may be more.
func (c *conn) writeDue(ctx context.Context) (time.Duration, error) {
	for {
		if !c.gate.Load() {
			return time.Hour, nil
		}
		kind, data, wait := c.nextFrame(time.Now())
		if data == nil {
			return wait, nil
		}
		raw, err := encodeFrame(kind, data)
		if err != nil {
			return 0, err
		}
		if err := c.link.write(ctx, raw); err != nil {
			return 0, err
		}
	}
}

func (c *conn) nextFrame(now time.Time) (string, any, time.Duration) {
	s, wait := c.c.outbox.next(now)
	if s != nil {
		return frame.SendMessage, s, 0
	}
	d, other := c.c.receipt.next(now)
	if d != nil {
		return frame.DeliveryAck, d, 0
	}
	wait = min(wait, other)
	kind, data, other := c.c.moment.next(now)
	return kind, data, min(wait, other)
}

// keepAlive finds dead connections, and keeps the tokens fresh while no call does.
func (c *conn) keepAlive(ctx context.Context) error {
	if err := c.link.ping(ctx); err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if _, err := c.c.fresh(short); err != nil {
		c.c.log.InfoContext(ctx, "tokens not refreshed", "error", err)
	}
	return nil
}
