// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"net/url"
	"strings"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func pages() []*suite.Case {
	a := &area{profile: core}
	a.add("PAGE-LIMIT", "a limit outside of its range is refused, none means 50", "REST-PAGE-1", pageLimit)
	a.add("PAGE-NEXT", "nextCursor is there exactly if hasMore is true", "REST-PAGE-2", pageNext)
	a.add("PAGE-EMPTY", "an empty cursor is none", "REST-PAGE-6", pageEmpty)
	a.add("PAGE-CURSOR", "a malformed cursor or one of another list is refused", "REST-PAGE-4", pageCursor)
	a.add("PAGE-CURSOR-RIGHTS", "a cursor lets nobody read more", "REST-PAGE-4", pageCursorRights)
	a.add("PAGE-BOUNDS", "a cursor holds the bounds of its list", "REST-PAGE-7", pageBounds)
	a.add("PAGE-BYTES", "a page of large messages ends early and nothing is lost", "REST-PAGE-3 REST-PAGE-8", pageBytes)
	a.add("PAGE-ONCE", "what does not move is on exactly one page", "REST-PAGE-5", pageOnce)
	return a.list
}

func pageLimit(t *suite.T, a, b *actor) {
	k := a.group(b)
	for path, most := range map[string]string{"/conversations": "101", k.path("/members"): "101", k.path("/messages"): "201"} {
		for _, limit := range []string{"0", "-1", most, "1.5", "x", "%2B5", "99999999999999999999"} {
			a.refused("invalid_field", get(path+"?limit="+limit))
		}
	}
	a.ok(http.StatusOK, get("/conversations?limit=100"))
	a.ok(http.StatusOK, get(k.path("/messages?limit=200")))
	k.sendN(a, 55)
	page := k.page(a, "")
	n := len(page.At("messages").List())
	t.Expect(n <= 50 && n > 0 && page.At("hasMore").Bool(), "a page without limit has %d of 56 events, hasMore %v", n, page.At("hasMore"))
}

func pageBytes(t *suite.T, a, b *actor) {
	k := a.group(b)
	text := strings.Repeat("x", int(t.Env.Limit("contentBytes"))-100)
	for range 6 {
		k.send(a, text)
	}
	most := int(t.Env.Limit("serverFrameBytes"))
	for _, path := range []string{k.path("/messages"), k.path("/messages?afterSeq=0"), "/search?conversationId=" + k.id} {
		seen, cursor := map[int64]bool{}, ""
		for pages := 0; pages == 0 || cursor != ""; pages++ {
			join := "?"
			if strings.Contains(path, "?") {
				join = "&"
			}
			page := a.ok(http.StatusOK, get(path+join+"limit=100&cursor="+cursor))
			list := page.At("messages").List()
			t.Expect(len(list) <= 1 || len(page.String()) <= most, "%s: a page of %d messages has %d bytes", path, len(list), len(page.String()))
			for _, e := range list {
				seq := e.At("seq").Int()
				t.Expect(!seen[seq], "%s: message %d is on two pages", path, seq)
				seen[seq] = true
			}
			t.Expect(pages < 20, "%s: the pages do not end", path)
			cursor = page.At("nextCursor").Text()
		}
		for seq := int64(1); seq <= 6; seq++ {
			t.Expect(seen[seq], "%s: message %d is on no page", path, seq)
		}
	}
}

func pageNext(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 4)
	for _, query := range []string{"limit=2", "limit=200", "limit=5", "limit=2&afterSeq=-1", "afterSeq=4"} {
		page := k.page(a, query)
		more, next := page.At("hasMore"), page.At("nextCursor")
		t.Expect(more.IsBool() && more.Bool() == next.Exists(), "?%s: hasMore %v with nextCursor %v", query, more, next)
	}
	t.Expect(len(k.events(a)) == 5, "the pages hold %d events, want 5", len(k.events(a)))
	one := a.ok(http.StatusOK, get(k.path("/members?limit=1")))
	t.Expect(one.At("hasMore").Bool() && one.At("nextCursor").Exists(), "one of two members, hasMore %v, nextCursor %v", one.At("hasMore"), one.At("nextCursor"))
}

func pageEmpty(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 2)
	for _, path := range []string{k.path("/messages"), k.path("/members"), "/conversations"} {
		without, with := a.ok(http.StatusOK, get(path+"?limit=1")), a.ok(http.StatusOK, get(path+"?limit=1&cursor="))
		for _, list := range []string{"messages", "members", "conversations"} {
			t.Expect(without.At(list).String() == with.At(list).String(), "%s differs with an empty cursor", path)
		}
	}
	a.ok(http.StatusOK, get("/sync?cursor="))
}

