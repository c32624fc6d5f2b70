// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley.chat/spec"
)

func law(t *testing.T, strict bool) *Law {
	t.Helper()
	l, err := NewLaw(spec.Files(), strict)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func answer(status int, kind, body string, header ...string) *Response {
	v, err := Parse([]byte(body))
	if err != nil {
		v = Value{absent{}}
	}
	r := &Response{Status: status, Header: http.Header{"Content-Type": {kind}}, Body: []byte(body), Value: v}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

const profile = `{"userId":"alice@example.org","displayName":"Alice"%s}`

func problemBody(status int, code, more string) string {
	return fmt.Sprintf(`{"type":"/docs/errors#%s","title":"t","status":%d,"detail":"d","code":"%s"%s}`, code, status, code, more)
}

func TestCheckResponse_FindsWhatIsWrong(t *testing.T) {
	l := law(t, false)
	const problem, plain = "application/problem+json", "application/json"
	for what, x := range map[string]struct {
		path string
		r    *Response
		want string // "" for nothing
	}{
		"right":                 {"/api/v1/users/me", answer(200, plain, fmt.Sprintf(profile, "")), ""},
		"a parameter":           {"/api/v1/users/bob@example.org", answer(200, plain, fmt.Sprintf(profile, "")), ""},
		"wrong type":            {"/api/v1/users/me", answer(200, plain, `{"userId":7,"displayName":""}`), "/userId"},
		"missing":               {"/api/v1/users/me", answer(200, plain, `{"displayName":""}`), "userId"},
		"duplicate key":         {"/api/v1/users/me", answer(200, plain, fmt.Sprintf(profile, `,"displayName":"x"`)), "duplicate"},
		"content type":          {"/api/v1/users/me", answer(200, "text/json", fmt.Sprintf(profile, "")), "content type"},
		"status":                {"/api/v1/users/me", answer(201, plain, fmt.Sprintf(profile, "")), "not documented"},
		"right refusal":         {"/api/v1/users/me", answer(401, problem, problemBody(401, "token_expired", "")), ""},
		"status of the code":    {"/api/v1/users/me", answer(401, problem, problemBody(401, "internal", "")), "has status 500"},
		"status in the body":    {"/api/v1/users/me", answer(401, problem, problemBody(400, "token_expired", "")), "member status"},
		"refusal as plain JSON": {"/api/v1/users/me", answer(401, plain, problemBody(401, "token_expired", "")), "content type"},
		"no Retry-After":        {"/api/v1/users/me", answer(429, problem, problemBody(429, "rate_limited", `,"retryAfterMs":1200`)), "Retry-After"},
		"no retryAfterMs":       {"/api/v1/users/me", answer(429, problem, problemBody(429, "rate_limited", ""), "Retry-After", "2"), "retryAfterMs"},
		"two times":             {"/api/v1/users/me", answer(429, problem, problemBody(429, "rate_limited", `,"retryAfterMs":9000`), "Retry-After", "2"), "not the same time"},
		"right retry":           {"/api/v1/users/me", answer(429, problem, problemBody(429, "rate_limited", `,"retryAfterMs":1200`), "Retry-After", "2"), ""},
		"unknown path":          {"/api/v1/nothing", answer(404, problem, problemBody(404, "unknown_route", "")), ""},
		"unknown path, no form": {"/api/v1/nothing", answer(404, "text/plain", "no"), "content type"},
	} {
		wantFinding(t, what, l.CheckResponse("GET", x.path, x.r), x.want)
	}
}

func wantFinding(t *testing.T, what string, found []Finding, want string) {
	t.Helper()
	if want == "" {
		if len(found) > 0 {
			t.Errorf("%s: %v", what, found)
		}
		return
	}
	for _, f := range found {
		if strings.Contains(f.Text, want) && !f.Note {
			return
		}
	}
	t.Errorf("%s: want %q among %v", what, want, found)
}

func TestCheck_WhatIsUndocumentedIsANoteAndInStrictModeAViolation(t *testing.T) {
	for _, strict := range []bool{false, true} {
		l := law(t, strict)
		for what, found := range map[string][]Finding{
			"a member":          l.CheckResponse("GET", "/api/v1/users/me", answer(200, "application/json", fmt.Sprintf(profile, `,"colour":"blue"`))),
			"a code":            l.CheckResponse("GET", "/api/v1/users/me", answer(404, "application/problem+json", problemBody(404, "unknown_route", ""))),
			"a type of a frame": l.CheckFrame([]byte(`{"type":"dance","data":{}}`)),
		} {
			if what == "a code" {
				continue // 404 is not documented for the operation at all.
			}
			if len(found) != 1 || found[0].Note == strict {
				t.Errorf("%s, strict %v: %v", what, strict, found)
			}
		}
	}
}

func TestCheckFrame_FindsWhatIsWrong(t *testing.T) {
	l := law(t, true)
	for raw, want := range map[string]string{
		`{"type":"resync","data":{"code":"slow_reader"}}`:          "",
		`{"type":"resync","data":{"code":"who_knows"}}`:            "errors.yaml",
		`{"type":"resync","data":{"code":"x_ours"}}`:               "",
		`{"type":"error","data":{"code":"not_member"}}`:            "message",
		`{"type":"sync","data":{"messages":[]}}`:                   "conversations",
		`{"type":"sync"`:                                           "read JSON",
		`{"type":"resync","data":{"code":"slow_reader"},"more":1}`: "more",
	} {
		wantFinding(t, raw, l.CheckFrame([]byte(raw)), want)
	}
}

func TestRedact_TakesSecretsOutAndNothingElse(t *testing.T) {
	for in, want := range map[string]string{
		`{"password":"a\"b","username":"x"}`:         `{"password":"[redacted]","username":"x"}`,
		`{"refreshToken" : "pr_1", "n":1}`:           `{"refreshToken" : "[redacted]", "n":1}`,
		"Authorization: Bearer pa_123\nX: y":         "Authorization: Bearer [redacted]\nX: y",
		"parley.v1, parley.ticket.pk_1, x":           "parley.v1, parley.ticket.[redacted], x",
		"GET /x?access_token=abc&limit=1":            "GET /x?access_token=[redacted]&limit=1",
		`{"content":"the password is not a member"}`: `{"content":"the password is not a member"}`,
		`{"password":"cut off`:                       `{"password":"[redacted]"`,
	} {
		if have := Redact(in); have != want {
			t.Errorf("%s becomes %s, want %s", in, have, want)
		}
	}
	if n := len(Redact(strings.Repeat("é", maxText))); n > maxText+60 {
		t.Errorf("a long text keeps %d bytes", n)
	}
}

func TestRecorder_KeepsTheLastAndCountsTheRest(t *testing.T) {
	var r Recorder
	for i := range maxExchanges + 5 {
		r.Note("x", "%d", i)
	}
	list, dropped := r.Exchanges()
	if len(list) != maxExchanges || dropped != 5 || list[0].Sent != "5" {
		t.Errorf("%d kept, %d dropped, the first is %q", len(list), dropped, list[0].Sent)
	}
}

func TestValue_WhatIsNotThereIsZero(t *testing.T) {
	v, err := Parse([]byte(`{"a":{"b":[1,"x",null,true]},"n":9007199254740991,"f":1.5}`))
	if err != nil {
		t.Fatal(err)
	}
	if v.At("a", "c", "d").Exists() || v.At("a", "b").List()[1].Text() != "x" || !v.At("a", "b").List()[2].Null() {
		t.Error("paths are walked wrongly")
	}
	if v.At("n").Int() != 9007199254740991 || v.At("f").Int() != Missing || v.At("x").Int() != Missing || v.At("n").Text() != "" {
		t.Error("numbers are read wrongly")
	}
	for _, bad := range []string{"", "{} {}", "{", "x"} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q is a value", bad)
		}
	}
}

