// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"sync"
	"time"
)

// batchSize is the most that leaves in one write, unless a single frame is larger.
const batchSize = 16 << 10

type batch [batchSize]byte

// batches gather small frames. Copying costs less than writev, which also leaves a list of vectors behind on each
// socket, and makes one record of them under TLS.
var batches = sync.Pool{New: func() any { return new(batch) }}

// queue is what waits to be written. Its owner locks it.
type queue struct {
	pong   []byte // answer to the peer's last ping
	ping   bool
	frames [][]byte
	size   int    // bytes in frames
	bye    []byte // close frame, written when frames is empty
}

// push appends a frame unless that hits a bound. An empty queue takes any frame.
func (q *queue) push(frame []byte, maxFrames, maxBytes int) bool {
	if len(q.frames) > 0 && (len(q.frames) >= maxFrames || q.size+len(frame) > maxBytes) {
		return false
	}
	q.frames = append(q.frames, frame)
	q.size += len(frame)
	return true
}

// discard drops the data frames.
func (q *queue) discard() { q.frames, q.size = nil, 0 }

// head returns the frame to be written next, nil if there is none.
func (q *queue) head() []byte {
	switch {
	case q.pong != nil:
		return q.pong
	case q.ping:
		return []byte{finPing, 0}
	case len(q.frames) > 0:
		return q.frames[0]
	default:
		return q.bye
	}
}

// pop removes what head returned.
func (q *queue) pop() {
	switch {
	case q.pong != nil:
		q.pong = nil
	case q.ping:
		q.ping = false
	case len(q.frames) > 0:
		q.size -= len(q.frames[0])
		q.frames[0] = nil
		if q.frames = q.frames[1:]; len(q.frames) == 0 {
			q.frames = nil
		}
	default:
		q.bye = nil
	}
}

// take removes as many frames as fit into one write. If that is a single frame it is returned as it is, else in b,
// which the caller returns to batches.
func (q *queue) take() (out []byte, b *batch) {
	out = q.head()
	if out == nil {
		return nil, nil
	}
	q.pop()
	next := q.head()
	if next == nil || len(out)+len(next) > batchSize {
		return out, nil
	}
	b = batches.Get().(*batch)
	out = append(b[:0], out...)
	for ; next != nil && len(out)+len(next) <= batchSize; next = q.head() {
		out = append(out, next...)
		q.pop()
	}
	return out, b
}

// control takes a control frame from the library: the answer to a ping or a close frame.
func (c *Conn) control(frame []byte) {
	own := append([]byte(nil), frame...)
	switch own[0] {
	case finClose:
		c.closeWith(own)
	case finPong:
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closing {
			c.queue.pong = own // Only the last ping needs an answer (RFC 6455 section 5.5.3).
			c.write()
		}
	}
}

// write makes sure that the writer runs. It is called under mu.
func (c *Conn) write() {
	if !c.writing && !c.dead {
		c.writing = true
		c.holders++
		go c.flush()
	}
}

// flush is the writer: it writes until nothing is pending.
func (c *Conn) flush() {
	defer c.release()
	for {
		out, b, deadline := c.takeBatch()
		if out == nil {
			return
		}
		err := c.wire.Conn.SetWriteDeadline(deadline)
		if err == nil {
			_, err = c.wire.Conn.Write(out)
		}
		if b != nil {
			batches.Put(b)
		}
		if err != nil {
			c.fail("write failed")
			return
		}
	}
}

// takeBatch returns what is to be written next and until when. If that is nothing the writer is at its end.
func (c *Conn) takeBatch() (out []byte, b *batch, deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, b = c.queue.take()
	if out == nil {
		c.wake()
	}
	switch {
	case out == nil && c.closing:
		// The close frame is out: what remains is the peer's time to answer. The writer stays marked as running,
		// so that none follows it.
		c.timer.Reset(c.o.WriteTimeout)
	case out == nil:
		c.writing = false
	case c.closing:
		deadline = c.flushBy
	default:
		deadline = time.Now().Add(c.o.WriteTimeout)
	}
	return out, b, deadline
}
