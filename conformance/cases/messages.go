// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func direct() []*suite.Case {
	a := &area{profile: core, feature: "conversations.direct"}
	a.add("DIRECT-ONE-OTHER", "a direct conversation names exactly one other user", "CONV-DIRECT-1", directOneOther)
	a.add("DIRECT-ONCE", "there is one direct conversation for a pair", "CONV-DIRECT-2", directOnce, fresh)
	a.add("DIRECT-FIXED", "members, roles and name of a direct conversation stay", "CONV-DIRECT-3", directFixed)
	a.add("DIRECT-UNKNOWN", "a direct conversation with nobody is not made", "CONV-CREATE-3", directUnknown)
	a.add("DIRECT-VIEW", "both see the other one as the peer", "CONV-COUNT-2 CONV-CREATE-1", directView)
	return a.list
}

func directOneOther(t *suite.T, a, b, c *actor) {
	for _, members := range [][]string{{}, {b.id, c.id}, {a.id}} {
		res := a.ask(post("/conversations", object{"type": "direct", "members": members}))
		wantCode(t, res, "invalid_field", "a direct conversation with "+client.Compact(members))
	}
}

func directOnce(t *suite.T, a, b *actor) {
	body := func(other string) object { return object{"type": "direct", "members": []string{other}} }
	first := a.ok(http.StatusCreated, post("/conversations", body(b.id)))
	id := first.At("conversationId").Text()
	for _, res := range []*client.Response{
		a.ok(http.StatusOK, post("/conversations", body(b.id))), b.ok(http.StatusOK, post("/conversations", body(a.id))),
	} {
		t.Expect(res.At("conversationId").Text() == id, "the direct conversation is %v, want %s", res.At("conversationId"), id)
	}
	k := &talk{t: t, id: id}
	wantSeqs(t, k.events(a), 0, 0)
}

func directFixed(t *suite.T, a, b, c *actor) {
	k := a.direct(b)
	head := k.see(a).At("headSeq").Int()
	for what, res := range map[string]*client.Response{
		"adding": k.add(a, c), "removing": k.remove(a, b), "leaving": k.remove(a, a), "a role": k.role(a, b, "admin"), "a name": k.rename(a, "us"),
	} {
		wantCode(t, res, "direct_fixed", what)
	}
	t.Expect(k.see(a).At("headSeq").Int() == head, "a refused change made an entry")
}

func directUnknown(t *suite.T, a *actor) {
	a.refused("unknown_user", post("/conversations", object{"type": "direct", "members": []string{"nobody-" + t.Env.RunID + "@" + t.Env.ServerName()}}))
}

func directView(t *suite.T, a, b *actor) {
	k := a.direct(b)
	for who, peer := range map[*actor]*actor{a: b, b: a} {
		c := k.see(who)
		t.Expect(c.At("peerId").Text() == peer.id, "%s sees the peer %v", who.who, c.At("peerId"))
		t.Expect(c.At("memberCount").Int() == 2 && c.At("role").Text() == "member", "%v members, role %v", c.At("memberCount"), c.At("role"))
		t.Expect(c.At("membership").Text() == "joined", "membership %v", c.At("membership"))
		t.Expect(c.At("createdBy").Text() == min(a.id, b.id), "createdBy is %v, want the first of the two ids", c.At("createdBy"))
	}
}

func sending() []*suite.Case {
	a := &area{profile: core}
	a.add("SEND-ACK", "a message is acknowledged with sent, its place and its tempId", "MSG-SEND-1", sendAck)
	a.add("SEND-CONTENT", "a message needs content, media or ciphertext", "MSG-SEND-2", sendContent)
	a.add("SEND-TYPE", "contentType is one of five", "MSG-SEND-3", sendType)
	a.add("SEND-REPLY", "a reply names a message the sender may read", "MSG-REPLY-1", sendReply)
	a.add("SEND-MEDIA-URL", "mediaUrl is an http URL or a path of the server", "MSG-SEND-6 ENC-URL-1 ENC-URL-2", sendMediaURL)
	a.add("SEND-SOCKET", "socket and REST are the same operation", "MSG-SEND-1", sendSocket)
	a.add("SEND-DENSE", "concurrent messages get every place once", "LOG-ENTRY-4 LOG-ENTRY-2", sendDense)
	a.add("SEND-ORDER", "everybody gets the messages in the same order", "GEN-ORDER-1 SOCKET-SYNC-4", sendOrder)
	a.add("SEND-VISIBLE", "what is acknowledged can be read at once", "GEN-DURABLE-1 MSG-SEND-1", sendVisible)
	return a.list
}

