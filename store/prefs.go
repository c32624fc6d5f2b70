// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

const flushPrefsSQL = `
UPDATE members m SET prefs = b.prefs, prefs_mark = b.mark
  FROM unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::bigint[]) AS b(shard, conv, user_id, prefs, mark)
 WHERE m.shard = b.shard AND m.conv = b.conv AND m.user_id = b.user_id`

// queuePrefs writes members' own settings; there is one row for a member in a batch.
func queuePrefs(batch *pgx.Batch, rows []timeline.PrefsRow) {
	n := len(rows)
	if n == 0 {
		return
	}
	shards, users, prefs := make([]id.Shard, n), make([]string, n), make([]*string, n)
	conv, marks := make([]int64, n), make([]int64, n)
	for i, r := range rows {
		shards[i], conv[i], users[i], prefs[i], marks[i] = r.Shard, r.Conv, string(r.User), prefsText(r.Prefs), r.Mark
	}
	batch.Queue(flushPrefsSQL, shards, conv, users, prefs, marks)
}

// prefsText is nil for none.
func prefsText(p *timeline.Prefs) *string {
	if p == nil {
		return nil
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return nil // It cannot be: the fields are strings and numbers.
	}
	text := string(raw)
	return &text
}

func parsePrefs(raw []byte) (*timeline.Prefs, error) {
	if raw == nil {
		return nil, nil
	}
	var p timeline.Prefs
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("prefs of a member: %w", err)
	}
	return &p, nil
}
