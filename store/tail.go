// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// recentWanted are the newest entries a loaded conversation knows for receipts. firstStep and maxStep bound how many entries
// one query reads further back, maxUnflushed those newer than the stored head.
const (
	recentWanted = 64
	firstStep    = 256
	maxStep      = 4096
	maxUnflushed = 1 << 16
)

// tailRow is an event as far as its owner must remember it.
type tailRow struct {
	seq, pos, count, at, dedup int64
	hot                        bool
	typ                        string
	message                    [16]byte
	sender                     id.User
	hash, content              []byte
}

// tail reads what follows the stored head, the newest entries before it, and the tempIds since a time. It never reads the
// whole log: back from the head until that time or until a hot event; if there is one, the cold ones before the hot run are
// found from the time on, where they begin (see timeline's window).
func (l *loader) tail(ctx context.Context, since int64, limit int) error {
	list, err := l.read(ctx, l.out.Head.Seq-recentWanted+1, id.MaxSeq, maxUnflushed)
	for step := int64(firstStep); err == nil && l.unfinished(list, since, limit); step = min(2*step, maxStep) {
		var older []tailRow
		oldest := list[len(list)-1].seq
		older, err = l.read(ctx, oldest-step, oldest-1, step)
		list = append(list, older...)
	}
	if err == nil && len(list) > 0 {
		list, err = l.beforeHot(ctx, list, since, limit)
	}
	slices.Reverse(list)
	for _, t := range list {
		l.take(t, since)
	}
	return err
}

// unfinished tells whether the list, newest first, may go on with cold events since then.
func (l *loader) unfinished(list []tailRow, since int64, limit int) bool {
	if len(list) == 0 {
		return false
	}
	last := list[len(list)-1]
	return last.seq > l.out.Base && last.at >= since && !last.hot && len(list) <= limit+recentWanted+maxUnflushed
}

// beforeHot adds the cold events before the hot run that ends the list.
func (l *loader) beforeHot(ctx context.Context, list []tailRow, since int64, limit int) ([]tailRow, error) {
	last := list[len(list)-1]
	if last.seq == l.out.Base || last.at < since || !last.hot {
		return list, nil
	}
	first, err := l.firstSince(ctx, since, last.seq)
	if err != nil {
		return nil, err
	}
	older, err := l.read(ctx, first, min(first+int64(limit), last.seq)-1, int64(limit))
	return append(list, slices.DeleteFunc(older, func(t tailRow) bool { return t.hot })...), err
}

// firstSince finds the first seq whose hub time is not before since; below high at the latest.
func (l *loader) firstSince(ctx context.Context, since, high int64) (int64, error) {
	q := fmt.Sprintf(`SELECT hub_time FROM events_s%d WHERE pos >= $1 AND conv = $1 AND seq = $2`, l.shard)
	var err error
	n := sort.Search(int(high-l.out.Base), func(n int) bool {
		var at int64
		if err == nil {
			err = l.tx.QueryRow(ctx, q, l.out.Conv, l.out.Base+int64(n)).Scan(&at)
		}
		return at >= since
	})
	return l.out.Base + int64(n), err
}

// read reads a range of seq, newest first, and nothing before the base.
func (l *loader) read(ctx context.Context, from, to, limit int64) ([]tailRow, error) {
	from = max(from, l.out.Base)
	q := fmt.Sprintf(`SELECT seq, pos, count, hub_time, dedup, hot, type, message_id, sender, hash, content FROM events_s%d
		WHERE pos >= $1 AND conv = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq DESC LIMIT $4`, l.shard)
	rows, err := l.tx.Query(ctx, q, l.out.Conv, from, to, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (t tailRow, err error) {
		return t, r.Scan(&t.seq, &t.pos, &t.count, &t.at, &t.dedup, &t.hot, &t.typ, &t.message, &t.sender, &t.hash, &t.content)
	})
}

// take replays one event of the tail, oldest first.
func (l *loader) take(t tailRow, since int64) {
	out := l.out
	if t.at >= since {
		out.Window = append(out.Window, timeline.Seen{
			Key: t.dedup, Content: timeline.Fingerprint(t.typ, t.content), Seq: t.seq, Message: t.message, Hot: t.hot,
		})
	}
	l.recent(timeline.Ref{Seq: t.seq, Count: t.count, Message: t.message, Sender: t.sender})
	if t.seq > out.Head.Seq {
		out.Head = conversation.Head{Exists: true, Seq: t.seq, Pos: t.pos, Count: t.count, Time: t.at, Hash: event.Hash(t.hash)}
		out.Dirty = true
	}
	if p, ok := out.Pointers[t.sender]; ok && t.seq > p.Read && conversation.MovesPointers(t.typ) {
		out.Pointers[t.sender] = p.Spoke(t.seq, t.count)
	}
}

// recent keeps the newest entries, without holes: those before a hot run may be far away.
func (l *loader) recent(ref timeline.Ref) {
	out := l.out
	if n := len(out.Recent); n > 0 && out.Recent[n-1].Seq != ref.Seq-1 {
		out.Recent = nil
	}
	out.Recent = append(out.Recent, ref)
	if len(out.Recent) > recentWanted {
		out.Recent = out.Recent[1:]
	}
}
