// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const upsertAnnotationSQL = `
INSERT INTO annotations AS a (shard, conv, seq, changed_seq, edit_seqs, reacted, deleted_at, deleted_by)
VALUES ($1, $2, $3, $4, $5::bigint[], $6, $7, $8)
ON CONFLICT (shard, conv, seq) DO UPDATE
   SET changed_seq = excluded.changed_seq, edit_seqs = a.edit_seqs || excluded.edit_seqs, reacted = a.reacted OR excluded.reacted,
       deleted_at = coalesce(excluded.deleted_at, a.deleted_at), deleted_by = coalesce(excluded.deleted_by, a.deleted_by)`

const (
	addReactionSQL = `
INSERT INTO reactions (shard, conv, seq, emoji, user_id, added_seq, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`
	removeReactionSQL = `DELETE FROM reactions WHERE shard = $1 AND conv = $2 AND seq = $3 AND emoji = $4 AND user_id = $5`
)

// queueRelations writes what events did to messages, one after the other: there are few.
func queueRelations(batch *pgx.Batch, rows []timeline.RelationRow) {
	for _, r := range rows {
		var at *int64
		var by *string
		edits, user := []int64{}, string(r.User)
		switch r.Type {
		case frame.TypeEdit:
			edits = append(edits, r.Seq)
		case frame.TypeDelete:
			at, by = &r.At, &user
		}
		batch.Queue(upsertAnnotationSQL, r.Shard, r.Conv, r.Target, r.Seq, edits, r.Type == frame.TypeReaction, at, by)
		switch {
		case r.Type == frame.TypeReaction && r.Action == frame.ActionAdd:
			batch.Queue(addReactionSQL, r.Shard, r.Conv, r.Target, r.Emoji, user, r.Seq, r.At)
		case r.Type == frame.TypeReaction:
			batch.Queue(removeReactionSQL, r.Shard, r.Conv, r.Target, r.Emoji, user)
		}
	}
}

const (
	forgetMentionsSQL = `DELETE FROM mentions WHERE shard = $1 AND conv = $2 AND seq = $3`
	addMentionsSQL    = `
INSERT INTO mentions (shard, conv, seq, user_id) SELECT $1::int, $2::bigint, $3::bigint, CASE WHEN u = 'all' THEN '' ELSE u END FROM unnest($4::text[]) AS t(u) ON CONFLICT DO NOTHING`
)

// queueMentions writes whom messages mention; all is the empty user.
func queueMentions(batch *pgx.Batch, rows []timeline.MentionRow) {
	for _, r := range rows {
		if r.Replace {
			batch.Queue(forgetMentionsSQL, r.Shard, r.Conv, r.Seq)
		}
		if len(r.Users) > 0 {
			batch.Queue(addMentionsSQL, r.Shard, r.Conv, r.Seq, r.Users)
		}
	}
}

// eraseSQL names the shard four times. The hash that stands for the content in the chain is that of event.ContentHash.
const eraseSQL = `
UPDATE events_s%[1]d e
   SET content_hash = sha256(convert_to('parley/v1/content' || chr(10), 'UTF8') || e.salt || e.content), salt = NULL, content = NULL
  FROM (SELECT b.conv, b.seq FROM unnest($1::bigint[], $2::bigint[]) AS b(conv, seq)
         UNION
        SELECT a.conv, unnest(a.edit_seqs) FROM annotations_s%[1]d a
          JOIN unnest($1::bigint[], $2::bigint[]) AS b(conv, seq) ON a.shard = %[1]d AND a.conv = b.conv AND a.seq = b.seq) t
 WHERE e.conv = t.conv AND e.seq = t.seq AND e.content IS NOT NULL`

// derivedOfMessages are the tables whose rows go with the message they are about, by (shard, conv, seq).
var derivedOfMessages = [...]string{"reactions", "mentions", "message_search"}

// queueErase erases messages and their edits for good, with everything that was derived of them. Whatever else keeps a word
// of a message is to be erased here too.
func queueErase(batch *pgx.Batch, rows []timeline.EraseRow) {
	convs, seqs := map[id.Shard][]int64{}, map[id.Shard][]int64{}
	for _, r := range rows {
		convs[r.Shard], seqs[r.Shard] = append(convs[r.Shard], r.Conv), append(seqs[r.Shard], r.Seq)
	}
	for n, conv := range convs {
		batch.Queue(fmt.Sprintf(eraseSQL, n), conv, seqs[n])
		for _, table := range derivedOfMessages {
			batch.Queue(fmt.Sprintf(`DELETE FROM %[1]s_s%[2]d d USING unnest($1::bigint[], $2::bigint[]) AS b(conv, seq)
				WHERE d.shard = %[2]d AND d.conv = b.conv AND d.seq = b.seq`, table, n), conv, seqs[n])
		}
	}
}

// selectFacts reads events, in no order, with what later events did to them, in the columns of scanFacts: all in one
// statement, so that ChangedSeq is the truth. where selects the events; for a reader $6 is who that is, $7 the last seq
// whose event shows, and $8 and $9 the ends of the ranges in which nothing shows that others did.
func selectFacts(n id.Shard, where string, r timeline.Range) string {
	list, reactions, edit, changed := `NULL::jsonb`, ``, `a.edit_seqs[cardinality(a.edit_seqs)]`, `a.changed_seq`
	if r.Reader != "" {
		shows := `%[1]s <= $7 AND (%[2]s = $6 OR NOT EXISTS (SELECT 1 FROM unnest($8::bigint[], $9::bigint[]) AS w(low, high) WHERE %[1]s BETWEEN low AND high))`
		list, reactions = `r.list`, fmt.Sprintf(selectReactions, n, fmt.Sprintf(shows, `added_seq`, `user_id`))
		edit = `(SELECT max(s) FROM unnest(a.edit_seqs) AS t(s) WHERE ` + fmt.Sprintf(shows, `s`, `e.sender`) + `)`
		changed = `CASE WHEN a.deleted_at IS NOT NULL OR ` + fmt.Sprintf(shows, `a.changed_seq`, `''`) + ` THEN a.changed_seq ELSE greatest(` + edit + `, r.newest) END`
	}
	return fmt.Sprintf(`
SELECT e.*, %[6]s AS changed_seq, cardinality(a.edit_seqs) AS edits, a.deleted_at, a.deleted_by, x.content AS edited, x.hub_time AS edited_at, %[3]s AS list
  FROM (`+fmt.Sprintf(selectEvents, n)+`%[2]s) e
  LEFT JOIN LATERAL (SELECT * FROM annotations_s%[1]d n WHERE n.shard = %[1]d AND n.conv = e.conv AND n.seq = e.seq LIMIT 1) a ON e.type = 'message'
  LEFT JOIN LATERAL (SELECT content, hub_time FROM events_s%[1]d x
                      WHERE x.pos >= e.pos AND x.conv = e.conv AND x.seq = %[5]s LIMIT 1) x ON true
  %[4]s`, n, where, list, reactions, edit, changed)
}

// within cuts a statement of selectFacts, by which seq comes first, where its rows take more bytes than the parameter says. The
// sizes are known without reading what is in the columns.
func within(facts, order string, forReader bool, parameter int) string {
	reactions := `0`
	if forReader {
		reactions = `coalesce(octet_length(list::text), 0)`
	}
	return fmt.Sprintf(`
SELECT shard, pos, conv, seq, count, hub_time, author_time, message_id, type, sender, device, temp_id, salt, hash, content, expires_at, content_hash,
       changed_seq, edits, deleted_at, deleted_by, edited, edited_at, list
  FROM (SELECT *, sum(bytes) OVER (ORDER BY seq %[2]s) AS total
          FROM (SELECT *, %[4]d + coalesce(octet_length(content), 0) + coalesce(octet_length(edited), 0) + %[3]s AS bytes
                  FROM (%[1]s) f) s) t
 WHERE total <= $%[5]d OR total = bytes
 ORDER BY seq`, facts, order, reactions, recordBytes, parameter)
}

// recordBytes is what a record takes beside its content, about.
const recordBytes = 400

// selectReactions lists the emoji in the order in which they were first put there by those who are still there.
const selectReactions = `
  LEFT JOIN LATERAL (
       SELECT jsonb_agg(jsonb_build_object('emoji', g.emoji, 'count', g.n, 'userIds', g.users, 'isOwn', g.own) ORDER BY g.first) AS list, max(g.newest) AS newest
         FROM (SELECT emoji, max(added_seq) AS newest, count(*) AS n, min(added_seq) AS first, bool_or(user_id = $6) AS own,
                      to_jsonb((array_agg(user_id ORDER BY added_seq))[1:20]) AS users
                 FROM reactions_s%[1]d
                WHERE a.reacted AND shard = %[1]d AND conv = e.conv AND seq = e.seq AND %[2]s GROUP BY emoji) g) r ON true`

// sight are the arguments of selectFacts for a reader.
func sight(r timeline.Range) []any {
	low, high := ends(r.Withheld)
	return []any{string(r.Reader), cmp.Or(r.AsOf, int64(id.MaxSeq)), low, high}
}

// ends are the ends of spans; one that is open has none above.
func ends(spans []timeline.Span) (low, high []int64) {
	low, high = make([]int64, len(spans)), make([]int64, len(spans))
	for i, w := range spans {
		if low[i], high[i] = w.From, w.To; w.To < 0 {
			high[i] = id.MaxSeq
		}
	}
	return low, high
}

// scanFacts reads a row of selectFacts.
func scanFacts(row pgx.CollectableRow) (*conversation.Event, error) {
	var changed, deletedAt, editedAt *int64
	var edits *int
	var by *string
	var edited, reactions []byte
	e, err := scanColumns(row, &changed, &edits, &deletedAt, &by, &edited, &editedAt, &reactions)
	if err != nil || changed == nil {
		return e, err
	}
	f := &conversation.Facts{ChangedSeq: *changed, Edits: *edits, Edited: edited}
	if deletedAt != nil {
		f.DeletedAt, f.DeletedBy = *deletedAt, id.User(*by)
	}
	if editedAt != nil {
		f.EditedAt = *editedAt
	}
	if reactions != nil {
		err = json.Unmarshal(reactions, &f.Reactions)
	}
	e.Facts = f
	return e, err
}

// Target implements timeline.Store.
func (s *Store) Target(ctx context.Context, n id.Shard, conv, seq int64, u id.User) (*timeline.Target, error) {
	events, err := s.Events(ctx, n, conv, timeline.Range{From: seq, To: seq, Limit: 1})
	if err != nil || len(events) == 0 {
		return nil, err
	}
	out := &timeline.Target{Event: events[0], Emojis: map[string]int{}, Own: map[string]bool{}}
	if out.Facts == nil {
		return out, nil
	}
	rows, err := s.pool(n).Query(ctx, fmt.Sprintf(`SELECT emoji, count(*), bool_or(user_id = $3) FROM reactions_s%[1]d
		WHERE shard = %[1]d AND conv = $1 AND seq = $2 GROUP BY emoji`, n), conv, seq, string(u))
	if err != nil {
		return nil, fmt.Errorf("read reactions: %w", err)
	}
	var emoji string
	var count int
	var own bool
	_, err = pgx.ForEachRow(rows, []any{&emoji, &count, &own}, func() error {
		out.Emojis[emoji] = count
		if own {
			out.Own[emoji] = true
		}
		return nil
	})
	return out, err
}

// Expired implements timeline.Store.
func (s *Store) Expired(ctx context.Context, n id.Shard, limit int) ([]timeline.Expiring, error) {
	q := fmt.Sprintf(`
SELECT c.id, e.conv, e.seq, e.message_id, e.type, e.expires_at, CASE WHEN e.type = 'edit' THEN e.content END
  FROM (SELECT * FROM events_s%[1]d WHERE expires_at IS NOT NULL AND content IS NOT NULL ORDER BY expires_at LIMIT $1) e
  JOIN conversations_s%[1]d c ON c.shard = %[1]d AND c.conv = e.conv
 ORDER BY e.expires_at`, n)
	rows, err := s.pool(n).Query(ctx, q, limit)
	if err != nil {
		return nil, fmt.Errorf("read expired: %w", err)
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (e timeline.Expiring, err error) {
		var raw []byte
		var message [16]byte
		if err := r.Scan(&raw, &e.Conv, &e.Seq, &message, &e.Type, &e.ExpiresAt, &e.Edit); err != nil {
			return e, err
		}
		e.Message = message
		e.ConversationID, err = conversationID(raw)
		return e, err
	})
}

// Written implements timeline.Store.
func (s *Store) Written(ctx context.Context, n id.Shard, conv int64, author id.User, after int64, limit int) ([]timeline.Expiring, error) {
	rows, err := s.pool(n).Query(ctx, fmt.Sprintf(`SELECT seq, message_id FROM events_s%d
		WHERE pos >= $1 AND conv = $1 AND seq > $2 AND sender = $3 AND type = 'message' AND content IS NOT NULL ORDER BY seq LIMIT $4`, n),
		conv, after, string(author), limit)
	if err != nil {
		return nil, fmt.Errorf("read messages of an author: %w", err)
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (timeline.Expiring, error) {
		e := timeline.Expiring{Conv: conv, Type: frame.TypeMessage}
		var message [16]byte
		err := r.Scan(&e.Seq, &message)
		e.Message = message
		return e, err
	})
}

// Mentions implements feed.Log.
func (s *Store) Mentions(ctx context.Context, n id.Shard, conv int64, u id.User, after int64, but []timeline.Span) (int64, error) {
	var count int64
	low, high := ends(but)
	err := s.pool(n).QueryRow(ctx, fmt.Sprintf(`SELECT count(DISTINCT seq) FROM mentions_s%[1]d
		WHERE shard = %[1]d AND conv = $1 AND user_id IN ($2, '') AND seq > $3
		  AND NOT EXISTS (SELECT 1 FROM unnest($4::bigint[], $5::bigint[]) AS w(low, high) WHERE seq BETWEEN low AND high)`, n),
		conv, string(u), after, low, high).Scan(&count)
	if err != nil {
		return 0, fmt.Errorf("count mentions: %w", err)
	}
	return count, nil
}

// Edits implements feed.Log.
func (s *Store) Edits(ctx context.Context, n id.Shard, conv, seq int64, r timeline.Range) ([]*conversation.Event, error) {
	order := "ASC"
	if r.Newest {
		order = "DESC"
	}
	q := fmt.Sprintf(`SELECT `+eventColumns+`
  FROM (SELECT *, coalesce(sum(octet_length(content)) OVER (ORDER BY seq %[2]s ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
          FROM (%[3]sWHERE pos >= $1 AND conv = $1 AND seq BETWEEN $3 AND $4 AND seq = ANY (
                  SELECT unnest(edit_seqs) FROM annotations_s%[1]d WHERE shard = %[1]d AND conv = $1 AND seq = $2)
                 ORDER BY seq %[2]s LIMIT $5) e) t
 WHERE $6 = 0 OR before < $6 ORDER BY seq`, n, order, fmt.Sprintf(selectEvents, n))
	rows, err := s.pool(n).Query(ctx, q, conv, seq, r.From, r.To, r.Limit, r.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read edits: %w", err)
	}
	return pgx.CollectRows(rows, scanEvent)
}

// Reactors lists who put which emoji on a message, in the order of the events.
func (s *Store) Reactors(ctx context.Context, n id.Shard, conv, seq int64, r timeline.ReactorRange) ([]conversation.Reactor, error) {
	rows, err := s.pool(n).Query(ctx, fmt.Sprintf(`SELECT emoji, user_id, added_seq, at FROM reactions_s%[1]d
		WHERE shard = %[1]d AND conv = $1 AND seq = $2 AND ($3 = '' OR emoji = $3) AND added_seq > $4 ORDER BY added_seq LIMIT $5`, n),
		conv, seq, r.Emoji, r.AfterSeq, r.Limit)
	if err != nil {
		return nil, fmt.Errorf("read reactions: %w", err)
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (out conversation.Reactor, err error) {
		return out, r.Scan(&out.Emoji, &out.User, &out.AddedSeq, &out.At)
	})
}
