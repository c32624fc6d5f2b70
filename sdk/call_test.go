// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk/sdktest"
)

// recorder answers every call with the same and keeps what was asked.
type recorder struct {
	status int
	answer string
	asked  []string
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	body := ""
	if q.Body != nil {
		raw, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		body = " " + string(raw)
	}
	r.asked = append(r.asked, q.Method+" "+q.URL.RequestURI()+body)
	return &http.Response{StatusCode: r.status, Body: io.NopCloser(strings.NewReader(r.answer)), Header: http.Header{}, Request: q}, nil
}

func recorded(t *testing.T, status int, answer string) (*Client, *recorder) {
	t.Helper()
	r := &recorder{status: status, answer: answer}
	c, err := New(Options{BaseURL: "http://x/base/", HTTP: &http.Client{Transport: r}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c.auth.session.Store(&Session{UserID: "me@x", IssuedAt: now, ExpiresAt: now.Add(time.Hour)})
	return c, r
}

func TestCalls_AskWhatTheSpecSays(t *testing.T) {
	name, seq := "New", int64(-1)
	calls := map[string]func(context.Context, *Client) error{
		`DELETE /base/api/v1/devices/D%2F1`: func(ctx context.Context, c *Client) error { return c.RemoveDevice(ctx, "D/1") },
		`POST /base/api/v1/users/me/password {"currentPassword":"a","newPassword":"b"}`: func(ctx context.Context, c *Client) error {
			return c.ChangePassword(ctx, rest.ChangePassword{CurrentPassword: "a", NewPassword: "b"})
		},
		`PUT /base/api/v1/users/me {"displayName":"New"}`: func(ctx context.Context, c *Client) error {
			_, err := c.EditProfile(ctx, rest.EditProfile{DisplayName: &name})
			return err
		},
		`GET /base/api/v1/users/bob@x`: func(ctx context.Context, c *Client) error {
			_, err := c.Profile(ctx, "bob@x")
			return err
		},
		`PATCH /base/api/v1/conversations/c/members/bob@x {"role":"admin"}`: func(ctx context.Context, c *Client) error {
			return c.SetRole(ctx, "c", "bob@x", "admin")
		},
		`DELETE /base/api/v1/conversations/c/members/me@x`:  func(ctx context.Context, c *Client) error { return c.Leave(ctx, "c") },
		`PATCH /base/api/v1/conversations/c {"name":"New"}`: func(ctx context.Context, c *Client) error { return c.Rename(ctx, "c", name) },
		`GET /base/api/v1/conversations/c/messages?afterSeq=-1&limit=5`: func(ctx context.Context, c *Client) error {
			_, err := c.Messages(ctx, "c", Range{AfterSeq: &seq, Limit: 5})
			return err
		},
		`GET /base/api/v1/conversations/c/members?cursor=x%26y`: func(ctx context.Context, c *Client) error {
			_, err := c.Members(ctx, "c", "x&y", 0)
			return err
		},
		`POST /base/api/v1/logout`: func(ctx context.Context, c *Client) error { return c.Logout(ctx) },
	}
	for want, do := range calls {
		c, r := recorded(t, 200, "{}")
		if err := do(t.Context(), c); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if d := cmp.Diff([]string{want}, r.asked); d != "" {
			t.Error(d)
		}
	}
}

func TestCalls_UnreadableAnswerIsAnError(t *testing.T) {
	c, _ := recorded(t, 200, "<html>")
	if _, err := c.Me(t.Context()); err == nil {
		t.Error("no error")
	}
	c, r := recorded(t, 401, "")
	if _, err := c.Me(t.Context()); !fault.Is(err, fault.Unauthenticated) || !SessionEnded(err) {
		t.Errorf("error %v", err)
	}
	if len(r.asked) != 2 || !strings.HasPrefix(r.asked[1], "POST /base/api/v1/refresh") {
		t.Errorf("asked %q", r.asked)
	}
}

func TestCalls_NeedASession(t *testing.T) {
	c, err := New(Options{BaseURL: "http://x"})
	if err != nil {
		t.Fatal(err)
	}
	_, sendErr := c.SendText(t.Context(), "c", "x")
	for _, err := range []error{c.Leave(t.Context(), "c"), c.Run(t.Context()), sendErr, c.RemoveDevice(t.Context(), "d")} {
		if !errors.Is(err, errNoSession) || !SessionEnded(err) {
			t.Errorf("error %v", err)
		}
	}
}

// missing makes bob miss two messages live, while the server treats fetches as told.
func missing(t *testing.T, refuse func(n int32, w http.ResponseWriter) bool) *probe {
	t.Helper()
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	var n atomic.Int32
	f.OnCall = func(w http.ResponseWriter, key string) bool { return key == "GET messages" && refuse(n.Add(1), w) }
	f.OnLive = func(e frame.Event) []frame.Event {
		if e.Content == "missed" {
			return nil
		}
		return []frame.Event{e}
	}
	bob := join(t, f, "bob", Options{})
	bob.untilLive(t, 1)
	for _, text := range []string{"missed", "missed", "seen"} {
		f.Say(conv, "alice@x", text)
	}
	return bob
}

func TestFill_UnavailableRangeIsTriedAgain(t *testing.T) {
	bob := missing(t, func(n int32, w http.ResponseWriter) bool {
		if n <= 2 {
			sdktest.Refuse(w, fault.New(fault.Unavailable, "not now"))
		}
		return n <= 2
	})
	bob.untilTexts(t, "missed", "missed", "seen")
	bob.mu.Lock()
	defer bob.mu.Unlock()
	if n := count(bob.seen, isLive); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestFill_RangeThatStaysAwayCostsTheConnectionButNoEvent(t *testing.T) {
	bob := missing(t, func(n int32, w http.ResponseWriter) bool {
		if n <= fetchAttempts {
			sdktest.Refuse(w, fault.New(fault.Unavailable, "not now"))
		}
		return n <= fetchAttempts
	})
	bob.untilTexts(t, "missed", "missed", "seen")
	bob.untilLive(t, 2)
}

func TestFill_RangeThatIsRefusedForGoodIsSkipped(t *testing.T) {
	bob := missing(t, func(_ int32, w http.ResponseWriter) bool {
		sdktest.Refuse(w, fault.New(fault.NotMember, "no longer"))
		return true
	})
	bob.untilTexts(t, "seen")
}

func TestSend_QueuedTempIDIsNotQueuedTwice(t *testing.T) {
	f := sdktest.New(t)
	c := login(t, f, "alice", Options{})
	m := frame.Send{ConversationID: f.Converse("alice@x"), TempID: "mine", Content: "x"}
	if tempID, err := c.SendAsync(t.Context(), m); err != nil || tempID != "mine" {
		t.Fatal(tempID, err)
	}
	if _, err := c.SendAsync(t.Context(), m); !fault.Is(err, fault.TempIDConflict) {
		t.Errorf("error %v", err)
	}
	if st, _ := c.store.Load(t.Context()); len(st.Outbox) != 1 {
		t.Errorf("stored %v", st.Outbox)
	}
}

func TestRun_OnlyOnceAtATime(t *testing.T) {
	f := sdktest.New(t)
	alice := join(t, f, "alice", Options{})
	alice.untilLive(t, 1)
	if err := alice.Run(t.Context()); err == nil {
		t.Error("runs twice")
	}
}
