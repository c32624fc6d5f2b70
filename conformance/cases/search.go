// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func searching() []*suite.Case {
	a := &area{profile: core, feature: "search"}
	a.add("SEARCH-FORM", "a parameter outside of its rules is refused", "SEARCH-FORM-1", searchForm)
	a.add("SEARCH-FILTER", "sender, kind, time and conversation hold together", "SEARCH-REACH-1 SEARCH-ANSWER-1", searchFilter)
	a.add("SEARCH-ORDER", "what is found comes newest first", "SEARCH-ANSWER-2", searchOrder)
	a.add("SEARCH-EVENT", "a found message is as the history shows it", "SEARCH-ANSWER-1", searchEvent)
	a.add("SEARCH-MEMBERSHIP", "only the time of membership is searched", "SEARCH-REACH-1 SEARCH-REACH-6", searchMembership)
	a.add("SEARCH-STRANGER", "a stranger's conversation does not exist", "SEARCH-REACH-4 SEARCH-REACH-6", searchStranger)
	a.add("SEARCH-DELETED", "a deleted message is not found", "SEARCH-REACH-3", searchDeleted)
	a.add("SEARCH-SKIPPED", "nothing is passed over of few conversations", "SEARCH-REACH-2", searchSkipped)
	a.add("SEARCH-AT-ONCE", "a message is found from its acknowledgement on", "SEARCH-REACH-5", searchAtOnce)
	a.add("SEARCH-PAGES", "pages hold every match once and end", "SEARCH-PAGE-1 SEARCH-PAGE-2", searchPages)
	a.add("SEARCH-MEANWHILE", "what is sent meanwhile does not shift the pages", "SEARCH-PAGE-3", searchMeanwhile)
	a.add("SEARCH-CURSOR", "the cursor of another shows nothing more", "REST-PAGE-4", searchCursor)
	return a.list
}

// found follows a search to its end; query is without question mark.
func (a *actor) found(query string) (out []client.Value) {
	for next, pages := query, 0; ; pages++ {
		page := a.ok(http.StatusOK, get("/search?"+next))
		out = append(out, page.At("messages").List()...)
		more := page.At("hasMore").Bool()
		a.t.Expect(more == page.At("nextCursor").Exists(), "hasMore %v with nextCursor %v", more, page.At("nextCursor"))
		if !more {
			return out
		}
		a.t.Expect(pages < 500, "the search ?%s does not end", query)
		next = query + "&cursor=" + url.QueryEscape(page.At("nextCursor").Text())
	}
}

// finds fails the case unless a search finds exactly the messages of these acks, in any order.
func (a *actor) finds(query string, want ...*client.Response) {
	var have, ids []string
	for _, e := range a.found(query) {
		have = append(have, e.At("messageId").Text())
	}
	for _, w := range want {
		ids = append(ids, w.At("messageId").Text())
	}
	slices.Sort(have)
	slices.Sort(ids)
	a.t.Expect(slices.Equal(have, ids), "%s finds by ?%s the messages %v, want %v", a.who, query, have, ids)
}

func searchForm(t *suite.T, a *actor) {
	for _, query := range []string{
		"senderId=alice", "contentType=letter", "from=-1", "from=x", "from=1.5", "to=0", "to=x", "limit=0", "limit=101",
		"to=281474976710656",
	} {
		a.refused("invalid_field", get("/search?"+query))
	}
	a.ok(http.StatusOK, get("/search?senderId=&conversationId=&contentType=&cursor=&limit=100"))
}

func searchFilter(t *suite.T, a, b *actor) {
	k, other := a.group(b), a.group(b)
	one, two := k.send(a, "one"), k.send(b, "two")
	elsewhere := other.send(a, `quoting "contentType":"document" is no document`)
	file := k.ok(b, object{"tempId": b.temp(), "contentType": "document", "mediaUrl": "https://example.org/a.pdf"})
	in := "conversationId=" + k.id
	a.finds(in, one, two, file)
	a.finds("conversationId="+other.id, elsewhere)
	a.finds(in+"&senderId="+url.QueryEscape(b.id), two, file)
	a.finds(in+"&contentType=document", file)
	a.finds(in + "&contentType=document&senderId=" + url.QueryEscape(a.id))
	a.finds("contentType=document&conversationId=" + other.id)
	from, to := two.At("timestamp").Int(), file.At("timestamp").Int()
	for _, e := range a.found(fmt.Sprintf("%s&from=%d&to=%d", in, from, to)) {
		at := e.At("timestamp").Int()
		t.Expect(at >= from && at < to, "a message of %d is found between %d and %d", at, from, to)
	}
	a.finds(fmt.Sprintf("%s&to=%d&from=%d", in, from, from))
	a.finds(fmt.Sprintf("%s&from=%d", in, to+1))
}

// ok sends a message with a body of its own.
func (k *talk) ok(a *actor, body object) *client.Response {
	return a.ok(http.StatusCreated, post(k.path("/messages"), body))
}

func searchOrder(t *suite.T, a, b *actor) {
	for i := range 3 {
		k := a.group(b)
		k.sendN(a, 3+i)
	}
	a.direct(b).sendN(b, 2)
	for _, query := range []string{"limit=100", "limit=3"} {
		list := a.found(query)
		t.Expect(len(list) >= 14, "?%s finds %d messages, want 14 at least", query, len(list))
		for i := 1; i < len(list); i++ {
			t.Expect(before(list[i-1], list[i]), "?%s: %v comes before %v", query, list[i-1], list[i])
		}
	}
}

