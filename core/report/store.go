// SPDX-License-Identifier: Apache-2.0

package report

import (
	"context"
	"errors"

	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// ErrNotFound says that there is no such report.
var ErrNotFound = errors.New("report: not found")

// Resolution ends a report.
type Resolution struct {
	ReportID, By, Action, Note string
	At                         int64
}

// Store keeps reports and what was done. Lists are newest first; before is the last id of the page before, "" for the first.
type Store interface {
	// InsertReport keeps a report with its proof, unless the reporter has made most since a time; 0 is no limit. Reports of one
	// user are counted one after the other, whichever nodes they come to.
	InsertReport(ctx context.Context, r rest.Report, most int, since int64) (kept bool, err error)
	// CountReports counts those of a reporter since a time.
	CountReports(ctx context.Context, reporter id.User, since int64) (int, error)
	// FindReport reads a report with its proof. ErrNotFound.
	FindReport(ctx context.Context, reportID string) (rest.Report, error)
	// ListReports reads reports without their proofs; open leaves the resolved ones out.
	ListReports(ctx context.Context, open bool, before string, limit int) ([]rest.Report, error)
	// ReportsOf reads the reports of a reporter without their proofs, oldest first.
	ReportsOf(ctx context.Context, reporter id.User) ([]rest.Report, error)
	// ResolveReport ends a report; one that was resolved before gets the new resolution. ErrNotFound.
	ResolveReport(ctx context.Context, r Resolution) error
	// InsertAction notes what was done; ListActions reads it.
	InsertAction(ctx context.Context, a rest.ModerationAction) error
	ListActions(ctx context.Context, before string, limit int) ([]rest.ModerationAction, error)
	// SweepReports erases the reports that expired before now.
	SweepReports(ctx context.Context, now int64) error
}
