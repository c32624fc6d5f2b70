// SPDX-License-Identifier: Apache-2.0

package federationtest

import (
	"context"
	"fmt"
	"sync"

	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// Shelf keeps in memory what is known of replicas, beside a log in memory.
type Shelf struct {
	*timelinetest.Mem

	mu          sync.Mutex
	checkpoints map[id.Conversation][]byte
	proofs      map[id.Conversation][]byte
	handovers   map[string][]byte
	Err         error // of everything, if set
}

// NewShelf is empty.
func NewShelf(m *timelinetest.Mem) *Shelf {
	return &Shelf{Mem: m, checkpoints: map[id.Conversation][]byte{}, proofs: map[id.Conversation][]byte{},
		handovers: map[string][]byte{}}
}

// Replica reads what is kept.
func (s *Shelf) Replica(_ context.Context, c id.Conversation) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checkpoints[c], s.proofs[c] != nil, s.Err
}

// SaveCheckpoints keeps checkpoints.
func (s *Shelf) SaveCheckpoints(_ context.Context, list map[id.Conversation][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c, raw := range list {
		s.checkpoints[c] = raw
	}
	return s.Err
}

// SaveHandover keeps how a term ended.
func (s *Shelf) SaveHandover(_ context.Context, c id.Conversation, term int64, checkpoint []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := fmt.Sprint(c, term); s.handovers[key] == nil {
		s.handovers[key] = checkpoint
	}
	return s.Err
}

// Handover reads how a term ended.
func (s *Shelf) Handover(_ context.Context, c id.Conversation, term int64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handovers[fmt.Sprint(c, term)], s.Err
}

// SaveProof keeps the first proof.
func (s *Shelf) SaveProof(_ context.Context, c id.Conversation, proof []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proofs[c] == nil {
		s.proofs[c] = proof
	}
	return s.Err
}

// Proofs reads those kept.
func (s *Shelf) Proofs(_ context.Context, limit int) (out [][]byte, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.proofs {
		if len(out) < limit {
			out = append(out, p)
		}
	}
	return out, s.Err
}

// Hashes reads hashes of entries held.
func (s *Shelf) Hashes(ctx context.Context, n id.Shard, conv, from int64, limit int) (out []event.Hash, _ error) {
	list, err := s.Mem.Events(ctx, n, conv, timeline.Range{From: from, To: id.MaxSeq, Limit: limit})
	for _, e := range list {
		out = append(out, e.Hash)
	}
	return out, err
}
