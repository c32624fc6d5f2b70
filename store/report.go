// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/report"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

var _ report.Store = (*Store)(nil)

const insertReport = `
INSERT INTO reports (shard, report_id, reporter, reported, conversation_id, reason, note, proof, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

const countReports = `SELECT count(*) FROM reports WHERE shard = $1 AND reporter = $2 AND created_at > $3`

// reportLock is the first key of the locks that let the reports of one user be counted one after the other.
const reportLock = 7061727

// InsertReport implements report.Store.
func (s *Store) InsertReport(ctx context.Context, r rest.Report, most int, since int64) (kept bool, err error) {
	proof, err := json.Marshal(r.Proof)
	if err != nil {
		return false, err
	}
	pool, n := s.userPool(id.User(r.ReporterID))
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if most > 0 {
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, hashtext($2))`, reportLock, r.ReporterID); err != nil {
				return err
			}
			var have int
			if err := tx.QueryRow(ctx, countReports, n, r.ReporterID, since).Scan(&have); err != nil || have >= most {
				return err
			}
		}
		kept = true
		_, err := tx.Exec(ctx, insertReport, n, r.ReportID, r.ReporterID, r.UserID, r.ConversationID, r.Reason, r.Text, string(proof), r.CreatedAt, r.ExpiresAt)
		return err
	})
	return kept && err == nil, wrapReport("insert report", err)
}

// CountReports implements report.Store.
func (s *Store) CountReports(ctx context.Context, reporter id.User, since int64) (n int, err error) {
	pool, shard := s.userPool(reporter)
	err = pool.QueryRow(ctx, countReports, shard, reporter, since).Scan(&n)
	return n, wrapReport("count reports", err)
}

const reportColumns = `report_id, reporter, reported, conversation_id, reason, note, created_at, expires_at, resolved_at, resolved_by, action, resolution`

func scanReport(row pgx.CollectableRow) (r rest.Report, err error) {
	err = row.Scan(&r.ReportID, &r.ReporterID, &r.UserID, &r.ConversationID, &r.Reason, &r.Text, &r.CreatedAt, &r.ExpiresAt,
		&r.ResolvedAt, &r.ResolvedBy, &r.Action, &r.Note)
	r.Status = "open"
	if r.ResolvedAt > 0 {
		r.Status = "resolved"
	}
	return r, err
}

// FindReport implements report.Store. The id does not tell the shard, so every database is asked.
func (s *Store) FindReport(ctx context.Context, reportID string) (rest.Report, error) {
	for _, db := range s.dbs {
		rows, err := db.pool.Query(ctx, `SELECT `+reportColumns+`, proof FROM reports WHERE report_id = $1`, reportID)
		if err != nil {
			return rest.Report{}, wrapReport("find report", err)
		}
		r, err := pgx.CollectExactlyOneRow(rows, scanProof)
		if !errors.Is(err, pgx.ErrNoRows) {
			return r, wrapReport("find report", err)
		}
	}
	return rest.Report{}, report.ErrNotFound
}

// scanProof reads a row of reportColumns and the proof.
func scanProof(row pgx.CollectableRow) (rest.Report, error) {
	var proof string
	r, err := scanReport(also{row, &proof})
	if err == nil {
		r.Proof = &rest.Proof{}
		err = json.Unmarshal([]byte(proof), r.Proof)
	}
	return r, err
}

// also scans one more column.
type also struct {
	pgx.CollectableRow
	last any
}

func (a also) Scan(into ...any) error { return a.CollectableRow.Scan(append(into, a.last)...) }

// ListReports implements report.Store.
func (s *Store) ListReports(ctx context.Context, open bool, before string, limit int) ([]rest.Report, error) {
	q := `SELECT ` + reportColumns + ` FROM reports WHERE ($1 = '' OR report_id < $1) AND (NOT $2 OR resolved_at = 0) ORDER BY report_id DESC LIMIT $3`
	return everywhere(ctx, s, limit, scanReport, func(a, b rest.Report) int { return cmp.Compare(b.ReportID, a.ReportID) }, q, before, open, limit)
}

