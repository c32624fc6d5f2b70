// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func requests() []*suite.Case {
	a := &area{profile: core}
	a.add("REQ-MEDIA-TYPE", "a body that is not application/json is refused", "REST-BODY-1", reqMediaType)
	a.add("REQ-TOO-LARGE", "a body over 128 KiB is refused, one of 128 KiB is read", "REST-BODY-2 LIMIT-ERROR-1 LIMIT-ERROR-2", reqTooLarge)
	a.add("REQ-MALFORMED", "what is not one JSON value is refused with malformed_json", "REST-BODY-3 ENC-JSON-1 ENC-JSON-2", reqMalformed)
	a.add("REQ-WRONG-TYPE", "a member of the wrong type is refused and named", "REST-BODY-3", reqWrongType)
	a.add("REQ-CASE", "a member in another case is one the server does not know", "ENC-JSON-3", reqCase)
	a.add("REQ-UNKNOWN", "unknown members and parameters are ignored", "REST-BODY-4 GEN-UNKNOWN-1", reqUnknown)
	a.add("REQ-PATH", "a user id in a path is taken in both forms", "REST-PATH-1", reqPath)
	a.add("REQ-AUTH-FIRST", "a caller without a token learns nothing", "REST-AUTH-1", reqAuthFirst)
	a.add("REQ-URL-TOKEN", "a token in the URL is not taken", "TRUST-URL-1", reqURLToken)
	return a.list
}

func reqMediaType(t *suite.T, a *actor) {
	for _, value := range []string{"text/plain", "application/x-www-form-urlencoded", ""} {
		in := request("PUT", "/users/me", object{"displayName": "x"})
		in.Header = http.Header{"Content-Type": {value}}
		a.refused("unsupported_media_type", in)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(`{"displayName":"x"}`))
	_ = z.Close()
	in := request("PUT", "/users/me", nil)
	in.Body, in.Header = packed.Bytes(), http.Header{"Content-Encoding": {"gzip"}}
	a.refused("unsupported_media_type", in)
	in = request("PUT", "/users/me", object{"displayName": ""})
	in.Header = http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	a.ok(http.StatusOK, in)
}

// padded is a small body with white space up to a size.
func padded(size int) []byte {
	const body = `{"displayName":""}`
	return []byte(body + strings.Repeat(" ", size-len(body)))
}

func reqTooLarge(t *suite.T, a *actor) {
	size := int(t.Env.Limit("bodyBytes"))
	in := request("PUT", "/users/me", nil)
	in.Body = padded(size)
	a.ok(http.StatusOK, in)
	in.Body = padded(size + 1)
	a.refused("body_too_large", in)
}

func reqMalformed(t *suite.T, a *actor) {
	for what, body := range map[string]string{
		"cut off":          `{"displayName":"x"`,
		"empty":            ``,
		"two values":       `{"displayName":"x"} {}`,
		"trailing text":    `{"displayName":"x"}x`,
		"a duplicate key":  `{"displayName":"x","displayName":"y"}`,
		"invalid UTF-8":    "{\"displayName\":\"\xff\"}",
		"a lone surrogate": `{"displayName":"\ud800"}`,
		"not JSON":         `displayName=x`,
		"single quotes":    `{'displayName':'x'}`,
		"a comment":        `{"displayName":"x"/**/}`,
	} {
		in := request("PUT", "/users/me", nil)
		in.Body = []byte(body)
		res := a.ask(in)
		wantCode(t, res, "malformed_json", "a body with "+what)
	}
}

func reqWrongType(t *suite.T, a, b *actor) {
	k := a.group(b)
	for field, body := range map[string]object{
		"tempId":      {"tempId": 7, "content": "x", "contentType": "text"},
		"contentType": {"tempId": a.temp(), "content": "x", "contentType": "hologram"},
		"content":     {"tempId": a.temp(), "content": []string{"x"}, "contentType": "text"},
	} {
		res := a.refused("invalid_field", post(k.path("/messages"), body))
		t.Expect(strings.HasPrefix(res.At("field").Text(), field), "field is %v, want %s", res.At("field"), field)
	}
	res := a.refused("invalid_field", post(k.path("/messages"), object{"content": "x", "contentType": "text"}))
	t.Expect(res.At("field").Text() == "tempId", "field is %v, want tempId", res.At("field"))
	a.refused("invalid_field", post("/conversations", object{"type": "party", "members": []string{b.id}}))
	a.refused("invalid_field", post("/conversations", object{"type": "group", "members": b.id}))
	wantSeqs(t, k.events(a), 0, 0)
}

