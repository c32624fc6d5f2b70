// SPDX-License-Identifier: Apache-2.0

package rest

import "parley.chat/protocol/frame"

// CreateConversation is the body of POST /api/v1/conversations: 201, or 200 for a direct one that exists already.
type CreateConversation struct {
	Type    string   `json:"type"` // direct, group, channel
	Name    string   `json:"name,omitempty"`
	Members []string `json:"members,omitempty"` // user ids; the caller is a member in any case

	Visibility *string `json:"visibility,omitempty"` // of a channel: public, private
}

// EditConversation is the body of PATCH /api/v1/conversations/{id}: what is absent stays as it is.
type EditConversation struct {
	Name              *string           `json:"name,omitempty"`
	Description       *string           `json:"description,omitempty"`
	AvatarURL         *string           `json:"avatarUrl,omitempty"`
	Permissions       map[string]string `json:"permissions,omitempty"`       // those that change
	EphemeralTimer    *int64            `json:"ephemeralTimer,omitempty"`    // seconds
	HistoryVisibility *string           `json:"historyVisibility,omitempty"` // joined, shared
	SlowMode          *int64            `json:"slowMode,omitempty"`          // seconds
	ServerSearch      *bool             `json:"serverSearch,omitempty"`
	Expects           *int64            `json:"expects,omitempty"` // seq of the state the caller judged by
}

// Acknowledge is the body of POST /api/v1/conversations/{id}/receipts (204): the REST form of delivery_ack. It covers every message
// up to this one.
type Acknowledge struct {
	MessageID string `json:"messageId"`
	Status    string `json:"status"` // delivered, read
}

// AddMembers is the body of POST /api/v1/conversations/{id}/members.
type AddMembers struct {
	UserIDs []string `json:"userIds"`
	Expects *int64   `json:"expects,omitempty"`
}

// EditMember is the body of PATCH /api/v1/conversations/{id}/members/{userId}.
type EditMember struct {
	Role    string `json:"role"` // owner, admin, member
	Expects *int64 `json:"expects,omitempty"`
}

// Member is one item of GET /api/v1/conversations/{id}/members.
type Member struct {
	UserID       string `json:"userId"`
	Role         string `json:"role"`
	JoinedAt     int64  `json:"joinedAt"`
	DeliveredSeq int64  `json:"deliveredSeq"`
	ReadSeq      int64  `json:"readSeq"`
}

// Members is a page of members in order of user id.
type Members struct {
	Members    []Member `json:"members"`
	NextCursor string   `json:"nextCursor,omitempty"`
	HasMore    bool     `json:"hasMore"`
}

// Conversations is a page of GET /api/v1/conversations, newest first.
type Conversations struct {
	Conversations []frame.Conversation `json:"conversations"`
	NextCursor    string               `json:"nextCursor,omitempty"`
	HasMore       bool                 `json:"hasMore"`
}

// Messages is a page of GET /api/v1/conversations/{id}/messages. Without afterSeq it runs from the newest to the oldest,
// with afterSeq from the oldest to the newest; nextCursor goes on in the same direction.
type Messages struct {
	Messages   []frame.Event `json:"messages"`
	NextCursor string        `json:"nextCursor,omitempty"`
	HasMore    bool          `json:"hasMore"`
}

// Problem is the body of every error answer, application/problem+json (RFC 9457).
type Problem struct {
	Type         string `json:"type"` // /docs/errors#code
	Title        string `json:"title"`
	Status       int    `json:"status"`
	Detail       string `json:"detail"`
	Code         string `json:"code"`
	Field        string `json:"field,omitempty"`
	RetryAfterMs int64  `json:"retryAfterMs,omitempty"`
}

// Discovery is the answer of GET /.well-known/parley/client.
type Discovery struct {
	ServerName string           `json:"serverName"`
	Versions   []string         `json:"versions"`
	Features   []string         `json:"features"`
	Software   Software         `json:"software"`
	Limits     map[string]int64 `json:"limits"`
}

// Software names the implementation, for people.
type Software struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}
