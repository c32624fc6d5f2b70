// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley.chat/clientapi/op"
	"parley.chat/clientapi/rest"
	"parley.chat/protocol/fault"
	wire "parley.chat/protocol/rest"
)

type authFake struct{}

func (authFake) Authenticate(_ context.Context, token string) (op.Caller, error) {
	switch token {
	case "good":
		return op.Caller{User: "alice@localhost", Device: "D"}, nil
	case "old":
		return op.Caller{}, fault.New(fault.TokenExpired, "expired")
	}
	return op.Caller{}, fault.New(fault.Unauthenticated, "unknown token")
}

type note struct {
	Name  string   `json:"name"`
	Count int      `json:"count"`
	List  []string `json:"list"`
	Deep  struct {
		Flag bool `json:"flag"`
	} `json:"deep"`
}

var errAway = errors.New("database away: secret-dsn")

func testRoutes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/open", Status: 200, Handle: func(c *rest.Call) (any, error) { return map[string]string{"from": c.Client.String()}, nil }},
		{Method: "GET", Path: "/me", Auth: true, Status: 200, Handle: func(c *rest.Call) (any, error) { return c.Caller.User, nil }},
		{Method: "DELETE", Path: "/me", Auth: true, Status: 204, Handle: func(*rest.Call) (any, error) { return nil, nil }},
		{Method: "POST", Path: "/notes", Status: 201, Handle: rest.Body(func(_ *rest.Call, n note) (any, error) { return n, nil })},
		{Method: "GET", Path: "/things/{name}", Status: 200, Handle: func(c *rest.Call) (any, error) { return c.Param("name"), nil }},
		{Method: "GET", Path: "/panic", Status: 200, Handle: func(*rest.Call) (any, error) { panic("secret-panic") }},
		{Method: "GET", Path: "/error", Status: 200, Handle: func(*rest.Call) (any, error) { return nil, errors.New("secret-cause") }},
		{Method: "GET", Path: "/away", Status: 200, Handle: func(*rest.Call) (any, error) { return nil, errAway }},
		{Method: "GET", Path: "/slow", Status: 200, Timeout: time.Millisecond, Handle: func(c *rest.Call) (any, error) {
			<-c.Context().Done()
			return nil, c.Context().Err()
		}},
		{Method: "GET", Path: "/limited", Status: 200, Handle: func(*rest.Call) (any, error) {
			return nil, fault.Retry(fault.RateLimited, 1500*time.Millisecond, "slowly")
		}},
		{Method: "GET", Path: "/unencodable", Status: 200, Handle: func(*rest.Call) (any, error) { return func() {}, nil }},
		{Method: "GET", Path: "/query", Status: 200, Handle: func(c *rest.Call) (any, error) {
			q := c.Query()
			return []any{q.Int("limit", 50, 1, 100), q.String("after", 4), q.Bool("flag")}, q.Err()
		}},
		{Method: "GET", Path: "/stream", Auth: true, Stream: func(c *rest.Call, w http.ResponseWriter) error {
			if c.Header("X-Refuse") != "" {
				return fault.New(fault.Draining, "stopping")
			}
			_, err := io.WriteString(w, "data: 1\n\n")
			if flushErr := http.NewResponseController(w).Flush(); err == nil {
				err = flushErr
			}
			return err
		}},
	}
}

type room struct {
	handler http.Handler
	log     *bytes.Buffer
	metrics *prometheus.Registry
}

func newRoom(t testing.TB) *room {
	t.Helper()
	m := &room{log: &bytes.Buffer{}, metrics: prometheus.NewRegistry()}
	m.handler = rest.New(rest.Config{
		Auth: authFake{}, Routes: testRoutes(), Log: slog.New(slog.NewJSONHandler(m.log, nil)), Metrics: m.metrics,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Away:           func(err error) bool { return errors.Is(err, errAway) },
	})
	return m
}

// do sends a request; headers come in pairs.
func (m *room) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, content)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	m.handler.ServeHTTP(w, r)
	return w
}

func wantProblem(t testing.TB, w *httptest.ResponseRecorder, code fault.Code, field string) wire.Problem {
	t.Helper()
	var p wire.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("status %d, body %q: %v", w.Code, w.Body, err)
	}
	info := fault.Lookup(code)
	if p.Code != string(code) || p.Field != field || p.Status != w.Code || w.Code != info.Status || p.Title != info.Meaning {
		t.Errorf("got %d %+v, want %d %s %q", w.Code, p, info.Status, code, field)
	}
	if p.Type != "/docs/errors#"+string(code) || p.Detail == "" {
		t.Errorf("problem is incomplete: %+v", p)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	return p
}

func wantBody(t testing.TB, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body {
		t.Errorf("got %d %s, want %d %s", w.Code, w.Body, status, body)
	}
}

