// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/conformance/client"
	"parley.chat/spec"
)

// fake is a server that knows discovery, registration, login and refresh.
type fake struct {
	registered atomic.Int64
	refuse     atomic.Bool
	limited    atomic.Int64 // how many more answers are rate_limited
	features   string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if f.limited.Add(-1) >= 0 {
		problem(w, 429, "rate_limited", `,"retryAfterMs":1`)
		return
	}
	switch r.URL.Path {
	case "/.well-known/parley/client":
		fmt.Fprintf(w, `{"serverName":"example.org","versions":["1.0"],"features":[%s],"software":{"name":"x","version":"1"},"limits":{"groupMembers":9}}`, f.features)
	case "/api/v1/register", "/api/v1/login", "/api/v1/refresh":
		if f.refuse.Load() {
			problem(w, 403, "registration_closed", "")
			return
		}
		n := f.registered.Add(1)
		var body struct{ Username string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		if r.URL.Path == "/api/v1/register" {
			w.WriteHeader(201)
		}
		fmt.Fprintf(w, `{"userId":"u%d@example.org","deviceId":"01M81ZZ8M4X3T9QW2Y6V7B1N0C","accessToken":"pa_%020d","refreshToken":"pr_%020d","expiresIn":600}`, n, n, n)
	default:
		problem(w, 404, "unknown_route", "")
	}
}

func problem(w http.ResponseWriter, status int, code, more string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"/docs/errors#%s","title":"t","status":%d,"detail":"d","code":"%s"%s}`, code, status, code, more)
}

func env(t *testing.T, f *fake, o Options) *Env {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	o.URL = s.URL
	e, err := NewEnv(t.Context(), spec.Files(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func one(t *testing.T, e *Env, c *Case) *Result {
	t.Helper()
	if c.ID == "" {
		c.ID = "X-1"
	}
	return e.Run(t.Context(), []*Case{c})[0]
}

func TestRun_EveryWayToEndHasItsStatus(t *testing.T) {
	e := env(t, &fake{}, Options{Once: true})
	for want, f := range map[Status]func(*T){
		Pass:       func(t *T) { t.Expect(true, "fine") },
		Fail:       func(t *T) { t.Expect(1 > 2, "seq is %d, want %d", 1, 2) },
		Skip:       func(t *T) { t.Skip("not claimed") },
		Impossible: func(t *T) { t.Impossible("no lab") },
		Error:      func(t *T) { t.Lease(0, false)[0].Spend() },
	} {
		r := one(t, e, &Case{Run: f})
		if r.Status != want {
			t.Errorf("%s: %s %s", want, r.Status, r.Diagnosis)
		}
		if strings.Contains(r.Diagnosis, "\n") || (want != Pass && r.Diagnosis == "") {
			t.Errorf("%s: the diagnosis is %q", want, r.Diagnosis)
		}
	}
	if r := one(t, e, &Case{Run: func(t *T) { t.Broken("disk full") }}); r.Status != Error {
		t.Errorf("a fault of the suite is %s", r.Status)
	}
	if r := one(t, e, &Case{Run: func(*T) { panic("oh") }}); !strings.Contains(r.Diagnosis, "suite_test.go:") {
		t.Errorf("a panic does not tell its place: %s", r.Diagnosis)
	}
}

func TestRun_WhatPassesTheSecondTimeIsFlaky(t *testing.T) {
	n := 0
	c := &Case{Level: Must, Profile: "SYNC", Run: func(t *T) { n++; t.Expect(n > 1, "the first time") }}
	r := one(t, env(t, &fake{}, Options{}), c)
	if r.Status != Flaky || n != 2 || !strings.Contains(r.Diagnosis, "the first time") {
		t.Errorf("%s after %d times: %s", r.Status, n, r.Diagnosis)
	}
	if ExitCode([]*Result{r}) != 1 {
		t.Error("a flaky case of level must does not fail the run")
	}
}

func TestRun_AnAnswerThatBreaksTheSchemaFailsTheCase(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known") {
			(&fake{}).ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"userId":7}`)
	}))
	defer s.Close()
	e, err := NewEnv(t.Context(), spec.Files(), Options{URL: s.URL, Once: true})
	if err != nil {
		t.Fatal(err)
	}
	r := one(t, e, &Case{Run: func(t *T) { t.Do("x", client.Request{Method: "GET", Path: "/api/v1/users/me"}) }})
	if r.Status != Fail || !strings.Contains(r.Diagnosis, "schemas") {
		t.Errorf("%s: %s", r.Status, r.Diagnosis)
	}
}

