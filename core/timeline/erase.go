// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"

	"parley.chat/core/conversation"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// EraseBy erases a batch of the messages of an author in a conversation, without an event for each: their content is gone from
// the store and from memory, what is left says that the author deleted them, and the members' live sessions are told at once
// of the batch. It goes on after a seq, -1 for the first, and returns how many it erased and the seq of the last. Fewer than
// EraseSize means that all are done. What was erased stays erased, so it may be called again after any failure.
func (t *Timeline) EraseBy(ctx context.Context, c id.Conversation, author id.User, after int64) (erased int, last int64, err error) {
	sh := t.shardOf(c)
	gen := sh.group.gen.Load()
	held, err := t.hold(ctx, sh, c)
	if err != nil {
		return 0, after, err
	}
	defer sh.release(held)
	sh.mu.RLock()
	v := held.view
	sh.mu.RUnlock()
	found, err := t.written(ctx, v, author, after)
	if err != nil || len(found) == 0 {
		return 0, after, err
	}
	w := &work{gen: gen, touched: map[*shard]int64{}}
	for _, e := range found {
		w.swept = append(w.swept, swept{Expiring: e, conv: held, by: author})
		w.Relations = append(w.Relations, RelationRow{
			Shard: sh.n, Conv: v.Conv, Target: e.Seq, Seq: v.Head.Seq, Type: frame.TypeDelete, User: author, At: t.now(),
		})
		w.Erase = append(w.Erase, EraseRow{Shard: sh.n, Conv: v.Conv, Seq: e.Seq})
	}
	return len(found), found[len(found)-1].Seq, sh.group.erase(ctx, w)
}

// EraseSize bounds the messages that EraseBy erases at once.
const EraseSize = sweepSize

func (t *Timeline) written(ctx context.Context, v View, author id.User, after int64) ([]Expiring, error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	found, err := t.Store.Written(ctx, v.Shard, v.Conv, author, after, EraseSize)
	if err != nil {
		return nil, away(err)
	}
	return found, nil
}

// tombstone is what is left of a message.
func (s swept) tombstone(last *conversation.Event) *conversation.Event {
	if s.by == "" {
		return last.Erase()
	}
	t := s.conv.shard.group.t
	return changed(last, &conversation.Event{Type: frame.TypeDelete, Sender: s.by, Seq: s.conv.view.Head.Seq, HubTime: t.now()})
}
