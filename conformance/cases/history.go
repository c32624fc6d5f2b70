// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"
	"net/url"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func history() []*suite.Case {
	a := &area{profile: core}
	a.add("HISTORY-DIRECTION", "pages run from the newest, with afterSeq from the oldest", "CONV-HISTORY-1", historyDirection)
	a.add("HISTORY-BOUNDS", "afterSeq and beforeSeq are exclusive", "CONV-HISTORY-2", historyBounds)
	a.add("HISTORY-PAGES", "pages go on exactly where they ended, without holes, in both directions", "CONV-HISTORY-3 CONV-HISTORY-4", historyPages)
	a.add("HISTORY-MOVING", "pages stay whole while messages arrive", "CONV-HISTORY-3 CONV-HISTORY-4", historyMoving)
	a.add("HISTORY-CREATE", "a log begins with create at 0 and goes up by one", "LOG-ENTRY-4 LOG-ENTRY-2", historyCreate)
	return a.list
}

func historyDirection(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 5)
	wantSeqs(t, k.page(b, "limit=200").At("messages").List(), 5, 0)
	wantSeqs(t, k.page(b, "limit=200&beforeSeq=4").At("messages").List(), 3, 0)
	wantSeqs(t, k.page(b, "limit=200&afterSeq=-1").At("messages").List(), 0, 5)
}

func historyBounds(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 9)
	for _, x := range [][2]int64{{-1, 1}, {0, 9}, {3, 5}, {2, 8}, {8, 10}} {
		wantSeqs(t, k.between(b, x[0], x[1]), x[0]+1, x[1]-1)
	}
	for _, x := range [][2]int64{{4, 5}, {4, 4}, {9, 100}, {50, 60}} {
		n := len(k.between(b, x[0], x[1]))
		t.Expect(n == 0, "between %d and %d are %d events, want none", x[0], x[1], n)
	}
	for _, query := range []string{"afterSeq=-2", "afterSeq=x", "beforeSeq=-1", "beforeSeq=1.5"} {
		b.refused("invalid_field", get(k.path("/messages?"+query)))
	}
}

// walk reads all pages of a query and returns the events in the order they came; between is called after each page.
func (k *talk) walk(a *actor, query string, between func()) []client.Value {
	var out []client.Value
	for next := query; ; {
		page := k.page(a, next)
		out = append(out, page.At("messages").List()...)
		if !page.At("hasMore").Bool() {
			return out
		}
		k.t.Expect(len(out) < 10_000, "the pages of ?%s do not end", query)
		between()
		next = query + "&cursor=" + url.QueryEscape(page.At("nextCursor").Text())
	}
}

func historyPages(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 10)
	for _, limit := range []int{1, 3, 10, 11} {
		q := fmt.Sprintf("limit=%d", limit)
		wantSeqs(t, k.walk(b, q, func() {}), 10, 0)
		wantSeqs(t, k.walk(b, q+"&afterSeq=-1", func() {}), 0, 10)
		wantSeqs(t, k.walk(b, q+"&afterSeq=2&beforeSeq=9", func() {}), 3, 8)
		wantSeqs(t, k.walk(b, q+"&beforeSeq=9", func() {}), 8, 0)
	}
}

func historyMoving(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 9)
	wantSeqs(t, k.walk(b, "limit=4", func() { k.send(a, "meanwhile") }), 9, 0)
	n := 0
	events := k.walk(b, "limit=4&afterSeq=-1", func() {
		if n++; n < 3 {
			k.send(a, "meanwhile")
		}
	})
	wantSeqs(t, events, 0, k.see(b).At("headSeq").Int())
}

