// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

const upsertStatesSQL = `
INSERT INTO conversations AS c (shard, conv, id, created, created_at, name, info, state_seq, head_seq, head_pos, head_count, head_time, head_hash, base_seq)
SELECT shard, conv, id, coalesce(created, ''), created_at, name, info, state_seq, head_seq, head_pos, head_count, head_time, head_hash, base_seq
  FROM unnest($1::int[], $2::bigint[], $3::bytea[], $4::bytea[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bigint[], $13::text[], $14::bigint[])
       WITH ORDINALITY AS b(shard, conv, id, created, name, state_seq, head_seq, head_pos, head_count, head_time, head_hash, created_at, info, base_seq, n)
 ORDER BY n
ON CONFLICT (shard, conv) DO UPDATE
   SET name = excluded.name, info = excluded.info, state_seq = excluded.state_seq, head_seq = excluded.head_seq, head_pos = excluded.head_pos,
       head_count = excluded.head_count, head_time = excluded.head_time, head_hash = excluded.head_hash, base_seq = greatest(c.base_seq, excluded.base_seq)`

// queueStates writes the rows of conversations whose state changed. Several changes of one conversation in a batch leave the
// last: an upsert may not touch a row twice.
func queueStates(batch *pgx.Batch, rows []timeline.StateRow) {
	last := map[[2]int64]int{}
	for i, r := range rows {
		key := [2]int64{int64(r.Shard), r.Conv}
		if before, ok := last[key]; ok {
			rows[i].Base = max(rows[i].Base, rows[before].Base)
			if rows[before].Created != nil {
				rows[i].Created = rows[before].Created
			}
		}
		last[key] = i
	}
	var shards []id.Shard
	var conv, stateSeq, seq, pos, count, at, createdAt, base []int64
	var ids, created, hash [][]byte
	var names, infos []string
	for i, r := range rows {
		if last[[2]int64{int64(r.Shard), r.Conv}] != i {
			continue
		}
		raw := r.ID.Bytes()
		shards, conv, ids = append(shards, r.Shard), append(conv, r.Conv), append(ids, raw[:])
		infos, base = append(infos, string(r.Info)), append(base, r.Base)
		created, names, stateSeq = append(created, r.Created), append(names, r.Name), append(stateSeq, r.StateAt)
		seq, pos, count = append(seq, r.Head.Seq), append(pos, r.Head.Pos), append(count, r.Head.Count)
		at, hash, createdAt = append(at, r.Head.Time), append(hash, r.Head.Hash[:]), append(createdAt, r.Time)
	}
	if len(shards) > 0 {
		batch.Queue(upsertStatesSQL, shards, conv, ids, created, names, stateSeq, seq, pos, count, at, hash, createdAt, infos, base)
	}
}

const flushHeadsSQL = `
UPDATE conversations c
   SET head_seq = b.head_seq, head_pos = b.head_pos, head_count = b.head_count, head_time = b.head_time, head_hash = b.head_hash, mark = b.mark
  FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bigint[])
       AS b(shard, conv, head_seq, head_pos, head_count, head_time, head_hash, mark)
 WHERE c.shard = b.shard AND c.conv = b.conv`

func queueHeads(batch *pgx.Batch, rows []timeline.HeadRow) {
	n := len(rows)
	if n == 0 {
		return
	}
	shards, conv, marks := make([]id.Shard, n), make([]int64, n), make([]int64, n)
	seq, pos, count, at := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	hash := make([][]byte, n)
	for i, r := range rows {
		shards[i], conv[i], marks[i], hash[i] = r.Shard, r.Conv, r.Mark, r.Head.Hash[:]
		seq[i], pos[i], count[i], at[i] = r.Head.Seq, r.Head.Pos, r.Head.Count, r.Head.Time
	}
	batch.Queue(flushHeadsSQL, shards, conv, seq, pos, count, at, hash, marks)
}

func scanConversationID(row pgx.CollectableRow) (id.Conversation, error) {
	var raw []byte
	if err := row.Scan(&raw); err != nil {
		return "", err
	}
	return conversationID(raw)
}

func conversationID(raw []byte) (id.Conversation, error) {
	if len(raw) != 32 {
		return "", fmt.Errorf("conversation id of %d bytes", len(raw))
	}
	return id.NewConversation([32]byte(raw)), nil
}

