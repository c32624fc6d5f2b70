// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"parley.chat/protocol/id"
)

const shards = 64 // a power of two

type shard struct {
	mu    sync.Mutex
	users map[id.User]*person
}

// person is a user who is online, was a moment ago, or is watched.
type person struct {
	signs    []sign
	online   bool
	last     int64 // Unix milliseconds of the newest sign
	seen     int64 // Unix milliseconds, coarse, of the end of the last time online, as far as known
	due      int64 // second of the wheel at which to look again, 0 for none
	dirty    bool  // stands in the list of those to be told
	tellAt   time.Duration
	watchers map[*Connection]*watcher
}

// sign is what one connection or device said.
type sign struct {
	from  string
	until time.Duration
}

func (p *Presence) shard(u id.User) *shard {
	return &p.shards[maphash.String(p.seed, string(u))&(shards-1)]
}

// person finds or makes the user; the caller holds mu.
func (s *shard) person(u id.User) *person {
	e, ok := s.users[u]
	if !ok {
		e = &person{}
		s.users[u] = e
	}
	return e
}

// put notes a sign; the caller holds mu.
func (e *person) put(from string, until, now time.Duration) {
	free := -1
	for i := range e.signs {
		switch {
		case e.signs[i].from == from:
			e.signs[i].until = until
			return
		case e.signs[i].until <= now, len(e.signs) >= maxSigns && (free < 0 || e.signs[i].until < e.signs[free].until):
			free = i
		}
	}
	if free < 0 {
		e.signs = append(e.signs, sign{from, until})
		return
	}
	e.signs[free] = sign{from, until}
}

// end is when the last sign ends; the caller holds mu.
func (e *person) end() (at time.Duration) {
	for _, s := range e.signs {
		at = max(at, s.until)
	}
	return at
}

// beat notes that the connection or device says online.
func (p *Presence) beat(u id.User, from string) {
	now, s := p.now(), p.shard(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.person(u)
	e.put(from, now+TTL, now)
	e.last = time.Now().UnixMilli()
	p.schedule(u, e, now+TTL)
	if !e.online {
		e.online = true
		p.changed(u, e)
	}
}

// leave takes the sign back: at once, or after Grace.
func (p *Presence) leave(u id.User, from string, grace time.Duration) {
	now, s := p.now(), p.shard(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.users[u]
	if e == nil || !e.online {
		return
	}
	i := slices.IndexFunc(e.signs, func(s sign) bool { return s.from == from })
	if i < 0 || e.signs[i].until <= now {
		return
	}
	e.last = time.Now().UnixMilli()
	if grace > 0 {
		e.signs[i].until = min(e.signs[i].until, now+grace)
		p.schedule(u, e, e.end())
		return
	}
	e.signs = slices.Delete(e.signs, i, i+1)
	if e.end() <= now {
		p.went(u, e)
	}
}

// went notes that the user is offline now; the caller holds the shard's mu.
func (p *Presence) went(u id.User, e *person) {
	e.online, e.signs = false, nil
	e.seen = max(e.seen, coarse(e.last))
	p.seen.note(u, e.seen)
	p.changed(u, e)
}

// look lets go what timed out, and the person if nothing is left.
func (p *Presence) look(u id.User, now time.Duration) {
	s := p.shard(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.users[u]
	if e == nil || e.due == 0 || e.due > second(now) {
		return // It has another place in the wheel.
	}
	e.due = 0
	if e.online && e.end() <= now {
		p.went(u, e)
	}
	for c, w := range e.watchers {
		if w.until <= now {
			delete(e.watchers, c)
		}
	}
	switch {
	case e.online:
		p.schedule(u, e, e.end())
	case len(e.watchers) > 0 || e.dirty:
		p.schedule(u, e, now+TTL)
	default:
		delete(s.users, u)
	}
}

// online lists who is online, with their newest sign.
func (s *shard) online() map[id.User]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[id.User]int64{}
	for u, e := range s.users {
		if e.online {
			out[u] = e.last
		}
	}
	return out
}
