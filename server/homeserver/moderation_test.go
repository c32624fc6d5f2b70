// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
	"parley.chat/server/config"
	"parley.chat/server/homeserver"
)

// moderator makes the user one, as an operator would.
func moderator(t *testing.T, srv *testenv.Server, u *testenv.User) *testenv.User {
	t.Helper()
	check(t, srv.Home.Store().SetModerator(t.Context(), id.User(u.ID), true))
	return u
}

func reportOf(u *testenv.User, in rest.CreateReport) string {
	var out rest.Reported
	u.Do("POST", "/reports", in, &out)
	return out.ReportID
}

func TestReports_TheProofOutlivesTheMessageAndOnlyModeratorsSeeIt(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, testenv.TwoDatabases)
	us := srv.Users(t, "alice", "mallory", "carol", "max")
	alice, mallory, carol, mod := us[0], us[1], us[2], moderator(t, srv, us[3])
	conv := alice.Group("", mallory)
	bad := mallory.Post(conv, "an insult")
	again := mallory.Post(conv, "and another")
	live := mallory.Socket(nil)
	in := rest.CreateReport{ConversationID: conv, MessageIDs: []string{bad.MessageID, again.MessageID, bad.MessageID}, Reason: "harassment", Text: "help\nme"}
	first := reportOf(alice, in)
	second := reportOf(carol, rest.CreateReport{UserID: mallory.ID, Reason: "spam"})

	var list rest.Reports
	mod.Do("GET", "/moderation/reports?open=true&limit=1", nil, &list)
	if len(list.Reports) != 1 || list.Reports[0].ReportID != second || !list.HasMore {
		t.Errorf("first page %+v", list)
	}
	mod.Do("GET", "/moderation/reports?limit=1&cursor="+list.NextCursor, nil, &list)
	if len(list.Reports) != 1 || list.Reports[0].ReportID != first || list.HasMore || list.Reports[0].Proof != nil {
		t.Errorf("second page %+v", list)
	}
	var r rest.Report
	mod.Do("GET", "/moderation/reports/"+first, nil, &r)
	if r.Status != "open" || r.ReporterID != alice.ID || r.UserID != mallory.ID || r.Text != "help\nme" || len(r.Proof.Entries) != 2 || r.IsVerified == nil || !*r.IsVerified {
		t.Errorf("report %+v", r)
	}
	if e := r.Proof.Entries[0]; !strings.Contains(e.Content, "an insult") || e.Submission.Sender != mallory.ID || e.Entry.MessageID != bad.MessageID {
		t.Errorf("evidence %+v", e)
	}
	if days := (r.ExpiresAt - r.CreatedAt) / (24 * time.Hour).Milliseconds(); days != 90 {
		t.Errorf("kept %d days", days)
	}
	for _, u := range []*testenv.User{alice, mallory} {
		u.Refused(fault.Forbidden, "GET", "/moderation/reports", nil)
		u.Refused(fault.Forbidden, "GET", "/moderation/reports/"+first, nil)
		u.Refused(fault.Forbidden, "POST", "/moderation/reports/"+first+"/resolve", rest.ResolveReport{Action: "none"})
		u.Refused(fault.Forbidden, "GET", "/moderation/actions", nil)
		u.Refused(fault.Forbidden, "POST", "/moderation/users/"+carol.ID+"/suspend", rest.Standing{})
		u.Refused(fault.Forbidden, "POST", "/moderation/users/"+carol.ID+"/unsuspend", rest.Standing{})
	}
	mod.Refused(fault.UnknownReport, "GET", "/moderation/reports/"+string(id.NewDevice()), nil)
	mod.Refused(fault.UnknownReport, "GET", "/moderation/reports/x", nil)
	mod.Refused(fault.InvalidCursor, "GET", "/moderation/reports?cursor=x", nil)
	if n := len(live.Frames()); n != 1 {
		t.Errorf("the reported got %d frames, want the page of sync only", n)
	}
}

