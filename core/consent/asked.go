// SPDX-License-Identifier: Apache-2.0

package consent

import (
	"sync"
	"time"

	"parley.chat/protocol/id"
)

// How long, and how much, is remembered of who asked.
const (
	askedLife = 30 * 24 * time.Hour
	maxAsked  = 20_000
)

// Asked remembers who of this server asked to join conversations that other servers order and that are not known here: who is let in
// by somebody whom the settings exclude from adding is not taken out again. It is forgotten with the process. Make it with NewAsked; a
// nil one remembers nobody. It is safe for concurrent use.
type Asked struct {
	now func() time.Time

	mu    sync.Mutex
	since map[asking]time.Time
}

type asking struct {
	conv id.Conversation
	user id.User
}

// NewAsked makes it. now nil is time.Now.
func NewAsked(now func() time.Time) *Asked {
	if now == nil {
		now = time.Now
	}
	return &Asked{now: now, since: map[asking]time.Time{}}
}

// Note remembers that the user asks to join the conversation, or joins it.
func (a *Asked) Note(c id.Conversation, u id.User) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := asking{c, u}
	if _, have := a.since[key]; !have && len(a.since) >= maxAsked {
		for victim := range a.since { // Any one: too many ask.
			delete(a.since, victim)
			break
		}
	}
	a.since[key] = a.now()
}

// take tells whether the user asked, and forgets it.
func (a *Asked) take(c id.Conversation, u id.User) bool {
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at, ok := a.since[asking{c, u}]
	delete(a.since, asking{c, u})
	return ok && a.now().Sub(at) < askedLife
}
