// SPDX-License-Identifier: Apache-2.0

package door_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/federation/auth"
	"parley.chat/federation/door"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// gate is a RequestAuth that believes the header Origin.
type gate struct {
	auth.RequestAuth
	asked   int
	err     error
	block   chan struct{} // nil: requests pass at once
	entered chan struct{}
}

func (g *gate) Verify(r *http.Request) (auth.Verified, error) {
	if g.block != nil {
		g.entered <- struct{}{}
		<-g.block
	} else {
		g.asked++
	}
	origin := r.Header.Get("Origin")
	if g.err != nil || origin == "" {
		if g.err == nil {
			return auth.Verified{}, fault.New(fault.SignatureInvalid, "no")
		}
		return auth.Verified{}, g.err
	}
	body, err := io.ReadAll(r.Body)
	return auth.Verified{Origin: id.Server(origin), Body: body}, err
}

type house struct {
	gate  *gate
	log   strings.Builder
	now   time.Time
	h     http.Handler
	away  error
	calls int
}

func newHouse(rates door.Rates) *house {
	h := &house{gate: &gate{}, now: time.UnixMilli(1_795_400_000_000), away: errors.New("database away")}
	clock := func() time.Time { return h.now }
	echo := func(_ context.Context, c *door.Call) (any, error) {
		h.calls++
		switch string(c.Body) {
		case "fault":
			return nil, fault.Invalid("x", "no")
		case "away":
			return nil, h.away
		case "panic-free":
			return nil, errors.New("secret detail")
		}
		return map[string]string{"origin": string(c.Origin), "part": c.Path("part"), "q": c.Query("q")}, nil
	}
	h.h = door.New(door.Config{
		Auth: h.gate, Rates: rates, Now: clock, Log: slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Away:   func(err error) bool { return errors.Is(err, h.away) },
		Routes: []door.Route{door.Ping("b.test", clock), {Method: "POST", Pattern: "/federation/v1/echo/{part}", Handle: echo}},
	})
	return h
}

func (h *house) ask(method, target, origin, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.7:1234"
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	w := httptest.NewRecorder()
	h.h.ServeHTTP(w, r)
	return w
}

func want(t *testing.T, w *httptest.ResponseRecorder, status int, code string) rest.Problem {
	t.Helper()
	var p rest.Problem
	if status >= 400 {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("the problem: %v", err)
		}
	}
	if w.Code != status || p.Code != code {
		t.Errorf("status %d %s, want %d %s", w.Code, p.Code, status, code)
	}
	return p
}

func TestDoor_NothingRunsUnverified(t *testing.T) {
	h := newHouse(door.Rates{})
	want(t, h.ask("POST", "/federation/v1/echo/x", "", "{}"), 401, "signature_invalid")
	if h.calls != 0 {
		t.Error("the operation ran")
	}
	w := h.ask("POST", "/federation/v1/echo/x?q=1", "a.test", "{}")
	want(t, w, 200, "")
	if got := w.Body.String(); !strings.Contains(got, `"a.test"`) || !strings.Contains(got, `"part":"x"`) || !strings.Contains(got, `"q":"1"`) {
		t.Errorf("got %s", got)
	}
}

func TestDoor_OtherSpellingsOfAPathAreNoRoutes(t *testing.T) {
	h := newHouse(door.Rates{})
	for _, target := range []string{"/federation/v1/nothing", "/federation//v1/ping", "/federation/v1/../v1/ping", "/federation/v1/ping/", "/federation/v1/pin%67",
		"/federation/v1/echo/a%2Fb", "/federation/v1/ping?x=%41", "/federation/v1/echo/a@b"} {
		want(t, h.ask("POST", target, "a.test", "{}"), 404, "unknown_route")
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PATCH", "DELETE"} {
		want(t, h.ask(method, "/federation/v1/ping", "a.test", ""), 404, "unknown_route")
	}
	if h.gate.asked != 0 {
		t.Error("signatures were verified for nothing")
	}
}

func TestPing_AnswersNameAndTime(t *testing.T) {
	h := newHouse(door.Rates{})
	w := h.ask("POST", "/federation/v1/ping", "a.test", `{"later":"ignored"}`)
	want(t, w, 200, "")
	if got := w.Body.String(); got != `{"serverName":"b.test","time":1795400000000}` {
		t.Errorf("got %s", got)
	}
	for body, code := range map[string]string{"": "malformed_json", "{": "malformed_json", `{"a":1,"a":2}`: "malformed_json", "{}{}": "malformed_json", "[]": "invalid_field", "\"\xff\"": "malformed_json"} {
		want(t, h.ask("POST", "/federation/v1/ping", "a.test", body), 400, code)
	}
}

