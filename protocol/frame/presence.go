// SPDX-License-Identifier: Apache-2.0

package frame

// Presence is the data of the server's presence frame, and the answer of GET /users/{userId}/presence.
type Presence struct {
	UserID   string `json:"userId"`
	Status   string `json:"status"`             // online, offline
	LastSeen int64  `json:"lastSeen,omitempty"` // Unix milliseconds in steps of a minute; of users who are offline
}

// PresenceRequest is the data of a client's presence frame. Any such frame says that the user is online, unless Status is offline.
type PresenceRequest struct {
	Heartbeat   bool     `json:"heartbeat,omitempty"`
	Status      string   `json:"status,omitempty"`      // online, offline
	Subscribe   []string `json:"subscribe,omitempty"`   // user ids
	Unsubscribe []string `json:"unsubscribe,omitempty"` // user ids
}

// TypingRequest is the data of a client's typing frame.
type TypingRequest struct {
	ConversationID string `json:"conversationId"`
	IsTyping       *bool  `json:"isTyping"`
}

// Typing is the data of the server's typing frame.
type Typing struct {
	ConversationID string `json:"conversationId"`
	UserID         string `json:"userId"`
	IsTyping       bool   `json:"isTyping"`
}