func historyCreate(t *suite.T, a, b *actor) {
	k := a.named("The name", b)
	k.send(a, "one")
	must(t, k.rename(a, "Another"), "renaming")
	k.send(b, "two")
	events := k.events(b)
	wantSeqs(t, events, 0, 3)
	create := events[0]
	t.Expect(create.At("type").Text() == "create" && create.At("senderId").Text() == a.id, "the entry 0 is %v", create)
	t.Expect(create.At("change", "conversationType").Text() == "group", "the conversationType is %v", create.At("change", "conversationType"))
	t.Expect(create.At("change", "name").Text() == "The name", "the name of create is %v", create.At("change", "name"))
	for i := 1; i < len(events); i++ {
		t.Expect(events[i].At("timestamp").Int() >= events[i-1].At("timestamp").Int(), "the time of seq %d is before that of seq %d", i, i-1)
	}
	t.Expect(k.see(a).At("headSeq").Int() == 3, "headSeq is %v, want 3", k.see(a).At("headSeq"))
}

func receipts() []*suite.Case {
	a := &area{profile: core}
	a.add("RECEIPT-FORWARD", "a pointer only moves forward", "CONV-RECEIPT-1", receiptForward)
	a.add("RECEIPT-COVERS", "a receipt covers what is before it; read moves both pointers", "CONV-RECEIPT-2 CONV-RECEIPT-3", receiptCovers)
	a.add("RECEIPT-DELIVERED", "the movements reach the other members", "CONV-RECEIPT-4", receiptDelivered)
	a.add("RECEIPT-UNKNOWN", "a receipt names a message the member may read", "CONV-RECEIPT-5", receiptUnknown)
	a.add("RECEIPT-REST", "a receipt by REST and one by frame are alike", "CONV-RECEIPT-7 CONV-RECEIPT-3 CONV-RECEIPT-5", receiptREST)
	a.add("RECEIPT-STATUS", "the status of own messages follows the peer, in direct conversations only", "CONV-RECEIPT-6", receiptStatus)
	return a.list
}

func receiptForward(t *suite.T, a, b *actor) {
	k := a.group(b)
	one, three := k.send(a, "1"), k.sendN(a, 2)
	l := b.online("")
	l.ack(k, three.At("messageId").Text(), "read")
	t.Eventually(patience, "the read pointer is at 3", func() bool { return k.see(b).At("readSeq").Int() == 3 })
	l.ack(k, one.At("messageId").Text(), "read")
	l.ack(k, one.At("messageId").Text(), "delivered")
	l.mark(k)
	c := k.see(b)
	t.Expect(c.At("readSeq").Int() >= 3 && c.At("deliveredSeq").Int() >= 3, "after older receipts the pointers are %v and %v", c.At("deliveredSeq"), c.At("readSeq"))
	for who, m := range k.members(a) {
		t.Expect(who != b.id || m.At("readSeq").Int() >= 3, "the member shows the read pointer %v", m.At("readSeq"))
	}
}

func receiptCovers(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 3)
	c := k.see(b)
	t.Expect(c.At("readSeq").Int() == 0 && c.At("deliveredSeq").Int() == 0, "before the first receipt the pointers are %v and %v, want the joining at 0", c.At("deliveredSeq"), c.At("readSeq"))
	l := b.online("")
	two := k.event(b, 2).At("messageId").Text()
	l.ack(k, two, "delivered")
	t.Eventually(patience, "the delivered pointer is at 2", func() bool { return k.see(b).At("deliveredSeq").Int() == 2 })
	t.Expect(k.see(b).At("readSeq").Int() == 0, "delivered moved the read pointer")
	t.Expect(k.unread(b) == 3, "after delivered, unread is %d, want 3", k.unread(b))
	l.ack(k, k.event(b, 3).At("messageId").Text(), "read")
	t.Eventually(patience, "the read pointer is at 3", func() bool { return k.see(b).At("readSeq").Int() == 3 })
	t.Expect(k.see(b).At("deliveredSeq").Int() == 3, "read left the delivered pointer at %v", k.see(b).At("deliveredSeq"))
	t.Expect(k.unread(b) == 0, "after read, unread is %d", k.unread(b))
}

