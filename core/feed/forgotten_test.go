// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"testing"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// forgetful is an owner that drops its memory after the end of the shard was read and before heads are overlaid. With back
// it owns the shard again by then, under a new lease.
type forgetful struct {
	memory
	back bool
}

func (o forgetful) Heads(n id.Shard, convs []id.Conversation, f func(int, timeline.View)) int64 {
	if !o.back {
		return 0
	}
	return 2
}

func TestPull_MemoryDroppedMeanwhileMovesNoCursor(t *testing.T) {
	for _, back := range []bool{false, true} {
		w := newWorld()
		c, _ := w.create(t, "alice@x", "bob@x")
		w.send(t, c, "alice@x", "not flushed yet")
		f := New(Options{Log: w, Owner: forgetful{memory{w}, back}, Shards: shards, Realm: []byte("r")})
		page, err := f.Pull(t.Context(), "bob@x", newCursor())
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("owned again %t: page %+v, error %v", back, page, err)
		}
	}
}
