// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

const socketFeature = "sync.socket"

func opening() []*suite.Case {
	a := &area{profile: core, feature: socketFeature}
	a.add("OPEN-PROTOCOL", "parley.v1 is needed and selected", "SOCKET-OPEN-1 SOCKET-OPEN-4", openProtocol)
	a.add("OPEN-AUTH", "without a token in the header or a ticket there is no socket", "SOCKET-AUTH-1 SOCKET-AUTH-2 SOCKET-OPEN-4 TRUST-URL-1", openAuth)
	a.add("OPEN-ORIGIN", "a foreign origin is refused", "SOCKET-OPEN-3 SOCKET-OPEN-4", openOrigin)
	return a.list
}

func openProtocol(t *suite.T, a *actor) {
	l := a.open()
	t.Expect(l.Protocol() == client.Protocol, "the server selects %q, want parley.v1", l.Protocol())
	l = a.openAs(client.Dial{Token: a.session.Access, Protocols: []string{"chat", "parley.v1", "parley.v99"}})
	t.Expect(l.Protocol() == client.Protocol, "of three the server selects %q, want parley.v1", l.Protocol())
	for _, offered := range [][]string{{}, {"chat"}, {"parley.v99"}, {"PARLEY.V1"}} {
		a.refuse("subprotocol_required", client.Dial{Token: a.session.Access, Protocols: offered})
	}
}

func openAuth(t *suite.T, a *actor) {
	a.refuse("unauthenticated", client.Dial{Header: http.Header{}})
	a.refuse("unauthenticated", client.Dial{Token: "pa_" + strings.Repeat("A", 45)})
	token := url.QueryEscape(a.session.Access)
	a.refuse("unauthenticated", client.Dial{Query: "?access_token=" + token + "&token=" + token + "&accessToken=" + token})
	a.refuse("unauthenticated", client.Dial{Header: http.Header{"Cookie": {"token=" + a.session.Access + "; accessToken=" + a.session.Access}}})
	ticket := a.ticket("")
	a.refuse("unauthenticated", client.Dial{Query: "?ticket=" + ticket})
}

func openOrigin(t *suite.T, a *actor) {
	a.refuse("origin_refused", client.Dial{Token: a.session.Access, Header: http.Header{"Origin": {"https://evil.example"}}})
	a.refuse("origin_refused", client.Dial{Token: a.session.Access, Header: http.Header{"Origin": {"null"}}})
}

func tickets() []*suite.Case {
	a := &area{profile: core, feature: socketFeature}
	a.add("TICKET-ONCE", "a ticket opens one socket and is not selected as subprotocol", "SOCKET-TICKET-1 SOCKET-AUTH-1 SOCKET-OPEN-2", ticketOnce)
	a.add("TICKET-ORIGIN", "a ticket is for the origin that asked for it", "SOCKET-TICKET-1", ticketOrigin)
	a.add("TICKET-OLD", "a ticket ends after 30 seconds", "SOCKET-TICKET-1", ticketOld, slow(50*time.Second))
	return a.list
}

func (a *actor) ticket(origin string) string {
	in := request("POST", "/ws/ticket", nil)
	if origin != "" {
		in.Header = http.Header{"Origin": {origin}}
	}
	return a.ok(http.StatusOK, in).At("ticket").Text()
}

func withTicket(ticket, origin string) client.Dial {
	d := client.Dial{Protocols: []string{client.Protocol, "parley.ticket." + ticket}, Header: http.Header{}}
	if origin != "" {
		d.Header.Set("Origin", origin)
	}
	return d
}

func ticketOnce(t *suite.T, a *actor) {
	ticket := a.ticket("")
	l := a.openAs(withTicket(ticket, ""))
	t.Expect(l.Protocol() == client.Protocol, "the server selects %q, want parley.v1", l.Protocol())
	l.sync("")
	a.refuse("ticket_invalid", withTicket(ticket, ""))
	a.refuse("ticket_invalid", withTicket("pk_"+strings.Repeat("A", 45), ""))
}

func ticketOrigin(t *suite.T, a *actor) {
	own := t.Env.Server.URL()
	ticket := a.ticket(own)
	s, res, err := t.Env.Server.Open(t.Context(), t.Rec, a.who, withTicket(ticket, "https://evil.example"))
	t.Expect(err == nil && s == nil, "a ticket opens a socket from another origin")
	t.Expect(res.Code() == "ticket_invalid" || res.Code() == "origin_refused", "a ticket from another origin: %d %s", res.Status, res.Code())
	a.refuse("ticket_invalid", withTicket(a.ticket(own), ""))
}

func ticketOld(t *suite.T, a *actor) {
	ticket := a.ticket("")
	t.Pause(31 * time.Second)
	a.refuse("ticket_invalid", withTicket(ticket, ""))
}

