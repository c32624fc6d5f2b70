// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

func TestBadInput_OnRESTGetsItsCode(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice := us[0]
	conv := alice.Direct(us[1])
	send, head := "/conversations/"+conv+"/messages", alice.Get(conv).HeadSeq
	long := strings.Repeat("x", 65)
	for what, c := range map[string]struct {
		method, path string
		body         any
		code         fault.Code
		field        string
	}{
		"no JSON":              {"POST", send, `hello`, fault.MalformedJSON, ""},
		"cut JSON":             {"POST", send, `{"tempId":"a","content":"x"`, fault.MalformedJSON, ""},
		"an empty body":        {"POST", send, ``, fault.MalformedJSON, ""},
		"two values":           {"POST", send, `{} {}`, fault.MalformedJSON, ""},
		"a name twice":         {"POST", send, `{"tempId":"a","tempId":"b","content":"x","contentType":"text"}`, fault.MalformedJSON, ""},
		"invalid UTF-8":        {"POST", send, "{\"tempId\":\"a\",\"content\":\"\xff\",\"contentType\":\"text\"}", fault.MalformedJSON, ""},
		"half a surrogate":     {"POST", send, `{"tempId":"a","content":"\ud800","contentType":"text"}`, fault.MalformedJSON, ""},
		"an array":             {"POST", send, `[]`, fault.InvalidField, "body"},
		"null":                 {"POST", send, `null`, fault.InvalidField, "body"},
		"a wrong type":         {"POST", send, `{"tempId":"a","content":5,"contentType":"text"}`, fault.InvalidField, "content"},
		"a wrong tempId":       {"POST", send, `{"tempId":{},"content":"x","contentType":"text"}`, fault.InvalidField, "tempId"},
		"no tempId":            {"POST", send, `{"content":"x","contentType":"text"}`, fault.InvalidField, "tempId"},
		"a long tempId":        {"POST", send, `{"tempId":"` + long + `","content":"x","contentType":"text"}`, fault.InvalidField, "tempId"},
		"a tempId of spaces":   {"POST", send, `{"tempId":"a b","content":"x","contentType":"text"}`, fault.InvalidField, "tempId"},
		"an odd contentType":   {"POST", send, `{"tempId":"a","content":"x","contentType":"virus"}`, fault.InvalidField, "contentType"},
		"names with case":      {"POST", send, `{"tempID":"a","Content":"x","contenttype":"text"}`, fault.InvalidField, "tempId"},
		"nothing to say":       {"POST", send, `{"tempId":"a","content":"","contentType":"text"}`, fault.InvalidField, "content"},
		"an odd reply":         {"POST", send, `{"tempId":"a","content":"x","contentType":"text","replyToMessageId":"1"}`, fault.InvalidField, "replyToMessageId"},
		"a huge content":       {"POST", send, testenv.Text("", strings.Repeat("x", 64<<10)), fault.ContentTooLarge, ""},
		"a huge body":          {"POST", send, testenv.Text("", strings.Repeat("x", 128<<10)), fault.BodyTooLarge, ""},
		"an odd type":          {"POST", "/conversations", `{"type":"parade","members":[]}`, fault.InvalidField, "type"},
		"a direct of one":      {"POST", "/conversations", `{"type":"direct","members":[]}`, fault.InvalidField, "members"},
		"a direct with me":     {"POST", "/conversations", `{"type":"direct","members":["alice@localhost"]}`, fault.InvalidField, "members"},
		"an empty visibility":  {"POST", "/conversations", `{"type":"channel","name":"x","visibility":""}`, fault.InvalidField, "visibility"},
		"an empty enum":        {"PATCH", "/conversations/" + conv, `{"historyVisibility":""}`, fault.InvalidField, "historyVisibility"},
		"a named direct":       {"POST", "/conversations", `{"type":"direct","name":"x","members":["bob@localhost"]}`, fault.InvalidField, "name"},
		"nobody":               {"POST", "/conversations", `{"type":"direct","members":["nobody@localhost"]}`, fault.UnknownUser, ""},
		"somebody elsewhere":   {"POST", "/conversations", `{"type":"direct","members":["bob@elsewhere.example"]}`, fault.UnknownUser, ""},
		"no user id":           {"POST", "/conversations", `{"type":"group","members":["bob"]}`, fault.InvalidField, "members"},
		"a name of controls":   {"POST", "/conversations", `{"type":"group","name":"a\u0007b"}`, fault.InvalidField, "name"},
		"a long name":          {"POST", "/conversations", `{"type":"group","name":"` + strings.Repeat("é", 128) + `"}`, fault.InvalidField, "name"},
		"unknown conversation": {"GET", "/conversations/cAAAA", nil, fault.UnknownConversation, ""},
		"odd conversation":     {"GET", "/conversations/%00%ff", nil, fault.UnknownConversation, ""},
		"limit 0":              {"GET", send + "?limit=0", nil, fault.InvalidField, "limit"},
		"limit 201":            {"GET", send + "?limit=201", nil, fault.InvalidField, "limit"},
		"limit x":              {"GET", send + "?limit=x", nil, fault.InvalidField, "limit"},
		"limit twice":          {"GET", send + "?limit=1&limit=2", nil, fault.InvalidField, "limit"},
		"afterSeq below":       {"GET", send + "?afterSeq=-2", nil, fault.InvalidField, "afterSeq"},
		"a long poll too long": {"GET", "/sync?timeout=60001", nil, fault.InvalidField, "timeout"},
		"a long cursor":        {"GET", "/sync?cursor=" + strings.Repeat("A", 4097), nil, fault.InvalidField, "cursor"},
		"an odd cursor":        {"GET", "/sync?cursor=%20", nil, fault.InvalidCursor, ""},
		"unknown route":        {"GET", "/nothing", nil, fault.UnknownRoute, ""},
		"unknown method":       {"PUT", "/conversations", `{}`, fault.MethodNotAllowed, ""},
		"unknown user":         {"GET", "/users/nobody@localhost", nil, fault.UnknownUser, ""},
		"unknown device":       {"DELETE", "/devices/01M847994SRGP00E0000000000", nil, fault.UnknownDevice, ""},
	} {
		t.Run(what, func(t *testing.T) {
			f := alice.With(t).Refused(c.code, c.method, c.path, c.body)
			if f.Field != c.field {
				t.Errorf("field %q, want %q", f.Field, c.field)
			}
		})
	}
	if h := alice.Get(conv).HeadSeq; h != head {
		t.Errorf("the log grew from %d to %d", head, h)
	}
	ack := alice.Post(conv, "still here")
	if ack.Seq != head+1 {
		t.Errorf("seq %d after %d", ack.Seq, head)
	}
}