// serve is a server that answers everything with one body, and upgrades sockets to one that talks back.
func serve(t *testing.T, talk func(context.Context, *websocket.Conn)) *Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/ws" && r.Header.Get("Authorization") != "":
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{Protocol}})
			if err == nil {
				talk(r.Context(), conn)
				_ = conn.CloseNow()
			}
		case r.URL.Path == "/api/v1/events":
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, ": hello\n\nevent: resync\ndata: {\"code\":\"slow_reader\"}\n\nevent: sync\nid: AQ\ndata: {}\n\n")
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(401)
			fmt.Fprint(w, problemBody(401, "unauthenticated", ""))
		}
	}))
	t.Cleanup(s.Close)
	server, err := NewServer(s.URL+"/", law(t, false))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func TestSocket_KeepsFramesInOrderAndTheCloseCode(t *testing.T) {
	s := serve(t, func(ctx context.Context, c *websocket.Conn) {
		_, raw, err := c.Read(ctx)
		if err != nil {
			return
		}
		for _, f := range []string{`{"type":"resync","data":{"code":"slow_reader"}}`, string(raw)} {
			_ = c.Write(ctx, websocket.MessageText, []byte(f))
		}
		_ = c.Close(4500, "gone")
	})
	var rec Recorder
	k, res, err := s.Open(t.Context(), &rec, "alice", Dial{Token: "pa_secret"})
	if err != nil || k == nil {
		t.Fatal(res, err)
	}
	defer k.Close()
	if err := k.Send(t.Context(), "dance", map[string]any{}); err != nil {
		t.Fatal(err)
	}
	f, err := k.Find(t.Context(), func(f Frame) bool { return f.Type == "dance" })
	if err != nil || len(k.Frames()) != 2 {
		t.Error(f, err)
	}
	if code, err := k.Closed(t.Context()); err != nil || code != 4500 {
		t.Errorf("close code %d: %v", code, err)
	}
	if _, err := k.Next(t.Context()); err == nil {
		t.Error("a closed socket has a next frame")
	}
	if n := rec.Notes(); len(n) != 1 || k.Protocol() != Protocol {
		t.Errorf("notes %v, protocol %s", n, k.Protocol())
	}
	list, _ := rec.Exchanges()
	for _, x := range list {
		if strings.Contains(x.Sent, "secret") {
			t.Errorf("the record tells the token: %s", x.Sent)
		}
	}
}

