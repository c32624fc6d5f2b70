// SPDX-License-Identifier: Apache-2.0

package id

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"parley.chat/protocol/fault"
)

// Conversation is `"c" + base64url(SHA-256 of the canonical create event)`, opaque to clients.
type Conversation string

// Shard is the number of a logical shard, 0 to count-1.
type Shard int32

// NewConversation names the conversation whose create event has the hash. spec: ID-CONV-1
func NewConversation(createHash [32]byte) Conversation {
	return Conversation("c" + base64.RawURLEncoding.EncodeToString(createHash[:]))
}

// ParseConversation checks a conversation id.
func ParseConversation(s string) (Conversation, error) {
	if _, ok := decodeConversation(s); !ok {
		return "", fault.Invalid("conversationId", "not a conversation id")
	}
	return Conversation(s), nil
}

// Bytes returns the 32 bytes of the hash; zero for a malformed id.
func (c Conversation) Bytes() [32]byte {
	b, _ := decodeConversation(string(c))
	return b
}

// Shard tells the logical shard of the conversation among count, a power of two.
func (c Conversation) Shard(count int) Shard {
	b := c.Bytes()
	return Shard(binary.BigEndian.Uint64(b[:8]) & uint64(count-1))
}

// Shard tells the logical shard of the user among count, a power of two.
func (u User) Shard(count int) Shard {
	b := sha256.Sum256([]byte(u))
	return Shard(binary.BigEndian.Uint64(b[:8]) & uint64(count-1))
}

func decodeConversation(s string) (b [32]byte, ok bool) {
	if len(s) != 44 || s[0] != 'c' {
		return b, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s[1:])
	if err != nil || len(raw) != 32 {
		return b, false
	}
	return [32]byte(raw), true
}
