// SPDX-License-Identifier: Apache-2.0

package rest

// CreateReport is the body of POST /api/v1/reports (201): about messages of a conversation, a conversation, or a user.
type CreateReport struct {
	ConversationID string   `json:"conversationId,omitempty"`
	MessageIDs     []string `json:"messageIds,omitempty"` // at most 20, of the conversation
	UserID         string   `json:"userId,omitempty"`
	Reason         string   `json:"reason"` // see the Reason constants
	Text           string   `json:"text,omitempty"`
}

// The reasons of reports.
const (
	ReasonSpam          = "spam"
	ReasonHarassment    = "harassment"
	ReasonViolence      = "violence"
	ReasonSexual        = "sexual"
	ReasonChildSafety   = "child_safety"
	ReasonImpersonation = "impersonation"
	ReasonIllegal       = "illegal"
	ReasonOther         = "other"
)

// Reported is the answer.
type Reported struct {
	ReportID string `json:"reportId"`
}

// Report is a report as moderators see it.
type Report struct {
	ReportID       string `json:"reportId"`
	Status         string `json:"status"` // open, resolved
	ReporterID     string `json:"reporterId"`
	UserID         string `json:"userId,omitempty"` // whom it is about: as reported, else the sender of the first message
	ConversationID string `json:"conversationId,omitempty"`
	Reason         string `json:"reason"`
	Text           string `json:"text,omitempty"`
	CreatedAt      int64  `json:"createdAt"`
	ExpiresAt      int64  `json:"expiresAt"` // it is erased then
	ResolvedAt     int64  `json:"resolvedAt,omitempty"`
	ResolvedBy     string `json:"resolvedBy,omitempty"`
	Action         string `json:"action,omitempty"`
	Note           string `json:"note,omitempty"`

	Proof      *Proof `json:"proof,omitempty"`      // in GET /api/v1/moderation/reports/{reportId} only
	IsVerified *bool  `json:"isVerified,omitempty"` // whether the proof holds now
}

// Reports is a page of GET /api/v1/moderation/reports, newest first.
type Reports struct {
	Reports    []Report `json:"reports"`
	NextCursor string   `json:"nextCursor,omitempty"`
	HasMore    bool     `json:"hasMore"`
}

// Proof shows that entries stood in the log of a conversation.
type Proof struct {
	Entries []Evidence `json:"entries"`
}

// Evidence is one entry with what it commits to, and the hub's signature over its hash. Without Content the content had been
// erased before.
type Evidence struct {
	Submission LogSubmission `json:"submission"`
	Entry      LogEntry      `json:"entry"`
	Salt       string        `json:"salt,omitempty"`    // base64url
	Content    string        `json:"content,omitempty"` // canonical JSON
	Checkpoint Checkpoint    `json:"checkpoint"`
}

// LogSubmission is an object of the log; see spec/schemas/log.submission.json.
type LogSubmission struct {
	AuthorTime     int64  `json:"authorTime"`
	ContentHash    string `json:"contentHash"`
	ConversationID string `json:"conversationId"`
	DeviceID       string `json:"deviceId"`
	Sender         string `json:"sender"`
	TempID         string `json:"tempId"`
	Type           string `json:"type"`
	V              int    `json:"v"`
}

// LogEntry is an object of the log; see spec/schemas/log.entry.json.
type LogEntry struct {
	ConversationID string `json:"conversationId"`
	Count          int64  `json:"count"`
	HubTime        int64  `json:"hubTime"`
	MessageID      string `json:"messageId"`
	Prev           string `json:"prev"`
	Seq            int64  `json:"seq"`
	StateHash      string `json:"stateHash,omitempty"`
	SubmissionHash string `json:"submissionHash"`
	Term           int64  `json:"term"`
	V              int    `json:"v"`
}

// ResolveReport is the body of POST /api/v1/moderation/reports/{reportId}/resolve.
type ResolveReport struct {
	Action string `json:"action"` // none, delete_messages, suspend_user
	Note   string `json:"note,omitempty"`
}

// The actions of moderators.
const (
	ActionNone           = "none"
	ActionDeleteMessages = "delete_messages"
	ActionSuspendUser    = "suspend_user"
	ActionUnsuspendUser  = "unsuspend_user"
)

// Standing is the body of POST /api/v1/moderation/users/{userId}/suspend and …/unsuspend (204).
type Standing struct {
	Note string `json:"note,omitempty"`
}

// ModerationAction is what a moderator or operator did.
type ModerationAction struct {
	ActionID       string   `json:"actionId"`
	At             int64    `json:"at"`
	Actor          string   `json:"actor"` // a user id, or operator
	Action         string   `json:"action"`
	ReportID       string   `json:"reportId,omitempty"`
	UserID         string   `json:"userId,omitempty"`
	ConversationID string   `json:"conversationId,omitempty"`
	MessageIDs     []string `json:"messageIds,omitempty"`
	Note           string   `json:"note,omitempty"`
}

// Erase is the body of POST /api/v1/users/me/erase (204): the account ends for good.
type Erase struct {
	Password string `json:"password"`
	Messages string `json:"messages"` // keep, erase: what becomes of the messages in conversations
}

// What becomes of messages.
const (
	EraseKeep = "keep"
	EraseAll  = "erase"
)

// ModerationActions is a page of GET /api/v1/moderation/actions, newest first.
type ModerationActions struct {
	Actions    []ModerationAction `json:"actions"`
	NextCursor string             `json:"nextCursor,omitempty"`
	HasMore    bool               `json:"hasMore"`
}
