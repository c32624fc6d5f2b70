// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"sync/atomic"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func rates() []*suite.Case {
	a := &area{profile: abuse}
	a.add("RATE-USER", "a user adds so many entries a minute, repeats apart", "ABUSE-RATE-1 ABUSE-RATE-2 ABUSE-RATE-3 ABUSE-RATE-4 ABUSE-RATE-6 REST-RATE-2", rateUser, fresh, slow(3*time.Minute))
	a.add("RATE-GROUP", "a member sends so many messages a minute to a group", "ABUSE-RATE-1 ABUSE-RATE-6", rateGroup, fresh, slow(3*time.Minute))
	a.add("RATE-NEWCOMER", "a new account creates few conversations", "ABUSE-NEWCOMER-1 ABUSE-NEWCOMER-2", rateNewcomer, fresh, slow(3*time.Minute))
	a.add("RATE-LOOKUP", "names cannot be looked up without end", "ABUSE-LOOKUP-1 ABUSE-LOOKUP-2", rateLookup, fresh, last, slow(3*time.Minute))
	a.add("RATE-BURST", "requests within the rate pass, also all at once", "ABUSE-REQUEST-2", rateBurst, fresh)
	a.add("RATE-REQUESTS", "requests of one user are bounded", "ABUSE-REQUEST-1", rateRequests, fresh, should)
	return a.list
}

// burst sends requests of the actor, some at a time, and counts those that are refused for their number.
func (a *actor) burst(n int64) (refused int64) {
	var count atomic.Int64
	const atOnce = 8
	work := make([]func() error, atOnce)
	for i := range work {
		work[i] = func() error {
			for range (n - int64(i) + atOnce - 1) / atOnce {
				in := get("/users/me")
				in.Token = a.session.Access
				res, err := a.t.Env.Server.Do(a.t.Context(), a.t.Rec, a.who, in)
				if err != nil {
					return err
				}
				if res.Code() == "rate_limited" {
					count.Add(1)
				}
			}
			return nil
		}
	}
	together(a.t, work...)
	return count.Load()
}

// perSix is what passes in six seconds.
func perSix(t *suite.T) int64 {
	n := 6 * rate(t, "requestsPerSecond")
	if n > mostTried {
		t.Impossible("%d requests pass at once here: a case tries %d", n, mostTried)
	}
	return n
}

func rateBurst(t *suite.T, a *actor) {
	most := perSix(t)
	t.Pause(7 * time.Second) // The account was registered just now.
	refused := a.burst(most)
	t.Expect(refused == 0, "%d of %d requests are refused", refused, most)
}

func rateRequests(t *suite.T, a *actor) {
	most := perSix(t)
	begin := time.Now()
	refused := a.burst(2*most + 8)
	if took := time.Since(begin); refused == 0 && took > 6*time.Second {
		t.Impossible("%d requests took %v: too slow to meet the rate", 2*most+8, took)
	}
	t.Expect(refused > 0, "%d requests pass at once, the rate is %d in six seconds", 2*most+8, most)
	res := a.once(get("/users/me"))
	if res.Status == http.StatusTooManyRequests {
		wait(t, res, 7*time.Second)
		must(t, a.once(get("/users/me")), "a request after retryAfterMs")
	}
}

// mostTried is how far a case goes to meet a limit.
const mostTried = 2000

// rate is a limit of the server, which a case can reach in the time it has.
func rate(t *suite.T, name string) int64 {
	n := t.Env.Limit(name)
	if n == 0 || n > mostTried {
		t.Impossible("%s is %d here: a case tries 1 to %d", name, n, mostTried)
	}
	return n
}

// until429 sends until it is refused and returns how many were taken, and the refusal.
func until429(t *suite.T, most int64, send func() *client.Response) (int64, *client.Response) {
	begin := time.Now()
	for n := int64(0); ; n++ {
		res := send()
		if res.Status == http.StatusTooManyRequests {
			wantCode(t, res, "rate_limited", "the request beyond the rate")
			return n, res
		}
		must(t, res, "a request within the rate")
		if time.Since(begin) > 50*time.Second {
			t.Impossible("only %d requests in 50 seconds, too slow to meet %d a minute", n, most)
		}
		t.Expect(n <= most, "%d requests pass, the rate is %d", n+1, most)
	}
}

// wait waits as long as the refusal asks.
func wait(t *suite.T, res *client.Response, most time.Duration) {
	ms := time.Duration(res.At("retryAfterMs").Int()) * time.Millisecond
	t.Expect(ms > 0 && ms <= most, "retryAfterMs is %v, want more than 0 and at most %v", res.At("retryAfterMs"), most)
	t.Pause(ms)
}

// once asks without waiting out rates.
func (a *actor) once(in client.Request) *client.Response {
	in.Token = a.session.Access
	return a.t.Do(a.who, in)
}

