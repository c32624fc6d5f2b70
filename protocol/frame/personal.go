// SPDX-License-Identifier: Apache-2.0

package frame

import "encoding/json"

// AccountData is one item of a user's account data: the data of account_data, and an item of a sync. A null value says that it
// is gone.
type AccountData struct {
	Type  string          `json:"type"` // settings, block, data, star, hidden
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// Prefs are a member's own settings of a conversation: the data of conversation_settings.
type Prefs struct {
	ConversationID string `json:"conversationId"`
	MutedUntil     int64  `json:"mutedUntil"` // Unix milliseconds, 0 if not muted
	IsPinned       bool   `json:"isPinned"`
	IsArchived     bool   `json:"isArchived"`
	MarkedUnread   bool   `json:"markedUnread"`
	Notifications  string `json:"notifications"` // all, mentions, none
	Draft          string `json:"draft"`
	IsRequest      bool   `json:"isRequest"`
	IsHidden       bool   `json:"isHidden"` // declined: not to be shown until accepted
}

// Request is the data of message_request.
type Request struct {
	ConversationID string `json:"conversationId"`
	SenderID       string `json:"senderId"`
	Timestamp      int64  `json:"timestamp"`
}
