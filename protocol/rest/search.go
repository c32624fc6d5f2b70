// SPDX-License-Identifier: Apache-2.0

package rest

import "parley.chat/protocol/frame"

// Found is a page of GET /api/v1/search, newest first. A page may hold no message although there is more.
type Found struct {
	Messages   []frame.Event `json:"messages"`
	NextCursor string        `json:"nextCursor,omitempty"`
	HasMore    bool          `json:"hasMore"`
	// SkippedConversations counts those of the reader in which nothing was looked for, IncompleteConversations those of which the
	// older messages are not indexed yet.
	SkippedConversations    int `json:"skippedConversations"`
	IncompleteConversations int `json:"incompleteConversations,omitempty"`
}
