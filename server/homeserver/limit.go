// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"net/netip"
	"time"

	"parley.chat/clientapi/op"
	"parley.chat/clientapi/session"
	"parley.chat/core/limit"
)

// now is the clock of the parts, that of the tests if they have one.
func (h *Homeserver) now() time.Time {
	if h.opt.Clock != nil {
		return h.opt.Clock()
	}
	return time.Now()
}

func (h *Homeserver) posts() *limit.Posts {
	l := h.cfg.Limits
	return limit.NewPosts(l.MessagesPerMinute, l.GroupMessagesPerMinute, h.now().UnixMilli())
}

func (h *Homeserver) creations() *op.Creations {
	return op.NewCreations(h.cfg.Limits.NewcomerConversations, h.cfg.Limits.ConversationsPerDay, h.accounts, h.now)
}

func (h *Homeserver) lookups() *op.Lookups {
	return op.NewLookups(h.cfg.Limits.LookupsPerMinute, h.now)
}

func (h *Homeserver) searches() *op.Searches {
	return op.NewSearches(h.cfg.Limits.SearchesPerMinute, h.now)
}

// proxies are those of the configuration, which was checked when it was loaded.
func (h *Homeserver) proxies() []netip.Prefix {
	list, _ := h.cfg.TrustedProxies()
	return list
}

// limits are those that discovery tells. spec: LIMIT-DISCOVERY-1
func (h *Homeserver) limits() map[string]int64 {
	l := h.cfg.Limits
	return map[string]int64{
		"contentBytes": op.MaxContent, "groupMembers": int64(h.cfg.Groups.MaxMembers), "socketsPerDevice": session.SocketsPerDevice,
		"messagesPerMinute": int64(l.MessagesPerMinute), "groupMessagesPerMinute": int64(l.GroupMessagesPerMinute),
		"newcomerConversations": int64(l.NewcomerConversations), "conversationsPerDay": int64(l.ConversationsPerDay),
		"lookupsPerMinute": int64(l.LookupsPerMinute), "reportsPerDay": int64(l.ReportsPerDay),
		"searchesPerMinute": int64(l.SearchesPerMinute), "requestsPerSecond": int64(l.RequestsPerSecond),
	}
}
