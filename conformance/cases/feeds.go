// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func cursors() []*suite.Case {
	a := &area{profile: syncs}
	a.add("CURSOR-FORM", "a cursor has at most 4096 printable characters", "SYNC-CURSOR-2", cursorForm)
	a.add("CURSOR-COVERS", "a cursor covers nothing that was not delivered before it", "SYNC-CURSOR-3", cursorCovers)
	a.add("CURSOR-FOREIGN", "a cursor of another user, or a damaged one, is refused", "SYNC-CURSOR-6", cursorForeign)
	return a.list
}

func cursorForm(t *suite.T, a, b *actor) {
	k := a.group(b)
	cursor := ""
	for range 3 {
		cursor = a.poll(cursor, 0).At("cursor").Text()
		t.Expect(len(cursor) > 0 && len(cursor) <= 4096, "the cursor has %d bytes", len(cursor))
		t.Expect(strings.Trim(cursor, printable()) == "", "the cursor %q is not printable ASCII", cursor)
		k.send(b, "x")
	}
}

func printable() string {
	var b strings.Builder
	for c := byte('!'); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}

// cursorCovers resumes from every cursor it was given and wants all that came after it.
func cursorCovers(t *suite.T, a, b *actor) {
	k := a.group(b)
	type place struct {
		cursor string
		seq    int64
	}
	var places []place
	cursor := b.cursor()
	places = append(places, place{cursor, 0})
	for i := range 6 {
		k.sendN(a, 1+i%2)
		all := b.catchUp(cursor)
		events, _, _ := k.collect(all)
		t.Expect(len(events) > 0, "the sync after a message is empty")
		cursor = all[len(all)-1].At("cursor").Text()
		places = append(places, place{cursor, events[len(events)-1].At("seq").Int()})
	}
	head := k.see(b).At("headSeq").Int()
	for _, p := range places {
		events, conversations, _ := k.collect(b.catchUp(p.cursor))
		wantCovered(t, k, b, events, conversations, p.seq, head)
	}
}

// wantCovered wants every event after a seq up to the head, in the answers or in a gap that can be filled.
func wantCovered(t *suite.T, k *talk, a *actor, events, conversations []client.Value, after, head int64) {
	have := map[int64]bool{}
	last := int64(-1)
	for _, e := range events {
		seq := e.At("seq").Int()
		t.Expect(seq > last, "seq %d comes after %d", seq, last)
		last, have[seq] = seq, true
	}
	for _, c := range conversations {
		gap := c.At("gap")
		if !gap.Exists() {
			continue
		}
		for _, e := range k.between(a, gap.At("afterSeq").Int(), gap.At("beforeSeq").Int()) {
			have[e.At("seq").Int()] = true
		}
	}
	for seq := after + 1; seq <= head; seq++ {
		t.Expect(have[seq], "seq %d is neither in the answer nor in a gap, after a cursor that covers %d", seq, after)
	}
}

func cursorForeign(t *suite.T, a, b *actor) {
	a.group(b)
	mine, theirs := a.cursor(), b.cursor()
	for what, cursor := range map[string]string{
		"of another user": theirs, "cut off": mine[:len(mine)-4], "lengthened": mine + "AAAA", "of nobody": "nonsense", "with a changed character": flip(mine),
	} {
		res := a.ask(get("/sync?cursor=" + url.QueryEscape(cursor)))
		wantCode(t, res, "invalid_cursor", "a cursor "+what)
	}
	l := a.open()
	l.say("sync", object{"cursor": theirs})
	l.error("invalid_cursor")
	l.sync(mine)
	in := get("/events?cursor=" + url.QueryEscape(theirs))
	in.Token = a.session.Access
	st, res, err := t.Env.Server.Events(t.Context(), t.Rec, a.who, in)
	if st != nil {
		st.Close()
	}
	t.Expect(err == nil && st == nil, "a stream opens with the cursor of another user")
	wantCode(t, res, "invalid_cursor", "GET /events with the cursor of another user")
}

