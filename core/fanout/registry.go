// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"parley.chat/protocol/id"
)

const registryShards = 64 // a power of two

// registry holds the live sessions of this node by user. The slices in the maps are replaced, never changed, so that
// they can be used after the lock was released.
type registry struct {
	seed   maphash.Seed
	count  atomic.Int64
	shards [registryShards]registryShard
}

type registryShard struct {
	mu    sync.RWMutex
	users map[id.User][]Session
	_     [32]byte // Keeps locks of neighbours on different cache lines.
}

func newRegistry() *registry {
	r := &registry{seed: maphash.MakeSeed()}
	for i := range r.shards {
		r.shards[i].users = map[id.User][]Session{}
	}
	return r
}

func (r *registry) shard(u id.User) *registryShard {
	return &r.shards[maphash.String(r.seed, string(u))&(registryShards-1)]
}

// of returns the user's sessions; the slice must not be changed.
func (r *registry) of(u id.User) []Session {
	s := r.shard(u)
	s.mu.RLock()
	list := s.users[u]
	s.mu.RUnlock()
	return list
}

func (r *registry) add(s Session) {
	u := s.User()
	sh := r.shard(u)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old := sh.users[u]
	sh.users[u] = append(slices.Clip(old), s)
	r.count.Add(1)
}

func (r *registry) remove(s Session) {
	u, name := s.User(), s.ID()
	sh := r.shard(u)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old := sh.users[u]
	i := slices.IndexFunc(old, func(o Session) bool { return o.ID() == name })
	if i < 0 {
		return
	}
	r.count.Add(-1)
	if len(old) == 1 {
		delete(sh.users, u)
		return
	}
	sh.users[u] = slices.Concat(old[:i], old[i+1:])
}

// each calls fn for every session, without a lock held.
func (r *registry) each(fn func(Session)) {
	var list []Session
	for i := range r.shards {
		sh := &r.shards[i]
		list = list[:0]
		sh.mu.RLock()
		for _, sessions := range sh.users {
			list = append(list, sessions...)
		}
		sh.mu.RUnlock()
		for _, s := range list {
			fn(s)
		}
	}
}
