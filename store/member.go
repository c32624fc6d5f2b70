// SPDX-License-Identifier: Apache-2.0

package store

import (
	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

const upsertMembersSQL = `
INSERT INTO members AS m (shard, conv, user_id, role, membership, joined_seq, from_seq, joined_at, left_seq, left_name, left_count, delivered_seq, read_seq, read_count, prefs)
SELECT shard, conv, user_id, role, membership, joined_seq, from_seq, joined_at, left_seq, left_name, left_count, start, start, read_count, prefs
  FROM unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::int[], $12::bigint[], $13::text[], $14::bigint[])
       AS b(shard, conv, user_id, role, membership, joined_seq, joined_at, left_seq, read_count, left_name, left_count, from_seq, prefs, start)
ON CONFLICT (shard, conv, user_id) DO UPDATE
   SET role = excluded.role, membership = excluded.membership, joined_seq = excluded.joined_seq, from_seq = excluded.from_seq, joined_at = excluded.joined_at, left_seq = excluded.left_seq,
       left_name = excluded.left_name, left_count = excluded.left_count,
       delivered_seq = CASE WHEN m.joined_seq = excluded.joined_seq THEN m.delivered_seq ELSE excluded.delivered_seq END,
       read_seq      = CASE WHEN m.joined_seq = excluded.joined_seq THEN m.read_seq      ELSE excluded.read_seq END,
       read_count    = CASE WHEN m.joined_seq = excluded.joined_seq THEN m.read_count    ELSE excluded.read_count END,
       prefs = coalesce(excluded.prefs, m.prefs)`

// queueMembers writes memberships; of several changes of one member in a batch the last counts, with the count at the join.
func queueMembers(batch *pgx.Batch, rows []timeline.MemberRow) {
	type key struct {
		shard id.Shard
		conv  int64
		user  id.User
	}
	last := map[key]int{}
	for i, r := range rows {
		k := key{r.Shard, r.Conv, r.User}
		if before, ok := last[k]; ok && rows[before].JoinedSeq == r.JoinedSeq {
			rows[i].ReadCount, rows[i].Start = rows[before].ReadCount, rows[before].Start
		}
		last[k] = i
	}
	var shards []id.Shard
	var conv, joinedSeq, fromSeq, joinedAt, count, starts []int64
	var leftSeq []*int64
	var users, roles, memberships, leftNames []string
	var leftCounts []int
	var prefs []*string
	for i, r := range rows {
		if last[key{r.Shard, r.Conv, r.User}] != i {
			continue
		}
		shards, conv, users = append(shards, r.Shard), append(conv, r.Conv), append(users, string(r.User))
		roles, memberships = append(roles, r.Role), append(memberships, r.Membership)
		joinedSeq, joinedAt, count = append(joinedSeq, r.JoinedSeq), append(joinedAt, r.JoinedAt), append(count, r.ReadCount)
		fromSeq, starts = append(fromSeq, r.FromSeq), append(starts, r.Start)
		leftSeq = append(leftSeq, leftSeqOf(r.Member))
		leftNames, leftCounts = append(leftNames, r.LeftName), append(leftCounts, r.LeftCount)
		prefs = append(prefs, prefsText(r.Prefs))
	}
	if len(shards) > 0 {
		batch.Queue(upsertMembersSQL, shards, conv, users, roles, memberships, joinedSeq, joinedAt, leftSeq, count, leftNames, leftCounts, fromSeq, prefs, starts)
	}
}

func leftSeqOf(m conversation.Member) *int64 {
	if m.Membership == conversation.Joined {
		return nil
	}
	return &m.LeftSeq
}

const flushPointsSQL = `
UPDATE members m
   SET delivered_seq = greatest(m.delivered_seq, b.delivered_seq),
       read_seq = greatest(m.read_seq, b.read_seq), read_count = greatest(m.read_count, b.read_count),
       mark = CASE WHEN b.mark > 0 THEN b.mark ELSE m.mark END,
       delivered_mark = CASE WHEN b.mark > 0 AND b.delivered THEN b.mark ELSE m.delivered_mark END
  FROM unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::boolean[])
       AS b(shard, conv, user_id, delivered_seq, read_seq, read_count, mark, delivered)
 WHERE m.shard = b.shard AND m.conv = b.conv AND m.user_id = b.user_id`

func queuePoints(batch *pgx.Batch, rows []timeline.PointRow) {
	n := len(rows)
	if n == 0 {
		return
	}
	shards, users := make([]id.Shard, n), make([]string, n)
	conv, delivered, read := make([]int64, n), make([]int64, n), make([]int64, n)
	count, marks := make([]int64, n), make([]int64, n)
	told := make([]bool, n)
	for i, r := range rows {
		shards[i], conv[i], users[i], told[i] = r.Shard, r.Conv, string(r.User), r.ToldDelivered
		delivered[i], read[i], count[i], marks[i] = r.Delivered, r.Read, r.ReadCount, r.Mark
	}
	batch.Queue(flushPointsSQL, shards, conv, users, delivered, read, count, marks, told)
}
