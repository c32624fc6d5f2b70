// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	faults "errors"
	"log/slog"
	"slices"
	"testing"

	"parley.chat/core/account"
	corefollower "parley.chat/core/follower"
	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
	"parley.chat/server/homeserver"
	"parley.chat/store"
)

func TestAdmin_ActsWhileTheServerRunsAndIsFeltAtOnce(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	admin, err := homeserver.OpenAdmin(t.Context(), srv.Config(), slog.New(slog.DiscardHandler))
	check(t, err)
	t.Cleanup(admin.Close)
	live, kept := alice.Socket(nil), bob.Socket(nil)
	u, err := admin.Do(t.Context(), rest.ActionSuspendUser, "Alice")
	check(t, err)
	if u != id.User(alice.ID) {
		t.Errorf("suspended %s", u)
	}
	if code, took := live.Closed(); code != fault.Lookup(fault.AccountSuspended).Close || took > soon {
		t.Errorf("closed with %d after %s", code, took)
	}
	alice.Refused(fault.AccountSuspended, "GET", "/users/me", nil)
	_, err = admin.Do(t.Context(), rest.ActionUnsuspendUser, alice.ID)
	check(t, err)
	srv.Until("alice may act again", func() bool { return alice.Call("GET", "/users/me", nil, nil) == nil })
	kept.Alive()
	_, err = admin.ResetPassword(t.Context(), "bob", "an operator's choice")
	check(t, err)
	if code, _ := kept.Closed(); code != fault.Lookup(fault.DeviceRemoved).Close {
		t.Errorf("bob's socket closed with %d", code)
	}
	var s rest.Session
	bob.Do("POST", "/login", rest.Login{Username: "bob", Password: "an operator's choice"}, &s)
	_, err = admin.Do(t.Context(), "add_moderator", "alice")
	check(t, err)
	reportOf(alice, rest.CreateReport{UserID: bob.ID, Reason: "other"})
	var done rest.ModerationActions
	alice.Do("GET", "/moderation/actions", nil, &done)
	if len(done.Actions) != 4 || done.Actions[0].Actor != homeserver.Operator || done.Actions[0].Action != "add_moderator" {
		t.Errorf("noted %+v", done.Actions)
	}
	var names []id.User
	check(t, admin.Users(t.Context(), func(u account.User) { names = append(names, u.ID) }))
	if !slices.Equal(names, []id.User{"alice@localhost", "bob@localhost"}) {
		t.Errorf("users %v", names)
	}
	n := 0
	check(t, admin.Reports(t.Context(), true, func(rest.Report) { n++ }))
	if n != 1 {
		t.Errorf("%d reports", n)
	}
	for _, action := range []string{rest.ActionSuspendUser, "remove_moderator", "dance"} {
		if _, err := admin.Do(t.Context(), action, "nobody"); err == nil {
			t.Errorf("%s of nobody is done", action)
		}
	}
}

func TestAdmin_KnowsWhoFollows(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	admin, err := homeserver.OpenAdmin(t.Context(), srv.Config(), slog.New(slog.DiscardHandler))
	check(t, err)
	t.Cleanup(admin.Close)
	check(t, admin.Followers(t.Context(), func(s corefollower.Summary, _ []corefollower.Row) { t.Errorf("nobody follows, and there is %+v", s) }))
	if _, err := admin.RetryServer(t.Context(), "b.example"); !faults.Is(err, store.ErrNoFollower) {
		t.Errorf("a server that follows nothing: %v", err)
	}
	if _, err := admin.RetryServer(t.Context(), "B.example!"); err == nil {
		t.Error("no server name was taken for one")
	}
}
