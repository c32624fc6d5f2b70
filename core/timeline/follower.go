// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// addFollowers writes which servers have members by the event and had none before it, so that whoever is told of the commit
// finds them.
func (w *work) addFollowers(e *conversation.Event, before, after *conversation.State) {
	hub := after.Create.Hub
	had := map[id.Server]bool{hub: true}
	if before != nil {
		for u, m := range before.Members {
			if m.Membership == conversation.Joined {
				had[u.Server()] = true
			}
		}
	}
	for u, m := range after.Members {
		if server := u.Server(); m.Membership == conversation.Joined && !had[server] {
			had[server] = true
			w.Followers = append(w.Followers, FollowerRow{Shard: e.Shard, Conv: e.Conv, Server: server, Since: e.Seq})
		}
	}
}
