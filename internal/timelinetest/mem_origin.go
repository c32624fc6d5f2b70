// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"context"

	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// Recorder reads entries as they are handed on. Every store here is one.
type Recorder interface {
	Records(ctx context.Context, n id.Shard, conv, from, to int64, limit, bytes int) ([]timeline.Foreign, error)
}

// Records implements Recorder, as store.Store does.
func (m *Mem) Records(_ context.Context, n id.Shard, conv, from, to int64, limit, bytes int) (out []timeline.Foreign, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sh := m.shards[n]
	var prev event.Hash
	total := 0
	for _, row := range sh.events {
		if row.Conv != conv || row.Seq > to {
			continue
		}
		before := prev
		if prev = row.Hash; row.Seq < from {
			continue
		}
		e := *row.Event
		e.ConversationID = sh.convs[conv].id
		o := sh.origins[[2]int64{conv, e.Seq}]
		if o.Prev != nil {
			before = *o.Prev
		}
		e.Expects = o.Expects
		if total += len(e.Content) + RecordBytes; len(out) == limit || len(out) > 0 && total > bytes {
			break
		}
		out = append(out, timeline.Foreign{Event: &e, Prev: before, Term: o.Term, KeyID: o.KeyID, Signature: o.Signature, StateHash: o.StateHash})
	}
	return out, nil
}

// RecordBytes is what a record takes beside its content, about.
const RecordBytes = 900
