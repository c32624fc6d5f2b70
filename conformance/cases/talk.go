// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

// talk is a conversation.
type talk struct {
	t  *suite.T
	id string
}

func (k *talk) path(rest string) string { return "/conversations/" + k.id + rest }

// message is the body of a text message.
func message(tempID, text string) object {
	return object{"tempId": tempID, "content": text, "contentType": "text"}
}

// send sends a text and returns the ack.
func (k *talk) send(a *actor, text string) *client.Response { return k.sendAs(a, a.temp(), text) }

func (k *talk) sendAs(a *actor, tempID, text string) *client.Response {
	return a.ok(http.StatusCreated, post(k.path("/messages"), message(tempID, text)))
}

// sendN sends n texts and returns the ack of the last.
func (k *talk) sendN(a *actor, n int) *client.Response {
	var last *client.Response
	for i := range n {
		last = k.send(a, fmt.Sprintf("message %d of %d", i+1, n))
	}
	return last
}

// see reads the conversation as the actor sees it.
func (k *talk) see(a *actor) *client.Response { return a.ok(http.StatusOK, get(k.path(""))) }

// page reads one page of history; query is without question mark.
func (k *talk) page(a *actor, query string) *client.Response {
	return a.ok(http.StatusOK, get(k.path("/messages?"+query)))
}

// events reads the whole history the actor may read, oldest first.
func (k *talk) events(a *actor) []client.Value { return k.between(a, -1, client.Missing) }

// between reads the events after one seq and before another; Missing leaves the end open.
func (k *talk) between(a *actor, after, before int64) []client.Value {
	query := "limit=100&afterSeq=" + strconv.FormatInt(after, 10)
	if before != client.Missing {
		query += "&beforeSeq=" + strconv.FormatInt(before, 10)
	}
	var out []client.Value
	for next := query; ; {
		page := k.page(a, next)
		out = append(out, page.At("messages").List()...)
		if !page.At("hasMore").Bool() {
			return out
		}
		k.t.Expect(len(out) < 100_000, "history of %s does not end", k.id)
		next = query + "&cursor=" + url.QueryEscape(page.At("nextCursor").Text())
	}
}

// event finds the event with a seq in the history.
func (k *talk) event(a *actor, seq int64) client.Value {
	list := k.between(a, seq-1, seq+1)
	if len(list) != 1 {
		k.t.Fail("history between %d and %d has %d events, want 1", seq-1, seq+1, len(list))
	}
	return list[0]
}

// newest returns the newest event the actor may read.
func (k *talk) newest(a *actor) client.Value {
	list := k.page(a, "limit=1").At("messages").List()
	if len(list) != 1 {
		k.t.Fail("the page with limit=1 has %d events, want 1", len(list))
	}
	return list[0]
}

func (k *talk) rename(a *actor, name string) *client.Response {
	return a.ask(request("PATCH", k.path(""), object{"name": name}))
}

func (k *talk) add(a *actor, others ...*actor) *client.Response {
	return a.ask(post(k.path("/members"), object{"userIds": ids(others)}))
}

func (k *talk) remove(a, b *actor) *client.Response {
	return a.ask(request("DELETE", k.path("/members/"+b.id), nil))
}

func (k *talk) role(a, b *actor, role string) *client.Response {
	return a.ask(request("PATCH", k.path("/members/"+b.id), object{"role": role}))
}

// must fails the case unless the change was done.
func must(t *suite.T, res *client.Response, what string) {
	t.Expect(res.Status < 300, "%s: status %d %s", what, res.Status, res.Code())
}

// members returns the members by user id.
func (k *talk) members(a *actor) map[string]client.Value {
	out := map[string]client.Value{}
	query := "?limit=100"
	for {
		page := a.ok(http.StatusOK, get(k.path("/members"+query)))
		for _, m := range page.At("members").List() {
			id := m.At("userId").Text()
			_, twice := out[id]
			k.t.Expect(!twice, "%s is listed twice among the members", id)
			out[id] = m
		}
		if !page.At("hasMore").Bool() {
			return out
		}
		query = "?limit=100&cursor=" + url.QueryEscape(page.At("nextCursor").Text())
	}
}

// unread returns the count the actor sees.
func (k *talk) unread(a *actor) int64 { return k.see(a).At("unreadCount").Int() }

// wantSeqs fails the case unless the events have exactly the positions from..to, in that order.
func wantSeqs(t *suite.T, list []client.Value, from, to int64) {
	step := int64(1)
	if from > to {
		step = -1
	}
	var have []int64
	for _, e := range list {
		have = append(have, e.At("seq").Int())
	}
	want := []int64{}
	for s := from; s != to+step; s += step {
		want = append(want, s)
	}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Fail("positions %v, want %v", have, want)
	}
}