func TestRun_WhatACaseLacksIsFoundBeforeItRuns(t *testing.T) {
	run := func(t *T) { t.Fail("it ran") }
	e := env(t, &fake{}, Options{Lab: Lab{"kill": "true"}, Given: []*Account{{Username: "a", Given: true}}})
	for what, x := range map[string]struct {
		c    Case
		want Status
	}{
		"a feature":      {Case{Feature: "media", Run: run}, Skip},
		"a lab hook":     {Case{Needs: Needs{Lab: []string{"kill", "start"}}, Run: run}, Impossible},
		"a peer":         {Case{Needs: Needs{Servers: 2}, Run: run}, Impossible},
		"fresh accounts": {Case{Needs: Needs{Fresh: true}, Run: run}, Impossible},
		"nothing":        {Case{Feature: "sync.socket", Needs: Needs{Lab: []string{"kill"}}, Run: func(*T) {}}, Pass},
	} {
		if r := one(t, e, &x.c); r.Status != x.want {
			t.Errorf("%s: %s %s", what, r.Status, r.Diagnosis)
		}
	}
}

func TestLease_AccountsAreHeldByOneCaseAndUsedAgain(t *testing.T) {
	f := &fake{}
	e := env(t, f, Options{Parallel: 4})
	var holders [64]atomic.Int64
	var list []*Case
	for i := range 12 {
		list = append(list, &Case{ID: fmt.Sprint("X-", i), Parallel: true, Run: func(t *T) {
			for _, a := range t.Lease(2, false) {
				var n int
				_, _ = fmt.Sscanf(a.UserID, "u%d@", &n)
				t.Expect(holders[n].Add(1) == 1, "%s is held twice", a.UserID)
				t.Cleanup(func() { holders[n].Add(-1) })
			}
			t.Pause(2 * time.Millisecond)
		}})
	}
	for _, r := range e.Run(t.Context(), list) {
		if r.Status != Pass {
			t.Errorf("%s: %s", r.Status, r.Diagnosis)
		}
	}
	if n := f.registered.Load(); n > 8 {
		t.Errorf("%d accounts for at most 4 cases of 2", n)
	}
}

func TestLease_FreshAndSpentAccountsAreNotSharedAgain(t *testing.T) {
	e := env(t, &fake{}, Options{Once: true})
	var first, second string
	one(t, e, &Case{Run: func(t *T) { a := t.Lease(1, false)[0]; first = a.UserID; a.Spend() }})
	one(t, e, &Case{Run: func(t *T) { second = t.Lease(1, false)[0].UserID }})
	r := one(t, e, &Case{Run: func(t *T) {
		a := t.Lease(1, true)[0]
		t.Expect(a.UserID != first && a.UserID != second, "a used account is given as a fresh one")
	}})
	if first == second || r.Status != Pass {
		t.Errorf("%s after %s, then %s", second, first, r.Diagnosis)
	}
}

