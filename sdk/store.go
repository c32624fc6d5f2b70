// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"parley.chat/protocol/frame"
)

// Session is what logging in gave. It holds secrets: log none of it.
type Session struct {
	UserID       string    `json:"userId"`
	DeviceID     string    `json:"deviceId"`
	AccessToken  string    `json:"accessToken"`
	RefreshToken string    `json:"refreshToken"`
	IssuedAt     time.Time `json:"issuedAt"`
	ExpiresAt    time.Time `json:"expiresAt"` // of the access token, by this machine's clock
}

// State is all a client keeps between runs.
type State struct {
	Session *Session         `json:"session,omitempty"`
	Cursor  string           `json:"cursor,omitempty"`
	High    map[string]int64 `json:"high,omitempty"`   // per conversation, the seq up to which events were handed over
	Outbox  []frame.Send     `json:"outbox,omitempty"` // in order of queueing
}

// Store keeps the State of one client. Implementations are safe for concurrent use.
type Store interface {
	// Load returns a copy of the state; the zero State if nothing was stored yet.
	Load(ctx context.Context) (State, error)
	// Update applies change to the state and stores it as a whole or not at all. change must not call the store.
	Update(ctx context.Context, change func(*State)) error
}

// MemoryStore keeps the state for the life of the process.
type MemoryStore struct {
	mu    sync.Mutex
	state State
}

// NewMemoryStore returns an empty store.
func NewMemoryStore() *MemoryStore { return &MemoryStore{} }

// Load implements Store.
func (m *MemoryStore) Load(context.Context) (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.clone(), nil
}

// Update implements Store.
func (m *MemoryStore) Update(_ context.Context, change func(*State)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.state)
	return nil
}

func (s State) clone() State {
	if s.Session != nil {
		own := *s.Session
		s.Session = &own
	}
	s.High = maps.Clone(s.High)
	s.Outbox = slices.Clone(s.Outbox)
	return s
}

// advance notes how far conversations were handed over, and the cursor that covers it.
func (s *State) advance(cursor string, high map[string]int64) {
	s.Cursor = cursor
	if s.High == nil {
		s.High = make(map[string]int64, len(high))
	}
	maps.Copy(s.High, high)
}

// dropQueued removes a message from the outbox.
func (s *State) dropQueued(tempID string) {
	s.Outbox = slices.DeleteFunc(s.Outbox, func(q frame.Send) bool { return q.TempID == tempID })
}
