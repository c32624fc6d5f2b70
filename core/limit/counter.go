// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"container/list"
	"sync"
	"time"

	"parley.chat/protocol/fault"
)

// Rate allows Count in a time Per, all at once if need be. A Count of 0 or less is no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// steps is in how many parts a window slides.
const steps = 24

// DefaultKeys bounds the keys of a Counter that names no other number.
const DefaultKeys = 1 << 16

// Counter counts by key. Make it with NewCounter.
type Counter struct {
	rate  Rate
	step  int64 // milliseconds
	limit int   // keys

	mu    sync.Mutex
	keys  map[string]*list.Element
	order *list.List // of *window, last used first
}

// window holds the counts of the last steps; last is the number of the newest one since 1970.
type window struct {
	key    string
	last   int64
	counts [steps]uint32
}

// NewCounter makes a Counter that remembers so many keys, DefaultKeys if 0.
func NewCounter(r Rate, keys int) *Counter {
	if keys <= 0 {
		keys = DefaultKeys
	}
	return &Counter{rate: r, step: max(1, r.Per.Milliseconds()/steps), limit: keys, keys: map[string]*list.Element{}, order: list.New()}
}

// Take spends n of the key's allowance at a time in Unix milliseconds. If less than that is left it spends nothing and
// returns how long until there is enough; more than the whole allowance passes once nothing else was spent.
func (c *Counter) Take(key string, n int, at int64) (wait time.Duration) {
	if c.rate.Count <= 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.window(key)
	if wait = c.wait(w, n, at); wait == 0 {
		c.add(w, n, at)
	}
	return wait
}

// Wait tells what Take would answer, and spends nothing.
func (c *Counter) Wait(key string, n int, at int64) time.Duration {
	if c.rate.Count <= 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.keys[key]
	if !ok {
		return 0
	}
	return c.wait(e.Value.(*window), n, at)
}

// Note counts n that happened at a time, whatever is left of the allowance. What is older than the window is passed over.
func (c *Counter) Note(key string, n int, at int64) {
	if c.rate.Count <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(c.window(key), n, at)
}

// Return gives back n of what was taken at a time: it came to nothing.
func (c *Counter) Return(key string, n int, at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.keys[key]
	if !ok {
		return
	}
	w, s := e.Value.(*window), at/c.step
	if s <= w.last && s > w.last-steps {
		w.counts[s%steps] -= min(w.counts[s%steps], uint32(n))
	}
}

// Known tells whether anything is remembered of the key.
func (c *Counter) Known(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.keys[key]
	return ok
}

// Begin makes the key known, so that what is counted from the log is counted once. It is false if it was known already.
func (c *Counter) Begin(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.keys[key]
	c.window(key)
	return !ok
}

// window finds or makes the window of a key; the caller holds mu.
func (c *Counter) window(key string) *window {
	if e, ok := c.keys[key]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*window)
	}
	if len(c.keys) >= c.limit {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.keys, last.Value.(*window).key)
	}
	w := &window{key: key}
	c.keys[key] = c.order.PushFront(w)
	return w
}

// slide forgets what left the window; a clock that stepped back is held.
func (w *window) slide(now int64) {
	if now-w.last >= steps {
		w.counts = [steps]uint32{}
	}
	for s := max(w.last+1, now-steps+1); s <= now; s++ {
		w.counts[s%steps] = 0
	}
	w.last = max(w.last, now)
}

func (c *Counter) add(w *window, n int, at int64) {
	s := at / c.step
	w.slide(s)
	if s > w.last-steps {
		w.counts[s%steps] += uint32(n)
	}
}

// wait tells how long until n more pass.
func (c *Counter) wait(w *window, n int, at int64) time.Duration {
	w.slide(at / c.step)
	room := max(0, c.rate.Count-n)
	used := 0
	for _, k := range w.counts {
		used += int(k)
	}
	if used <= room {
		return 0
	}
	oldest := w.last - steps + 1
	for s := oldest; s <= w.last; s++ {
		if used -= int(w.counts[s%steps]); used <= room {
			return time.Duration((s+steps)*c.step-at) * time.Millisecond
		}
	}
	return c.rate.Per
}

// Refusal is the fault for having to wait.
func Refusal(wait time.Duration, what string) error {
	return fault.Retry(fault.RateLimited, wait, "%s", what)
}
