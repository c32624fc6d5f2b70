// SPDX-License-Identifier: Apache-2.0

package people

import (
	"sync"
	"time"
)

// cache keeps a bounded number of values for a time of their own. Which one makes room is left to chance: each is worth one
// question.
type cache[K comparable, V any] struct {
	size int
	now  func() time.Time

	mu   sync.Mutex
	kept map[K]kept[V]
}

type kept[V any] struct {
	value V
	until time.Time
}

func newCache[K comparable, V any](size int, now func() time.Time) *cache[K, V] {
	return &cache[K, V]{size: size, now: now, kept: map[K]kept[V]{}}
}

func (c *cache[K, V]) get(key K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[key]
	if !ok {
		return v, false
	}
	if !c.now().Before(k.until) {
		delete(c.kept, key)
		return v, false
	}
	return k.value, true
}

func (c *cache[K, V]) put(key K, v V, life time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, have := c.kept[key]; !have && len(c.kept) >= c.size {
		for victim := range c.kept {
			delete(c.kept, victim)
			break
		}
	}
	c.kept[key] = kept[V]{v, c.now().Add(life)}
}
