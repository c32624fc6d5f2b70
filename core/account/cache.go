// SPDX-License-Identifier: Apache-2.0

package account

import (
	"sync"

	"parley.chat/protocol/id"
)

const (
	cacheSize = 1 << 16
	// cacheLife bounds, in milliseconds, how long another node's revocation can go unnoticed if its note is lost.
	cacheLife = 60_000
)

// cache remembers whose access tokens were good a moment ago.
type cache struct {
	mu      sync.Mutex
	size    int
	entries map[Hash]remembered
	byUser  map[id.User]map[Hash]struct{}
	purges  uint64
}

type remembered struct {
	Caller
	until int64
}

func newCache(size int) *cache {
	return &cache{size: size, entries: map[Hash]remembered{}, byUser: map[id.User]map[Hash]struct{}{}}
}

func (c *cache) get(h Hash, now int64) (Caller, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.entries[h]
	if ok && now >= r.until {
		c.drop(h)
		return Caller{}, false
	}
	return r.Caller, ok
}

// purged counts purges. What is read after asking for it may be put only if it has not moved since.
func (c *cache) purged() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.purges
}

func (c *cache) put(h Hash, r remembered, purged uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.purges != purged {
		return // It may have been read before a revocation.
	}
	if len(c.entries) >= c.size {
		for victim := range c.entries { // Any one: each is worth one read.
			c.drop(victim)
			break
		}
	}
	c.entries[h] = r
	if c.byUser[r.User] == nil {
		c.byUser[r.User] = map[Hash]struct{}{}
	}
	c.byUser[r.User][h] = struct{}{}
}

// purge forgets a device, or every device of the user if d is empty.
func (c *cache) purge(u id.User, d id.Device) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.purges++
	for h := range c.byUser[u] {
		if d == "" || c.entries[h].Device == d {
			c.drop(h)
		}
	}
}

func (c *cache) drop(h Hash) {
	u := c.entries[h].User
	delete(c.entries, h)
	delete(c.byUser[u], h)
	if len(c.byUser[u]) == 0 {
		delete(c.byUser, u)
	}
}
