// SPDX-License-Identifier: Apache-2.0

package frame

// Event is an entry of a conversation's log as clients see it. For Type `message` the content fields are set, for
// every other type Change is.
type Event struct {
	ConversationID string `json:"conversationId"`
	Seq            int64  `json:"seq"` // 0,1,2,… without holes
	MessageID      string `json:"messageId"`
	Type           string `json:"type"` // see the Type constants
	SenderID       string `json:"senderId"`
	DeviceID       string `json:"deviceId,omitempty"`
	TempID         string `json:"tempId,omitempty"`
	Timestamp      int64  `json:"timestamp"` // hub time, Unix milliseconds
	Status         string `json:"status"`    // sent, delivered, read: as known when the record was made

	Content          string  `json:"content,omitempty"`
	ContentType      string  `json:"contentType,omitempty"` // text, image, video, audio, document
	MediaURL         string  `json:"mediaUrl,omitempty"`
	ReplyToMessageID string  `json:"replyToMessageId,omitempty"`
	EncryptedContent string  `json:"encryptedContent,omitempty"`
	Withheld         string  `json:"withheld,omitempty"`        // blocked: the reader had blocked the sender and does not get the content
	TargetMessageID  string  `json:"targetMessageId,omitempty"` // of events about a message: which; absent once erased with it
	Change           *Change `json:"change,omitempty"`
	Views            int64   `json:"views,omitempty"` // of a message in a channel: how many subscribers read it, as last counted

	Emoji       string   `json:"emoji,omitempty"`    // of reaction
	Action      string   `json:"action,omitempty"`   // of reaction: add, remove
	Mentions    []string `json:"mentions,omitempty"` // user ids, or all
	IsForwarded bool     `json:"isForwarded,omitempty"`
	ExpiresAt   int64    `json:"expiresAt,omitempty"` // Unix milliseconds; the content is not shown from then on

	// What later events did to a message, up to ChangedSeq.
	EditedAt   int64      `json:"editedAt,omitempty"`
	DeletedAt  int64      `json:"deletedAt,omitempty"`
	DeletedBy  string     `json:"deletedBy,omitempty"`
	ChangedSeq int64      `json:"changedSeq,omitempty"` // seq of the newest edit, reaction or delete that is in this record
	Reactions  []Reaction `json:"reactions,omitempty"`
}

// Reaction is one emoji on a message and who chose it.
type Reaction struct {
	Emoji   string   `json:"emoji"`
	Count   int64    `json:"count"`
	UserIDs []string `json:"userIds"` // the first 20
	IsOwn   bool     `json:"isOwn"`   // the reader is one of them
}

// The types of events.
const (
	TypeMessage      = "message"
	TypeEdit         = "edit"          // another content for a message of the sender
	TypeReaction     = "reaction"      // an emoji put on a message, or taken off
	TypeDelete       = "delete"        // a message is erased for everyone
	TypeCreate       = "create"        // Change: conversationType, name, members
	TypeMemberAdd    = "member_add"    // Change: userIds, role
	TypeMemberRemove = "member_remove" // Change: userIds (one)
	TypeMemberLeave  = "member_leave"  // the sender left
	TypeMemberRole   = "member_role"   // Change: userIds (one), role
	TypeRename       = "rename"        // Change: name

	TypeSettings      = "settings"       // Change: those settings that change
	TypeMemberBan     = "member_ban"     // Change: userIds (one)
	TypeMemberUnban   = "member_unban"   // Change: userIds (one)
	TypeOwnerTransfer = "owner_transfer" // Change: userIds (one): the new owner; the sender becomes admin
	TypeMemberJoin    = "member_join"    // Change: linkId; the sender joined
	TypeJoinRequest   = "join_request"   // Change: linkId; the sender asks to join
	TypeJoinDecline   = "join_decline"   // Change: userIds (one)
	TypeLinkCreate    = "link_create"    // Change: linkId, expiresAt, maxUses, needsApproval
	TypeLinkRevoke    = "link_revoke"    // Change: linkId
	TypePin           = "pin"            // targetMessageId
	TypeUnpin         = "unpin"          // targetMessageId
	TypeHubTransfer   = "hub_transfer"   // hub
)