// before tells whether found messages stand in their order.
func before(x, y client.Value) bool {
	if d := x.At("timestamp").Int() - y.At("timestamp").Int(); d != 0 {
		return d > 0
	}
	if c := strings.Compare(x.At("conversationId").Text(), y.At("conversationId").Text()); c != 0 {
		return c < 0
	}
	return x.At("seq").Int() > y.At("seq").Int()
}

func searchEvent(t *suite.T, a, b *actor) {
	k := a.group(b)
	sent := k.send(a, "as it is shown")
	must(t, k.rename(a, "no message"), "renaming")
	list := b.found("conversationId=" + k.id)
	t.Expect(len(list) == 1, "%d events are found, want the one message", len(list))
	want := k.event(b, sent.At("seq").Int())
	t.Expect(list[0].String() == want.String(), "found is %v, the history shows %v", list[0], want)
}

func searchMembership(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	first := k.send(a, "before carol")
	must(t, k.add(a, c), "adding")
	both := k.send(a, "with both")
	must(t, k.remove(a, b), "removing")
	last := k.send(a, "without bob")
	in := "conversationId=" + k.id
	a.finds(in, first, both, last)
	b.finds(in, first, both)
	c.finds(in, both, last)
	for _, e := range b.found("senderId=" + url.QueryEscape(a.id)) {
		t.Expect(e.At("messageId").Text() != last.At("messageId").Text(), "a former member finds what came after")
	}
	must(t, k.add(a, b), "adding again")
	again := k.send(a, "bob again")
	b.finds(in, again)
}

func searchStranger(t *suite.T, a, b *actor) {
	k := a.group()
	sent := k.send(a, "nobody else reads this")
	b.refused("unknown_conversation", get("/search?conversationId="+k.id))
	b.refused("unknown_conversation", get("/search?conversationId=c"+strings.Repeat("A", 43)))
	for _, e := range b.found("senderId=" + url.QueryEscape(a.id)) {
		t.Expect(e.At("messageId").Text() != sent.At("messageId").Text(), "a stranger finds a message")
	}
}

func searchSkipped(t *suite.T, a, b *actor) {
	a.group(b).send(a, "one of few")
	n := a.ok(http.StatusOK, get("/search")).At("skippedConversations").Int()
	t.Expect(n == 0, "%d conversations were passed over", n)
}

func searchAtOnce(t *suite.T, a, b *actor) {
	k := a.group(b)
	for i := range 5 {
		sent := k.send(a, fmt.Sprint("number ", i))
		list := b.found("limit=1&conversationId=" + k.id)
		t.Expect(list[0].At("messageId").Text() == sent.At("messageId").Text(), "message %d is not found at once", i)
	}
}

func searchPages(t *suite.T, a, b *actor) {
	k, other := a.group(b), a.group(b)
	want := map[string]int{}
	for range 4 {
		want[k.send(b, "mine").At("messageId").Text()] = 0
		want[other.send(b, "mine").At("messageId").Text()] = 0
		k.send(a, "not mine")
	}
	for _, limit := range []int{1, 3, 100} {
		for _, e := range a.found(fmt.Sprintf("limit=%d&senderId=%s", limit, url.QueryEscape(b.id))) {
			if _, ours := want[e.At("messageId").Text()]; ours { // The account may have done more before.
				want[e.At("messageId").Text()]++
			}
		}
	}
	for id, times := range want {
		t.Expect(times == 3, "message %s is found %d times in 3 searches", id, times)
	}
}

func searchMeanwhile(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 6)
	var list []client.Value
	for next, n := "limit=2&conversationId="+k.id, 0; ; n++ {
		page := a.ok(http.StatusOK, get("/search?"+next))
		list = append(list, page.At("messages").List()...)
		if !page.At("hasMore").Bool() || n > 50 {
			break
		}
		k.send(b, "meanwhile")
		next = "limit=2&conversationId=" + k.id + "&cursor=" + url.QueryEscape(page.At("nextCursor").Text())
	}
	wantSeqs(t, list, 6, 1)
}

func searchCursor(t *suite.T, a, b *actor) {
	k := a.group()
	k.sendN(a, 4)
	page := a.ok(http.StatusOK, get("/search?limit=2&conversationId="+k.id))
	cursor := url.QueryEscape(page.At("nextCursor").Text())
	for _, e := range b.ok(http.StatusOK, get("/search?limit=100&cursor="+cursor)).At("messages").List() {
		t.Expect(e.At("conversationId").Text() != k.id, "the cursor of another opens the conversation it was made in")
	}
	a.refused("invalid_cursor", get("/search?cursor=nonsense"))
	a.refused("invalid_cursor", get("/conversations?cursor="+cursor))
	a.refused("invalid_cursor", get(k.path("/messages?cursor="+cursor)))
}

func searchDeleted(t *suite.T, a, b *actor) {
	k := a.group(b)
	kept, gone := k.send(a, "kept"), k.send(a, "gone")
	must(t, k.erase(a, gone.At("messageId").Text()), "deleting")
	for _, who := range []*actor{a, b} {
		who.finds("conversationId="+k.id, kept)
		who.finds("conversationId="+k.id+"&contentType=text&senderId="+url.QueryEscape(a.id), kept)
	}
}