func pageCursor(t *suite.T, a, b *actor) {
	k, other := a.group(b), a.group(b)
	k.sendN(a, 3)
	other.sendN(a, 3)
	cursors := map[string]string{
		k.path("/messages"): k.page(a, "limit=1").At("nextCursor").Text(),
		k.path("/members"):  a.ok(http.StatusOK, get(k.path("/members?limit=1"))).At("nextCursor").Text(),
		"/conversations":    a.ok(http.StatusOK, get("/conversations?limit=1")).At("nextCursor").Text(),
	}
	for from, cursor := range cursors {
		t.Expect(cursor != "", "%s?limit=1 has no nextCursor", from)
		for to := range cursors {
			if to != from {
				a.refused("invalid_cursor", get(to+"?cursor="+url.QueryEscape(cursor)))
			}
		}
		a.refused("invalid_cursor", get(from+"?cursor=nonsense"))
		a.refused("invalid_cursor", get("/sync?cursor="+url.QueryEscape(cursor)))
	}
}

func pageCursorRights(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	k.sendN(a, 3)
	cursor := url.QueryEscape(k.page(a, "limit=1").At("nextCursor").Text())
	c.refused("unknown_conversation", get(k.path("/messages?cursor="+cursor)))
	must(t, k.remove(a, b), "removing")
	k.sendN(a, 3)
	after := url.QueryEscape(k.page(a, "limit=1").At("nextCursor").Text())
	res := b.ask(get(k.path("/messages?limit=200&cursor=" + after)))
	for _, e := range res.At("messages").List() {
		t.Expect(e.At("seq").Int() <= 4, "a former member reads seq %v with the cursor of another", e.At("seq"))
	}
	mine := c.group()
	res = c.ask(get(mine.path("/messages?limit=200&cursor=" + cursor)))
	for _, e := range res.At("messages").List() {
		t.Expect(e.At("conversationId").Text() == mine.id, "a cursor opens the conversation it was made in")
	}
}

func pageBounds(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 8)
	down := url.QueryEscape(k.page(a, "limit=3").At("nextCursor").Text())
	up := url.QueryEscape(k.page(a, "limit=3&afterSeq=1&beforeSeq=8").At("nextCursor").Text())
	for _, beside := range []string{"", "&afterSeq=6", "&beforeSeq=2", "&afterSeq=0&beforeSeq=100"} {
		wantSeqs(t, k.page(a, "limit=200&cursor="+down+beside).At("messages").List(), 5, 0)
		wantSeqs(t, k.page(a, "limit=200&cursor="+up+beside).At("messages").List(), 5, 7)
	}
}

func pageOnce(t *suite.T, a, b *actor) {
	mover := a.group(b)
	still := map[string]int{}
	for range 5 {
		still[a.group(b).id] = 0
	}
	for query, n := "?limit=2", 0; ; n++ {
		page := a.ok(http.StatusOK, get("/conversations"+query))
		for _, c := range page.At("conversations").List() {
			if _, ok := still[c.At("conversationId").Text()]; ok {
				still[c.At("conversationId").Text()]++
			}
		}
		if !page.At("hasMore").Bool() {
			break
		}
		if n < 3 {
			mover.send(b, "meanwhile")
		}
		query = "?limit=2&cursor=" + url.QueryEscape(page.At("nextCursor").Text())
	}
	for id, times := range still {
		t.Expect(times == 1, "conversation %s was on %d pages, want 1", id, times)
	}
	k := a.group(b)
	seen := map[string]int{}
	for query := "?limit=1"; ; {
		page := a.ok(http.StatusOK, get(k.path("/members"+query)))
		for _, m := range page.At("members").List() {
			seen[m.At("userId").Text()]++
		}
		if !page.At("hasMore").Bool() {
			break
		}
		query = "?limit=1&cursor=" + url.QueryEscape(page.At("nextCursor").Text())
	}
	t.Expect(len(seen) == 2 && seen[a.id] == 1 && seen[b.id] == 1, "the pages of members hold %v", seen)
}

// frame makes the bytes of a frame with further members behind data.
func frame(kind string, data object, more string) []byte {
	v := client.Compact(data)
	return []byte(strings.TrimSuffix(`{"type":"`+kind+`","data":`+v+`,`+more, ",") + "}")
}