func sendAck(t *suite.T, a, b *actor) {
	k := a.group(b)
	temp := a.temp()
	ack := k.sendAs(a, temp, "hello")
	t.Expect(ack.At("status").Text() == "sent" && ack.At("tempId").Text() == temp, "status %v of tempId %v", ack.At("status"), ack.At("tempId"))
	t.Expect(ack.At("conversationId").Text() == k.id && ack.At("seq").Int() == 1, "seq %v of %v, want 1", ack.At("seq"), ack.At("conversationId"))
	for _, who := range []*actor{a, b} {
		e := k.event(who, 1)
		for _, member := range []string{"messageId", "timestamp", "tempId", "seq"} {
			t.Expect(e.At(member).String() == ack.At(member).String(), "%s of the event is %v, of the ack %v", member, e.At(member), ack.At(member))
		}
		t.Expect(e.At("senderId").Text() == a.id && e.At("content").Text() == "hello" && e.At("type").Text() == "message", "the event is %v", e)
	}
}

func sendContent(t *suite.T, a, b *actor) {
	k := a.group(b)
	for _, body := range []object{{}, {"content": ""}, {"mediaUrl": ""}, {"encryptedContent": ""}} {
		body["tempId"], body["contentType"] = a.temp(), "text"
		a.refused("invalid_field", post(k.path("/messages"), body))
	}
	wantSeqs(t, k.events(a), 0, 0)
	for member, value := range map[string]string{"content": "x", "mediaUrl": "https://example.org/a.png", "encryptedContent": "AAAA"} {
		ack := a.ok(http.StatusCreated, post(k.path("/messages"), object{"tempId": a.temp(), "contentType": "image", member: value}))
		e := k.event(b, ack.At("seq").Int())
		t.Expect(e.At(member).Text() == value, "%s came back as %v", member, e.At(member))
	}
}

func sendType(t *suite.T, a, b *actor) {
	k := a.group(b)
	for _, kind := range []string{"text", "image", "video", "audio", "document"} {
		body := message(a.temp(), "x")
		body["contentType"] = kind
		ack := a.ok(http.StatusCreated, post(k.path("/messages"), body))
		t.Expect(k.event(b, ack.At("seq").Int()).At("contentType").Text() == kind, "the contentType %s did not come back", kind)
	}
	for _, kind := range []any{"TEXT", "sticker", "", nil, 1} {
		body := message(a.temp(), "x")
		body["contentType"] = kind
		a.refused("invalid_field", post(k.path("/messages"), body))
	}
}

func sendReply(t *suite.T, a, b *actor) {
	k, other := a.group(b), a.group(b)
	first, foreign := k.send(a, "one").At("messageId").Text(), other.send(a, "two").At("messageId").Text()
	reply := func(who *actor, id string) *client.Response {
		body := message(who.temp(), "reply")
		body["replyToMessageId"] = id
		return who.ask(post(k.path("/messages"), body))
	}
	res := reply(b, first)
	b.want(res, http.StatusCreated)
	t.Expect(k.event(a, res.At("seq").Int()).At("replyToMessageId").Text() == first, "replyToMessageId did not come back")
	wantCode(t, reply(b, foreign), "unknown_message", "a reply to a message of another conversation")
	wantCode(t, reply(b, "01M844DZG000000001W2047Q97"), "unknown_message", "a reply to no message")
	must(t, k.remove(a, b), "removing")
	hidden := k.send(a, "not for b").At("messageId").Text()
	must(t, k.add(a, b), "adding")
	wantCode(t, reply(b, hidden), "unknown_message", "a reply to a message the sender may not read")
}

