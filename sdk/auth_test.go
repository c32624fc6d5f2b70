// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk/sdktest"
)

func TestRefresh_ManyCallsWithAnExpiredTokenRefreshOnce(t *testing.T) {
	f := sdktest.New(t)
	c := login(t, f, "alice", Options{})
	f.ExpireTokens()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Me(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := f.Called("POST refresh"); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

func TestRefresh_LostAnswerIsAskedForAgainWithTheOldToken(t *testing.T) {
	f := sdktest.New(t)
	f.LoseRefreshes = 2
	c := login(t, f, "alice", Options{})
	f.ExpireTokens()
	if _, err := c.Me(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.Called("POST refresh"); n != 3 {
		t.Errorf("%d refreshes", n)
	}
}

func TestRefresh_HappensBeforeExpiry(t *testing.T) {
	f := sdktest.New(t)
	c := login(t, f, "alice", Options{})
	soon := *c.auth.session.Load()
	soon.IssuedAt, soon.ExpiresAt = time.Now().Add(-time.Hour), time.Now().Add(30*time.Second)
	c.auth.session.Store(&soon)
	if _, err := c.Me(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, _ := c.Session(); s.AccessToken == soon.AccessToken {
		t.Error("not refreshed")
	}
	st, err := c.store.Load(t.Context())
	if err != nil || st.Session.AccessToken == soon.AccessToken {
		t.Errorf("the new session is not stored: %v", err)
	}
}

func TestRefresh_TroubleBeforeExpiryLeavesTheOldTokenInUse(t *testing.T) {
	f := sdktest.New(t)
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		if key == "POST refresh" {
			sdktest.Refuse(w, fault.New(fault.Unavailable, "not now"))
		}
		return key == "POST refresh"
	}
	c := login(t, f, "alice", Options{})
	soon := *c.auth.session.Load()
	soon.IssuedAt, soon.ExpiresAt = time.Now().Add(-time.Hour), time.Now().Add(30*time.Second)
	c.auth.session.Store(&soon)
	if _, err := c.Me(t.Context()); err != nil {
		t.Error(err)
	}
	past := soon
	past.ExpiresAt = time.Now().Add(-time.Second)
	c.auth.session.Store(&past)
	if _, err := c.Me(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("error %v", err)
	}
}

func TestRefresh_InvalidTokenEndsTheSessionAndRun(t *testing.T) {
	f := sdktest.New(t)
	alice := join(t, f, "alice", Options{})
	alice.untilLive(t, 1)
	f.RevokeTokens()
	if _, err := alice.Me(t.Context()); !fault.Is(err, fault.RefreshInvalid) || !SessionEnded(err) {
		t.Errorf("error %v", err)
	}
	f.CloseAll(4000)
	if err := alice.over(t); !fault.Is(err, fault.RefreshInvalid) {
		t.Errorf("Run ended with %v", err)
	}
}

func TestRefresh_CallerThatGivesUpLeavesTheTurnToOthers(t *testing.T) {
	f := sdktest.New(t)
	hang, release := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	f.OnCall = func(_ http.ResponseWriter, key string) bool {
		if key == "POST refresh" && first.CompareAndSwap(false, true) {
			close(hang)
			<-release
		}
		return false
	}
	c := login(t, f, "alice", Options{})
	f.ExpireTokens()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := c.Me(ctx)
		failed <- err
	}()
	<-hang
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := c.Me(t.Context()); err != nil {
		t.Error(err)
	}
	close(release)
}

func TestConnect_ExpiredTokenIsRefreshedFirst(t *testing.T) {
	f := sdktest.New(t)
	alice := join(t, f, "alice", Options{})
	alice.untilLive(t, 1)
	f.ExpireTokens()
	f.CloseAll(4000)
	alice.untilLive(t, 2)
	if n := f.Called("POST refresh"); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

func TestConnect_UnavailableServerIsTriedAgain(t *testing.T) {
	f := sdktest.New(t)
	var n atomic.Int32
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		refuse := key == "GET ws" && n.Add(1) <= 3
		if refuse {
			sdktest.Refuse(w, fault.New(fault.Draining, "stopping"))
		}
		return refuse
	}
	alice := join(t, f, "alice", Options{})
	alice.untilLive(t, 1)
	if n := f.Called("GET sync"); n != 0 {
		t.Errorf("polled %d times", n)
	}
}

func TestLogin_AnotherDeviceBeginsWithNothing(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x")
	c := login(t, f, "alice", Options{})
	first, _ := c.Session()
	fill := func(st *State) { st.advance("7", map[string]int64{conv: 3}) }
	if err := c.store.Update(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendAsync(t.Context(), frame.Send{ConversationID: conv, Content: "queued"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Login(t.Context(), rest.Login{Username: "alice", Password: password, DeviceID: first.DeviceID}); err != nil {
		t.Fatal(err)
	}
	if st, _ := c.store.Load(t.Context()); st.Cursor != "7" || c.Unsent() != 1 {
		t.Errorf("the same device lost its state: cursor %q, %d unsent", st.Cursor, c.Unsent())
	}
	if _, err := c.Login(t.Context(), rest.Login{Username: "alice", Password: password}); err != nil {
		t.Fatal(err)
	}
	if st, _ := c.store.Load(t.Context()); st.Cursor != "" || len(st.High)+len(st.Outbox) != 0 || c.Unsent() != 0 {
		t.Errorf("another device took over %+v, %d unsent", st.High, c.Unsent())
	}
}

func TestLogout_ForgetsEverything(t *testing.T) {
	f := sdktest.New(t)
	alice := join(t, f, "alice", Options{})
	alice.untilLive(t, 1)
	if err := alice.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := alice.over(t); !SessionEnded(err) {
		t.Errorf("Run ended with %v", err)
	}
	st, err := alice.store.Load(t.Context())
	if err != nil || st.Session != nil || st.Cursor != "" || len(st.High) != 0 {
		t.Errorf("left %+v, %v", st, err)
	}
	if _, err := alice.Me(t.Context()); !errors.Is(err, errNoSession) {
		t.Errorf("error %v", err)
	}
}

func TestLogin_WrongPasswordIsAFault(t *testing.T) {
	f := sdktest.New(t)
	c := login(t, f, "alice", Options{})
	_, err := c.Login(t.Context(), rest.Login{Username: "alice", Password: "no"})
	if !fault.Is(err, fault.WrongCredentials) {
		t.Errorf("error %v", err)
	}
}

func TestNew_ChecksTheURL(t *testing.T) {
	for _, bad := range []string{"", "localhost:8080", "ftp://x", "http://", "://"} {
		if _, err := New(Options{BaseURL: bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestRest_GroupLife(t *testing.T) {
	f := sdktest.New(t)
	alice := login(t, f, "alice", Options{})
	ctx := t.Context()
	group, err := alice.CreateGroup(ctx, "band", "bob@x")
	if err != nil {
		t.Fatal(err)
	}
	conv := group.ConversationID
	steps := []error{
		alice.AddMembers(ctx, conv, "carol@x"),
		alice.RemoveMember(ctx, conv, "bob@x"),
		alice.Rename(ctx, conv, "choir"),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	page, err := alice.Members(ctx, conv, "", 10)
	if err != nil || len(page.Members) != 2 || page.Members[1].UserID != "carol@x" {
		t.Errorf("members %+v, %v", page, err)
	}
	if got, err := alice.Conversation(ctx, conv); err != nil || got.Name != "choir" {
		t.Errorf("conversation %+v, %v", got, err)
	}
	if all, err := alice.AllConversations(ctx); err != nil || len(all) != 1 {
		t.Errorf("conversations %+v, %v", all, err)
	}
	if err := alice.Leave(ctx, conv); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Conversation(ctx, conv); !fault.Is(err, fault.UnknownConversation) {
		t.Errorf("error %v", err)
	}
	if all, err := alice.Devices(ctx); err != nil || len(all) != 1 || !all[0].IsCurrent {
		t.Errorf("devices %+v, %v", all, err)
	}
}

func TestSecrets_AreNotInErrors(t *testing.T) {
	f := sdktest.New(t)
	c := login(t, f, "alice", Options{})
	s, _ := c.Session()
	f.Close()
	_, err := c.Me(t.Context())
	secrets := []string{s.AccessToken, s.RefreshToken}
	if err == nil || slices.ContainsFunc(secrets, func(x string) bool { return strings.Contains(err.Error(), x) }) {
		t.Errorf("error %v", err)
	}
}