func live() []*suite.Case {
	a := &area{profile: core, feature: socketFeature}
	a.add("LIVE-SYNC-FIRST", "the first frame is sync", "SOCKET-SYNC-1", liveSyncFirst)
	a.add("LIVE-PAGES", "sync frames follow until hasMore is false, unasked", "SOCKET-SYNC-2", livePages, fresh)
	a.add("LIVE-NO-GAP", "between sync and live nothing is lost and nothing is out of order", "SOCKET-SYNC-3 SOCKET-SYNC-4", liveNoGap)
	a.add("LIVE-ACK", "the sending connection gets the ack, every other one the message", "SOCKET-LIVE-1 SOCKET-LIVE-2", liveAck)
	a.add("LIVE-TEMPID", "ack and error carry the tempId", "SOCKET-LIVE-5", liveTempID)
	a.add("LIVE-CURSOR", "a later cursor covers what was sent before it and nothing else", "SOCKET-SYNC-5 SYNC-CURSOR-3", liveCursor)
	a.add("LIVE-MEMBERS", "joining and removal arrive live, and nothing after the removal", "SOCKET-LIVE-3 SOCKET-LIVE-4", liveMembers)
	a.add("LIVE-RESYNC", "a slow reader is told to resync and then gets everything", "SOCKET-RESYNC-1", liveResync, slow(90*time.Second))
	for _, c := range a.list {
		if c.ID == "LIVE-MEMBERS" {
			c.Profile, c.Feature = groups, groupFeature
		}
	}
	return a.list
}

func liveSyncFirst(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := a.open()
	body := message(a.temp(), "too early")
	body["conversationId"] = k.id
	l.say("send_message", body)
	l.error("sync_required")
	l.ack(k, k.event(a, 0).At("messageId").Text(), "read")
	l.error("sync_required")
	l.sync("")
	l.mark(k)
	wantSeqs(t, k.events(a), 0, 1)
}

func livePages(t *suite.T, a, b *actor) {
	for range 30 {
		a.group(b).send(a, strings.Repeat("x", 12_000))
	}
	frames := b.open().sync("")
	t.Expect(len(frames) > 1, "more than 360,000 bytes came in one frame")
	cursors := map[string]bool{}
	for _, f := range frames {
		cursors[f.Data.At("cursor").Text()] = true
	}
	t.Expect(len(cursors) == len(frames), "%d sync frames have %d cursors", len(frames), len(cursors))
}

func liveNoGap(t *suite.T, a, b *actor) {
	k := a.group(b)
	before := b.cursor()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }() // The case fails by the missing events.
		k.flood(40, a)
	}()
	l := b.open()
	var have []client.Value
	for _, f := range l.sync(before) {
		e, conversations, _ := k.collect([]*client.Response{{Value: f.Data}})
		t.Expect(len(conversations) == 0 || !conversations[0].At("gap").Exists(), "a gap after 40 messages at most")
		have = append(have, e...)
	}
	<-done
	last := k.send(a, "the last").At("seq").Int()
	l.seq(k, last)
	for _, f := range l.events(k) {
		if n := len(have); n == 0 || f.Data.At("seq").Int() > have[n-1].At("seq").Int() {
			have = append(have, f.Data)
		}
	}
	wantSeqs(t, have, 1, last)
	var liveSeqs []int64
	for _, f := range l.events(k) {
		liveSeqs = append(liveSeqs, f.Data.At("seq").Int())
	}
	t.Expect(slices.IsSorted(liveSeqs), "live frames are out of order: %v", liveSeqs)
}

func liveAck(t *suite.T, a, b *actor) {
	k := a.group(b)
	first, second, other := a.online(""), a.online(""), b.online("")
	ack := first.send(k, a.temp(), "hello")
	for _, l := range []*line{second, other} {
		f := l.of("message_received", k)
		for _, member := range []string{"messageId", "seq", "tempId", "timestamp"} {
			t.Expect(f.Data.At(member).String() == ack.At(member).String(), "%s is %v in message_received, %v in the ack", member, f.Data.At(member), ack.At(member))
		}
		t.Expect(f.Data.At("content").Text() == "hello", "the content is %v", f.Data.At("content"))
	}
	first.mark(k)
	for _, f := range first.events(k) {
		t.Fail("the sending connection gets %s for seq %v", f.Type, f.Data.At("seq"))
	}
	k.send(a, "by REST")
	first.seq(k, 3)
}