func sendMediaURL(t *suite.T, a, b *actor) {
	k := a.group(b)
	send := func(url string) client.Request {
		return post(k.path("/messages"), object{"tempId": a.temp(), "contentType": "image", "mediaUrl": url})
	}
	for _, good := range []string{"https://example.org/a.png", "http://example.org/a", "/media/a.png"} {
		a.ok(http.StatusCreated, send(good))
	}
	for _, bad := range []string{"javascript:alert(1)", "data:image/png;base64,AAAA", "ftp://example.org/a", "a.png", "//example.org/a.png", "/\\evil.example", "http://", "https://user@example.org/a.png", "https://example.org/\u202ea", "file:///etc/passwd"} {
		a.refused("invalid_field", send(bad))
	}
}

func sendSocket(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := a.online("")
	ack := l.send(k, a.temp(), "by socket")
	res := k.send(a, "by REST")
	t.Expect(strings.Join(ack.Keys(), " ") == strings.Join(res.Keys(), " "), "message_ack has the members %v, the answer %v", ack.Keys(), res.Keys())
	t.Expect(ack.At("seq").Int() == 1 && res.At("seq").Int() == 2, "places %v and %v, want 1 and 2", ack.At("seq"), res.At("seq"))
	e := k.events(b)
	t.Expect(len(e) == 3 && e[1].At("content").Text() == "by socket" && e[2].At("content").Text() == "by REST", "the history has %d events", len(e))
}

// flood sends n messages of each actor at the same time and returns the tempIds.
func (k *talk) flood(n int, senders ...*actor) []string {
	var all []string
	var work []func() error
	for _, a := range senders {
		var mine []string
		for range n {
			mine = append(mine, a.temp())
		}
		all = append(all, mine...)
		work = append(work, func() error {
			for _, temp := range mine {
				in := post(k.path("/messages"), message(temp, temp))
				in.Token = a.session.Access
				if _, err := k.t.Env.Server.Do(k.t.Context(), k.t.Rec, a.who, in); err != nil {
					return err
				}
			}
			return nil
		})
	}
	together(k.t, work...)
	return all
}

// together runs functions at the same time; what they return ends the case after all have ended.
func together(t *suite.T, work ...func() error) {
	errs := make([]error, len(work))
	var all sync.WaitGroup
	for i, f := range work {
		all.Go(func() { errs[i] = f() })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fail("%v", err)
		}
	}
}

func sendDense(t *suite.T, a, b, c *actor) {
	k := a.group(b, c)
	sent := k.flood(15, a, b, c)
	events := k.events(a)
	wantSeqs(t, events, 0, int64(len(sent)))
	var have []string
	last := int64(0)
	for _, e := range events[1:] {
		have = append(have, e.At("tempId").Text())
		at := e.At("timestamp").Int()
		t.Expect(at >= last, "the time of seq %v is %d, that before it %d", e.At("seq"), at, last)
		last = at
	}
	slices.Sort(have)
	slices.Sort(sent)
	t.Expect(slices.Equal(have, sent), "%d messages were sent, the history has others", len(sent))
}

func sendOrder(t *suite.T, a, b, c *actor) {
	k := a.group(b, c)
	lines := []*line{a.online(""), b.online(""), c.online("")}
	n := int64(len(k.flood(12, a, b, c)))
	var orders []string
	for _, l := range lines {
		l.seq(k, n)
		var order []client.Value
		for _, f := range l.events(k) {
			order = append(order, f.Data)
		}
		wantSeqs(t, order, 1, n)
		orders = append(orders, tempIDs(order))
	}
	orders = append(orders, tempIDs(k.events(a)[1:]))
	for _, o := range orders[1:] {
		t.Expect(o == orders[0], "two devices have two orders")
	}
}

func tempIDs(events []client.Value) string {
	var out []string
	for _, e := range events {
		out = append(out, e.At("tempId").Text())
	}
	return strings.Join(out, " ")
}

func sendVisible(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := a.online("")
	for range 10 {
		ack := l.send(k, a.temp(), "now you see it")
		newest := k.newest(b)
		t.Expect(newest.At("seq").Int() >= ack.At("seq").Int(), "seq %v is acknowledged and the newest that can be read is %v", ack.At("seq"), newest.At("seq"))
	}
}

