// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"sync"

	"parley.chat/core/fanout"
	"parley.chat/core/feed"
	"parley.chat/protocol/fault"
)

// polls is the registry of long polls, which are told when the node stops: else each would hold it up until it ends by itself.
type polls struct {
	feed.Registry

	mu     sync.Mutex
	closed bool
	open   map[fanout.Session]struct{}
}

func newPolls(r feed.Registry) *polls {
	return &polls{Registry: r, open: map[fanout.Session]struct{}{}}
}

// Register implements feed.Registry.
func (p *polls) Register(s fanout.Session) {
	p.mu.Lock()
	p.open[s] = struct{}{}
	closed := p.closed
	p.mu.Unlock()
	p.Registry.Register(s)
	if closed {
		s.Revoke(fault.Draining)
	}
}

// Unregister implements feed.Registry.
func (p *polls) Unregister(s fanout.Session) {
	p.Registry.Unregister(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, s)
}

// close ends the polls under way and those to come.
func (p *polls) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for s := range p.open {
		s.Revoke(fault.Draining) // It does not block.
	}
}