// Change is what a state event changes.
type Change struct {
	ConversationType string   `json:"conversationType,omitempty"`
	Visibility       string   `json:"visibility,omitempty"` // of create: public if everybody may read the channel
	Name             string   `json:"name,omitempty"`
	UserIDs          []string `json:"userIds,omitempty"`
	Role             string   `json:"role,omitempty"`

	// Of settings: what is absent stays as it is.
	Description       *string           `json:"description,omitempty"`
	AvatarURL         *string           `json:"avatarUrl,omitempty"`
	Permissions       map[string]string `json:"permissions,omitempty"`       // capability -> lowest role that has it
	EphemeralTimer    *int64            `json:"ephemeralTimer,omitempty"`    // seconds, 0 is off
	HistoryVisibility string            `json:"historyVisibility,omitempty"` // joined, shared
	SlowMode          *int64            `json:"slowMode,omitempty"`          // seconds, 0 is off
	ServerSearch      *bool             `json:"serverSearch,omitempty"`

	// Of invite links.
	LinkID        string `json:"linkId,omitempty"`
	ExpiresAt     int64  `json:"expiresAt,omitempty"` // Unix milliseconds, 0 is never
	MaxUses       int64  `json:"maxUses,omitempty"`   // 0 is without limit
	NeedsApproval bool   `json:"needsApproval,omitempty"`

	Hub string `json:"hub,omitempty"` // of hub_transfer: the server that orders the conversation from then on

	// In the log only.
	SecretHash      string `json:"-"` // of invite links
	TargetMessageID string `json:"-"` // of pins; clients see that of the event

	Acceptance *Acceptance `json:"-"` // of hub_transfer
}

// Acceptance is the new hub's signature in a hub_transfer.
type Acceptance struct {
	KeyID     string `json:"keyId"`
	Signature string `json:"signature"` // base64url
}

// Conversation is a conversation as one of its members sees it.
type Conversation struct {
	ConversationID string `json:"conversationId"`
	Type           string `json:"type"` // direct, group, channel
	Name           string `json:"name,omitempty"`
	PeerID         string `json:"peerId,omitempty"` // the other member of a direct conversation
	CreatedBy      string `json:"createdBy"`
	CreatedAt      int64  `json:"createdAt"`
	Membership     string `json:"membership"` // joined, left, removed, banned; subscribed or none to a channel
	Role           string `json:"role"`       // owner, admin, member; reader who is no member
	MemberCount    int    `json:"memberCount"`
	HeadSeq        int64  `json:"headSeq"` // highest seq this member may read
	LastMessage    *Event `json:"lastMessage,omitempty"`
	LastMessageAt  int64  `json:"lastMessageAt"`
	UnreadCount    int64  `json:"unreadCount"`
	MentionCount   int64  `json:"mentionCount,omitempty"` // unread messages that mention this member, or all
	DeliveredSeq   int64  `json:"deliveredSeq"`           // own pointers; they start at the entry of joining
	ReadSeq        int64  `json:"readSeq"`
	IsPinned       bool   `json:"isPinned"`
	MutedUntil     int64  `json:"mutedUntil"` // Unix milliseconds, 0 if not muted
	IsArchived     bool   `json:"isArchived"`
	MarkedUnread   bool   `json:"markedUnread"`
	Notifications  string `json:"notifications"` // all, mentions, none
	Draft          string `json:"draft,omitempty"`
	IsRequest      bool   `json:"isRequest,omitempty"` // somebody asks for this conversation: neither message nor unread count is told
	IsHidden       bool   `json:"isHidden,omitempty"`  // declined: not shown until it is accepted

	// As members see it; a former member does not.
	AvatarURL         string            `json:"avatarUrl,omitempty"`
	Description       string            `json:"description,omitempty"`
	Permissions       map[string]string `json:"permissions,omitempty"`       // of groups: capability -> lowest role that has it
	EphemeralTimer    int64             `json:"ephemeralTimer,omitempty"`    // seconds, 0 is off
	HistoryVisibility string            `json:"historyVisibility,omitempty"` // of groups: joined, shared
	SlowMode          int64             `json:"slowMode,omitempty"`          // seconds, 0 is off
	ServerSearch      bool              `json:"serverSearch,omitempty"`
	PinnedMessageIDs  []string          `json:"pinnedMessageIds,omitempty"` // oldest pin first

	// Of channels.
	Visibility      string `json:"visibility,omitempty"` // public, private
	SubscriberCount int64  `json:"subscriberCount,omitempty"`
	IsSubscribed    bool   `json:"isSubscribed,omitempty"`

	Gap *Gap `json:"gap,omitempty"` // in sync only
}

// Gap tells that events with AfterSeq < seq < BeforeSeq moved too but are not in this answer: fetch the range.
type Gap struct {
	AfterSeq  int64 `json:"afterSeq"`
	BeforeSeq int64 `json:"beforeSeq"`
}

// Receipt is how far a member got: pointers only move forward.
type Receipt struct {
	ConversationID string `json:"conversationId"`
	UserID         string `json:"userId"`
	DeliveredSeq   int64  `json:"deliveredSeq"`
	ReadSeq        int64  `json:"readSeq"`
}

// Sync is what moved since a cursor. It is the data of the server's sync frame and the body of GET /sync.
type Sync struct {
	Messages      []Event        `json:"messages"` // per conversation in order of seq
	Conversations []Conversation `json:"conversations"`
	Receipts      []Receipt      `json:"receipts"`
	AccountData   []AccountData  `json:"accountData,omitempty"`
	AccountReset  bool           `json:"accountDataReset,omitempty"` // forget the account data there was first
	Cursor        string         `json:"cursor"`
	HasMore       bool           `json:"hasMore"`
}
