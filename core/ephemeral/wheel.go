// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"sync"
	"time"

	"parley.chat/protocol/id"
)

// wheel holds whom to look at in which second. A heartbeat does not move a user in it: who is looked at and has more time
// goes to a later second, so each user online is looked at once in TTL, however often they beat.
type wheel struct {
	mu sync.Mutex
	at map[int64][]id.User
}

// second is the first one in which a time is over.
func second(t time.Duration) int64 { return int64(t / time.Second) }

// schedule has the user looked at once the time is over, or earlier; the caller holds the shard's mu.
func (p *Presence) schedule(u id.User, e *person, at time.Duration) {
	due := second(at) + 1
	if e.due != 0 && e.due <= due {
		return
	}
	e.due = due
	w := &p.wheel
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[due] = append(w.at[due], u)
}

// take returns the users of all seconds that are over.
func (w *wheel) take(now int64) (out []id.User) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s, users := range w.at {
		if s <= now {
			out = append(out, users...)
			delete(w.at, s)
		}
	}
	return out
}

// expire looks at everybody whose time may be over.
func (p *Presence) expire() {
	now := p.now()
	for _, u := range p.wheel.take(second(now)) {
		p.look(u, now)
	}
}