func TestRouter_UnknownRouteAndMethod(t *testing.T) {
	m := newRoom(t)
	wantProblem(t, m.do("GET", "/nothing", ""), fault.UnknownRoute, "")
	wantProblem(t, m.do("BREW", "/nothing", ""), fault.UnknownRoute, "")
	wantProblem(t, m.do("GET", "/open/", ""), fault.UnknownRoute, "")
	w := m.do("PUT", "/me", "")
	wantProblem(t, w, fault.MethodNotAllowed, "")
	if got := w.Header().Get("Allow"); got != "GET, DELETE" {
		t.Errorf("Allow is %q", got)
	}
	wantProblem(t, m.do("BREW", "/me", ""), fault.MethodNotAllowed, "")
	wantProblem(t, m.do("OPTIONS", "/me", ""), fault.MethodNotAllowed, "")
}

func TestAuth_TokenComesFromTheHeaderOnly(t *testing.T) {
	m := newRoom(t)
	wantBody(t, m.do("GET", "/me", "", "Authorization", "bearer good"), 200, `"alice@localhost"`)
	for name, headers := range map[string][]string{
		"none": nil, "other scheme": {"Authorization", "Basic good"}, "empty": {"Authorization", "Bearer "},
		"two": {"Authorization", "Bearer good", "Authorization", "Bearer good"}, "unknown": {"Authorization", "Bearer bad"},
		"huge": {"Authorization", "Bearer " + strings.Repeat("x", 300)},
	} {
		t.Run(name, func(t *testing.T) {
			w := m.do("GET", "/me", "", headers...)
			wantProblem(t, w, fault.Unauthenticated, "")
			if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Error("no WWW-Authenticate")
			}
		})
	}
	wantProblem(t, m.do("GET", "/me", "", "Authorization", "Bearer old"), fault.TokenExpired, "")
	wantProblem(t, m.do("GET", "/me?access_token=good", ""), fault.Unauthenticated, "")
	wantProblem(t, m.do("GET", "/me?access_token=good", "", "Authorization", "Bearer good"), fault.Unauthenticated, "")
	wantProblem(t, m.do("GET", "/open?access_token=", ""), fault.Unauthenticated, "")
}

func TestAnswer_NoContentHasNoBody(t *testing.T) {
	w := newRoom(t).do("DELETE", "/me", "", "Authorization", "Bearer good")
	wantBody(t, w, 204, "")
	if ct := w.Header().Get("Content-Type"); ct != "" {
		t.Errorf("content type %q without content", ct)
	}
}

func TestParam_IsDecodedOnce(t *testing.T) {
	m := newRoom(t)
	for path, want := range map[string]string{
		"/things/alice@localhost": "alice@localhost", "/things/alice%40localhost": "alice@localhost",
		"/things/a%2Fb": "a/b", "/things/a%2525": "a%25", "/things/%2540%2F": "%40/",
	} {
		wantBody(t, m.do("GET", path, ""), 200, `"`+want+`"`)
	}
}

func TestFaults_OfTheServerAreNotTold(t *testing.T) {
	m := newRoom(t)
	for path, code := range map[string]fault.Code{
		"/panic": fault.Internal, "/error": fault.Internal, "/unencodable": fault.Internal,
		"/away": fault.Unavailable, "/slow": fault.Unavailable,
	} {
		t.Run(path, func(t *testing.T) {
			m.log.Reset()
			w := m.do("GET", path, "")
			p := wantProblem(t, w, code, "")
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the cause leaked: %s", w.Body)
			}
			id := w.Header().Get("X-Request-Id")
			if code == fault.Internal && (id == "" || !strings.Contains(p.Detail, id)) {
				t.Errorf("detail %q has no reference %q", p.Detail, id)
			}
			if lines := strings.Count(m.log.String(), id); lines != 2 {
				t.Errorf("want cause and access line in the log, got %s", m.log)
			}
		})
	}
}

func TestRetryAfter_IsRoundedUpAndNeverMissing(t *testing.T) {
	m := newRoom(t)
	w := m.do("GET", "/limited", "")
	p := wantProblem(t, w, fault.RateLimited, "")
	if p.RetryAfterMs != 1500 || w.Header().Get("Retry-After") != "2" {
		t.Errorf("retry %d ms, header %q", p.RetryAfterMs, w.Header().Get("Retry-After"))
	}
	w = m.do("GET", "/away", "")
	if p := wantProblem(t, w, fault.Unavailable, ""); p.RetryAfterMs != 1000 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("retry %d ms, header %q", p.RetryAfterMs, w.Header().Get("Retry-After"))
	}
}

