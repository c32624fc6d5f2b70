// SPDX-License-Identifier: Apache-2.0

package rest

// EditMessage is the body of PATCH /api/v1/conversations/{id}/messages/{messageId}. The answer is the message as it is then.
type EditMessage struct {
	Content  string   `json:"content"`
	Mentions []string `json:"mentions,omitempty"` // in place of those the message had
	TempID   string   `json:"tempId,omitempty"`
}

// Edits is a page of GET …/messages/{messageId}/edits: the versions of a message, oldest first, the first as it was sent.
type Edits struct {
	Versions   []Version `json:"versions"`
	NextCursor string    `json:"nextCursor,omitempty"`
	HasMore    bool      `json:"hasMore"`
}

// Version is a content that a message had. Without Content it was erased.
type Version struct {
	Seq       int64    `json:"seq"` // of the message, or of the edit
	MessageID string   `json:"messageId"`
	Timestamp int64    `json:"timestamp"`
	Content   string   `json:"content,omitempty"`
	Mentions  []string `json:"mentions,omitempty"`
}

// Reactions is a page of GET …/messages/{messageId}/reactions, in the order in which they were added.
type Reactions struct {
	Reactions  []Reactor `json:"reactions"`
	NextCursor string    `json:"nextCursor,omitempty"`
	HasMore    bool      `json:"hasMore"`
}

// Reactor is one user's reaction.
type Reactor struct {
	Emoji     string `json:"emoji"`
	UserID    string `json:"userId"`
	Timestamp int64  `json:"timestamp"`
}
