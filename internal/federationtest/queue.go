// SPDX-License-Identifier: Apache-2.0

package federationtest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Queue is a log in memory with the submissions that wait. It survives its users, as a database does.
type Queue struct {
	*timelinetest.Mem

	mu     sync.Mutex
	rows   map[submission.Key]*queued
	last   int64
	err    error
	writes int
}

type queued struct {
	submission.Row
	failedAt int64
}

// NewQueue has none.
func NewQueue(m *timelinetest.Mem) *Queue {
	return &Queue{Mem: m, rows: map[submission.Key]*queued{}}
}

// Fail lets everything about submissions fail, or work again if err is nil.
func (q *Queue) Fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
}

// Writes counts the transactions that added submissions.
func (q *Queue) Writes() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.writes
}

// Rows are the submissions there are, in order.
func (q *Queue) Rows() (out []submission.Row) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range slices.SortedFunc(maps.Values(q.rows), func(a, b *queued) int { return cmp.Compare(a.N, b.N) }) {
		out = append(out, r.Row)
	}
	return out
}

// Commit implements timeline.Store: the submissions whose entries it holds wait no more.
func (q *Queue) Commit(ctx context.Context, b *timeline.Batch) error {
	if err := q.Mem.Commit(ctx, b); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range b.Settled {
		delete(q.rows, submission.Key{Shard: r.Shard, Conv: r.Conv, Dedup: r.Dedup})
	}
	return nil
}

// AddSubmissions implements submit.Store, as all that follow.
func (q *Queue) AddSubmissions(_ context.Context, rows []submission.Row) ([]bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return nil, q.err
	}
	q.writes++
	added := make([]bool, len(rows))
	for i, r := range rows {
		if q.rows[r.Key()] == nil {
			q.last++
			r.N, added[i] = q.last, true
			q.rows[r.Key()] = &queued{Row: r}
		}
	}
	return added, nil
}

// Submission reads one.
func (q *Queue) Submission(_ context.Context, k submission.Key) (*submission.Row, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r := q.rows[k]; r != nil {
		row := r.Row
		return &row, q.err
	}
	return nil, q.err
}

// Submissions reads those that wait.
func (q *Queue) Submissions(_ context.Context, n id.Shard, conv, after int64, limit, bytes int) (out []submission.Row, _ error) {
	total := 0
	for _, r := range q.Rows() {
		if r.Shard != n || r.Conv != conv || r.N <= after || r.Code != "" || len(out) == limit {
			continue
		}
		if total += len(r.Content); total > bytes && len(out) > 0 {
			break
		}
		out = append(out, r)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return out, q.err
}

// CountSubmissions counts those that wait.
func (q *Queue) CountSubmissions(ctx context.Context, n id.Shard, conv int64) (int, error) {
	list, err := q.Submissions(ctx, n, conv, 0, 1<<30, 1<<30)
	return len(list), err
}

// DropSubmission forgets one.
func (q *Queue) DropSubmission(_ context.Context, k submission.Key) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		delete(q.rows, k)
	}
	return q.err
}

// FailSubmission notes a refusal.
func (q *Queue) FailSubmission(_ context.Context, k submission.Key, code fault.Code, detail string, at int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r := q.rows[k]; r != nil && q.err == nil {
		r.Code, r.Detail, r.failedAt = code, detail, at
	}
	return q.err
}

// WaitingSubmissions lists where some wait.
func (q *Queue) WaitingSubmissions(_ context.Context, n id.Shard) (out []submission.Waiting, _ error) {
	for _, r := range q.Rows() {
		one := submission.Waiting{ConversationID: r.Submission.ConversationID, Shard: r.Shard, Conv: r.Conv}
		if r.Shard == n && r.Code == "" && !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out, nil
}

// SweepSubmissions forgets old refusals.
func (q *Queue) SweepSubmissions(_ context.Context, n id.Shard, before int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	maps.DeleteFunc(q.rows, func(k submission.Key, r *queued) bool { return k.Shard == n && r.Code != "" && r.failedAt < before })
	return q.err
}

// Hashes reads hashes of entries held.
func (q *Queue) Hashes(ctx context.Context, n id.Shard, conv, from int64, limit int) (out []event.Hash, _ error) {
	return NewShelf(q.Mem).Hashes(ctx, n, conv, from, limit)
}