func liveTempID(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := a.online("")
	temp := a.temp()
	t.Expect(l.send(k, temp, "x").At("tempId").Text() == temp, "the ack has another tempId")
	for _, given := range []string{"with space", strings.Repeat("t", 65), a.temp()} {
		l.say("send_message", object{"tempId": given, "conversationId": k.id, "contentType": "text"})
		e := l.error("invalid_field")
		t.Expect(e.At("tempId").Text() == given, "the error has the tempId %v, want %q", e.At("tempId"), given)
	}
}

// liveCursor waits for a cursor on the connection and resumes from it.
func liveCursor(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := b.online("")
	n := int64(len(k.flood(40, a, a)))
	l.seq(k, n)
	f := l.cursorFrame(k, a)
	for _, list := range []string{"messages", "conversations", "receipts"} {
		t.Expect(len(f.Data.At(list).List()) == 0, "a later sync frame has %s", list)
	}
	sent := int64(0)
	for _, g := range l.events(k) {
		if !g.At.After(f.At) {
			sent = max(sent, g.Data.At("seq").Int())
		}
	}
	k.send(a, "after")
	events, conversations, _ := k.collect(b.catchUp(f.Data.At("cursor").Text()))
	wantCovered(t, k, b, events, conversations, sent, k.see(b).At("headSeq").Int())
	t.Expect(len(events) > 0 && events[0].At("seq").Int() > sent, "the cursor does not cover seq %v, which was sent before it", events[0].At("seq"))
}

// cursorFrame returns the first sync frame after the first sync. Servers may take their time: messages go on meanwhile.
func (l *line) cursorFrame(k *talk, sender *actor) (out client.Frame) {
	l.t.Eventually(15*time.Second, "a sync with a newer cursor comes", func() bool {
		n := 0
		for _, f := range l.Frames() {
			if f.Type != "sync" {
				continue
			}
			if n++; n > l.syncs {
				out = f
				return true
			}
		}
		k.send(sender, "going on")
		return false
	})
	return out
}

func liveMembers(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	l := c.online("")
	must(t, k.add(a, c), "adding")
	f := l.of("conversation_updated", k)
	t.Expect(f.Data.At("type").Text() == "member_add" && f.Data.At("seq").Int() == 1, "joining arrives as %v at %v", f.Data.At("type"), f.Data.At("seq"))
	k.send(a, "welcome")
	l.of("message_received", k)
	must(t, k.remove(a, c), "removing")
	f = l.of("conversation_updated", k)
	t.Expect(f.Data.At("type").Text() == "member_remove" && f.Data.At("seq").Int() == 3, "the removal arrives as %v at %v", f.Data.At("type"), f.Data.At("seq"))
	id := k.sendN(a, 3).At("messageId").Text()
	k.read(b, id, 6)
	l.mark(c.group())
	frames := l.Frames()
	for i, g := range frames {
		if isEvent(g) && g.Data.At("conversationId").Text() == k.id && g.Data.At("seq").Int() == 3 {
			frames = frames[i+1:]
			break
		}
	}
	for _, g := range frames {
		t.Expect(g.Data.At("conversationId").Text() != k.id, "a %s of the conversation comes after the removal", g.Type)
	}
}

// liveResync fills the queues on the way to a client that does not read.
func liveResync(t *suite.T, a, b *actor) {
	for _, rate := range []string{"messagesPerMinute", "groupMessagesPerMinute"} {
		if n := t.Env.Limit(rate); n > 0 && n < 252 {
			t.Impossible("with %s %d nobody fills the queues", rate, n)
		}
	}
	k := a.group(b)
	before := b.cursor()
	l := b.openAs(client.Dial{Token: b.session.Access, Stalled: true})
	l.Resume()
	l.sync(before)
	l.Stall()
	var last int64
	text := strings.Repeat("x", 60_000)
	for range 250 {
		last = k.send(a, text).At("seq").Int()
	}
	l.Resume()
	end := l.within(20*time.Second, "resync, a close or the last message", func(f client.Frame) bool {
		return f.Type == "resync" || (isEvent(f) && f.Data.At("seq").Int() == last)
	})
	if end.Type != "resync" {
		t.Note("the server held everything for the slow reader")
		return
	}
	k.send(a, "held back")
	for _, f := range l.Frames() {
		t.Expect(!f.At.After(end.At) || !isEvent(f), "after resync and before sync a %s comes", f.Type)
	}
	var all []*client.Response
	for _, f := range l.sync(l.cursor) {
		all = append(all, &client.Response{Value: f.Data})
	}
	wantWhole(t, k, b, all, 0, k.see(b).At("headSeq").Int())
}

