// SPDX-License-Identifier: Apache-2.0

package rest

// Subscriber is one item of GET /api/v1/conversations/{id}/subscribers.
type Subscriber struct {
	UserID       string `json:"userId"`
	SubscribedAt int64  `json:"subscribedAt"`       // Unix milliseconds, 0 if never
	BannedAt     int64  `json:"bannedAt,omitempty"` // Unix milliseconds, absent if not banned
}

// Subscribers is a page of subscribers, or of those who are banned, in order of user id.
type Subscribers struct {
	Subscribers []Subscriber `json:"subscribers"`
	NextCursor  string       `json:"nextCursor,omitempty"`
	HasMore     bool         `json:"hasMore"`
}

// AddSubscribers is the body of POST /api/v1/conversations/{id}/subscribers.
type AddSubscribers struct {
	UserIDs []string `json:"userIds"`
}
