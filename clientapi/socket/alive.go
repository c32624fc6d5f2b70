// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"math/rand/v2"
	"time"
)

func (c *Conn) heardNow() { c.heard.Store(int64(time.Since(c.born))) }

// startTimer begins to watch over the connection. The timer fires for the next ping, for the end of the peer's
// silence, or for the end of a close, whichever is next.
func (c *Conn) startTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heardNow()
	first := c.pingInterval()
	c.nextPing = time.Since(c.born) + first
	c.timer = time.AfterFunc(min(first, c.o.DeadAfter), c.tick)
}

// pingInterval varies so that the pings of connections made in one burst drift apart.
func (c *Conn) pingInterval() time.Duration {
	return c.o.PingEvery - rand.N(c.o.PingEvery/5+1)
}

func (c *Conn) tick() {
	if reason := c.watch(); reason != "" {
		c.fail(reason)
	}
}

// watch pings if it is time and sets the timer anew, or says why the connection has to end.
func (c *Conn) watch() (reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.dead {
		return ""
	}
	if c.closing {
		return "close not answered"
	}
	now := time.Since(c.born)
	silence := now - time.Duration(c.heard.Load())
	if c.handling.Load() {
		silence = 0
	}
	if silence >= c.o.DeadAfter {
		return "no sign of life"
	}
	if now >= c.nextPing {
		c.nextPing = now + c.pingInterval()
		c.queue.ping = true
		c.write()
	}
	c.timer.Reset(min(c.nextPing-now, c.o.DeadAfter-silence))
	return ""
}