func TestLease_WithoutRegistrationTheCaseIsImpossible(t *testing.T) {
	f := &fake{}
	e := env(t, f, Options{})
	f.refuse.Store(true)
	if r := one(t, e, &Case{Run: func(t *T) { t.Lease(1, false) }}); r.Status != Impossible || !strings.Contains(r.Diagnosis, "registration_closed") {
		t.Errorf("%s: %s", r.Status, r.Diagnosis)
	}
	e = env(t, &fake{}, Options{MaxAccounts: 1})
	if r := one(t, e, &Case{Run: func(t *T) { t.Lease(2, false) }}); r.Status != Impossible {
		t.Errorf("%s: %s", r.Status, r.Diagnosis)
	}
	if n := e.Room(); n != 1 {
		t.Errorf("there is room for %d, want 1", n)
	}
}

func TestLease_GivenAccountsAreLoggedIn(t *testing.T) {
	e := env(t, &fake{}, Options{Given: []*Account{{Username: "alice", Password: "p", Given: true}}})
	r := one(t, e, &Case{Run: func(t *T) {
		a := t.Lease(1, false)[0]
		t.Expect(a.UserID == "u1@example.org" && len(a.Sessions) == 1, "the account is %+v", a)
	}})
	if r.Status != Pass {
		t.Error(r.Diagnosis)
	}
	if r := one(t, e, &Case{Run: func(t *T) { t.Lease(2, false) }}); r.Status != Impossible {
		t.Errorf("two of one given account: %s %s", r.Status, r.Diagnosis)
	}
}

func TestAsk_WaitsOutRateLimits(t *testing.T) {
	f := &fake{}
	e := env(t, f, Options{Once: true})
	f.limited.Store(3)
	r := one(t, e, &Case{Run: func(t *T) {
		res := t.Ask("x", client.Request{Method: "GET", Path: "/.well-known/parley/client"})
		t.Expect(res.Status == 200, "status %d", res.Status)
	}})
	if f.limited.Load() >= 0 || !strings.Contains(r.Diagnosis, "not the same time") && r.Status != Pass && r.Status != Fail {
		t.Errorf("%s: %s", r.Status, r.Diagnosis)
	}
}

func TestEventually_EndsWithTheConditionOrItsTime(t *testing.T) {
	e := env(t, &fake{}, Options{Once: true})
	n := 0
	if r := one(t, e, &Case{Run: func(t *T) { t.Eventually(time.Minute, "three", func() bool { n++; return n == 3 }) }}); r.Status != Pass {
		t.Error(r.Diagnosis)
	}
	r := one(t, e, &Case{Run: func(t *T) { t.Eventually(20*time.Millisecond, "never", func() bool { return false }) }})
	if r.Status != Fail || !strings.Contains(r.Diagnosis, "never") {
		t.Errorf("%s: %s", r.Status, r.Diagnosis)
	}
	r = one(t, e, &Case{Timeout: 20 * time.Millisecond, Run: func(t *T) { t.Pause(time.Minute) }})
	if r.Status != Fail || !strings.Contains(r.Diagnosis, "time of the case") {
		t.Errorf("%s: %s", r.Status, r.Diagnosis)
	}
}

func TestRun_RandomStepsFollowFromTheSeed(t *testing.T) {
	draw := func(seed uint64) (n uint64) {
		one(t, env(t, &fake{}, Options{Seed: seed}), &Case{Run: func(t *T) { n = t.Rand.Uint64() }})
		return n
	}
	first, again, other := draw(1), draw(1), draw(2)
	if first != again || first == other {
		t.Error("the seed does not decide")
	}
}

func TestRun_AloneIsAloneAndLastIsLast(t *testing.T) {
	e := env(t, &fake{}, Options{Parallel: 4})
	var running atomic.Int64
	var order []string
	alone := func(id string) func(*T) {
		return func(t *T) { t.Expect(running.Load() == 0, "another case runs"); order = append(order, id) }
	}
	list := []*Case{{ID: "L-1", Last: true, Run: alone("L-1")}, {ID: "A-1", Run: alone("A-1")}}
	for i := range 6 {
		list = append(list, &Case{ID: fmt.Sprint("P-", i), Parallel: true, Run: func(t *T) {
			running.Add(1)
			defer running.Add(-1)
			t.Pause(3 * time.Millisecond)
		}})
	}
	results := e.Run(t.Context(), list)
	for i, r := range results {
		if r.Status != Pass || r.Case != list[i] {
			t.Errorf("%s: %s %s", r.Case.ID, r.Status, r.Diagnosis)
		}
	}
	if diff := cmp.Diff([]string{"A-1", "L-1"}, order); diff != "" {
		t.Error(diff)
	}
}

