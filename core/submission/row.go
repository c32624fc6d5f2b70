// SPDX-License-Identifier: Apache-2.0

package submission

import (
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// Row is a submission of an own user to a conversation that another server orders, from when it is durable here until its entry is.
type Row struct {
	Shard      id.Shard
	Conv       int64 // number of the conversation in its shard
	Dedup      int64 // timeline.DedupKey of device and tempId
	N          int64 // order; given by the store
	Submission event.Submission
	Salt       [event.SaltSize]byte
	Content    []byte
	Code       fault.Code // why the hub refused it, empty while it waits
	Detail     string
}

// Key names a row.
type Key struct {
	Shard id.Shard
	Conv  int64
	Dedup int64
}

// Key is that of the row.
func (r *Row) Key() Key { return Key{r.Shard, r.Conv, r.Dedup} }

// Wire is the row as it is sent, without its signature.
func (r *Row) Wire() wire.Submitted {
	return wire.Submitted{Submission: r.Submission, Salt: r.Salt, Content: r.Content}
}

// Waiting is a conversation with submissions that wait.
type Waiting struct {
	ConversationID id.Conversation
	Shard          id.Shard
	Conv           int64
}