// ReportsOf implements report.Store.
func (s *Store) ReportsOf(ctx context.Context, reporter id.User) ([]rest.Report, error) {
	pool, n := s.userPool(reporter)
	rows, err := pool.Query(ctx, `SELECT `+reportColumns+` FROM reports WHERE shard = $1 AND reporter = $2 ORDER BY report_id`, n, reporter)
	if err != nil {
		return nil, wrapReport("list reports", err)
	}
	out, err := pgx.CollectRows(rows, scanReport)
	return out, wrapReport("list reports", err)
}

// ResolveReport implements report.Store.
func (s *Store) ResolveReport(ctx context.Context, r report.Resolution) error {
	for _, db := range s.dbs {
		tag, err := db.pool.Exec(ctx, `UPDATE reports SET resolved_at = $2, resolved_by = $3, action = $4, resolution = $5 WHERE report_id = $1`,
			r.ReportID, r.At, r.By, r.Action, r.Note)
		if err != nil {
			return wrapReport("resolve report", err)
		}
		if tag.RowsAffected() > 0 {
			return nil
		}
	}
	return report.ErrNotFound
}

// InsertAction implements report.Store.
func (s *Store) InsertAction(ctx context.Context, a rest.ModerationAction) error {
	detail, err := json.Marshal(rest.ModerationAction{ConversationID: a.ConversationID, MessageIDs: a.MessageIDs, Note: a.Note})
	if err != nil {
		return err
	}
	pool, n := s.userPool(id.User(a.Actor))
	_, err = pool.Exec(ctx, `INSERT INTO moderation_actions (shard, action_id, at, actor, action, report_id, user_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		n, a.ActionID, a.At, a.Actor, a.Action, a.ReportID, a.UserID, string(detail))
	return wrapReport("insert action", err)
}

// ListActions implements report.Store.
func (s *Store) ListActions(ctx context.Context, before string, limit int) ([]rest.ModerationAction, error) {
	q := `SELECT action_id, at, actor, action, report_id, user_id, detail FROM moderation_actions WHERE ($1 = '' OR action_id < $1) ORDER BY action_id DESC LIMIT $2`
	return everywhere(ctx, s, limit, scanAction, func(a, b rest.ModerationAction) int { return cmp.Compare(b.ActionID, a.ActionID) }, q, before, limit)
}

func scanAction(row pgx.CollectableRow) (a rest.ModerationAction, err error) {
	var detail string
	var m rest.ModerationAction
	if err = row.Scan(&a.ActionID, &a.At, &a.Actor, &a.Action, &a.ReportID, &a.UserID, &detail); err != nil {
		return a, err
	}
	err = json.Unmarshal([]byte(detail), &m)
	a.ConversationID, a.MessageIDs, a.Note = m.ConversationID, m.MessageIDs, m.Note
	return a, err
}

// SweepReports implements report.Store.
func (s *Store) SweepReports(ctx context.Context, now int64) error {
	for _, db := range s.dbs {
		if _, err := db.pool.Exec(ctx, `DELETE FROM reports WHERE expires_at <= $1`, now); err != nil {
			return wrapReport("sweep reports", err)
		}
	}
	return nil
}

// everywhere asks every database for a page and merges the answers.
func everywhere[T any](ctx context.Context, s *Store, limit int, scan pgx.RowToFunc[T], order func(a, b T) int, q string, args ...any) ([]T, error) {
	var all []T
	for _, db := range s.dbs {
		rows, err := db.pool.Query(ctx, q, args...)
		if err != nil {
			return nil, wrapReport("list", err)
		}
		part, err := pgx.CollectRows(rows, scan)
		if err != nil {
			return nil, wrapReport("list", err)
		}
		all = append(all, part...)
	}
	slices.SortFunc(all, order)
	return all[:min(len(all), limit)], nil
}

func wrapReport(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
