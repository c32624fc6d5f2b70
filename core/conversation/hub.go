// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"maps"
	"slices"
	"sync"

	"parley.chat/protocol/id"
)

// Hub is the server that gives the entries their order: the first one, until it was moved. It is empty before create.
func (s *State) Hub() id.Server {
	switch {
	case s == nil:
		return ""
	case s.Info.Hub != "":
		return s.Info.Hub
	}
	return s.Create.Hub
}

// Term counts how often the hub was moved. It stands in every entry that follows s.
func (s *State) Term() int64 {
	if s == nil {
		return 0
	}
	return s.Info.Term
}

// servers are those of the joined members, found when they are asked for first.
type servers struct {
	once sync.Once
	list []id.Server
}

// Servers are those of the joined members, sorted; the caller must not change them. Of a State that Apply or ParseState made, or
// that was completed, they are found once.
func (s *State) Servers() []id.Server {
	if s == nil {
		return nil
	}
	if s.servers == nil {
		return s.findServers()
	}
	s.servers.once.Do(func() { s.servers.list = s.findServers() })
	return s.servers.list
}

func (s *State) findServers() []id.Server {
	have := map[id.Server]bool{}
	for u, m := range s.Members {
		if m.Membership == Joined {
			have[u.Server()] = true
		}
	}
	return slices.Sorted(maps.Keys(have))
}

// Complete finishes a State made of rows: it counts the joined members, and remembers their servers once they are asked for.
// It is for whoever built it, before anybody else sees it.
func (s *State) Complete() {
	s.Joined, s.servers = 0, &servers{}
	for _, m := range s.Members {
		if m.Membership == Joined {
			s.Joined++
		}
	}
}
