// SPDX-License-Identifier: Apache-2.0

package ephemeral

import "sync/atomic"

type counters struct{ presence, typing atomic.Uint64 }

// Stats are counts since the start, and the state of now.
type Stats struct {
	PresenceFrames uint64 // frames about presence, one for each connection told
	TypingFrames   uint64 // frames about typing, however many hear
	Online         int    // users
	Watched        int    // users whom somebody watches
	Watches        int    // subscriptions
	LastSeenLost   uint64 // times that could not be kept until they were written
}

// Stats counts. It locks one shard after the other: for measuring, not for each request.
func (p *Presence) Stats() Stats {
	out := Stats{PresenceFrames: p.count.presence.Load(), TypingFrames: p.count.typing.Load()}
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for _, e := range s.users {
			if e.online {
				out.Online++
			}
			if len(e.watchers) > 0 {
				out.Watched++
				out.Watches += len(e.watchers)
			}
		}
		s.mu.Unlock()
	}
	p.seen.mu.Lock()
	out.LastSeenLost = p.seen.lost
	p.seen.mu.Unlock()
	return out
}
