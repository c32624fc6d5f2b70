// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func reports() []*suite.Case {
	a := &area{profile: abuse}
	a.add("REPORT-FORM", "a report has a subject, a reason and a bounded text", "ABUSE-REPORT-1", reportForm)
	a.add("REPORT-READERS", "what one may not read cannot be reported", "ABUSE-REPORT-2", reportReaders)
	a.add("REPORT-SILENT", "the reported learns nothing", "ABUSE-REPORT-5", reportSilent)
	a.add("REPORT-RATE", "reports are bounded", "ABUSE-REPORT-4", reportRate, fresh, slow(time.Minute))
	a.add("MOD-FORBIDDEN", "who is no moderator gets forbidden", "ABUSE-MOD-1", modForbidden)
	a.add("MOD-NAME", "nobody is called server", "ABUSE-MOD-6", modName)
	return a.list
}

func reportForm(t *suite.T, a, b *actor) {
	k := a.group(b)
	bad := k.send(b, "reported").At("messageId").Text()
	good := func() object {
		return object{"conversationId": k.id, "messageIds": []string{bad}, "reason": "spam", "text": "two\nlines"}
	}
	res := a.ok(http.StatusCreated, post("/reports", good()))
	t.Expect(res.At("reportId").Text() != "", "there is no reportId")
	a.ok(http.StatusCreated, post("/reports", object{"userId": b.id, "reason": "impersonation"}))
	many := make([]string, 21)
	for i := range many {
		many[i] = bad
	}
	for what, change := range map[string]object{
		"reason": {"reason": "because"}, "text": {"text": strings.Repeat("x", 1025)}, "messageIds": {"messageIds": many},
		"conversationId": {"conversationId": "", "messageIds": []string{}},
	} {
		in := good()
		for name, value := range change {
			in[name] = value
		}
		res := a.refused("invalid_field", post("/reports", in))
		t.Expect(res.At("field").Text() == what, "the field is %v, want %s", res.At("field"), what)
	}
}

func reportReaders(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	early := k.send(b, "before").At("messageId").Text()
	of := func(m string) client.Request {
		return post("/reports", object{"conversationId": k.id, "messageIds": []string{m}, "reason": "spam"})
	}
	c.refused("unknown_conversation", of(early))
	must(t, k.add(a, c), "adding")
	c.refused("unknown_message", of(early))
	c.ok(http.StatusCreated, of(k.send(b, "after").At("messageId").Text()))
}

func reportSilent(t *suite.T, a, b *actor) {
	k := a.group(b)
	bad := k.send(b, "reported").At("messageId").Text()
	l := b.online("")
	cursor := b.cursor()
	a.ok(http.StatusCreated, post("/reports", object{"conversationId": k.id, "messageIds": []string{bad}, "userId": b.id, "reason": "spam"}))
	before := len(l.Frames())
	last := k.send(a, "after").At("seq").Int()
	l.seq(k, last)
	t.Expect(len(l.Frames()) <= before+1, "frames other than the next message came: %d", len(l.Frames())-before)
	res := b.poll(cursor, 0)
	t.Expect(len(res.At("messages").List()) == 1, "sync has %d messages, want the next one", len(res.At("messages").List()))
}

func reportRate(t *suite.T, a, b *actor) {
	most := rate(t, "reportsPerDay")
	a.account.Spend()
	n, res := until429(t, most, func() *client.Response { return a.once(post("/reports", object{"userId": b.id, "reason": "other"})) })
	t.Expect(n == most, "%d reports pass, the limit is %d", n, most)
	t.Expect(res.At("retryAfterMs").Int() > 0, "retryAfterMs is %v", res.At("retryAfterMs"))
}

func modForbidden(t *suite.T, a, b *actor) {
	const some = "/moderation/reports/01M84M0RPB9CW5Y0QJ4H3K2N7T"
	for _, in := range []client.Request{
		get("/moderation/reports"), get(some), get("/moderation/actions"), post(some+"/resolve", object{"action": "none"}),
		post("/moderation/users/"+b.id+"/suspend", object{}), post("/moderation/users/"+b.id+"/unsuspend", object{}),
	} {
		a.refused("forbidden", in)
	}
	b.ok(http.StatusOK, get("/users/me"))
}

func modName(t *suite.T) {
	if !t.Env.CanRegister() {
		t.Impossible("this run does not register accounts")
	}
	res := t.Ask("a newcomer", post("/register", withToken(t, object{"username": "server", "password": t.Env.Password()})))
	t.Expect(res.Code() == "username_reserved" || res.Code() == "username_taken", "registering the name server: %d %s", res.Status, res.Code())
}