func TestSocket_AStalledOneDoesNotRead(t *testing.T) {
	s := serve(t, func(ctx context.Context, c *websocket.Conn) {
		_ = c.Write(ctx, websocket.MessageText, []byte(`{"type":"resync","data":{"code":"slow_reader"}}`))
		_, _, _ = c.Read(ctx)
	})
	k, _, err := s.Open(t.Context(), &Recorder{}, "alice", Dial{Token: "x", Stalled: true})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if f, err := k.Next(short); err == nil {
		t.Errorf("a stalled socket read %s", f.Raw)
	}
	k.Resume()
	if _, err := k.Next(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpen_ARefusalIsAnAnswer(t *testing.T) {
	s := serve(t, nil)
	var rec Recorder
	k, res, err := s.Open(t.Context(), &rec, "alice", Dial{})
	if err != nil || k != nil || res.Code() != "unauthenticated" {
		t.Errorf("%v %v %v", k, res, err)
	}
	if v := rec.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

func TestEvents_AreReadAndHeldAgainstTheLaw(t *testing.T) {
	s := serve(t, nil)
	var rec Recorder
	st, _, err := s.Events(t.Context(), &rec, "alice", Request{Method: "GET", Path: "/api/v1/events"})
	if err != nil || st == nil {
		t.Fatal(err)
	}
	defer st.Close()
	first, err1 := st.Next(t.Context())
	second, err2 := st.Next(t.Context())
	if err1 != nil || err2 != nil || first.Type != "resync" || first.HasID || second.ID != "AQ" || second.Lines != 1 {
		t.Errorf("%+v %v, %+v %v", first, err1, second, err2)
	}
	if _, err := st.Next(t.Context()); err == nil {
		t.Error("the stream does not end")
	}
	if v := rec.Violations(); len(v) == 0 || !strings.Contains(v[0], "sync") {
		t.Errorf("violations %v", v)
	}
}

func TestNewServer_RefusesWhatIsNoAddress(t *testing.T) {
	for _, address := range []string{"", "chat.example", "ftp://chat.example", "http://", "://"} {
		if _, err := NewServer(address, nil); err == nil {
			t.Errorf("%q is an address", address)
		}
	}
}

func FuzzCheckFrame(f *testing.F) {
	l, err := NewLaw(spec.Files(), true)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"type":"sync","data":{"messages":[],"conversations":[],"receipts":[],"cursor":"A","hasMore":false}}`))
	f.Add([]byte(`{"type":"error","data":{"code":"x"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l.CheckFrame(raw)
		_ = Redact(string(raw))
	})
}