func badFrames() []*suite.Case {
	a := &area{profile: core, feature: socketFeature}
	a.add("BAD-FRAMES", "a bad frame gets one error and the connection goes on", "SOCKET-BAD-1 SOCKET-BAD-3 ENC-JSON-2", badFrame)
	a.add("BAD-UTF8", "a text message that is not UTF-8 ends the connection with 1007", "SOCKET-BAD-4", badUTF8)
	a.add("BAD-LARGE", "a frame over 128 KiB gets an error and a close with 1009", "SOCKET-BAD-2 LIMIT-ERROR-1 LIMIT-ERROR-2", badLarge)
	return a.list
}

func badFrame(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := a.online("")
	for _, bad := range []struct {
		code, raw string
		binary    bool
	}{
		{"unknown_type", `{"type":"dance","data":{}}`, false}, {"unknown_type", `{"type":"message_received","data":{}}`, false},
		{"malformed_json", `{"type":"sync","data":{}}`, true}, {"malformed_json", `hello`, false}, {"malformed_json", `{"type":"sync"`, false},
		{"malformed_json", `{"type":"sync","type":"sync","data":{}}`, false}, {"malformed_json", `{"type":"sync","data":{}} {}`, false},
		{"invalid_field", `{"type":"send_message","data":{"tempId":7}}`, false}, {"invalid_field", `{"type":"delivery_ack","data":{}}`, false},
	} {
		if err := l.SendRaw(t.Context(), []byte(bad.raw), bad.binary); err != nil {
			t.Fail("%v", err)
		}
		l.error(bad.code)
	}
	l.mark(k)
	n := 0
	for _, f := range l.Frames() {
		if f.Type == "error" {
			n++
		}
	}
	t.Expect(n == 9, "9 bad frames got %d errors", n)
}

func badUTF8(t *suite.T, a *actor) {
	l := a.online("")
	if err := l.SendRaw(t.Context(), []byte("{\"type\":\"sync\",\"data\":{\"cursor\":\"\xff\"}}"), false); err != nil {
		t.Fail("%v", err)
	}
	l.wantClose(1007, patience)
}

func badLarge(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := a.online("")
	size := int(t.Env.Limit("frameBytes"))
	pad := func(n int) []byte {
		body := message(a.temp(), "x")
		body["conversationId"] = k.id
		raw := string(frame("send_message", body, ""))
		return []byte(raw[:len(raw)-1] + strings.Repeat(" ", n-len(raw)) + "}")
	}
	if err := l.SendRaw(t.Context(), pad(size), false); err != nil {
		t.Fail("%v", err)
	}
	l.find("the message_ack of a frame of the largest size", func(f client.Frame) bool { return f.Type == "message_ack" })
	if err := l.SendRaw(t.Context(), pad(size+1), false); err != nil {
		t.Fail("%v", err)
	}
	l.error("frame_too_large")
	l.wantClose(1009, patience)
}

func staying() []*suite.Case {
	a := &area{profile: core, feature: socketFeature}
	a.add("STAY-PING", "the server pings every 30 seconds", "SOCKET-PING-1", stayPing, slow(75*time.Second))
	a.add("STAY-DEAD", "a connection from which nothing comes for 60 seconds is dropped", "SOCKET-PING-1", stayDead, slow(110*time.Second))
	a.add("STAY-MANY", "of more than ten sockets the oldest is closed", "SOCKET-MANY-1 LIMIT-ERROR-1 LIMIT-ERROR-2", stayMany)
	return a.list
}

func stayPing(t *suite.T, a *actor) {
	l := a.online("")
	begin := time.Now()
	for n := range 2 {
		if err := l.AwaitPing(t.Context(), n+1); err != nil {
			t.Fail("no ping number %d after %v", n+1, time.Since(begin).Round(time.Second))
		}
	}
	pings := l.Pings()
	t.Expect(len(pings) >= 2, "the connection was closed before the second ping")
	for at := begin; len(pings) > 0; at, pings = pings[0], pings[1:] {
		t.Expect(pings[0].Sub(at) < 33*time.Second, "%v went by without a ping", pings[0].Sub(at))
	}
	l.sync(l.cursor)
}

func stayDead(t *suite.T, a *actor) {
	l := a.openAs(client.Dial{Token: a.session.Access, Deaf: true})
	l.sync("")
	begin := time.Now()
	_, err := l.Closed(t.Context())
	t.Expect(err == nil, "a silent connection is still open after %v", time.Since(begin).Round(time.Second))
	t.Expect(time.Since(begin) > 55*time.Second, "a silent connection is dropped after %v", time.Since(begin))
}

func stayMany(t *suite.T, a *actor) {
	most := int(t.Env.Limit("socketsPerDevice"))
	var lines []*line
	for range most {
		lines = append(lines, a.online(""))
	}
	k := a.group()
	lines[0].mark(k)
	extra := a.online("")
	lines[0].wantClose(4001, patience)
	extra.mark(k)
	lines[1].mark(k)
}
