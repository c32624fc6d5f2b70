// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// seen gathers when devices were last seen, to be written in batches. It is coarse by intent: who was online when, to
// the second, is nobody's business.
type seen struct {
	mu      sync.Mutex
	size    int
	pending map[Caller]int64
}

func newSeen(size int) *seen { return &seen{size: size, pending: map[Caller]int64{}} }

func coarse(now int64) int64 { return now - now%time.Minute.Milliseconds() }

// note is called when a token is looked up in the store, which is once in a minute for a busy device.
func (s *seen) note(c Caller, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.pending[c]; ok || len(s.pending) < s.size {
		s.pending[c] = coarse(now)
	}
}

func (s *seen) take() map[Caller]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.pending
	s.pending = map[Caller]int64{}
	return out
}

func (a *Accounts) flushSeen(ctx context.Context) {
	batch := a.seen.take()
	if len(batch) == 0 {
		return
	}
	if err := a.store.TouchDevices(ctx, batch); err != nil {
		a.cfg.Log.Warn("last seen times lost", slog.Int("devices", len(batch)), slog.Any("error", err))
	}
}
