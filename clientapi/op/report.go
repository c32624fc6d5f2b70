// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
	"unicode/utf8"

	"parley.chat/core/account"
	"parley.chat/core/conversation"
	"parley.chat/core/limit"
	"parley.chat/core/report"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Bounds of reports. spec: ABUSE-REPORT-1
const (
	maxReported   = 20
	maxReportText = 1 << 10
	maxNote       = 1 << 10
)

var reasons = []string{
	rest.ReasonSpam, rest.ReasonHarassment, rest.ReasonViolence, rest.ReasonSexual, rest.ReasonChildSafety,
	rest.ReasonImpersonation, rest.ReasonIllegal, rest.ReasonOther,
}

// Moderation holds the operations on reports and what moderators do about them.
type Moderation struct {
	Conversations *Conversations
	Accounts      *account.Accounts
	Store         report.Store
	Keys          report.Keys
	PerDay        int           // reports of one user; 0: no limit
	Keep          time.Duration // how long a report lives
	Now           func() time.Time
	Log           *slog.Logger
}

// Report keeps a report with the proof of what is reported. Faults: invalid_field, unknown_conversation, unknown_message,
// unknown_user, rate_limited.
func (m *Moderation) Report(ctx context.Context, c Caller, in rest.CreateReport) (out rest.Reported, err error) {
	done, err := m.Conversations.Lookups.begin(c, 1)
	if err != nil {
		return out, err
	}
	defer func() { done(err) }()
	if err := checkReport(in); err != nil {
		return rest.Reported{}, err
	}
	now := m.Now().UnixMilli()
	if err := m.mayReport(ctx, c, now); err != nil {
		return rest.Reported{}, err
	}
	proof, err := m.proof(ctx, c, in, now)
	if err != nil {
		return rest.Reported{}, err
	}
	if in.UserID != "" {
		if _, err := m.Conversations.user(ctx, "userId", in.UserID); err != nil {
			return rest.Reported{}, err
		}
	} else if len(proof.Entries) > 0 {
		in.UserID = proof.Entries[0].Submission.Sender
	}
	r := rest.Report{
		ReportID: id.NewULID(), ReporterID: string(c.User), UserID: in.UserID, ConversationID: in.ConversationID,
		Reason: in.Reason, Text: in.Text, CreatedAt: now, ExpiresAt: now + m.Keep.Milliseconds(), Proof: &proof,
	}
	kept, err := m.Store.InsertReport(ctx, r, m.PerDay, now-day.Milliseconds())
	if err == nil && !kept { // Others were made meanwhile.
		err = m.tooMany()
	}
	return rest.Reported{ReportID: r.ReportID}, err
}

func checkReport(in rest.CreateReport) error {
	switch {
	case !slices.Contains(reasons, in.Reason):
		return fault.Invalid("reason", "must be one of %v", reasons)
	case len(in.Text) > maxReportText || !utf8.ValidString(in.Text) || slices.Contains([]byte(in.Text), 0):
		return fault.Invalid("text", "must be at most %d bytes of text", maxReportText)
	case in.ConversationID == "" && in.UserID == "":
		return fault.Invalid("conversationId", "a report names a conversation or a user")
	case len(in.MessageIDs) > maxReported:
		return fault.Invalid("messageIds", "must be at most %d", maxReported)
	case len(in.MessageIDs) > 0 && in.ConversationID == "":
		return fault.Invalid("conversationId", "is that of the messages")
	}
	return nil
}

// mayReport refuses at once who has made all reports of a day; InsertReport decides. spec: ABUSE-REPORT-4
func (m *Moderation) mayReport(ctx context.Context, c Caller, now int64) error {
	if m.PerDay == 0 {
		return nil
	}
	n, err := m.Store.CountReports(ctx, c.User, now-day.Milliseconds())
	if err != nil || n < m.PerDay {
		return err
	}
	return m.tooMany()
}

func (m *Moderation) tooMany() error {
	return limit.Refusal(time.Hour, fmt.Sprintf("at most %d reports a day", m.PerDay))
}

// witness is what a proof is gathered with: the conversation, and the part of it the reporter may read.
type witness struct {
	timeline.View
	from, to int64
	now      int64
	by       report.Signed
}

// proof gathers what the caller may read of what is reported. spec: ABUSE-REPORT-2 ABUSE-REPORT-3
func (m *Moderation) proof(ctx context.Context, c Caller, in rest.CreateReport, now int64) (rest.Proof, error) {
	out := rest.Proof{Entries: []rest.Evidence{}}
	if in.ConversationID == "" {
		return out, nil
	}
	o := m.Conversations
	v, reader, err := o.reading(ctx, c, in.ConversationID)
	if err != nil {
		return out, err
	}
	w := witness{View: v, to: v.Head.Seq, now: now, by: report.Signed{Hub: o.Server, Signer: o.Signer, Now: now}}
	if reader == nil {
		w.from, w.to, _ = v.State.Visible(c.User, v.Head.Seq)
	}
	for _, name := range in.MessageIDs {
		target, err := id.ParseMessage(name)
		if err != nil {
			return out, fault.Invalid("messageIds", "%q is not a message id", clip(name))
		}
		if slices.ContainsFunc(out.Entries, func(e rest.Evidence) bool { return e.Entry.MessageID == name }) {
			continue
		}
		if err := m.evidence(ctx, w, target, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// evidence adds a message, and the newest edit of it, which is what readers see.
func (m *Moderation) evidence(ctx context.Context, w witness, target id.Message, out *rest.Proof) error {
	if target.Seq() < w.from || target.Seq() > w.to {
		return fault.New(fault.UnknownMessage, "no such message")
	}
	e, err := m.add(ctx, w, target.Seq(), target, out)
	if err != nil {
		return err
	}
	edits, err := m.Conversations.Feed.Log.Edits(ctx, w.Shard, w.Conv, e.Seq, timeline.Range{From: e.Seq + 1, To: w.to, Limit: 1, Newest: true})
	if err != nil || len(edits) == 0 {
		return err
	}
	_, err = m.add(ctx, w, edits[0].Seq, edits[0].MessageID, out)
	return err
}

// add adds the entry at seq, which must have the id. Content that expired may be in the database for a moment yet.
func (m *Moderation) add(ctx context.Context, w witness, seq int64, name id.Message, out *rest.Proof) (*conversation.Event, error) {
	events, err := m.Conversations.Feed.Log.Events(ctx, w.Shard, w.Conv, timeline.Range{From: seq - 1, To: seq, Limit: 2})
	if err != nil {
		return nil, err
	}
	if len(events) != 2 || events[1].MessageID != name || conversation.ChangesState(events[1].Type) {
		return nil, fault.New(fault.UnknownMessage, "no such message")
	}
	e := events[1]
	if e.Expired(w.now) {
		e = e.Erase()
	}
	e.ConversationID = w.State.ID
	by := w.by
	by.Term = w.State.ReignAt(e.Seq).Term
	got, err := report.Evidence(e, events[0].Hash, by)
	out.Entries = append(out.Entries, got)
	return e, err
}
