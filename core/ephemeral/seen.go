// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"context"
	"log/slog"
	"maps"
	"sync"

	"parley.chat/protocol/id"
)

// seen gathers when users were last seen, to be written in batches.
type seen struct {
	size int

	flushing sync.Mutex // one writer at a time

	mu      sync.Mutex
	pending map[id.User]int64
	writing map[id.User]int64 // in the hands of the store
	lost    uint64            // had no room
}

func newSeen(size int) *seen { return &seen{size: size, pending: map[id.User]int64{}} }

// note keeps a time to be written; one for which there is no room is lost.
func (s *seen) note(u id.User, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, ok := s.pending[u]
	if !ok && len(s.pending) >= s.size {
		s.lost++
		return
	}
	s.pending[u] = max(before, at)
}

func (s *seen) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) >= s.size
}

// of returns what is not written yet of the users.
func (s *seen) of(users []id.User) map[id.User]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[id.User]int64{}
	for _, u := range users {
		if at := max(s.pending[u], s.writing[u]); at > 0 {
			out[u] = at
		}
	}
	return out
}

func (s *seen) begin() map[id.User]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing, s.pending = s.pending, map[id.User]int64{}
	return s.writing
}

// end forgets what was written; what was not goes back to the rest, as far as there is room.
func (s *seen) end(written bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !written {
		for u, at := range s.writing {
			if before, ok := s.pending[u]; ok || len(s.pending) < s.size {
				s.pending[u] = max(before, at)
			} else {
				s.lost++
			}
		}
	}
	s.writing = nil
}

// flush writes what is pending.
func (p *Presence) flush(ctx context.Context) {
	if !p.seen.flushing.TryLock() {
		return // The store is slow; the next flush has it all.
	}
	defer p.seen.flushing.Unlock()
	batch := p.seen.begin()
	if len(batch) == 0 {
		p.seen.end(true)
		return
	}
	err := p.opt.Store.TouchUsers(ctx, batch)
	p.seen.end(err == nil)
	if err != nil {
		p.opt.Log.Warn("last seen times not written", slog.Int("users", len(batch)), slog.Any("error", err))
	}
}

// lastSeen reads the times of users with an account here, 0 for never.
func (p *Presence) lastSeen(ctx context.Context, users []id.User) (map[id.User]int64, error) {
	pending := p.seen.of(users) // First: what is written meanwhile is in one of both.
	known, err := p.opt.Store.LastSeen(ctx, users)
	if err != nil {
		return nil, err
	}
	out := maps.Clone(known)
	for u, at := range pending {
		if stored, ok := known[u]; ok {
			out[u] = max(stored, at)
		}
	}
	return out, nil
}
