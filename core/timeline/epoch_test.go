// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func TestHeads_TellTheEpochOfTheMemoryTheyShow(t *testing.T) {
	sh := newShard(0, &group{})
	tl := &Timeline{shards: []*shard{sh}}
	heads := func() int64 { return tl.Heads(0, []id.Conversation{"c"}, func(int, View) {}) }
	if _, err := tl.Epoch(0); !fault.Is(err, fault.Unavailable) || heads() != 0 {
		t.Errorf("not owned: error %v, heads of epoch %d", err, heads())
	}
	sh.reset(Lease{Epoch: 3}, true)
	if epoch, err := tl.Epoch(0); err != nil || epoch != 3 || heads() != 3 {
		t.Errorf("epoch %d, error %v, heads of epoch %d", epoch, err, heads())
	}
	sh.reset(Lease{}, false)
	if heads() != 0 {
		t.Errorf("dropped: heads of epoch %d", heads())
	}
}
