// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func problems() []*suite.Case {
	a := &area{profile: core}
	a.add("ERR-FORM", "a refusal is a problem with a code of the operation", "REST-ERROR-1 REST-ERROR-2", errForm)
	a.add("ERR-ROUTE", "unknown paths and methods have their codes", "REST-ERROR-4", errRoute)
	a.add("ERR-RETRY", "rate_limited tells when to try again, twice and alike", "REST-RETRY-1 REST-RATE-1", errRetry, fresh, slow(time.Minute))
	a.add("ERR-DETAIL", "a refusal does not repeat secrets", "REST-ERROR-5", errDetail)
	a.add("ANSWER-HEADERS", "good answers have the documented status and type, and are not cached", "REST-ANSWER-1 REST-ANSWER-3", answerHeaders)
	a.add("ANSWER-FORM", "no nulls, empty lists as [], times in milliseconds", "REST-ANSWER-2 ENC-LIST-1 ENC-TIME-1", answerForm)
	return a.list
}

func errForm(t *suite.T, a, b *actor) {
	k := a.group(b)
	for code, in := range map[string]client.Request{
		"unknown_user":         get("/users/nobody-" + t.Env.RunID + "@" + t.Env.ServerName()),
		"unknown_device":       request("DELETE", "/devices/01M81ZZ8M4X3T9QW2Y6V7B1N0C", nil),
		"unknown_conversation": get("/conversations/c" + strings.Repeat("A", 43)),
		"already_member":       post(k.path("/members"), object{"userIds": []string{b.id}}),
		"invalid_field":        get("/conversations?limit=0"),
		"invalid_cursor":       get("/conversations?cursor=nonsense"),
		"malformed_json":       {Method: "POST", Path: "/api/v1/conversations", Body: []byte("{")},
	} {
		res := a.refused(code, in)
		kind := res.Header.Get("Content-Type")
		t.Expect(strings.HasPrefix(kind, "application/problem+json"), "%s: content type %q, want application/problem+json", code, kind)
		t.Expect(res.At("type").Text() == "/docs/errors#"+code, "%s: type is %v", code, res.At("type"))
	}
}

func errRoute(t *suite.T, a *actor) {
	for _, path := range []string{"/nothing", "/users/me/nothing", "/conversations/x/y/z"} {
		a.refused("unknown_route", get(path))
	}
	for _, in := range []client.Request{request("DELETE", "/register", nil), request("PUT", "/devices", object{}), request("POST", "/sync", object{})} {
		res := a.refused("method_not_allowed", in)
		t.Expect(res.Header.Get("Allow") != "", "%s %s is refused without the header Allow", in.Method, in.Path)
	}
}

// errRetry asks for tickets until the server has had enough: no other operation is as harmless.
func errRetry(t *suite.T, a *actor) {
	a.account.Spend()
	in := request("POST", "/ws/ticket", nil)
	in.Token = a.session.Access
	for range 300 {
		res := t.Do(a.who, in)
		if res.Status == http.StatusOK {
			continue
		}
		wantCode(t, res, "rate_limited", "POST /ws/ticket, many times")
		ms := res.At("retryAfterMs").Int()
		t.Expect(ms > 0, "retryAfterMs is %v", res.At("retryAfterMs"))
		t.Expect(res.Header.Get("Retry-After") != "", "there is no Retry-After")
		t.Pause(time.Duration(ms) * time.Millisecond)
		res = t.Do(a.who, in)
		t.Expect(res.Status == http.StatusOK, "after retryAfterMs the answer is %d %s", res.Status, res.Code())
		return
	}
	t.Impossible("no rate limit was met with 300 tickets")
}

func errDetail(t *suite.T, a *actor) {
	const secret = "a-secret-nobody-may-repeat"
	wrong := a.refused("wrong_credentials", post("/users/me/password", object{"currentPassword": secret, "newPassword": secret + "2"}))
	unknown := t.Ask("a stranger", post("/refresh", object{"refreshToken": "pr_" + secret}))
	in := get("/users/me")
	in.Token = secret
	for _, res := range []*client.Response{wrong, unknown, t.Ask("a stranger", in)} {
		t.Expect(res.Status >= 400 && !strings.Contains(string(res.Body), secret), "the refusal %d repeats the secret", res.Status)
	}
}

func answerHeaders(t *suite.T, a, b *actor) {
	k := a.group(b)
	for _, in := range []client.Request{
		get("/users/me"), get("/users/" + b.id), get("/devices"), get("/conversations"), get(k.path("")), get(k.path("/members")),
		get(k.path("/messages")), get(k.path("/checkpoint")), get("/sync"),
	} {
		res := a.ok(http.StatusOK, in)
		kind := res.Header.Get("Content-Type")
		t.Expect(strings.HasPrefix(kind, "application/json"), "%s: content type %q, want application/json", in.Path, kind)
		wantNoStore(t, res, in.Path)
	}
	wantNoStore(t, a.ask(get("/conversations/c"+strings.Repeat("A", 43))), "a refusal")
	res := k.remove(a, b)
	t.Expect(res.Status == http.StatusNoContent && len(res.Body) == 0, "status %d with %d bytes, want 204 and none", res.Status, len(res.Body))
}

func wantNoStore(t *suite.T, res *client.Response, of string) {
	have := res.Header.Get("Cache-Control")
	t.Expect(strings.Contains(have, "no-store"), "%s: Cache-Control is %q, want no-store", of, have)
}

func answerForm(t *suite.T, a, b *actor) {
	k := a.group(b)
	quiet := a.cursor()
	for _, res := range []*client.Response{
		a.ask(get("/users/me")), a.ask(get("/users/" + b.id)), k.see(a), a.ask(get(k.path("/members"))), k.page(a, "limit=5"), a.poll("", 0),
	} {
		t.Expect(!hasNull(res.Any()), "a member is null: %s", res.Body)
	}
	res := a.poll(quiet, 0)
	for _, list := range []string{"messages", "conversations", "receipts"} {
		t.Expect(res.At(list).IsList(), "%s is %v when nothing moved, want []", list, res.At(list))
	}
	empty := k.page(a, "afterSeq=0")
	t.Expect(empty.At("messages").IsList() && len(empty.At("messages").List()) == 0, "messages is %v, want []", empty.At("messages"))
	at := k.event(a, 0).At("timestamp").Int()
	off := time.Since(time.UnixMilli(at)).Abs()
	t.Expect(off < 24*time.Hour, "the timestamp %d is not the time in milliseconds, or the clocks are %v apart", at, off)
}

func hasNull(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		for _, e := range v {
			if hasNull(e) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if hasNull(e) {
				return true
			}
		}
	}
	return false
}