func receiptDelivered(t *suite.T, a, b, c *actor) {
	k := a.group(b, c)
	id := k.send(a, "1").At("messageId").Text()
	before := c.cursor()
	la, lb := a.online(""), b.online("")
	lb.ack(k, id, "read")
	f := la.find("the delivery_ack read of bob", func(f client.Frame) bool {
		return f.Type == "delivery_ack" && f.Data.At("conversationId").Text() == k.id && f.Data.At("status").Text() == "read"
	})
	t.Expect(f.Data.At("userId").Text() == b.id && f.Data.At("seq").Int() == 1, "the delivery_ack is of %v at %v", f.Data.At("userId"), f.Data.At("seq"))
	t.Expect(f.Data.At("messageId").Text() == id, "the delivery_ack names %v, want %s", f.Data.At("messageId"), id)
	_, _, list := k.collect(c.catchUp(before))
	found := false
	for _, r := range list {
		found = found || (r.At("userId").Text() == b.id && r.At("readSeq").Int() == 1 && r.At("deliveredSeq").Int() == 1)
	}
	t.Expect(found, "the sync of a third member lacks the receipt of bob: %d receipts", len(list))
	m := k.members(c)[b.id]
	t.Expect(m.At("readSeq").Int() == 1, "the list of members shows the read pointer %v", m.At("readSeq"))
}

func receiptUnknown(t *suite.T, a, b *actor) {
	k, other := a.group(b), a.group(b)
	foreign := other.send(a, "x").At("messageId").Text()
	l := b.online("")
	for _, id := range []string{foreign, "01M844DZG000000001W2047Q97"} {
		l.ack(k, id, "read")
		l.error("unknown_message")
	}
	l.say("delivery_ack", object{"conversationId": k.id, "messageId": k.send(a, "x").At("messageId").Text(), "status": "seen"})
	l.error("invalid_field")
	t.Expect(k.see(b).At("readSeq").Int() == 0, "a refused receipt moved the pointer to %v", k.see(b).At("readSeq"))
}

func receiptREST(t *suite.T, a, b *actor) {
	k, other := a.group(b), a.group(b)
	one, three := k.send(a, "1").At("messageId").Text(), k.sendN(a, 2).At("messageId").Text()
	foreign := other.send(a, "x").At("messageId").Text()
	receipt := func(id, status string) client.Request {
		return post(k.path("/receipts"), object{"messageId": id, "status": status})
	}
	la := a.online("")
	b.ok(http.StatusNoContent, receipt(three, "delivered"))
	t.Eventually(patience, "the delivered pointer is at 3", func() bool { return k.see(b).At("deliveredSeq").Int() == 3 })
	t.Expect(k.see(b).At("readSeq").Int() == 0, "delivered moved the read pointer")
	b.ok(http.StatusNoContent, receipt(three, "read"))
	b.ok(http.StatusNoContent, receipt(one, "read"))
	t.Eventually(patience, "the read pointer is at 3", func() bool { return k.see(b).At("readSeq").Int() == 3 })
	f := la.find("the delivery_ack read of bob", func(f client.Frame) bool {
		return f.Type == "delivery_ack" && f.Data.At("conversationId").Text() == k.id && f.Data.At("status").Text() == "read"
	})
	t.Expect(f.Data.At("userId").Text() == b.id && f.Data.At("seq").Int() == 3, "the delivery_ack is of %v at %v", f.Data.At("userId"), f.Data.At("seq"))
	b.refused("unknown_message", receipt(foreign, "read"))
	b.refused("invalid_field", receipt(three, "seen"))
	b.refused("invalid_field", post(k.path("/receipts"), object{"status": "read"}))
}

func receiptStatus(t *suite.T, a, b *actor) {
	d, g := a.direct(b), a.group(b)
	for _, k := range []*talk{d, g} {
		ack := k.send(a, "x")
		seq := ack.At("seq").Int()
		k.read(b, ack.At("messageId").Text(), seq)
		want := "read"
		if k == g {
			want = "sent"
		}
		t.Eventually(patience, "the status of the own message is "+want, func() bool { return k.event(a, seq).At("status").Text() == want })
		t.Expect(k.event(b, seq).At("status").Text() == "sent", "for the receiver the status is %v, want sent", k.event(b, seq).At("status"))
	}
}

