// SPDX-License-Identifier: Apache-2.0

package rest

// TransferOwner is the body of POST /api/v1/conversations/{id}/owner: the member becomes owner, the caller admin.
type TransferOwner struct {
	UserID  string `json:"userId"`
	Expects *int64 `json:"expects,omitempty"`
}

// MoveHub is the body of moveHub.
type MoveHub struct {
	ServerName string `json:"serverName"`
	Expects    *int64 `json:"expects,omitempty"`
}

// Ban is a user who may not become a member.
type Ban struct {
	UserID   string `json:"userId"`
	BannedBy string `json:"bannedBy"`
	BannedAt int64  `json:"bannedAt"`
}

// Bans is a page of GET /api/v1/conversations/{id}/bans, in order of user id.
type Bans struct {
	Bans       []Ban  `json:"bans"`
	NextCursor string `json:"nextCursor,omitempty"`
	HasMore    bool   `json:"hasMore"`
}

// CreateLink is the body of POST /api/v1/conversations/{id}/links.
type CreateLink struct {
	ExpiresAt     int64  `json:"expiresAt,omitempty"` // Unix milliseconds; absent for never
	MaxUses       int64  `json:"maxUses,omitempty"`   // absent for no limit
	NeedsApproval bool   `json:"needsApproval,omitempty"`
	Expects       *int64 `json:"expects,omitempty"`
}

// Link is an invite link that was not revoked. Token is there once, in the answer that made it.
type Link struct {
	LinkID        string `json:"linkId"`
	Token         string `json:"token,omitempty"`
	CreatedBy     string `json:"createdBy"`
	CreatedAt     int64  `json:"createdAt"`
	ExpiresAt     int64  `json:"expiresAt,omitempty"`
	MaxUses       int64  `json:"maxUses,omitempty"`
	Uses          int64  `json:"uses"`
	NeedsApproval bool   `json:"needsApproval,omitempty"`
}

// Links is the answer of GET /api/v1/conversations/{id}/links, in order of creation.
type Links struct {
	Links []Link `json:"links"`
}

// LinkToken is the body of POST /api/v1/links/preview and POST /api/v1/links/join.
type LinkToken struct {
	Token string `json:"token"`
}

// LinkPreview is what the bearer of a token sees of a group.
type LinkPreview struct {
	ConversationID string `json:"conversationId"`
	Name           string `json:"name,omitempty"`
	Description    string `json:"description,omitempty"`
	AvatarURL      string `json:"avatarUrl,omitempty"`
	MemberCount    int    `json:"memberCount"`
	NeedsApproval  bool   `json:"needsApproval"`
	IsMember       bool   `json:"isMember"`
	IsRequested    bool   `json:"isRequested"` // the caller asks already
}

// JoinRequested answers POST /api/v1/links/join with 202 where a member has to approve.
type JoinRequested struct {
	ConversationID string `json:"conversationId"`
	Status         string `json:"status"` // requested
}

// JoinRequest is a user who asks to join.
type JoinRequest struct {
	UserID      string `json:"userId"`
	LinkID      string `json:"linkId"`
	RequestedAt int64  `json:"requestedAt"`
}

// JoinRequests is a page of GET /api/v1/conversations/{id}/requests, in order of user id.
type JoinRequests struct {
	Requests   []JoinRequest `json:"requests"`
	NextCursor string        `json:"nextCursor,omitempty"`
	HasMore    bool          `json:"hasMore"`
}
