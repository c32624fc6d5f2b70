// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"parley.chat/protocol/fault"
)

func TestBackoff_DoublesUpToTheMaximumWithJitter(t *testing.T) {
	b := backoff{low: 100 * time.Millisecond, high: time.Second}
	for _, step := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		step *= time.Millisecond
		if d := b.next(); d < step/2 || d > step {
			t.Errorf("pause %v, want %v to %v", d, step/2, step)
		}
	}
	b.reset()
	if d := b.next(); d > 100*time.Millisecond {
		t.Errorf("pause %v after reset", d)
	}
	for range 100 {
		if d := b.next(); d <= 0 || d > time.Second {
			t.Fatalf("pause %v", d)
		}
	}
}

func TestRetryRule_FollowsTheCatalogueAndJudgesTheUnknown(t *testing.T) {
	cases := []struct {
		err  error
		want string
	}{
		{errors.New("connection reset"), retryLater},
		{fault.New(fault.NotMember, ""), retryNever},
		{fmt.Errorf("refresh: %w", fault.New(fault.Unavailable, "")), retryLater},
		{fault.New(fault.Internal, ""), retryLater},
		{fault.New(fault.SyncRequired, ""), afterResync},
		{fault.New(fault.TokenExpired, ""), afterLogin},
		{fault.New("x_new", ""), retryNever},
		{fault.Retry("x_new", time.Second, ""), retryLater},
		{fault.New("x_new", "").Because(statusError(502)), retryLater},
		{fault.New("x_new", "").Because(statusError(409)), retryNever},
	}
	for _, c := range cases {
		if got := retryRule(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

func TestProblem_IsRebuiltAsAFault(t *testing.T) {
	raw := `{"type":"/docs/errors#rate_limited","title":"T","status":429,"detail":"slow down","code":"rate_limited","field":"f","retryAfterMs":1500}`
	var f *fault.Error
	if !errors.As(problem(429, http.Header{}, []byte(raw)), &f) {
		t.Fatal("no fault")
	}
	if f.Code != fault.RateLimited || f.Message != "slow down" || f.Field != "f" || f.RetryAfter != 1500*time.Millisecond {
		t.Errorf("%+v", f)
	}
}

func TestProblem_AnswersOfProxiesAreJudgedByStatus(t *testing.T) {
	cases := map[int]fault.Code{
		401: fault.Unauthenticated, 403: fault.Forbidden, 404: fault.UnknownRoute, 429: fault.RateLimited,
		500: fault.Internal, 502: fault.Unavailable, 503: fault.Unavailable, 504: fault.Unavailable, 418: "x_http_418", 302: "x_http_302",
	}
	for status, want := range cases {
		for _, raw := range []string{"", "<html>", `{"detail":1}`, `[]`, `{}`} {
			if err := problem(status, http.Header{}, []byte(raw)); !fault.Is(err, want) {
				t.Errorf("%d %q: %v, want %s", status, raw, err, want)
			}
		}
	}
	err := problem(503, http.Header{"Retry-After": {"7"}}, nil)
	if waitOf(err) != 7*time.Second {
		t.Errorf("wait %v", waitOf(err))
	}
	for _, odd := range []string{"-1", "x", "99999999"} {
		if d := waitOf(problem(503, http.Header{"Retry-After": {odd}}, nil)); d != 0 {
			t.Errorf("Retry-After %q: %v", odd, d)
		}
	}
}

func TestRefused_OnlyWhatKeepsSocketsOut(t *testing.T) {
	for status, want := range map[int]bool{200: true, 302: true, 400: true, 403: true, 404: true, 426: true, 501: true, 401: false, 429: false, 500: false, 502: false, 503: false} {
		if got := refused(problem(status, http.Header{}, nil)); got != want {
			t.Errorf("%d: %v", status, got)
		}
	}
	if refused(errors.New("no route to host")) {
		t.Error("trouble on the way is taken for a refusal")
	}
}

func FuzzProblem(f *testing.F) {
	f.Add(503, []byte(`{"code":"unavailable","retryAfterMs":-5}`))
	f.Fuzz(func(t *testing.T, status int, raw []byte) {
		err := problem(status, http.Header{}, raw)
		var e *fault.Error
		if !errors.As(err, &e) || e.Code == "" {
			t.Errorf("%d %q: %v", status, raw, err)
		}
		_ = retryRule(err)
	})
}