func TestRun_InterruptedIsTheSuitesFault(t *testing.T) {
	e := env(t, &fake{}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	r := e.Run(ctx, []*Case{{ID: "X-1", Run: func(t *T) { cancel(); t.Pause(time.Minute) }}})[0]
	if r.Status != Error || ExitCode([]*Result{r}) != 2 {
		t.Errorf("%s: %s", r.Status, r.Diagnosis)
	}
}

func TestTallies_VerdictFollowsFromTheStatuses(t *testing.T) {
	for _, x := range []struct {
		statuses []Status
		level    Level
		want     Verdict
		code     int
	}{
		{[]Status{Pass, Skip}, Must, Holds, 0},
		{[]Status{Pass, Impossible, Pass}, Must, HoldsInPart, 0},
		{[]Status{Pass, Impossible, Fail}, Must, Broken, 1},
		{[]Status{Fail, Pass}, Should, Holds, 0},
		{[]Status{Flaky}, Must, Broken, 1},
		{[]Status{Error}, Must, Broken, 2},
		{nil, Must, NotRun, 0},
	} {
		var results []*Result
		for _, s := range x.statuses {
			results = append(results, &Result{Status: s, Case: &Case{Profile: "SYNC", Level: x.level}})
		}
		for _, tally := range Tallies(results) {
			if tally.Profile.Name == "SYNC" && tally.Verdict != x.want {
				t.Errorf("%v of level %s: %s, want %s", x.statuses, x.level, tally.Verdict, x.want)
			}
			if tally.Profile.Planned != nil && tally.Verdict != Planned {
				t.Errorf("%s is %s", tally.Profile.Name, tally.Verdict)
			}
		}
		if code := ExitCode(results); code != x.code {
			t.Errorf("%v: exit code %d, want %d", x.statuses, code, x.code)
		}
	}
}

func TestNewEnv_WhatIsNoServerIsSaid(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	for _, url := range []string{s.URL, "http://127.0.0.1:1", "chat.example", ""} {
		if _, err := NewEnv(t.Context(), spec.Files(), Options{URL: url}); err == nil {
			t.Errorf("%q is a server", url)
		}
	}
}

func TestEnv_LimitsComeFromDiscoveryElseFromTheTable(t *testing.T) {
	e := env(t, &fake{features: `"media"`}, Options{})
	if e.Limit("groupMembers") != 9 || e.Limit("bodyBytes") != 131072 {
		t.Errorf("limits %d and %d", e.Limit("groupMembers"), e.Limit("bodyBytes"))
	}
	if !e.Claims("media") || e.Claims("push") || !e.Claims("sync.poll") || e.ServerName() != "example.org" {
		t.Error("the discovery document is read wrongly")
	}
}

func TestLab_RunsTemplatesAndRefusesUnknownHooks(t *testing.T) {
	files := fstest.MapFS{"good": {Data: []byte("kill: test {arg} = x\nstart: echo no; exit 3\n")}, "bad": {Data: []byte("explode: true\n")}}
	lab, err := ReadLab(files, "good")
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Run(t.Context(), "kill", "x"); err != nil {
		t.Error(err)
	}
	if err := lab.Run(t.Context(), "start", ""); err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("a hook that fails: %v", err)
	}
	if diff := cmp.Diff([]string{"clock"}, lab.Missing([]string{"kill", "clock"})); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"bad", "none"} {
		if _, err := ReadLab(files, name); err == nil {
			t.Errorf("%s is a lab", name)
		}
	}
}