func rateUser(t *suite.T, a, b *actor) {
	most := rate(t, "messagesPerMinute")
	a.account.Spend()
	k, left := a.direct(b), a.group(b) // Two of them.
	l := a.online("")
	first := a.temp()
	ack := k.sendAs(a, first, "first")
	n, res := until429(t, most, func() *client.Response { return a.once(post(k.path("/messages"), message(a.temp(), "x"))) })
	t.Expect(n >= most-3, "%d entries pass, the rate is %d", n+3, most)
	again := a.once(post(k.path("/messages"), message(first, "first")))
	t.Expect(again.Value.String() == ack.Value.String(), "the repeat gets %d %v, the first time it was %v", again.Status, again.Value, ack.Value)
	temp := a.temp()
	refused := l.trySend(k, temp, "x")
	t.Expect(refused.At("code").Text() == "rate_limited" && refused.At("retryAfterMs").Int() > 0, "the socket answers %v, want rate_limited with retryAfterMs", refused)
	before := k.see(b).At("headSeq").Int()
	must(t, a.once(request("DELETE", left.path("/members/"+a.id), nil)), "leaving a group beyond the rate")
	b.ok(http.StatusCreated, post(k.path("/messages"), message(b.temp(), "another user")))
	wait(t, res, time.Minute)
	later := a.once(post(k.path("/messages"), message(temp, "x")))
	t.Expect(later.Status == http.StatusCreated, "after retryAfterMs the answer is %d %s", later.Status, later.Code())
	t.Expect(later.At("seq").Int() == before+2, "the refused message is at %v, want %d", later.At("seq"), before+2)
}

func rateGroup(t *suite.T, a, b *actor) {
	most := rate(t, "groupMessagesPerMinute")
	if all := t.Env.Limit("messagesPerMinute"); all > 0 && all < most+4 {
		t.Impossible("messagesPerMinute is met before")
	}
	a.account.Spend()
	k, other := a.group(b), a.direct(b)
	n, res := until429(t, most, func() *client.Response { return a.once(post(k.path("/messages"), message(a.temp(), "x"))) })
	t.Expect(n == most, "%d messages pass, the rate is %d", n, most)
	must(t, a.once(post(other.path("/messages"), message(a.temp(), "elsewhere"))), "a message to another conversation")
	must(t, b.once(post(k.path("/messages"), message(b.temp(), "x"))), "a message of another member")
	wait(t, res, time.Minute)
	must(t, a.once(post(k.path("/messages"), message(a.temp(), "x"))), "a message after retryAfterMs")
}

func rateNewcomer(t *suite.T, a, b *actor) {
	most := rate(t, "newcomerConversations")
	a.account.Spend()
	k := a.direct(b)
	n, res := until429(t, most, func() *client.Response {
		return a.once(post("/conversations", object{"type": "group", "members": []string{}}))
	})
	t.Expect(n == most-1, "%d conversations pass, the limit is %d", n+1, most)
	ms := time.Duration(res.At("retryAfterMs").Int()) * time.Millisecond
	t.Expect(ms > time.Hour && ms <= 24*time.Hour, "retryAfterMs is %v, want at most a day", res.At("retryAfterMs"))
	again := a.once(post("/conversations", object{"type": "direct", "members": []string{b.id}}))
	t.Expect(again.Status == http.StatusOK && again.At("conversationId").Text() == k.id, "the direct conversation that exists: status %d %s", again.Status, again.Code())
	must(t, b.once(post("/conversations", object{"type": "group", "members": []string{a.id}})), "another account's group")
}

func rateLookup(t *suite.T, a, b *actor) {
	most := rate(t, "lookupsPerMinute")
	a.account.Spend()
	b.account.Spend()
	for range 3 {
		must(t, a.once(post("/conversations", object{"type": "group", "members": []string{b.id}})), "adding who exists")
	}
	unknown := a.once(post("/conversations", object{"type": "group", "members": []string{b.id, "nobody-" + t.Env.RunID + "@" + t.Env.ServerName()}}))
	wantCode(t, unknown, "unknown_user", "adding nobody")
	n, res := until429(t, most, func() *client.Response { return a.once(get("/users/" + b.id)) })
	if n < most-2 && n >= most/2-3 { // The server has just started.
		wait(t, res, time.Minute)
		n, res = until429(t, most, func() *client.Response { return a.once(get("/users/" + b.id)) })
		n += 2
	}
	t.Expect(n >= most-2, "%d lookups pass, the rate is %d", n+2, most)
	wantCode(t, a.once(post("/conversations", object{"type": "group", "members": []string{b.id}})), "rate_limited", "adding beyond the rate")
	wantCode(t, a.once(get("/users/"+b.id+"/presence")), "rate_limited", "presence beyond the rate")
	t.Expect(res.At("retryAfterMs").Int() > 0, "retryAfterMs is %v", res.At("retryAfterMs"))
}