// LoadConversation implements timeline.Store. One snapshot serves all its reads.
func (s *Store) LoadConversation(ctx context.Context, n id.Shard, c id.Conversation, since int64, limit int) (*timeline.Loaded, error) {
	tx, err := s.pool(n).BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", c, err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	ld := loader{tx: tx, shard: n, out: &timeline.Loaded{Pointers: map[id.User]timeline.Pointer{}}}
	err = ld.row(ctx, c)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, timeline.ErrNoConversation
	}
	for _, step := range []func(context.Context) error{
		ld.members,
		func(ctx context.Context) error { return ld.tail(ctx, since, limit) },
		func(ctx context.Context) error { return ld.last(ctx, c) },
	} {
		if err == nil {
			err = step(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", c, err)
	}
	return ld.out, nil
}

// loader collects a conversation within one read transaction.
type loader struct {
	tx    pgx.Tx
	shard id.Shard
	out   *timeline.Loaded
}

func (l *loader) row(ctx context.Context, c id.Conversation) error {
	raw := c.Bytes()
	var created, hash, info []byte
	st, head := &conversation.State{ID: c, Members: map[id.User]conversation.Member{}}, &l.out.Head
	q := fmt.Sprintf(`SELECT conv, created, created_at, name, info, state_seq, head_seq, head_pos, head_count, head_time, head_hash, mark, base_seq FROM conversations_s%d WHERE id = $1`, l.shard)
	err := l.tx.QueryRow(ctx, q, raw[:]).Scan(&l.out.Conv, &created, &st.Created, &st.Name, &info, &st.Seq,
		&head.Seq, &head.Pos, &head.Count, &head.Time, &hash, &l.out.Mark, &l.out.Base)
	if err != nil {
		return err
	}
	if got := canonical.Hash("create", created); got != raw {
		return errors.New("the stored create event is not the one the id names")
	}
	if st.Info, err = conversation.ParseInfo(info); err != nil {
		return err
	}
	st.Create, err = event.ParseCreate(created)
	head.Exists = true
	copy(head.Hash[:], hash)
	l.out.State = st
	return err
}

func (l *loader) members(ctx context.Context) error {
	q := fmt.Sprintf(`SELECT user_id, role, membership, joined_seq, from_seq, joined_at, coalesce(left_seq, -1), left_name, left_count, delivered_seq, read_seq, read_count, mark, delivered_mark, prefs_mark, prefs,
		greatest((SELECT max(seq) FROM mentions_s%[1]d x WHERE x.shard = %[1]d AND x.conv = m.conv AND x.user_id = m.user_id),
		         (SELECT max(seq) FROM mentions_s%[1]d x WHERE x.shard = %[1]d AND x.conv = $1 AND x.user_id = ''), 0)
		FROM members_s%[1]d m WHERE conv = $1`, l.shard)
	rows, err := l.tx.Query(ctx, q, l.out.Conv)
	if err != nil {
		return err
	}
	var u id.User
	var m conversation.Member
	var p timeline.Pointer
	var prefs []byte
	_, err = pgx.ForEachRow(rows, []any{&u, &m.Role, &m.Membership, &m.JoinedSeq, &m.FromSeq, &m.JoinedAt, &m.LeftSeq, &m.LeftName, &m.LeftCount, &p.Delivered, &p.Read, &p.ReadCount, &p.Mark, &p.DeliveredMark, &p.PrefsMark, &prefs, &p.Mentioned}, func() (err error) {
		if p.Prefs, err = parsePrefs(prefs); err != nil {
			return err
		}
		l.out.State.Members[u], l.out.Pointers[u] = m, p
		if m.Membership == conversation.Joined {
			l.out.State.Joined++
		}
		return nil
	})
	return err
}

// last reads the newest countable event for previews.
func (l *loader) last(ctx context.Context, c id.Conversation) error {
	q := selectFacts(l.shard, `WHERE pos >= $1 AND conv = $1 AND seq <= $2 AND type = 'message' ORDER BY seq DESC LIMIT 1`, timeline.Range{})
	rows, err := l.tx.Query(ctx, q, l.out.Conv, l.out.Head.Seq)
	if err != nil {
		return err
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanFacts)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil {
		e.ConversationID, l.out.Last = c, e
	}
	return err
}
