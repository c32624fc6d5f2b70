// SPDX-License-Identifier: Apache-2.0

package event

import (
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
)

// Checkpoint is a head signed by the hub: through the chain it covers every entry before it.
type Checkpoint struct {
	ConversationID id.Conversation
	Hash           Hash
	Hub            id.Server
	Seq            int64
	Term           int64
	Time           int64 // Unix milliseconds of signing
}

// Canonical is the canonical encoding without signatures. spec: LOG-CHECKPOINT-1
func (c Checkpoint) Canonical() ([]byte, error) {
	o := canonical.Begin(nil)
	o.String("conversationId", string(c.ConversationID))
	o.Bytes("hash", c.Hash[:])
	o.String("hub", string(c.Hub))
	o.Int("seq", c.Seq)
	o.Int("term", c.Term)
	o.Int("time", c.Time)
	o.Int("v", 1)
	return o.End()
}
