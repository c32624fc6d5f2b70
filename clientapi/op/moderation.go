// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"errors"
	"slices"

	"parley.chat/core/report"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// moderator refuses everybody else. spec: ABUSE-MOD-1
func (m *Moderation) moderator(ctx context.Context, c Caller) error {
	u, err := m.Accounts.Profile(ctx, c.User)
	if err == nil && !u.Moderator {
		err = fault.New(fault.Forbidden, "only moderators of this server may do this")
	}
	return err
}

// Reports answers a page of reports, newest first; the cursor is the last report id of the page before. Faults: forbidden.
func (m *Moderation) Reports(ctx context.Context, c Caller, onlyOpen bool, cursor string, limit int) (rest.Reports, error) {
	out := rest.Reports{Reports: []rest.Report{}}
	if err := m.moderator(ctx, c); err != nil {
		return out, err
	}
	if err := checkULID(cursor); err != nil {
		return out, err
	}
	list, err := m.Store.ListReports(ctx, onlyOpen, cursor, limit+1)
	if err != nil {
		return out, err
	}
	if len(list) > limit {
		list = list[:limit]
		out.HasMore, out.NextCursor = true, list[limit-1].ReportID
	}
	out.Reports = append(out.Reports, list...)
	return out, nil
}

// checkULID accepts the cursor of a list in order of ids.
func checkULID(cursor string) error {
	if cursor == "" {
		return nil
	}
	if _, err := id.ParseDevice(cursor); err != nil {
		return fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	return nil
}

// ReadReport answers a report with its proof, and whether that holds. Faults: forbidden, unknown_report. spec: ABUSE-REPORT-3
func (m *Moderation) ReadReport(ctx context.Context, c Caller, reportID string) (rest.Report, error) {
	if err := m.moderator(ctx, c); err != nil {
		return rest.Report{}, err
	}
	r, err := m.find(ctx, reportID)
	if err != nil {
		return r, err
	}
	holds := report.Verify(*r.Proof, m.Keys) == nil
	r.IsVerified = &holds
	return r, nil
}

func (m *Moderation) find(ctx context.Context, reportID string) (rest.Report, error) {
	if _, err := id.ParseDevice(reportID); err != nil {
		return rest.Report{}, unknownReport()
	}
	r, err := m.Store.FindReport(ctx, reportID)
	if errors.Is(err, report.ErrNotFound) {
		err = unknownReport()
	}
	return r, err
}

func unknownReport() error { return fault.New(fault.UnknownReport, "no such report") }

// Resolve ends a report with an action. Doing it again is an action of its own. Faults: forbidden, invalid_field,
// unknown_report, unknown_user.
func (m *Moderation) Resolve(ctx context.Context, c Caller, reportID string, in rest.ResolveReport) (rest.Report, error) {
	if err := m.moderator(ctx, c); err != nil {
		return rest.Report{}, err
	}
	if !slices.Contains([]string{rest.ActionNone, rest.ActionDeleteMessages, rest.ActionSuspendUser}, in.Action) {
		return rest.Report{}, fault.Invalid("action", "must be none, delete_messages or suspend_user")
	}
	if err := checkNote(in.Note); err != nil {
		return rest.Report{}, err
	}
	r, err := m.find(ctx, reportID)
	if err != nil {
		return r, err
	}
	done := rest.ModerationAction{Action: in.Action, ReportID: reportID, UserID: r.UserID, ConversationID: r.ConversationID, Note: in.Note}
	if err := m.act(ctx, c, r, &done); err != nil {
		return r, err
	}
	if err := m.note(ctx, c, done); err != nil {
		return r, err
	}
	end := report.Resolution{ReportID: reportID, By: string(c.User), Action: in.Action, Note: in.Note, At: m.Now().UnixMilli()}
	if err := m.Store.ResolveReport(ctx, end); err != nil {
		return r, err
	}
	return m.ReadReport(ctx, c, reportID)
}

func checkNote(note string) error {
	return checkText("note", note, maxNote)
}

// act does what a resolution says.
func (m *Moderation) act(ctx context.Context, c Caller, r rest.Report, done *rest.ModerationAction) error {
	switch done.Action {
	case rest.ActionSuspendUser:
		if r.UserID == "" {
			return fault.Invalid("action", "the report is about no user")
		}
		return m.suspend(ctx, c, id.User(r.UserID))
	case rest.ActionDeleteMessages:
		return m.deleteMessages(ctx, r, done)
	}
	return nil
}

// suspend suspends a user of this server, moderators apart. spec: ABUSE-MOD-3
func (m *Moderation) suspend(ctx context.Context, c Caller, u id.User) error {
	have, err := m.Accounts.Profile(ctx, u)
	if err != nil {
		return err
	}
	if have.Moderator || u == c.User {
		return fault.New(fault.Forbidden, "moderators are suspended by the operator")
	}
	return m.Accounts.Suspend(ctx, u)
}

// Suspend suspends a user. Faults: forbidden, invalid_field, unknown_user.
func (m *Moderation) Suspend(ctx context.Context, c Caller, userID string, in rest.Standing) error {
	return m.stand(ctx, c, userID, rest.ModerationAction{Action: rest.ActionSuspendUser, Note: in.Note}, m.suspend)
}

// Unsuspend lets a user act again. Faults: forbidden, invalid_field, unknown_user.
func (m *Moderation) Unsuspend(ctx context.Context, c Caller, userID string, in rest.Standing) error {
	return m.stand(ctx, c, userID, rest.ModerationAction{Action: rest.ActionUnsuspendUser, Note: in.Note},
		func(ctx context.Context, _ Caller, u id.User) error { return m.Accounts.Unsuspend(ctx, u) })
}

func (m *Moderation) stand(ctx context.Context, c Caller, userID string, a rest.ModerationAction, do func(context.Context, Caller, id.User) error) error {
	if err := m.moderator(ctx, c); err != nil {
		return err
	}
	if err := checkNote(a.Note); err != nil {
		return err
	}
	u, err := id.ParseUser(userID)
	if err != nil {
		return err
	}
	if err := do(ctx, c, u); err != nil {
		return err
	}
	a.UserID = userID
	return m.note(ctx, c, a)
}

// note keeps what was done. spec: ABUSE-MOD-5
func (m *Moderation) note(ctx context.Context, c Caller, a rest.ModerationAction) error {
	a.ActionID, a.At, a.Actor = id.NewULID(), m.Now().UnixMilli(), string(c.User)
	return m.Store.InsertAction(ctx, a)
}

// Actions answers a page of what was done, newest first. Faults: forbidden, invalid_cursor.
func (m *Moderation) Actions(ctx context.Context, c Caller, cursor string, limit int) (rest.ModerationActions, error) {
	out := rest.ModerationActions{Actions: []rest.ModerationAction{}}
	if err := m.moderator(ctx, c); err != nil {
		return out, err
	}
	if err := checkULID(cursor); err != nil {
		return out, err
	}
	list, err := m.Store.ListActions(ctx, cursor, limit+1)
	if err != nil {
		return out, err
	}
	if len(list) > limit {
		list = list[:limit]
		out.HasMore, out.NextCursor = true, list[limit-1].ActionID
	}
	out.Actions = append(out.Actions, list...)
	return out, nil
}
