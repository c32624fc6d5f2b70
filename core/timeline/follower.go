// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// addFollowers writes which servers follow this one by the event and did not before, and the other way round, so that whoever is
// told of the commit finds them. A new hub begins with all of them, the one before ends with all: they get from it what it ordered.
func (w *work) addFollowers(t *Timeline, e *conversation.Event, before, after *conversation.State) {
	had, has := t.followers(before), t.followers(after)
	for _, server := range has {
		if !slices.Contains(had, server) {
			w.Followers = append(w.Followers, FollowerRow{Shard: e.Shard, Conv: e.Conv, Server: server, Seq: e.Seq})
		}
	}
	for _, server := range had {
		if !slices.Contains(has, server) {
			w.Followers = append(w.Followers, FollowerRow{Shard: e.Shard, Conv: e.Conv, Server: server, Seq: e.Seq, Ends: true})
		}
	}
}

// followers are the servers that follow this one in a state; none where another is the hub.
func (t *Timeline) followers(s *conversation.State) (out []id.Server) {
	if s == nil || t.Self != "" && s.Hub() != t.Self {
		return nil
	}
	for _, server := range s.Servers() {
		if server != s.Hub() {
			out = append(out, server)
		}
	}
	return out
}
