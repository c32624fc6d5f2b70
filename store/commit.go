// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

const advanceSQL = `SELECT advance($1, $2, $3, $4, $5, $6)`

// Commit implements timeline.Store: one pipelined transaction, one round trip. The shards advance first: that takes their row
// locks and proves the leases before anything else is written.
func (s *Store) Commit(ctx context.Context, b *timeline.Batch) error {
	if len(b.Advance) == 0 {
		return nil
	}
	batch := &pgx.Batch{}
	queueAdvance(batch, b.Advance)
	queueEvents(batch, b.Events)
	queueHeads(batch, b.Heads)
	queueStates(batch, b.States)
	queueMembers(batch, b.Members)
	queueFollowers(batch, b.Followers)
	queueSearch(batch, b.Events, b.States)
	queuePoints(batch, b.Points)
	queuePrefs(batch, b.Prefs)
	queueIndex(batch, b.Index, s.count)
	queueRelations(batch, b.Relations)
	queueMentions(batch, b.Mentions)
	queueOrigins(batch, b.Origins)
	queueSettled(batch, b.Settled)
	queueErase(batch, b.Erase)
	err := s.pool(b.Advance[0].Shard).SendBatch(ctx, batch).Close()
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "PA001" {
		return timeline.ErrStale
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func queueAdvance(batch *pgx.Batch, rows []timeline.Advance) {
	n := len(rows)
	shards, epochs, prev := make([]id.Shard, n), make([]int64, n), make([]int64, n)
	pos, flushed, marks := make([]int64, n), make([]int64, n), make([]int64, n)
	for i, a := range rows {
		shards[i], epochs[i], prev[i], pos[i], flushed[i], marks[i] = a.Shard, a.Epoch, a.PrevPos, a.Pos, a.Flushed, a.Mark
	}
	batch.Queue(advanceSQL, shards, epochs, prev, pos, flushed, marks)
}