func TestDoor_FaultsAreOfTheCatalogue(t *testing.T) {
	h := newHouse(door.Rates{})
	if p := want(t, h.ask("POST", "/federation/v1/echo/x", "a.test", "fault"), 400, "invalid_field"); p.Field != "x" {
		t.Errorf("the field is %q", p.Field)
	}
	w := h.ask("POST", "/federation/v1/echo/x", "a.test", "away")
	want(t, w, 503, "unavailable")
	if w.Header().Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	if want(t, h.ask("POST", "/federation/v1/echo/x", "a.test", "panic-free"), 500, "internal"); strings.Contains(w.Body.String(), "secret") {
		t.Error("the cause was told")
	}
	h.gate.err = h.away
	want(t, h.ask("POST", "/federation/v1/ping", "a.test", "{}"), 503, "unavailable")
	h.gate.err = fault.New(fault.ServerRefused, "no")
	want(t, h.ask("POST", "/federation/v1/ping", "a.test", "{}"), 403, "server_refused")
}

func TestDoor_ALogHoldsNoBodiesAndNoQueries(t *testing.T) {
	h := newHouse(door.Rates{})
	h.ask("POST", "/federation/v1/echo/x?q=confidential", "a.test", `{"text":"confidential"}`)
	if strings.Contains(h.log.String(), "confidential") || !strings.Contains(h.log.String(), "server=a.test") {
		t.Errorf("the log: %s", h.log.String())
	}
}

func TestLimits_OfAnOriginAreItsOwn(t *testing.T) {
	h := newHouse(door.Rates{RequestsPerMinute: 2, BytesPerMinute: 100})
	for range 2 {
		want(t, h.ask("POST", "/federation/v1/ping", "a.test", "{}"), 200, "")
	}
	p := want(t, h.ask("POST", "/federation/v1/ping", "a.test", "{}"), 429, "rate_limited")
	if p.RetryAfterMs <= 0 {
		t.Error("it does not say when to try again")
	}
	want(t, h.ask("POST", "/federation/v1/ping", "c.test", `{"x":"`+strings.Repeat("x", 60)+`"}`), 200, "")
	want(t, h.ask("POST", "/federation/v1/ping", "c.test", `{"x":"`+strings.Repeat("x", 60)+`"}`), 429, "rate_limited")
	h.now = h.now.Add(2 * time.Minute)
	want(t, h.ask("POST", "/federation/v1/ping", "a.test", "{}"), 200, "")
}

func TestLimits_ForgedRequestsCostTheirAddressNotTheOrigin(t *testing.T) {
	h := newHouse(door.Rates{RequestsPerMinute: 5, FailuresPerMinute: 3})
	for range 3 {
		want(t, h.ask("POST", "/federation/v1/ping", "", "{}"), 401, "signature_invalid")
	}
	want(t, h.ask("POST", "/federation/v1/ping", "", "{}"), 429, "rate_limited")
	if h.gate.asked != 3 {
		t.Errorf("%d requests were looked at", h.gate.asked)
	}
	r := httptest.NewRequest("POST", "/federation/v1/ping", strings.NewReader("{}"))
	r.RemoteAddr = "[2001:db8::1]:1"
	r.Header.Set("Origin", "a.test")
	w := httptest.NewRecorder()
	h.h.ServeHTTP(w, r)
	want(t, w, 200, "")
}

func TestLimits_AHostHasAWholeNetworkOfIPv6(t *testing.T) {
	h := newHouse(door.Rates{FailuresPerMinute: 1})
	status := func(addr string) int {
		r := httptest.NewRequest("POST", "/federation/v1/ping", strings.NewReader("{}"))
		r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(addr), 1).String()
		w := httptest.NewRecorder()
		h.h.ServeHTTP(w, r)
		return w.Code
	}
	if a, b, c := status("2001:db8::1"), status("2001:db8::2"), status("2001:db8:0:1::1"); a != 401 || b != 429 || c != 401 {
		t.Errorf("got %d %d %d", a, b, c)
	}
}

func TestDoor_RequestsUnderWayAreBounded(t *testing.T) {
	h := newHouse(door.Rates{})
	h.gate.block, h.gate.entered = make(chan struct{}), make(chan struct{}, 300)
	var group sync.WaitGroup
	for range 256 {
		group.Go(func() { h.ask("POST", "/federation/v1/ping", "a.test", "{}") })
	}
	for range 256 {
		<-h.gate.entered
	}
	want(t, h.ask("POST", "/federation/v1/ping", "a.test", "{}"), 503, "unavailable")
	close(h.gate.block)
	group.Wait()
	want(t, h.ask("POST", "/federation/v1/ping", "a.test", "{}"), 200, "")
}

func TestLists_DenyWinsAndPatternsAreBelowADomain(t *testing.T) {
	l := door.Lists{Allow: []string{"a.test", "*.b.test"}, Deny: []string{"bad.b.test"}}
	for name, admitted := range map[id.Server]bool{"a.test": true, "a.test:8448": true, "x.b.test": true, "b.test": false, "xb.test": false, "bad.b.test": false, "bad.b.test:1": false, "c.test": false} {
		if err := l.Admit(name); (err == nil) != admitted || err != nil && !fault.Is(err, fault.ServerRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (door.Lists{Deny: []string{"*.b.test"}}).Admit("a.test"); err != nil {
		t.Errorf("without allow: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"a":1e999}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var into struct {
			A string `json:"a"`
		}
		if err := door.Decode(raw, &into); err != nil && !fault.Is(err, fault.MalformedJSON) && !fault.Is(err, fault.InvalidField) {
			t.Fatalf("%v", err)
		}
	})
}
