// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/sha256"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
)

// Hash is a SHA-256 of the log.
type Hash [32]byte

// SaltSize is the length of the salt of a content hash in bytes.
const SaltSize = 16

// Submission is an event before it has an order.
type Submission struct {
	AuthorTime     int64 // Unix milliseconds, the author's clock
	ContentHash    Hash
	ConversationID id.Conversation
	DeviceID       id.Device
	Expects        *int64 // of a state change: the seq of the state it was judged by; nil to let it be
	Sender         id.User
	TempID         string
	Type           string
}

// Entry is the order the hub gave a submission.
type Entry struct {
	ConversationID id.Conversation
	Count          int64 // countable messages of the conversation up to and with this one
	HubTime        int64 // Unix milliseconds, never falling within the conversation
	MessageID      id.Message
	Prev           Hash // entry hash of seq-1, zero for seq 0
	Seq            int64
	StateHash      *Hash // after a state change
	SubmissionHash Hash
	Term           int64
}

// ContentHash commits to the content without revealing it. spec: LOG-CONTENT-1
func ContentHash(salt [SaltSize]byte, content []byte) Hash {
	h := sha256.New()
	h.Write([]byte("parley/v1/content\n"))
	h.Write(salt[:])
	h.Write(content)
	return Hash(h.Sum(nil))
}

// Canonical appends the canonical encoding to buf. spec: LOG-SUBMISSION-1
func (s Submission) Canonical(buf []byte) ([]byte, error) {
	o := canonical.Begin(buf)
	o.Int("authorTime", s.AuthorTime)
	o.Bytes("contentHash", s.ContentHash[:])
	o.String("conversationId", string(s.ConversationID))
	o.String("deviceId", string(s.DeviceID))
	if s.Expects != nil {
		o.Int("expects", *s.Expects)
	}
	o.String("sender", string(s.Sender))
	o.String("tempId", s.TempID)
	o.String("type", s.Type)
	o.Int("v", 1)
	return o.End()
}

// Canonical appends the canonical encoding to buf. spec: LOG-ENTRY-1
func (e Entry) Canonical(buf []byte) ([]byte, error) {
	o := canonical.Begin(buf)
	o.String("conversationId", string(e.ConversationID))
	o.Int("count", e.Count)
	o.Int("hubTime", e.HubTime)
	o.String("messageId", e.MessageID.String())
	o.Bytes("prev", e.Prev[:])
	o.Int("seq", e.Seq)
	if e.StateHash != nil {
		o.Bytes("stateHash", e.StateHash[:])
	}
	o.Bytes("submissionHash", e.SubmissionHash[:])
	o.Int("term", e.Term)
	o.Int("v", 1)
	return o.End()
}

// Hash is the submission hash; buf is scratch space and may be nil.
func (s Submission) Hash(buf []byte) (Hash, error) {
	raw, err := s.Canonical(buf[:0])
	if err != nil {
		return Hash{}, err
	}
	return canonical.Hash("submission", raw), nil
}

// Hash is the entry hash; buf is scratch space and may be nil. spec: LOG-CHAIN-1
func (e Entry) Hash(buf []byte) (Hash, error) {
	raw, err := e.Canonical(buf[:0])
	if err != nil {
		return Hash{}, err
	}
	return canonical.Hash("entry", raw), nil
}
