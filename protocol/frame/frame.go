// SPDX-License-Identifier: Apache-2.0

package frame

// The names of frames. Client: send_message, delivery_ack, sync, presence, typing. Server: all but send_message.
const (
	SendMessage         = "send_message"
	DeliveryAck         = "delivery_ack"
	ReceiptsFrame       = "receipts"
	SyncFrame           = "sync"
	MessageReceived     = "message_received"
	MessageAck          = "message_ack"
	MessageEdited       = "message_edited"
	MessageDeleted      = "message_deleted"
	MessageReaction     = "message_reaction"
	ConversationUpdated = "conversation_updated"
	ChannelHeadFrame    = "channel_head"
	PresenceFrame       = "presence"
	TypingFrame         = "typing"
	Resync              = "resync"
	ErrorFrame          = "error"

	AccountDataFrame     = "account_data"
	ConversationSettings = "conversation_settings"
	MessageRequest       = "message_request"
)

// Send is the data of send_message, and the body of POST …/messages (there conversationId comes from the path).
type Send struct {
	TempID           string `json:"tempId"` // 1 to 64 printable ASCII characters
	ConversationID   string `json:"conversationId,omitempty"`
	Content          string `json:"content,omitempty"`
	ContentType      string `json:"contentType"`
	MediaURL         string `json:"mediaUrl,omitempty"`
	ReplyToMessageID string `json:"replyToMessageId,omitempty"`
	EncryptedContent string `json:"encryptedContent,omitempty"`

	Mentions    []string `json:"mentions,omitempty"` // user ids of members, or all
	IsForwarded bool     `json:"isForwarded,omitempty"`
}

// Ack is the data of message_ack, and the answer of POST …/messages.
type Ack struct {
	TempID         string `json:"tempId"`
	ConversationID string `json:"conversationId"`
	MessageID      string `json:"messageId,omitempty"` // of a sent one, as Seq
	Seq            int64  `json:"seq,omitempty"`
	Timestamp      int64  `json:"timestamp"`
	Status         string `json:"status"`            // see the status constants
	Code           string `json:"code,omitempty"`    // of a failed one: why, as in an error
	Message        string `json:"message,omitempty"` // … in words
}

// What became of a message: durable at the own server while the hub is away; in the log; refused by the hub after it was accepted.
const (
	Accepted = "accepted"
	Sent     = "sent"
	Failed   = "failed"
)

// Delivery is the data of delivery_ack. From a client it covers every message up to this one; the server adds who.
type Delivery struct {
	ConversationID string `json:"conversationId"`
	MessageID      string `json:"messageId"`
	Status         string `json:"status"` // delivered, read
	UserID         string `json:"userId,omitempty"`
	Seq            *int64 `json:"seq,omitempty"` // from the server only
}

// MovedPointers is the data of receipts: what many delivery_ack frames of one conversation would say. spec: CONV-RECEIPT-8
type MovedPointers struct {
	ConversationID string         `json:"conversationId"`
	Receipts       []MovedPointer `json:"receipts"`
}

// MovedPointer tells how far a member got now; an absent pointer did not move.
type MovedPointer struct {
	UserID       string `json:"userId"`
	DeliveredSeq *int64 `json:"deliveredSeq,omitempty"`
	ReadSeq      *int64 `json:"readSeq,omitempty"`
}

// SyncRequest is the data of a client's sync frame.
type SyncRequest struct {
	Cursor string `json:"cursor,omitempty"`
}

// ResyncNotice is the data of resync: live frames stopped; send sync with the last cursor.
type ResyncNotice struct {
	Code string `json:"code"`
}

// ChannelHead is the data of channel_head: the head of a subscribed channel moved; fetch what is missing when it is wanted.
type ChannelHead struct {
	ConversationID string `json:"conversationId"`
	HeadSeq        int64  `json:"headSeq"`
	LastMessageAt  int64  `json:"lastMessageAt"`
}

// Error is the data of an error frame; the last two tell which frame it answers.
type Error struct {
	Code           string `json:"code"`
	Message        string `json:"message"`
	Field          string `json:"field,omitempty"`
	RetryAfterMs   int64  `json:"retryAfterMs,omitempty"`
	TempID         string `json:"tempId,omitempty"`
	ConversationID string `json:"conversationId,omitempty"`
}
