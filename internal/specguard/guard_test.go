// SPDX-License-Identifier: Apache-2.0

package specguard

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// recorder is a testing.TB that keeps findings instead of failing.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	findings []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.findings = append(r.findings, fmt.Sprintf(format, args...))
}

const (
	conversation = "cu4uHtkfDX58RGE4QChML7n0jDYheD-JCposZTiai4wg"
	ackBody      = `{"tempId":"t-1","conversationId":"` + conversation + `","messageId":"01M844DZG000000001W2047Q97","seq":1,"timestamp":1795435200000,"status":"sent"}`
	jsonType     = "application/json"
	problemType  = "application/problem+json"
)

func problem(code string, status int, more string) string {
	return fmt.Sprintf(`{"type":"/docs/errors#%s","title":"%s","status":%d,"detail":"d","code":%q%s}`,
		code, http.StatusText(status), status, code, more)
}

// answer is one exchange with a server that always says the same.
type answer struct {
	name        string
	method      string
	path        string
	send        string
	status      int
	contentType string
	header      map[string]string
	body        string
	want        string // part of the only finding; empty if there is none
}

func (a answer) run(t *testing.T) []string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sent, _ := io.ReadAll(r.Body); string(sent) != a.send {
			t.Errorf("the server got %q, want %q", sent, a.send)
		}
		for k, v := range a.header {
			w.Header().Set(k, v)
		}
		if a.contentType != "" {
			w.Header().Set("Content-Type", a.contentType)
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	defer srv.Close()
	req, err := http.NewRequest(a.method, srv.URL+a.path, strings.NewReader(a.send))
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{TB: t}
	res, err := Transport(rec, srv.Client().Transport).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, _ := io.ReadAll(res.Body); string(got) != a.body {
		t.Errorf("the client read %q, want %q", got, a.body)
	}
	return rec.findings
}