func TestReports_OnlyWhatTheReporterMayReadInItsForm(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, limited(config.Limits{ReportsPerDay: 3}))
	us := srv.Users(t, "alice", "mallory", "carol")
	alice, mallory, carol := us[0], us[1], us[2]
	conv := alice.Group("", mallory)
	early := mallory.Post(conv, "before carol")
	alice.Do("POST", "/conversations/"+conv+"/members", add(carol), nil)
	late := mallory.Post(conv, "for carol")
	good := rest.CreateReport{ConversationID: conv, MessageIDs: []string{late.MessageID}, Reason: "spam"}
	for what, c := range map[string]struct {
		code   fault.Code
		change func(*rest.CreateReport)
	}{
		"before the joining":    {fault.UnknownMessage, func(r *rest.CreateReport) { r.MessageIDs = []string{early.MessageID} }},
		"of another log":        {fault.UnknownMessage, func(r *rest.CreateReport) { r.MessageIDs = []string{"01M844DZG000000001W2047Q97"} }},
		"no message id":         {fault.InvalidField, func(r *rest.CreateReport) { r.MessageIDs = []string{"x"} }},
		"no conversation":       {fault.InvalidField, func(r *rest.CreateReport) { r.ConversationID = "" }},
		"a foreign one":         {fault.UnknownConversation, func(r *rest.CreateReport) { r.ConversationID = "cu4uHtkfDX58RGE4QChML7n0jDYheD-JCposZTiai4wg" }},
		"nothing":               {fault.InvalidField, func(r *rest.CreateReport) { *r = rest.CreateReport{Reason: "spam"} }},
		"another reason":        {fault.InvalidField, func(r *rest.CreateReport) { r.Reason = "boring" }},
		"a long text":           {fault.InvalidField, func(r *rest.CreateReport) { r.Text = strings.Repeat("x", 1025) }},
		"a NUL":                 {fault.InvalidField, func(r *rest.CreateReport) { r.Text = "a\x00" }},
		"many messages":         {fault.InvalidField, func(r *rest.CreateReport) { r.MessageIDs = slices.Repeat([]string{late.MessageID}, 21) }},
		"an unknown user":       {fault.UnknownUser, func(r *rest.CreateReport) { r.UserID = "nobody@localhost" }},
		"no user id":            {fault.InvalidField, func(r *rest.CreateReport) { r.UserID = "nobody" }},
		"an entry of the state": {fault.UnknownMessage, func(r *rest.CreateReport) { r.MessageIDs = []string{carol.History(conv)[0].MessageID} }},
	} {
		in := good
		c.change(&in)
		if f := carol.Call("POST", "/reports", in, nil); f == nil || f.Code != c.code {
			t.Errorf("%s: %v, want %s", what, f, c.code)
		}
	}
	for range 3 {
		reportOf(carol, good)
	}
	wantLimited(t, carol.Refused(fault.RateLimited, "POST", "/reports", good), 24*time.Hour)
	reportOf(alice, good)
}

func TestReports_OfADayAreNotExceededByRequestsAtTheSameTime(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, limited(config.Limits{ReportsPerDay: 3}))
	us := srv.Users(t, "alice", "bob")
	var taken, refused atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			switch f := us[0].Call("POST", "/reports", rest.CreateReport{UserID: us[1].ID, Reason: rest.ReasonSpam}, nil); {
			case f == nil:
				taken.Add(1)
			case f.Code == fault.RateLimited:
				refused.Add(1)
			default:
				t.Error(f)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 3 || refused.Load() != 17 {
		t.Errorf("%d reports were taken and %d refused, want 3 and 17", taken.Load(), refused.Load())
	}
}

func TestModeration_ASuspendedUserCannotActAndItIsNoted(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "mallory", "max", "other")
	alice, mallory, mod, other := us[0], us[1], moderator(t, srv, us[2]), moderator(t, srv, us[3])
	conv := alice.Direct(mallory)
	bad := mallory.Post(conv, "an insult")
	report := reportOf(alice, rest.CreateReport{ConversationID: conv, MessageIDs: []string{bad.MessageID}, Reason: "harassment"})
	about := reportOf(alice, rest.CreateReport{ConversationID: conv, Reason: "other"})
	live := mallory.Socket(nil)
	resolve := "/moderation/reports/" + report + "/resolve"
	mod.Refused(fault.InvalidField, "POST", resolve, rest.ResolveReport{Action: "shout"})
	mod.Refused(fault.InvalidField, "POST", resolve, rest.ResolveReport{Action: "none", Note: strings.Repeat("x", 1025)})
	mod.Refused(fault.InvalidField, "POST", "/moderation/reports/"+about+"/resolve", rest.ResolveReport{Action: "suspend_user"})
	var r rest.Report
	mod.Do("POST", resolve, rest.ResolveReport{Action: "suspend_user", Note: "enough"}, &r)
	if r.Status != "resolved" || r.ResolvedBy != mod.ID || r.Action != "suspend_user" || r.Note != "enough" {
		t.Errorf("resolved %+v", r)
	}
	if code, took := live.Closed(); code != fault.Lookup(fault.AccountSuspended).Close || took > soon {
		t.Errorf("the socket closed with %d after %s", code, took)
	}
	mallory.Refused(fault.AccountSuspended, "POST", "/conversations/"+conv+"/messages", testenv.Text("", "more"))
	mallory.Refused(fault.AccountSuspended, "POST", "/refresh", rest.Refresh{RefreshToken: mallory.RefreshToken})
	mallory.Refused(fault.AccountSuspended, "POST", "/login", rest.Login{Username: "mallory", Password: testenv.Password})
	mallory.Refused(fault.WrongCredentials, "POST", "/login", rest.Login{Username: "mallory", Password: "not the password"})
	if _, f := mallory.Dial(nil, nil); f == nil || f.Code != fault.AccountSuspended {
		t.Errorf("a socket: %v", f)
	}
	alice.Do("GET", "/users/"+mallory.ID, nil, nil)
	for _, u := range []*testenv.User{mod, other} {
		mod.Refused(fault.Forbidden, "POST", "/moderation/users/"+u.ID+"/suspend", rest.Standing{})
	}
	mod.Refused(fault.UnknownUser, "POST", "/moderation/users/nobody@localhost/suspend", rest.Standing{})
	mod.Do("POST", "/moderation/users/"+mallory.ID+"/unsuspend", rest.Standing{Note: "a mistake"}, nil)
	mallory.Post(conv, "sorry")
	var list rest.Reports
	mod.Do("GET", "/moderation/reports?open=true", nil, &list)
	if len(list.Reports) != 1 || list.Reports[0].ReportID != about {
		t.Errorf("open are %+v", list.Reports)
	}
	var done rest.ModerationActions
	other.Do("GET", "/moderation/actions", nil, &done)
	if len(done.Actions) != 2 || done.Actions[0].Action != "unsuspend_user" || done.Actions[1].ReportID != report || done.Actions[1].UserID != mallory.ID || done.Actions[1].Actor != mod.ID {
		t.Errorf("noted %+v", done.Actions)
	}
}