func TestBadInput_MediaTypesAndTokens(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	for what, c := range map[string]struct {
		header, value string
		code          fault.Code
	}{
		"form":          {"Content-Type", "application/x-www-form-urlencoded", fault.UnsupportedMediaType},
		"text":          {"Content-Type", "text/plain", fault.UnsupportedMediaType},
		"latin1":        {"Content-Type", "application/json; charset=latin1", fault.UnsupportedMediaType},
		"gzip":          {"Content-Encoding", "gzip", fault.UnsupportedMediaType},
		"no token":      {"Authorization", "", fault.Unauthenticated},
		"foreign token": {"Authorization", "Bearer " + us[0].AccessToken + "x", fault.Unauthenticated},
		"refresh token": {"Authorization", "Bearer " + us[0].RefreshToken, fault.Unauthenticated},
		"basic":         {"Authorization", "Basic YTpi", fault.Unauthenticated},
	} {
		req, err := us[0].Request(t.Context(), "POST", "/conversations/"+conv+"/messages", testenv.Text("", "x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(c.header, c.value)
		if c.value == "" {
			req.Header.Del(c.header)
		}
		res, err := us[0].Raw(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if want := fault.Lookup(c.code).Status; res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", what, res.StatusCode, want)
		}
	}
	for _, path := range []string{"//conversations", "/../healthz", "/conversations/./x"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path = "/api/v1" + path
		req.Header.Set("Authorization", "Bearer "+us[0].AccessToken)
		res, err := us[0].Raw(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
	}
}

func TestToken_ThatExpiredIsRefreshedOnce(t *testing.T) {
	t.Parallel()
	c := newClock()
	srv := testenv.Start(t, testenv.Clock(c.Now))
	u := srv.User(t, "alice")
	c.Add(3600e9)
	u.Refused(fault.TokenExpired, "GET", "/devices", nil)
	if _, f := u.Dial(nil, nil); f == nil || f.Code != fault.TokenExpired {
		t.Errorf("a socket with an expired token: %v", f)
	}
	old := u.RefreshToken
	fresh := *u
	u.Do("POST", "/refresh", map[string]string{"refreshToken": old}, &fresh.Session)
	s := fresh.Socket(nil)
	s.Alive()
	u.Refused(fault.RefreshInvalid, "POST", "/refresh", map[string]string{"refreshToken": old})
	if code, _ := s.Closed(); code != 4500 {
		t.Errorf("after the reuse of a refresh token the socket closed with %d", code)
	}
	fresh.Refused(fault.Unauthenticated, "GET", "/devices", nil)
}

func TestBadInput_OnTheSocketGetsItsCodeAndTheSocketLives(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	message := us[0].Post(conv, "x").MessageID
	s := us[0].Socket(nil)
	send := func(fields string) string {
		return `{"type":"send_message","data":{"tempId":"t1","conversationId":"` + conv + `",` + fields + `}}`
	}
	ack := func(fields string) string { return `{"type":"delivery_ack","data":{` + fields + `}}` }
	for _, c := range []struct {
		what, frame string
		code        fault.Code
		tempID      string
	}{
		{"no JSON", `hello`, fault.MalformedJSON, ""},
		{"nothing", ``, fault.MalformedJSON, ""},
		{"cut", `{"type":"send_message"`, fault.MalformedJSON, ""},
		{"two values", `{"type":"sync","data":{}}{}`, fault.MalformedJSON, ""},
		{"names twice", `{"type":"sync","type":"sync","data":{}}`, fault.MalformedJSON, ""},
		{"names twice inside", `{"type":"sync","data":{"cursor":"a","cursor":"b"}}`, fault.MalformedJSON, ""},
		{"half a surrogate", send(`"contentType":"text","content":"\ud800"`), fault.MalformedJSON, ""},
		{"an array", `[]`, fault.InvalidField, ""},
		{"null", `null`, fault.InvalidField, ""},
		{"a type that is no string", `{"type":5}`, fault.InvalidField, ""},
		{"no type", `{}`, fault.UnknownType, ""},
		{"unknown type", `{"type":"shout","data":{}}`, fault.UnknownType, ""},
		{"a server's type", `{"type":"message_received","data":{}}`, fault.UnknownType, ""},
		{"type with case", `{"type":"Sync","data":{}}`, fault.UnknownType, ""},
		{"data that is no object", `{"type":"send_message","data":[]}`, fault.InvalidField, ""},
		{"no data", `{"type":"send_message"}`, fault.InvalidField, ""},
		{"null data", `{"type":"send_message","data":null}`, fault.InvalidField, ""},
		{"a wrong type", send(`"contentType":"text","content":7`), fault.InvalidField, "t1"},
		{"odd contentType", send(`"contentType":"virus","content":"x"`), fault.InvalidField, "t1"},
		{"no contentType", send(`"content":"x"`), fault.InvalidField, "t1"},
		{"nothing to say", send(`"contentType":"text"`), fault.InvalidField, "t1"},
		{"odd reply", send(`"contentType":"text","content":"x","replyToMessageId":"x"`), fault.InvalidField, "t1"},
		{"unknown reply", send(`"contentType":"text","content":"x","replyToMessageId":"` + message[:20] + `ZZZZZZ"`), fault.UnknownMessage, "t1"},
		{"too much", send(`"contentType":"text","content":"` + strings.Repeat("x", 64<<10) + `"`), fault.ContentTooLarge, "t1"},
		{"no tempId", `{"type":"send_message","data":{"conversationId":"` + conv + `","contentType":"text","content":"x"}}`, fault.InvalidField, ""},
		{"a long tempId", `{"type":"send_message","data":{"tempId":"` + strings.Repeat("t", 65) + `","conversationId":"` + conv + `","contentType":"text","content":"x"}}`, fault.InvalidField, strings.Repeat("t", 65)},
		{"unknown conversation", `{"type":"send_message","data":{"tempId":"t1","conversationId":"c","contentType":"text","content":"x"}}`, fault.UnknownConversation, "t1"},
		{"no conversation", `{"type":"send_message","data":{"tempId":"t1","contentType":"text","content":"x"}}`, fault.UnknownConversation, "t1"},
		{"ack of nothing", ack(``), fault.InvalidField, ""},
		{"ack with an odd status", ack(`"conversationId":"` + conv + `","messageId":"` + message + `","status":"eaten"`), fault.InvalidField, ""},
		{"ack of an odd message", ack(`"conversationId":"` + conv + `","messageId":"x","status":"read"`), fault.InvalidField, ""},
		{"ack of an unknown message", ack(`"conversationId":"` + conv + `","messageId":"` + message[:20] + `ZZZZZZ","status":"read"`), fault.UnknownMessage, ""},
		{"sync with a wrong cursor", `{"type":"sync","data":{"cursor":5}}`, fault.InvalidField, ""},
	} {
		check(t, s.Write(websocket.MessageText, []byte(c.frame)))
		e := s.Refused(c.code)
		if e.TempID != c.tempID {
			t.Errorf("%s: the error has tempId %q, want %q", c.what, e.TempID, c.tempID)
		}
		if t.Failed() {
			t.Logf("after %s: %+v", c.what, e)
		}
	}
	check(t, s.Write(websocket.MessageBinary, []byte(`{"type":"sync","data":{}}`)))
	s.Refused(fault.MalformedJSON)
	ok := s.Text(conv, "still here")
	// RFC 6455 section 8.1 ends a connection that is not UTF-8; the error comes first, and nothing is lost.
	check(t, s.Write(websocket.MessageText, []byte("{\"type\":\"\xff\"}")))
	s.Refused(fault.MalformedJSON)
	if code, _ := s.Closed(); code != 1007 {
		t.Errorf("closed with %d", code)
	}
	if ok.Seq != 2 {
		t.Errorf("seq %d: something bad was taken", ok.Seq)
	}
}

func TestSocket_FirstFrameIsSync(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	s, f := us[0].Dial(nil, nil)
	if f != nil {
		t.Fatal(f)
	}
	m := testenv.Text(conv, "too early")
	s.Send(frame.SendMessage, m)
	if e := s.Refused(fault.SyncRequired); e.TempID != m.TempID || e.ConversationID != conv {
		t.Errorf("the error is %+v", e)
	}
	s.Sync()
	s.Text(conv, "in time")
}

func TestSocket_AFrameOver128KiBEndsItWith1009(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	s := us[0].Socket(nil)
	pad := func(size int) []byte {
		raw := []byte(`{"type":"sync","data":{"cursor":"","x":""}}`)
		return bytes.Replace(raw, []byte(`"x":"`), []byte(`"x":"`+strings.Repeat("x", size-len(raw))), 1)
	}
	check(t, s.Write(websocket.MessageText, pad(128<<10)))
	s.Alive()
	check(t, s.Write(websocket.MessageText, pad(128<<10+1)))
	s.Refused(fault.FrameTooLarge)
	if code, _ := s.Closed(); code != 1009 {
		t.Errorf("closed with %d", code)
	}
	us[0].Socket(s.Book).Text(conv, "again")
}

func TestContent_Of64KiBGoesEverywhere(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	over := len(`{"content":"","contentType":"text"}`)
	for i, unit := range []string{"x", "<", `"`, "\u2028", "😀", "\x01"} {
		t.Run(fmt.Sprintf("%q", unit), func(t *testing.T) {
			a, b := us[0].With(t), us[1].With(t)
			size := map[string]int{`"`: 2, "\x01": 6}[unit] // in canonical JSON
			if size == 0 {
				size = len(unit)
			}
			n := (64<<10 - over) / size
			text := strings.Repeat(unit, n) + strings.Repeat("x", 64<<10-over-n*size)
			peer := b.Socket(nil)
			a.Refused(fault.ContentTooLarge, "POST", "/conversations/"+conv+"/messages", testenv.Text("", text+"x"))
			s := a.Socket(nil)
			ack := s.Text(conv, text)
			if ack.Seq != int64(i+1) {
				t.Errorf("seq is %d", ack.Seq)
			}
			if e := peer.Received(ack.MessageID); e.Content != text {
				t.Error("the live content differs")
			}
			if m := b.Page(conv, "limit=1").Messages[0]; m.Content != text {
				t.Error("the content in history differs")
			}
			fresh := b.Socket(nil)
			if e := fresh.Book.Events(conv); e[len(e)-1].Content != text {
				t.Error("the content in sync differs")
			}
			for _, f := range append(fresh.Frames(), peer.Frames()...) {
				if f.Size > 256<<10 {
					t.Errorf("a frame %s of %d bytes", f.Type, f.Size)
				}
			}
			peer.Drop()
			fresh.Drop()
		})
	}
}