var (
	send    = `{"tempId":"t-1","content":"hi","contentType":"text"}`
	sendTo  = "/api/v1/conversations/" + conversation + "/messages"
	answers = []answer{
		{name: "documented answer", method: "POST", path: sendTo, send: send, status: 201, contentType: jsonType, body: ackBody},
		{name: "unknown member in a request", method: "POST", path: sendTo, send: `{"tempId":"t-1","content":"hi","contentType":"text","later":1}`, status: 201, contentType: jsonType, body: ackBody},
		{name: "charset", method: "POST", path: sendTo, send: send, status: 201, contentType: jsonType + "; charset=utf-8", body: ackBody},
		{name: "undocumented field", method: "POST", path: sendTo, send: send, status: 201, contentType: jsonType, body: strings.Replace(ackBody, "{", `{"extra":1,`, 1), want: "extra"},
		{name: "missing field", method: "POST", path: sendTo, send: send, status: 201, contentType: jsonType, body: `{}`, want: "missing propert"},
		{name: "wrong type", method: "POST", path: sendTo, send: send, status: 201, contentType: jsonType, body: strings.Replace(ackBody, `"seq":1`, `"seq":"1"`, 1), want: "/seq"},
		{name: "duplicate key", method: "POST", path: sendTo, send: send, status: 201, contentType: jsonType, body: strings.Replace(ackBody, "{", `{"seq":1,`, 1), want: "duplicate"},
		{name: "undocumented status", method: "POST", path: sendTo, send: send, status: 206, contentType: jsonType, body: ackBody, want: "status is not documented"},
		{name: "wrong content type", method: "POST", path: sendTo, send: send, status: 201, contentType: "text/plain", body: ackBody, want: "content type"},
		{name: "accepted bad body", method: "POST", path: sendTo, send: `{"tempId":"has space","content":"hi","contentType":"text"}`, status: 201, contentType: jsonType, body: ackBody, want: "accepted request"},
		{name: "accepted duplicate key", method: "POST", path: sendTo, send: `{"tempId":"a","tempId":"a","content":"hi","contentType":"text"}`, status: 201, contentType: jsonType, body: ackBody, want: "accepted request"},
		{name: "accepted bad id", method: "POST", path: "/api/v1/conversations/c1/messages", send: send, status: 201, contentType: jsonType, body: ackBody, want: "accepted parameter conversationId"},
		{name: "accepted bad limit", method: "GET", path: "/api/v1/conversations?limit=101", status: 200, contentType: jsonType, body: `{"conversations":[],"hasMore":false}`, want: "accepted parameter limit"},
		{name: "accepted text as limit", method: "GET", path: "/api/v1/conversations?limit=x", status: 200, contentType: jsonType, body: `{"conversations":[],"hasMore":false}`, want: "accepted parameter limit"},
		{name: "page", method: "GET", path: "/api/v1/conversations?limit=100", status: 200, contentType: jsonType, body: `{"conversations":[],"hasMore":false}`},
		{name: "null instead of an empty list", method: "GET", path: "/api/v1/conversations", status: 200, contentType: jsonType, body: `{"conversations":null,"hasMore":false}`, want: "/conversations"},
		{name: "hasMore without nextCursor", method: "GET", path: "/api/v1/conversations", status: 200, contentType: jsonType, body: `{"conversations":[],"hasMore":true}`, want: "nextCursor"},
		{name: "refusal", method: "POST", path: sendTo, send: "{", status: 400, contentType: problemType, body: problem("malformed_json", 400, "")},
		{name: "code of another operation", method: "POST", path: sendTo, send: send, status: 409, contentType: problemType, body: problem("username_taken", 409, ""), want: "x-errors"},
		{name: "code with another status", method: "POST", path: sendTo, send: send, status: 404, contentType: problemType, body: problem("not_member", 404, ""), want: "has status 403"},
		{name: "unknown code", method: "POST", path: sendTo, send: send, status: 400, contentType: problemType, body: problem("oops", 400, ""), want: "not in errors.yaml"},
		{name: "problem as plain JSON", method: "POST", path: sendTo, send: send, status: 404, contentType: jsonType, body: problem("unknown_conversation", 404, ""), want: "content type"},
		{name: "overload", method: "POST", path: sendTo, send: send, status: 503, contentType: problemType, header: map[string]string{"Retry-After": "2"}, body: problem("unavailable", 503, `,"retryAfterMs":1500`)},
		{name: "overload without delay", method: "POST", path: sendTo, send: send, status: 503, contentType: problemType, body: problem("unavailable", 503, ""), want: "Retry-After"},
		{name: "overload with two delays", method: "POST", path: sendTo, send: send, status: 429, contentType: problemType, header: map[string]string{"Retry-After": "9"}, body: problem("rate_limited", 429, `,"retryAfterMs":1500`), want: "rounded up"},
		{name: "literal path wins", method: "GET", path: "/api/v1/users/me", status: 404, contentType: problemType, body: problem("unknown_user", 404, ""), want: "status is not documented"},
		{name: "user id in a path", method: "GET", path: "/api/v1/users/alice@example.org", status: 200, contentType: jsonType, body: `{"userId":"alice@example.org","displayName":""}`},
		{name: "escaped user id in a path", method: "GET", path: "/api/v1/users/alice%40localhost:8080", status: 200, contentType: jsonType, body: `{"userId":"alice@localhost:8080","displayName":""}`},
		{name: "unknown route", method: "GET", path: "/api/v1/nothing", status: 404, contentType: problemType, body: problem("unknown_route", 404, "")},
		{name: "unknown route in prose", method: "GET", path: "/api/v1/nothing", status: 404, contentType: "text/plain", body: "404 page not found", want: "content type"},
		{name: "unknown route that answers", method: "GET", path: "/api/v1/nothing", status: 200, contentType: jsonType, body: "{}", want: "not documented"},
		{name: "wrong method", method: "DELETE", path: "/api/v1/conversations", status: 405, contentType: problemType, body: problem("method_not_allowed", 405, "")},
		{name: "wrong method as unknown route", method: "DELETE", path: "/api/v1/conversations", status: 404, contentType: problemType, body: problem("unknown_route", 404, ""), want: "x-errors"},
		{name: "no content", method: "POST", path: "/api/v1/logout", status: 204},
		{name: "event stream", method: "GET", path: "/api/v1/events", status: 200, contentType: "text/event-stream", body: "event: sync\n\n"},
		{name: "metrics", method: "GET", path: "/metrics", status: 200, contentType: "text/plain", body: "x 1\n"},
		{name: "health", method: "GET", path: "/healthz", status: 200, contentType: "text/plain", body: "ok"},
	}
)