func idempotence() []*suite.Case {
	a := &area{profile: core}
	a.add("TWICE-SAME-ANSWER", "the same message again gets the same answer and makes no second entry", "LOG-IDEMPOTENCE-1", twiceSame)
	a.add("TWICE-TRANSPORTS", "this holds across connections and transports", "LOG-IDEMPOTENCE-1 LOG-IDEMPOTENCE-4", twiceTransports)
	a.add("TWICE-AT-ONCE", "many copies at once make one entry", "LOG-IDEMPOTENCE-1", twiceAtOnce)
	a.add("TWICE-CONFLICT", "another content under the same tempId is refused", "LOG-IDEMPOTENCE-3", twiceConflict)
	a.add("TWICE-DEVICES", "devices and conversations have their tempIds for themselves", "LOG-IDEMPOTENCE-1", twiceDevices, slow(loginTime))
	return a.list
}

func twiceSame(t *suite.T, a, b *actor) {
	k := a.group(b)
	temp := a.temp()
	first := k.sendAs(a, temp, "once")
	k.sendN(b, 3)
	for range 3 {
		again := k.sendAs(a, temp, "once")
		t.Expect(again.String() == first.String(), "the answer is %v, the first time it was %v", again.Value, first.Value)
	}
	wantSeqs(t, k.events(a), 0, 4)
}

func twiceTransports(t *suite.T, a, b *actor) {
	k := a.group(b)
	temp := a.temp()
	first := k.sendAs(a, temp, "once")
	for range 2 {
		l := a.online("")
		again := l.send(k, temp, "once")
		t.Expect(again.String() == first.String(), "the ack on the socket is %v, the answer was %v", again, first.Value)
		l.Close()
	}
	byFrame := a.temp()
	l := a.online("")
	ack := l.send(k, byFrame, "twice")
	t.Expect(k.sendAs(a, byFrame, "twice").String() == ack.String(), "the answer differs from the ack on the socket")
	wantSeqs(t, k.events(a), 0, 2)
}

func twiceAtOnce(t *suite.T, a, b *actor) {
	k := a.group(b)
	for range 3 {
		temp := a.temp()
		answers := make([]string, 8)
		var work []func() error
		for i := range answers {
			work = append(work, func() error {
				in := post(k.path("/messages"), message(temp, "once"))
				in.Token = a.session.Access
				res, err := t.Env.Server.Do(t.Context(), t.Rec, a.who, in)
				if err == nil {
					answers[i] = res.Value.String()
				}
				return err
			})
		}
		together(t, work...)
		for _, s := range answers {
			t.Expect(s == answers[0], "copies sent at once are answered %s and %s", answers[0], s)
		}
	}
	wantSeqs(t, k.events(a), 0, 3)
}

func twiceConflict(t *suite.T, a, b *actor) {
	k := a.group(b)
	temp := a.temp()
	first := k.sendAs(a, temp, "one")
	a.refused("temp_id_conflict", post(k.path("/messages"), message(temp, "two")))
	body := message(temp, "one")
	body["contentType"] = "document"
	a.refused("temp_id_conflict", post(k.path("/messages"), body))
	l := a.online("")
	frame := message(temp, "three")
	frame["conversationId"] = k.id
	l.say("send_message", frame)
	l.error("temp_id_conflict")
	t.Expect(k.sendAs(a, temp, "one").String() == first.String(), "after conflicts the answer changed")
	wantSeqs(t, k.events(a), 0, 1)
}

func twiceDevices(t *suite.T, a, b *actor) {
	k, other := a.group(b), a.group(b)
	temp := a.temp()
	first := k.sendAs(a, temp, "mine")
	for what, ack := range map[string]*client.Response{
		"of another user": k.sendAs(b, temp, "mine"), "of another device": k.sendAs(a.other(), temp, "mine"), "in another conversation": other.sendAs(a, temp, "mine"),
	} {
		t.Expect(ack.At("messageId").Text() != first.At("messageId").Text(), "the tempId %s gets the message of the first", what)
	}
	wantSeqs(t, k.events(a), 0, 3)
}