// flip changes a character in the middle.
func flip(s string) string {
	b := []byte(s)
	if i := len(b) / 2; b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

func feed() []*suite.Case {
	a := &area{profile: syncs}
	a.add("WAITS-DEVICE", "a device keeps ten polls open, and not one more", "REST-RATE-3", waitsDevice, fresh)
	a.add("SYNC-MOVED", "an answer holds what moved: conversations, events in order, receipts", "SYNC-ANSWER-1 SYNC-ANSWER-2 SYNC-ANSWER-3", syncMoved)
	a.add("SYNC-VIEW", "a conversation in an answer is as the reader sees it", "SYNC-ANSWER-1", syncView)
	a.add("SYNC-FIRST", "without a cursor every conversation comes, with its newest event", "SYNC-FIRST-1 SYNC-ANSWER-4 SYNC-PAGE-1", syncFirst, fresh)
	a.add("SYNC-MEMBERSHIP", "joining and removal arrive with their events", "SYNC-ANSWER-6", syncMembership)
	a.add("SYNC-SAME", "long poll, socket and stream say the same", "SYNC-ANSWER-1 SYNC-ANSWER-2 SYNC-SSE-4", syncSame)
	a.add("SYNC-OWN-DEVICES", "what one device does reaches the other", "SYNC-ANSWER-1 SYNC-ANSWER-3", syncDevices, slow(loginTime))
	return a.list
}

func syncMoved(t *suite.T, a, b *actor) {
	k, still := a.group(b), a.group(b)
	before := b.cursor()
	k.sendN(a, 2)
	must(t, k.rename(a, "moved"), "renaming")
	last := k.send(a, "x")
	k.read(b, last.At("messageId").Text(), 4)
	all := b.catchUp(before)
	events, conversations, _ := k.collect(all)
	wantSeqs(t, events, 1, 4)
	t.Expect(events[2].At("type").Text() == "rename", "seq 3 is %v, want rename", events[2].At("type"))
	t.Expect(len(conversations) > 0, "the conversation that moved is not in the answer")
	t.Eventually(patience, "the moved pointer is in an answer", func() bool {
		_, _, receipts := k.collect(all)
		all = append(all, b.catchUp(all[len(all)-1].At("cursor").Text())...)
		return len(receipts) > 0 && receipts[len(receipts)-1].At("readSeq").Int() == 4
	})
	e, _, _ := still.collect(all)
	t.Expect(len(e) == 0, "a conversation in which nothing moved has %d events", len(e))
}

func syncView(t *suite.T, a, b *actor) {
	k := a.named("Seen", b)
	before := b.cursor()
	k.sendN(a, 3)
	_, conversations, _ := k.collect(b.catchUp(before))
	t.Expect(len(conversations) == 1, "the conversation is %d times in the answer", len(conversations))
	alone := k.see(b)
	for _, name := range alone.Keys() {
		t.Expect(conversations[0].At(name).String() == alone.At(name).String(), "%s is %v in sync and %v alone", name, conversations[0].At(name), alone.At(name))
	}
}

func syncFirst(t *suite.T, a, b *actor) {
	want := map[string]int64{}
	for i := range 30 {
		k := a.group(b)
		want[k.id] = k.send(a, strings.Repeat("x", 12_000+i)).At("seq").Int()
	}
	gone := a.group(b)
	gone.send(a, "x")
	must(t, gone.remove(a, b), "removing")
	want[gone.id] = 2
	seen := map[string]bool{}
	all := b.catchUp("")
	for _, res := range all {
		for _, c := range res.At("conversations").List() {
			seen[c.At("conversationId").Text()] = true
		}
		for _, e := range res.At("messages").List() {
			if want[e.At("conversationId").Text()] == e.At("seq").Int() {
				delete(want, e.At("conversationId").Text())
			}
		}
	}
	t.Expect(len(want) == 0, "the newest events of %d conversations are missing", len(want))
	t.Expect(len(seen) == 31, "%d conversations, want 31", len(seen))
	t.Expect(len(all) > 1, "an answer of more than 360,000 bytes came in one page")
}

func syncMembership(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	k.sendN(a, 2)
	before := c.cursor()
	must(t, k.add(a, c), "adding")
	k.send(a, "welcome")
	all := c.catchUp(before)
	events, conversations, _ := k.collect(all)
	wantSeqs(t, events, 3, 4)
	t.Expect(len(conversations) > 0 && conversations[0].At("membership").Text() == "joined", "the conversation did not arrive as joined")
	before = all[len(all)-1].At("cursor").Text()
	k.send(a, "before the end")
	must(t, k.remove(a, c), "removing")
	k.sendN(a, 2)
	events, conversations, _ = k.collect(c.catchUp(before))
	wantSeqs(t, events, 5, 6)
	t.Expect(len(conversations) > 0 && conversations[0].At("membership").Text() == "removed", "the conversation did not arrive as removed")
}

func syncSame(t *suite.T, a, b *actor) {
	k := a.group(b)
	before := b.cursor()
	k.sendN(a, 3)
	polled, _, _ := k.collect(b.catchUp(before))
	var framed, streamed []client.Value
	l := b.open()
	for _, f := range l.sync(before) {
		e, _, _ := k.collect([]*client.Response{{Value: f.Data}})
		framed = append(framed, e...)
	}
	st := b.stream(before, "")
	for {
		ev, err := st.Next(t.Context())
		t.Expect(err == nil && ev.Type == "sync", "the stream begins with %q: %v", ev.Type, err)
		e, _, _ := k.collect([]*client.Response{{Value: ev.Data}})
		streamed = append(streamed, e...)
		if !ev.Data.At("hasMore").Bool() {
			break
		}
	}
	want := asText(polled)
	t.Expect(asText(framed) == want, "the socket delivers other events than the long poll")
	t.Expect(asText(streamed) == want, "the stream delivers other events than the long poll")
	wantSeqs(t, polled, 1, 3)
}

func asText(list []client.Value) string {
	var out []string
	for _, v := range list {
		out = append(out, v.String())
	}
	return strings.Join(out, "\n")
}

func syncDevices(t *suite.T, a, b *actor) {
	k := a.group(b)
	second := a.other()
	before := second.cursor()
	ack := k.send(a, "from the first device")
	k.read(a, ack.At("messageId").Text(), 1)
	events, conversations, _ := k.collect(second.catchUp(before))
	wantSeqs(t, events, 1, 1)
	t.Expect(len(conversations) > 0 && conversations[len(conversations)-1].At("readSeq").Int() == 1, "the own pointer did not arrive at the other device")
}

func gaps() []*suite.Case {
	a := &area{profile: syncs}
	a.add("GAP-FILL", "a gap can be filled with its two positions", "SYNC-GAP-1 SYNC-ANSWER-2", gapFill, slow(time.Minute))
	a.add("GAP-FIRST", "what a first sync leaves out is told by a gap", "SYNC-GAP-1 SYNC-FIRST-1", gapFirst)
	return a.list
}

// wantWhole wants the events of one conversation without holes but where a gap says so, and the gap to be exact.
func wantWhole(t *suite.T, k *talk, a *actor, all []*client.Response, after, head int64) {
	next := after + 1
	for _, res := range all {
		events, conversations, _ := k.collect([]*client.Response{res})
		for _, c := range conversations {
			if gap := c.At("gap"); gap.Exists() {
				from, to := gap.At("afterSeq").Int(), gap.At("beforeSeq").Int()
				t.Expect(from == next-1 && to > from+1, "the gap is from %d to %d, the client has up to %d", from, to, next-1)
				wantSeqs(t, k.between(a, from, to), from+1, to-1)
				next = to
			}
		}
		for _, e := range events {
			t.Expect(e.At("seq").Int() == next, "seq %v comes where %d is next", e.At("seq"), next)
			next++
		}
	}
	t.Expect(next == head+1, "the answers end at seq %d, the newest is %d", next-1, head)
}

func gapFill(t *suite.T, a, b *actor) {
	k := a.group(b)
	before := b.cursor()
	n := int64(len(k.flood(60, a, a, a, a)))
	wantWhole(t, k, b, b.catchUp(before), 0, n)
}

func gapFirst(t *suite.T, a, b *actor) {
	k := a.group(b)
	n := k.sendN(a, 40).At("seq").Int()
	wantWhole(t, k, b, b.catchUp(""), -1, n)
}

func polls() []*suite.Case {
	a := &area{profile: syncs, feature: "sync.poll"}
	a.add("POLL-WAITS", "if nothing moved the poll waits for its timeout, then answers empty lists", "SYNC-POLL-1", pollWaits, fresh)
	a.add("POLL-WAKES", "a waiting poll is answered when something moves", "SYNC-POLL-1 SYNC-POLL-3", pollWakes, fresh)
	a.add("POLL-AT-ONCE", "if something moved the poll answers at once", "SYNC-POLL-3", pollAtOnce)
	a.add("POLL-TIMEOUT", "a timeout is 0 to 60000, none means 0", "SYNC-POLL-2", pollTimeout)
	return a.list
}

func pollWaits(t *suite.T, a *actor) {
	cursor := a.cursor()
	begin := time.Now()
	res := a.poll(cursor, 1500*time.Millisecond)
	took := time.Since(begin)
	t.Expect(took > 1200*time.Millisecond && took < 10*time.Second, "a poll of 1500 ms took %v", took)
	for _, list := range []string{"messages", "conversations", "receipts"} {
		t.Expect(res.At(list).IsList() && len(res.At(list).List()) == 0, "%s is %v, want []", list, res.At(list))
	}
	t.Expect(res.At("cursor").Text() != "" && !res.At("hasMore").Bool(), "cursor %v, hasMore %v", res.At("cursor"), res.At("hasMore"))
}

func pollWakes(t *suite.T, a, b *actor) {
	k := a.group(b)
	cursor := b.cursor()
	done := make(chan *client.Response, 1)
	begin := time.Now()
	go func() {
		in := get("/sync?timeout=20000&cursor=" + url.QueryEscape(cursor))
		in.Token = b.session.Access
		res, _ := t.Env.Server.Do(t.Context(), t.Rec, b.who, in)
		done <- res
	}()
	t.Pause(300 * time.Millisecond) // Whether the poll waits already or not, the answer is the same.
	k.send(a, "wake up")
	res := <-done
	t.Expect(res != nil && res.Status == http.StatusOK, "the poll has no answer")
	events, _, _ := k.collect([]*client.Response{res})
	wantSeqs(t, events, 1, 1)
	t.Expect(time.Since(begin) < 10*time.Second, "the poll was answered after %v", time.Since(begin))
}

func pollAtOnce(t *suite.T, a, b *actor) {
	k := a.group(b)
	cursor := b.cursor()
	k.send(a, "x")
	begin := time.Now()
	res := b.poll(cursor, 20*time.Second)
	t.Expect(time.Since(begin) < patience, "something had moved, and the poll took %v", time.Since(begin))
	events, _, _ := k.collect([]*client.Response{res})
	wantSeqs(t, events, 1, 1)
}

func pollTimeout(t *suite.T, a *actor) {
	cursor := url.QueryEscape(a.cursor())
	for _, timeout := range []string{"-1", "60001", "x", "1.5"} {
		a.refused("invalid_field", get("/sync?timeout="+timeout+"&cursor="+cursor))
	}
	begin := time.Now()
	a.ok(http.StatusOK, get("/sync?cursor="+cursor))
	a.ok(http.StatusOK, get("/sync?timeout=0&cursor="+cursor))
	t.Expect(time.Since(begin) < patience, "without a timeout the poll took %v", time.Since(begin))
}

func streams() []*suite.Case {
	a := &area{profile: syncs, feature: "sync.sse"}
	a.add("SSE-FORM", "an event is the type of a frame, its data one line, id on sync only", "SYNC-SSE-1 SYNC-SSE-2", sseForm)
	a.add("SSE-RESUME", "Last-Event-ID comes before the parameter cursor", "SYNC-SSE-3", sseResume)
	a.add("SSE-LIVE", "first sync until hasMore is false, then live in order", "SYNC-SSE-4", sseLive)
	return a.list
}

// stream opens server-sent events after a cursor in the parameter, in the header, or neither.
func (a *actor) stream(cursor, last string) *client.Stream {
	in := get("/events")
	if cursor != "" {
		in.Path += "?cursor=" + url.QueryEscape(cursor)
	}
	if last != "" {
		in.Header = http.Header{"Last-Event-ID": {last}}
	}
	in.Token = a.session.Access
	st, res, err := a.t.Env.Server.Events(a.t.Context(), a.t.Rec, a.who, in)
	if err != nil {
		a.t.Fail("%v", err)
	}
	if st == nil {
		a.t.Fail("the stream is refused: %d %s", res.Status, res.Code())
	}
	a.t.Cleanup(st.Close)
	return st
}

// until reads events until one matches, all of them in order.
func until(t *suite.T, st *client.Stream, what string, match func(client.Event) bool) []client.Event {
	var out []client.Event
	for {
		e, err := st.Next(t.Context())
		t.Expect(err == nil, "the stream ends before %s: %v", what, err)
		out = append(out, e)
		if match(e) {
			return out
		}
	}
}

func synced(e client.Event) bool { return e.Type == "sync" && !e.Data.At("hasMore").Bool() }

func sseForm(t *suite.T, a, b *actor) {
	k := a.group(b)
	st := b.stream("", "")
	events := until(t, st, "the end of the sync", synced)
	n := k.send(a, "x\ny").At("seq").Int()
	must(t, k.rename(a, "two\u2028lines"[:3]), "renaming")
	events = append(events, until(t, st, "the renaming", func(e client.Event) bool { return e.Data.At("seq").Int() == n+1 && e.Type == "conversation_updated" })...)
	for _, e := range events {
		t.Expect(e.Lines == 1, "an event %s has %d lines of data", e.Type, e.Lines)
		t.Expect(e.HasID == (e.Type == "sync"), "an event %s has the id %q", e.Type, e.ID)
		t.Expect(e.Type != "sync" || e.ID == e.Data.At("cursor").Text(), "a sync has the id %q and the cursor %v", e.ID, e.Data.At("cursor"))
	}
}

func sseResume(t *suite.T, a, b *actor) {
	k := a.group(b)
	first := b.cursor()
	k.sendN(a, 2)
	second := b.cursor()
	k.sendN(a, 2)
	read := func(cursor, last string) []client.Value {
		var out []client.Value
		for _, e := range until(t, b.stream(cursor, last), "the end of the sync", synced) {
			list, _, _ := k.collect([]*client.Response{{Value: e.Data}})
			out = append(out, list...)
		}
		return out
	}
	wantSeqs(t, read(first, ""), 1, 4)
	wantSeqs(t, read("", second), 3, 4)
	wantSeqs(t, read(first, second), 3, 4)
	wantSeqs(t, read(second, first), 1, 4)
}

func sseLive(t *suite.T, a, b *actor) {
	k := a.group(b)
	before := b.cursor()
	k.sendN(a, 2)
	st := b.stream(before, "")
	first := until(t, st, "the end of the sync", synced)
	for _, e := range first {
		t.Expect(e.Type == "sync", "a %s comes before the sync is over", e.Type)
	}
	n := k.sendN(a, 5).At("seq").Int()
	var have []client.Value
	for _, e := range until(t, st, "the last message", func(e client.Event) bool { return e.Type == "message_received" && e.Data.At("seq").Int() == n }) {
		if e.Type == "message_received" && e.Data.At("conversationId").Text() == k.id {
			have = append(have, e.Data)
		}
	}
	wantSeqs(t, have, 3, n)
}

// pollsOpen is how many long polls and event streams one device may have open.
const pollsOpen = 10

func waitsDevice(t *suite.T, a *actor) {
	cursor, other := a.cursorOf(), a.other()
	open := get("/sync?timeout=20000&cursor=" + cursor)
	open.Token = a.session.Access
	answers := make(chan *client.Response, pollsOpen)
	for range pollsOpen {
		go func() {
			res, err := t.Env.Server.Do(t.Context(), t.Rec, a.who, open)
			if err != nil {
				res = nil
			}
			answers <- res
		}()
	}
	t.Pause(3 * time.Second) // So that they are open before one more is.
	t.Eventually(10*time.Second, "one more poll is refused", func() bool {
		return a.once(get("/sync?timeout=100&cursor="+cursor)).Code() == "rate_limited"
	})
	must(t, other.once(get("/sync?timeout=100&cursor="+cursor)), "a poll of another device")
	a.ok(http.StatusOK, put("/users/me/data/k"+a.temp(), object{"value": 1})) // Ends the polls.
	for range pollsOpen {
		res := <-answers
		t.Expect(res != nil, "one of %d polls at a time gets no answer", pollsOpen)
		must(t, res, "one of the polls at a time")
	}
}
