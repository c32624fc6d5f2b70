// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"sync"

	"parley.chat/protocol/id"
)

// slots lets one at a time into a conversation.
type slots struct {
	mu   sync.Mutex
	used map[id.Conversation]*slot
}

type slot struct {
	turn    chan struct{} // one place
	waiting int           // with who is in
}

// crowd is how many may wait for one conversation.
const crowd = 64

func newSlots() *slots { return &slots{used: map[id.Conversation]*slot{}} }

// enter waits for the conversation; leave must be called after.
func (s *slots) enter(ctx context.Context, c id.Conversation) (leave func(), err error) {
	s.mu.Lock()
	one := s.used[c]
	if one == nil {
		one = &slot{turn: make(chan struct{}, 1)}
		s.used[c] = one
	}
	if one.waiting >= crowd {
		s.mu.Unlock()
		return nil, errCrowd
	}
	one.waiting++
	s.mu.Unlock()
	select {
	case one.turn <- struct{}{}:
		return func() { <-one.turn; s.drop(c, one) }, nil
	case <-ctx.Done():
		s.drop(c, one)
		return nil, ctx.Err()
	}
}

func (s *slots) drop(c id.Conversation, one *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.waiting--; one.waiting == 0 {
		delete(s.used, c)
	}
}
