// SPDX-License-Identifier: Apache-2.0

package rest

import "encoding/json"

// Settings are the answer of GET and PUT /api/v1/users/me/settings.
type Settings struct {
	ReadReceipts  bool            `json:"readReceipts"`  // false: nobody sees what the user has read, and the user sees it of nobody
	LastSeen      string          `json:"lastSeen"`      // everyone, contacts, nobody
	Online        string          `json:"online"`        // everyone, contacts, nobody
	WhoMayMessage string          `json:"whoMayMessage"` // everyone, contacts, nobody
	WhoMayAdd     string          `json:"whoMayAdd"`     // everyone, contacts, nobody
	Notifications json.RawMessage `json:"notifications"` // an object of the clients' making, for push
}

// EditSettings is the body of PUT /api/v1/users/me/settings; what is absent stays.
type EditSettings struct {
	ReadReceipts  *bool           `json:"readReceipts,omitempty"`
	LastSeen      *string         `json:"lastSeen,omitempty"`
	Online        *string         `json:"online,omitempty"`
	WhoMayMessage *string         `json:"whoMayMessage,omitempty"`
	WhoMayAdd     *string         `json:"whoMayAdd,omitempty"`
	Notifications json.RawMessage `json:"notifications,omitempty"`
}

// Block is one item of GET /api/v1/users/me/blocks.
type Block struct {
	UserID string `json:"userId"`
	Since  int64  `json:"since"` // Unix milliseconds
}

// Blocks is a page of the users whom the caller blocks, in order of user id.
type Blocks struct {
	Blocks     []Block `json:"blocks"`
	NextCursor string  `json:"nextCursor,omitempty"`
	HasMore    bool    `json:"hasMore"`
}

// Datum is one value a client keeps in the account: the answer of GET and PUT /api/v1/users/me/data/{key}, and the body of PUT.
type Datum struct {
	Key   string          `json:"key,omitempty"`
	Value json.RawMessage `json:"value"`
}

// Data is a page of GET /api/v1/users/me/data, in order of key, without the values.
type Data struct {
	Keys       []string `json:"keys"`
	NextCursor string   `json:"nextCursor,omitempty"`
	HasMore    bool     `json:"hasMore"`
}

// EditPrefs is the body of PUT /api/v1/conversations/{id}/settings; what is absent stays.
type EditPrefs struct {
	MutedUntil    *int64  `json:"mutedUntil,omitempty"` // Unix milliseconds, 0 to hear of it again
	IsPinned      *bool   `json:"isPinned,omitempty"`
	IsArchived    *bool   `json:"isArchived,omitempty"`
	MarkedUnread  *bool   `json:"markedUnread,omitempty"`  // reading clears it
	Notifications *string `json:"notifications,omitempty"` // all, mentions, none
	Draft         *string `json:"draft,omitempty"`
}

// MessageReceipt is how far one member got with a message.
type MessageReceipt struct {
	UserID string `json:"userId"`
	Status string `json:"status"` // sent, delivered, read: as far as the caller may see
}

// MessageReceipts is a page of GET …/messages/{messageId}/receipts, in order of user id. The counts are of all.
type MessageReceipts struct {
	MessageID      string           `json:"messageId"`
	MemberCount    int              `json:"memberCount"` // joined at the message, without the sender
	DeliveredCount int              `json:"deliveredCount"`
	ReadCount      int              `json:"readCount"`
	Receipts       []MessageReceipt `json:"receipts"`
	NextCursor     string           `json:"nextCursor,omitempty"`
	HasMore        bool             `json:"hasMore"`
}