func reqCase(t *suite.T, a, b *actor) {
	k := a.group(b)
	a.refused("invalid_field", post(k.path("/messages"), object{"TempId": a.temp(), "content": "x", "contentType": "text"}))
	ack := a.ok(http.StatusCreated, post(k.path("/messages"),
		object{"tempId": a.temp(), "content": "small", "Content": "LARGE", "contentType": "text", "CONTENTTYPE": "image"}))
	e := k.event(a, ack.At("seq").Int())
	t.Expect(e.At("content").Text() == "small" && e.At("contentType").Text() == "text", "content %v of type %v, want small text", e.At("content"), e.At("contentType"))
}

func reqUnknown(t *suite.T, a, b *actor) {
	k := a.group(b)
	body := message(a.temp(), "hello")
	body["x_future"], body["seq"] = object{"deep": []int{1}}, 99
	ack := a.ok(http.StatusCreated, post(k.path("/messages?x_future=1"), body))
	t.Expect(ack.At("seq").Int() == 1, "the message has seq %v, want 1", ack.At("seq"))
	a.ok(http.StatusOK, get(k.path("/messages?limit=1&x_future=1")))
	l := b.online("")
	body = message(b.temp(), "hello")
	body["conversationId"], body["x_future"] = k.id, true
	if err := l.SendRaw(t.Context(), frame("send_message", body, `"x_more":{}`), false); err != nil {
		t.Fail("%v", err)
	}
	l.find("the message_ack", func(f client.Frame) bool { return f.Type == "message_ack" })
}

func reqPath(t *suite.T, a, b *actor) {
	plain := a.ok(http.StatusOK, get("/users/"+b.id))
	escaped := a.ok(http.StatusOK, get("/users/"+strings.ReplaceAll(b.id, "@", "%40")))
	t.Expect(plain.String() == escaped.String(), "%v by %s, %v by its escaped form", plain.Value, b.id, escaped.Value)
	k := a.group(b)
	a.ok(http.StatusOK, request("PATCH", k.path("/members/"+strings.ReplaceAll(b.id, "@", "%40")), object{"role": "admin"}))
}

func reqAuthFirst(t *suite.T, a, b *actor) {
	k := a.group(b)
	none := "c" + strings.Repeat("A", 43)
	bodies := map[string][]byte{}
	for _, token := range []string{"", "pa_" + strings.Repeat("A", 45), "not a token"} {
		for _, id := range []string{k.id, none} {
			for _, in := range []client.Request{
				get("/conversations/" + id), get("/conversations/" + id + "/messages"), get("/conversations/" + id + "/members"),
				post("/conversations/"+id+"/messages", object{"tempId": 7}), request("DELETE", "/conversations/"+id+"/members/"+b.id, nil),
			} {
				in.Token = token
				res := t.Ask("a stranger", in)
				wantCode(t, res, "unauthenticated", in.Method+" "+in.Path+" without a valid token")
				key := fmt.Sprint(token, in.Method, strings.Replace(in.Path, id, "", 1))
				if seen, ok := bodies[key]; ok {
					t.Expect(bytes.Equal(seen, res.Body), "the refusal tells whether the conversation exists: %s and %s", seen, res.Body)
				}
				bodies[key] = res.Body
			}
		}
	}
}

func reqURLToken(t *suite.T, a *actor) {
	for _, name := range []string{"access_token", "accessToken", "token"} {
		res := t.Ask("a stranger", get("/users/me?"+name+"="+a.session.Access))
		wantCode(t, res, "unauthenticated", "a token in the parameter "+name)
	}
	in := get("/users/me")
	in.Header = http.Header{"Cookie": {"accessToken=" + a.session.Access + "; token=" + a.session.Access}}
	wantCode(t, t.Ask("a stranger", in), "unauthenticated", "a token in a cookie")
}

func ms(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }
