// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"slices"

	"parley.chat/core/conversation"
)

// addFollowers writes which servers have members by the event and had none before it, and the other way round, so that whoever is
// told of the commit finds them. A new hub begins with all of them.
func (w *work) addFollowers(e *conversation.Event, before, after *conversation.State) {
	had := before.Servers()
	if before.Hub() != after.Hub() {
		had = nil
	}
	for _, server := range after.Servers() {
		if server != after.Hub() && !slices.Contains(had, server) {
			w.Followers = append(w.Followers, FollowerRow{Shard: e.Shard, Conv: e.Conv, Server: server, Seq: e.Seq})
		}
	}
	for _, server := range had {
		if server != after.Hub() && !slices.Contains(after.Servers(), server) {
			w.Followers = append(w.Followers, FollowerRow{Shard: e.Shard, Conv: e.Conv, Server: server, Seq: e.Seq, Ends: true})
		}
	}
}