func TestModeration_TheServerDeletesWhatWasReportedAndTheProofStays(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "mallory", "max")
	alice, mallory, max := us[0], us[1], moderator(t, srv, us[2])
	conv := alice.Direct(mallory)
	bad, worse := mallory.Post(conv, "an insult"), mallory.Post(conv, "soon worse")
	mallory.Do("PATCH", "/conversations/"+conv+"/messages/"+worse.MessageID, rest.EditMessage{Content: "much worse"}, nil)
	report := reportOf(alice, rest.CreateReport{ConversationID: conv, MessageIDs: []string{bad.MessageID, worse.MessageID}, Reason: "harassment"})
	about := reportOf(alice, rest.CreateReport{ConversationID: conv, Reason: "other"})
	max.Refused(fault.InvalidField, "POST", "/moderation/reports/"+about+"/resolve", rest.ResolveReport{Action: "delete_messages"})
	a, m := alice.Socket(nil), mallory.Socket(nil)
	var r rest.Report
	for range 2 { // Again is as good as done.
		max.Do("POST", "/moderation/reports/"+report+"/resolve", rest.ResolveReport{Action: "delete_messages"}, &r)
	}
	for _, s := range []*testenv.Socket{a, m} {
		for range 2 {
			var d frame.Deleted
			s.Expect(frame.MessageDeleted, &d)
			if d.Event.SenderID != "server@localhost" || strings.Contains(d.SenderID, "max") {
				t.Errorf("deleted by %+v", d)
			}
		}
	}
	for _, e := range alice.History(conv)[1:3] {
		if e.Content != "" || e.DeletedBy != "server@localhost" || e.DeletedAt == 0 {
			t.Errorf("after the deletion %+v", e)
		}
	}
	if r.IsVerified == nil || !*r.IsVerified || len(r.Proof.Entries) != 3 || !strings.Contains(r.Proof.Entries[2].Content, "much worse") {
		t.Errorf("the proof %+v", r.Proof)
	}
	late := reportOf(alice, rest.CreateReport{ConversationID: conv, MessageIDs: []string{bad.MessageID}, Reason: "harassment"})
	var of rest.Report
	max.Do("GET", "/moderation/reports/"+late, nil, &of)
	if e := of.Proof.Entries[0]; !*of.IsVerified || e.Content != "" || e.Salt != "" {
		t.Errorf("the proof of what was erased %+v", e)
	}
	var done rest.ModerationActions
	max.Do("GET", "/moderation/actions", nil, &done)
	if len(done.Actions) != 2 || !slices.Equal(done.Actions[0].MessageIDs, []string{bad.MessageID, worse.MessageID}) {
		t.Errorf("noted %+v", done.Actions)
	}
}

func TestReports_AreErasedWhenTheirTimeIsOver(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now), testenv.Assemble(func(o *homeserver.Options) { o.AccessLife = 3000 * time.Hour }))
	us := srv.Users(t, "alice", "max")
	alice, mod := us[0], moderator(t, srv, us[1])
	old := reportOf(alice, rest.CreateReport{UserID: mod.ID, Reason: "other"})
	clock.Add(45 * 24 * time.Hour)
	young := reportOf(alice, rest.CreateReport{UserID: mod.ID, Reason: "other"})
	clock.Add(46 * 24 * time.Hour)
	srv.Restart()
	srv.Until("the old report is gone", func() bool { return mod.Call("GET", "/moderation/reports/"+old, nil, nil) != nil })
	mod.Refused(fault.UnknownReport, "GET", "/moderation/reports/"+old, nil)
	mod.Do("GET", "/moderation/reports/"+young, nil, nil)
}