func counting() []*suite.Case {
	a := &area{profile: core}
	a.add("COUNT-UNREAD", "unread counts the messages of others after the read pointer", "CONV-COUNT-1 LOG-ENTRY-3", countUnread)
	a.add("COUNT-MODEL", "unread follows a model through random steps", "CONV-COUNT-1", countModel)
	a.add("COUNT-LAST", "lastMessage is the newest message, none if there is none", "CONV-COUNT-3", countLast)
	a.add("COUNT-LIST", "the list of conversations shows the same as each one read alone", "CONV-COUNT-1 CONV-COUNT-2 CONV-COUNT-3", countList)
	return a.list
}

func countUnread(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 3)
	k.send(b, "mine")
	must(t, k.rename(a, "not a message"), "renaming")
	t.Expect(k.unread(b) == 3 || k.unread(b) == 0, "unread is %d, want 3, or 0 if sending reads", k.unread(b))
	read := k.see(b).At("readSeq").Int()
	want := int64(0)
	for _, e := range k.events(b) {
		if e.At("type").Text() == "message" && e.At("senderId").Text() != b.id && e.At("seq").Int() > read {
			want++
		}
	}
	t.Expect(k.unread(b) == want, "unread is %d, %d messages of others are after the pointer %d", k.unread(b), want, read)
	two := k.send(a, "5")
	k.read(b, two.At("messageId").Text(), two.At("seq").Int())
	t.Expect(k.unread(b) == 0, "after reading all, unread is %d", k.unread(b))
	k.send(a, "6")
	t.Expect(k.unread(b) == 1, "after one more message, unread is %d, want 1", k.unread(b))
	must(t, k.remove(a, b), "removing")
	t.Expect(k.unread(b) == 0, "for a former member unread is %d, want 0", k.unread(b))
}

func countModel(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := b.online("")
	var sent []*client.Response
	for range 25 {
		switch t.Rand.IntN(4) {
		case 0:
			k.send(b, "mine")
		case 1:
			if len(sent) > 0 {
				ack := sent[t.Rand.IntN(len(sent))]
				l.ack(k, ack.At("messageId").Text(), "read")
				t.Eventually(patience, "the pointer moves", func() bool { return k.see(b).At("readSeq").Int() >= ack.At("seq").Int() })
			}
		default:
			sent = append(sent, k.send(a, "x"))
		}
		c := k.see(b)
		want := int64(0)
		for _, ack := range sent {
			if ack.At("seq").Int() > c.At("readSeq").Int() {
				want++
			}
		}
		t.Expect(c.At("unreadCount").Int() == want, "with the pointer at %v unread is %v, want %d", c.At("readSeq"), c.At("unreadCount"), want)
	}
}

func countLast(t *suite.T, a, b *actor) {
	k := a.group(b)
	t.Expect(!k.see(a).At("lastMessage").Exists(), "lastMessage is %v before the first", k.see(a).At("lastMessage"))
	ack := k.send(b, "the last")
	must(t, k.rename(a, "not a message"), "renaming")
	for _, who := range []*actor{a, b} {
		c := k.see(who)
		t.Expect(c.At("lastMessage", "messageId").Text() == ack.At("messageId").Text(), "lastMessage is %v", c.At("lastMessage"))
		t.Expect(c.At("lastMessageAt").String() == ack.At("timestamp").String(), "lastMessageAt is %v, want %v", c.At("lastMessageAt"), ack.At("timestamp"))
	}
	must(t, k.remove(a, b), "removing")
	k.send(a, "after")
	c := k.see(b)
	t.Expect(c.At("lastMessage", "messageId").Text() != k.newest(a).At("messageId").Text(), "a former member sees a later message")
}

func countList(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(b, 2)
	alone := k.see(a)
	for _, c := range a.ok(http.StatusOK, get("/conversations?limit=1")).At("conversations").List() {
		t.Expect(c.At("conversationId").Text() == k.id, "the newest conversation is not the first of the list")
		t.Expect(c.String() == alone.String(), "the list shows %v, the conversation alone is %v", c, alone.Value)
	}
}