func TestStream_WritesItselfOrRefuses(t *testing.T) {
	m := newRoom(t)
	w := m.do("GET", "/stream", "", "Authorization", "Bearer good")
	wantBody(t, w, 200, "data: 1\n\n")
	if !w.Flushed {
		t.Error("Flush did not reach the connection")
	}
	wantProblem(t, m.do("GET", "/stream", "", "Authorization", "Bearer good", "X-Refuse", "1"), fault.Draining, "")
	wantProblem(t, m.do("GET", "/stream", ""), fault.Unauthenticated, "")
}

func TestQuery_LimitsAreChecked(t *testing.T) {
	m := newRoom(t)
	wantBody(t, m.do("GET", "/query?limit=7&after=x&flag=true&other=1", ""), 200, `[7,"x",true]`)
	wantBody(t, m.do("GET", "/query", ""), 200, `[50,"",false]`)
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=101": "limit", "limit=x": "limit", "limit=": "limit", "limit=1&limit=2": "limit",
		"limit=99999999999999999999": "limit", "after=12345": "after", "after=%FF": "after", "flag=yes": "flag", "%zz": "query", "a;b": "query",
	} {
		wantProblem(t, m.do("GET", "/query?"+query, ""), fault.InvalidField, field)
	}
}

func TestClient_ForwardedForIsBelievedFromTrustedPeersOnly(t *testing.T) {
	m := newRoom(t)
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:99", "", "192.0.2.1"},
		{"192.0.2.1:99", "203.0.113.9", "192.0.2.1"},
		{"10.0.0.1:99", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:99", "198.51.100.1, 203.0.113.9, 10.2.2.2", "203.0.113.9"},
		{"10.0.0.1:99", "rubbish", "10.0.0.1"},
		{"10.0.0.1:99", "203.0.113.9, rubbish, 10.9.9.9", "10.9.9.9"},
		{"[::ffff:10.0.0.1]:99", "2001:db8::1", "2001:db8::1"},
		{"@", "203.0.113.9", "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/open", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		w := httptest.NewRecorder()
		m.handler.ServeHTTP(w, r)
		wantBody(t, w, 200, `{"from":"`+c.want+`"}`)
	}
}

func TestHeaders_CORSWithoutCredentials(t *testing.T) {
	m := newRoom(t)
	w := m.do("OPTIONS", "/me", "", "Origin", "https://app.example", "Access-Control-Request-Method", "DELETE")
	if w.Code != 204 || !strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "DELETE") || !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	for _, w := range []*httptest.ResponseRecorder{w, m.do("GET", "/open", ""), m.do("GET", "/nothing", "")} {
		h := w.Header()
		if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("headers: %v", h)
		}
	}
}

func TestAccessLine_TellsTheRouteAndNoSecret(t *testing.T) {
	m := newRoom(t)
	m.do("POST", "/notes?secret-query=1", `{"name":"secret-body"}`, "Authorization", "Bearer secret-token")
	m.do("GET", "/me", "", "Authorization", "Bearer good")
	m.do("GET", "/things/secret-path", "")
	m.do("GET", "/secret-unmatched", "")
	log := m.log.String()
	if strings.Contains(log, "secret") {
		t.Errorf("the log tells too much: %s", log)
	}
	for _, want := range []string{`"route":"/notes","status":201`, `"user":"alice@localhost"`, `"route":"/things/{name}"`, `"route":"unmatched","status":404`} {
		if !strings.Contains(log, want) {
			t.Errorf("no %s in %s", want, log)
		}
	}
	if n := strings.Count(log, "\n"); n != 4 {
		t.Errorf("%d lines for 4 requests", n)
	}
}

func TestMetrics_OneSeriesPerRoute(t *testing.T) {
	m := newRoom(t)
	m.do("GET", "/things/a", "")
	m.do("GET", "/things/b", "")
	m.do("BREW", "/whatever", "")
	families, err := m.metrics.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "parley_rest_request_seconds" {
		t.Fatalf("gathered %v, %v", families, err)
	}
	got := map[string]uint64{}
	for _, s := range families[0].GetMetric() {
		key := ""
		for _, l := range s.GetLabel() {
			key += l.GetValue() + " "
		}
		got[key] = s.GetHistogram().GetSampleCount()
	}
	if diff := cmp.Diff(map[string]uint64{"GET /things/{name} 200 ": 2, "other unmatched 404 ": 1}, got); diff != "" {
		t.Error(diff)
	}
	rest.New(rest.Config{Auth: authFake{}, Routes: testRoutes(), Log: slog.New(slog.DiscardHandler), Metrics: m.metrics}) // A second door shares the series.
}

func TestNew_RefusesAnIncompleteRoute(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a route without a handle was taken")
		}
	}()
	rest.New(rest.Config{Auth: authFake{}, Log: slog.New(slog.DiscardHandler), Routes: []rest.Route{{Method: "GET", Path: "/x", Status: 200}}})
}