func TestTransport_ReportsExactlyWhatBreaksTheLaw(t *testing.T) {
	for _, a := range answers {
		t.Run(a.name, func(t *testing.T) {
			findings := a.run(t)
			switch {
			case a.want == "" && len(findings) > 0:
				t.Errorf("unexpected findings: %q", findings)
			case a.want != "" && len(findings) == 0:
				t.Errorf("no finding, want %q", a.want)
			case a.want != "" && !strings.Contains(strings.Join(findings, "\n"), a.want):
				t.Errorf("findings %q, want %q", findings, a.want)
			}
		})
	}
}

func TestTransport_FindingsShowTheBodies(t *testing.T) {
	a := answer{method: "POST", path: sendTo, send: send, status: 206, contentType: jsonType, body: ackBody}
	findings := a.run(t)
	if len(findings) != 1 || !strings.Contains(findings[0], ackBody) || !strings.Contains(findings[0], send) {
		t.Errorf("findings %q, want one with both bodies", findings)
	}
}

func TestTransport_AFailureOfTheNetworkIsNoFinding(t *testing.T) {
	rec := &recorder{TB: t}
	req := httptest.NewRequest("GET", "http://localhost/api/v1/sync", nil)
	if _, err := Transport(rec, failing{}).RoundTrip(req); err != io.ErrUnexpectedEOF {
		t.Errorf("error %v, want the one of the transport", err)
	}
	if len(rec.findings) > 0 {
		t.Errorf("findings %q", rec.findings)
	}
}

type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

func TestFrame_ReportsExactlyWhatBreaksTheLaw(t *testing.T) {
	for _, c := range []struct{ name, frame, want string }{
		{"ack", `{"type":"message_ack","data":` + ackBody + `}`, ""},
		{"unknown type", `{"type":"hello","data":{}}`, "no schema"},
		{"client type", `{"type":"send_message","data":{}}`, "no schema"},
		{"no data", `{"type":"message_ack"}`, "missing propert"},
		{"extra member", `{"type":"resync","data":{"code":"slow_reader"},"id":1}`, "'id'"},
		{"unknown code", `{"type":"resync","data":{"code":"tired"}}`, "not in errors.yaml"},
		{"resync", `{"type":"resync","data":{"code":"slow_reader"}}`, ""},
		{"not JSON", `{"type":`, "not readable"},
		{"duplicate key", `{"type":"resync","type":"resync","data":{"code":"slow_reader"}}`, "duplicate"},
		{"null list", `{"type":"sync","data":{"messages":null,"conversations":[],"receipts":[],"cursor":"x","hasMore":false}}`, "/messages"},
		{"state event as message", `{"type":"message_received","data":{"conversationId":"` + conversation + `","seq":1,"messageId":"01M844DZG000000001W2047Q97","type":"rename","senderId":"a@b","timestamp":1,"status":"sent","change":{"name":"x"}}}`, "/data"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := &recorder{TB: t}
			Frame(rec, []byte(c.frame))
			got := strings.Join(rec.findings, "\n")
			if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("findings %q, want %q", got, c.want)
			}
		})
	}
}

func TestClientFrame_UnknownMembersAreAllowedAndWrongTypesAreNot(t *testing.T) {
	rec := &recorder{TB: t}
	ClientFrame(rec, []byte(`{"type":"sync","data":{"cursor":"x","code":"later"},"id":7}`))
	if len(rec.findings) > 0 {
		t.Errorf("findings %q", rec.findings)
	}
	ClientFrame(rec, []byte(`{"type":"send_message","data":{"tempId":"a","content":"hi","contentType":"text"}}`))
	if len(rec.findings) != 1 || !strings.Contains(rec.findings[0], "conversationId") {
		t.Errorf("findings %q, want the missing conversationId", rec.findings)
	}
}
