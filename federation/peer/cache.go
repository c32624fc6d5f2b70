// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"container/list"
	"sync"
)

// cache keeps the values of the keys used last.
type cache[V any] struct {
	mu    sync.Mutex
	most  int
	keys  map[string]*list.Element
	order *list.List // of *slot[V], last used first
}

type slot[V any] struct {
	key   string
	value V
}

func newCache[V any](most int) *cache[V] {
	return &cache[V]{most: most, keys: map[string]*list.Element{}, order: list.New()}
}

func (c *cache[V]) get(key string) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.keys[key]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*slot[V]).value, true
}

func (c *cache[V]) put(key string, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.keys[key]; ok {
		e.Value.(*slot[V]).value = v
		c.order.MoveToFront(e)
		return
	}
	c.keys[key] = c.order.PushFront(&slot[V]{key, v})
	if c.order.Len() > c.most {
		last := c.order.Back()
		delete(c.keys, last.Value.(*slot[V]).key)
		c.order.Remove(last)
	}
}
