// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"fmt"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/replica"
)

// foldStep is how many entries are read at a time to fold an old log.
const foldStep = 500

// complete fills in the state hashes that were not kept with entries from before they were: the log is folded from its beginning. It
// costs as much as the log is long, and hardly ever happens.
func (o *Outbox) complete(ctx context.Context, v timeline.View, list []timeline.Foreign) error {
	missing := map[int64]*timeline.Foreign{}
	last := int64(-1)
	for i := range list {
		if f := &list[i]; f.StateHash == nil && conversation.ChangesState(f.Type) {
			missing[f.Seq], last = f, f.Seq
		}
	}
	var s *conversation.State
	for at := int64(0); at <= last; {
		page, err := o.Store.Records(ctx, v.Shard, v.Conv, at, last, foldStep, 64*replica.MaxBody)
		if err != nil {
			return err
		}
		for _, f := range page {
			if s, err = conversation.Apply(s, f.Event); err != nil {
				return err
			}
			if wanted := missing[f.Seq]; wanted != nil {
				if wanted.StateHash, err = hashOf(s); err != nil {
					return err
				}
			}
		}
		if len(page) == 0 {
			return fmt.Errorf("the log has no entry %d", at)
		}
		at += int64(len(page))
	}
	return nil
}

func hashOf(s *conversation.State) (*event.Hash, error) {
	h, err := s.Hash()
	return &h, err
}
