// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

// silence is how long a case listens before it believes that nothing comes.
const silence = 2 * time.Second

func presenceCases() []*suite.Case {
	a := &area{profile: presence, feature: "presence"}
	a.add("PRES-TTL", "a sign of presence lasts for 60 seconds, over the socket and by REST", "PRES-STATE-1 PRES-REST-2", presTTL, slow(3*time.Minute))
	a.add("PRES-OFFLINE", "a connection that says offline counts no longer, another one does", "PRES-STATE-3", presOffline)
	a.add("PRES-CLOSE", "a connection that ended counts no longer", "PRES-STATE-4", presClose)
	a.add("PRES-RECONNECT", "a change of connection is not seen", "PRES-STATE-6", presReconnect, should)
	a.add("PRES-SILENT", "an open socket alone is no presence", "PRES-STATE-5 PRES-SEEN-2", presSilent, fresh)
	a.add("PRES-WATCH", "a subscription is answered with the state, then with changes only", "PRES-WATCH-1 PRES-WATCH-2", presWatch)
	a.add("PRES-UNWATCHED", "who does not watch is told nothing", "PRES-WATCH-5", presUnwatched)
	a.add("PRES-LEASE", "a subscription ends by itself unless it is renewed, and with unsubscribe", "PRES-WATCH-3", presLease, slow(4*time.Minute))
	a.add("PRES-MANY", "a connection watches at most 100 users", "PRES-WATCH-4 PRES-WATCH-7 LIMIT-ERROR-1", presMany)
	a.add("PRES-NOBODY", "nobody watches a user who does not exist", "PRES-WATCH-6 PRES-WATCH-7", presNobody)
	a.add("PRES-SEEN", "last seen is a full minute, and of those who are offline", "PRES-SEEN-1 PRES-REST-1", presSeen)
	a.add("PRES-SEEN-CRASH", "last seen survives a crash", "PRES-SEEN-3", presSeenCrash, should, lab("kill", "start"), alone, slow(3*time.Minute))
	a.add("PRES-HIDDEN", "who may not see is answered as of a user who never came", "PRES-PRIVACY-1 PRES-PRIVACY-2 PRES-PRIVACY-3", presHidden)
	a.add("PRES-CONTACTS", "contacts see what is for contacts, strangers do not", "PRES-PRIVACY-3", presContacts, fresh)
	a.add("PRES-MUTUAL", "who shows nothing to anybody sees nothing of others", "PRES-PRIVACY-4", presMutual)
	a.add("PRES-BLOCK", "a block hides both, at once", "PRES-PRIVACY-5 PRES-PRIVACY-6", presBlock)
	return append(a.list, typingCases()...)
}

// present sends a presence frame.
func (l *line) present(data object) { l.say("presence", data) }

func (l *line) beat() { l.present(object{"heartbeat": true}) }

func (l *line) watch(list ...*actor) { l.present(object{"subscribe": ids(list)}) }

// shown returns the next presence frame of a user and wants its status.
func (l *line) shown(b *actor, status string) client.Value {
	return l.shownWithin(patience+5*time.Second, b, status)
}

func (l *line) shownWithin(d time.Duration, b *actor, status string) client.Value {
	f := l.within(d, b.who+" "+status, func(f client.Frame) bool {
		return f.Type == "presence" && f.Data.At("userId").Text() == b.id
	})
	if have := f.Data.At("status").Text(); have != status {
		l.t.Fail("%s is told that %s is %s, want %s", l.a.who, b.who, have, status)
	}
	return f.Data
}

// count counts the frames of a type so far.
func (l *line) count(kind string) (n int) {
	for _, f := range l.Frames() {
		if f.Type == kind {
			n++
		}
	}
	return n
}

// quiet listens for a while and wants no further frame of a type.
func (l *line) quiet(kind, why string) {
	before := l.count(kind)
	l.t.Pause(silence)
	if n := l.count(kind) - before; n != 0 {
		l.t.Fail("%s gets %d %s frames, %s", l.a.who, n, kind, why)
	}
}

// presence reads what the actor may see of another.
func (a *actor) presence(b *actor) client.Value {
	return a.ok(http.StatusOK, get("/users/"+b.id+"/presence")).Value
}

// sees wants that the actor sees the other with a status now.
func (a *actor) sees(b *actor, status string) client.Value {
	p := a.presence(b)
	a.t.Expect(p.At("status").Text() == status, "%s sees %s %s, want %s", a.who, b.who, p.At("status").Text(), status)
	return p
}

// away waits until an actor, used by other cases before, is offline.
func (a *actor) away() {
	a.declare("offline")
	a.becomes("offline", a)
}

// becomes waits until another sees the actor with a status.
func (a *actor) becomes(status string, seenBy *actor) {
	a.t.Eventually(patience+7*time.Second, fmt.Sprintf("%s sees %s %s", seenBy.who, a.who, status), func() bool {
		return seenBy.presence(a).At("status").Text() == status
	})
}

// beating opens a socket of the actor and waits until its heartbeat shows to another.
func (a *actor) beating(seenBy *actor) *line {
	k := a.online("")
	k.beat()
	a.becomes("online", seenBy)
	return k
}

func (a *actor) declare(status string) {
	a.ok(http.StatusNoContent, post("/users/me/presence", object{"status": status}))
}

// set changes settings, until the case ends.
func (a *actor) set(online, lastSeen string) {
	a.ok(http.StatusOK, request("PUT", "/users/me/settings", object{"online": online, "lastSeen": lastSeen}))
	a.t.Cleanup(func() {
		_, _ = a.t.Env.Server.Do(a.t.Context(), a.t.Rec, a.who, client.Request{
			Method: "PUT", Path: "/api/v1/users/me/settings", Token: a.session.Access, JSON: object{"online": "contacts", "lastSeen": "contacts"},
		})
	})
}

func (a *actor) block(b *actor, on bool) {
	method := "DELETE"
	if on {
		method = "PUT"
	}
	a.ok(http.StatusNoContent, request(method, "/users/me/blocks/"+b.id, nil))
}

// acquainted makes the actors contacts of each other who are offline, and opens a socket of the first.
func acquainted(a *actor, others ...*actor) *line {
	a.group(others...)
	for _, b := range append(others, a) {
		b.away()
	}
	return a.online("")
}

// watched makes two contacts, of whom b comes online with k while l, a's, watches.
func watched(a, b *actor) (l, k *line) {
	l, k = acquainted(a, b), b.online("")
	l.watch(b)
	l.shown(b, "offline")
	k.beat()
	l.shown(b, "online")
	return l, k
}

func presTTL(t *suite.T, a, b, c *actor) {
	l := acquainted(a, b, c)
	k := b.online("")
	l.watch(b, c)
	l.shown(b, "offline")
	k.beat()
	begin := time.Now()
	l.shown(b, "online")
	c.declare("online")
	l.shown(c, "online")
	l.shownWithin(70*time.Second, b, "offline")
	took := time.Since(begin)
	t.Expect(took > 55*time.Second && took < 68*time.Second, "%s is offline %v after the last sign, want 60 to 65 s", b.who, took)
	c.becomes("offline", a)
}

func presOffline(t *suite.T, a, b *actor) {
	l := acquainted(a, b)
	one, two := b.online(""), b.other().online("")
	l.watch(b)
	l.shown(b, "offline")
	one.beat()
	two.beat()
	l.shown(b, "online")
	t.Pause(silence)
	one.present(object{"status": "offline"})
	l.quiet("presence", "though another connection is online")
	two.present(object{"status": "offline"})
	l.shown(b, "offline")
	two.present(object{"subscribe": []string{}})
	two.watch(a)
	l.quiet("presence", "though the connection said offline and only asks since")
	two.present(object{"status": "online"})
	l.shown(b, "online")
}

func presClose(t *suite.T, a, b *actor) {
	l, k := watched(a, b)
	k.Close()
	l.shownWithin(11*time.Second, b, "offline")
}

func presReconnect(t *suite.T, a, b *actor) {
	l, k := watched(a, b)
	for range 3 {
		k.Close()
		k = b.online("")
		k.beat()
	}
	l.quiet("presence", "though the connection was only replaced")
	t.Pause(8 * time.Second)
	a.sees(b, "online")
}

func presSilent(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := b.online("")
	l.mark(k)
	t.Pause(silence)
	p := a.sees(b, "offline")
	t.Expect(!p.At("lastSeen").Exists(), "a user who was never online has the lastSeen %v", p.At("lastSeen"))
}

func presWatch(t *suite.T, a, b, c *actor) {
	l := acquainted(a, b, c)
	k := b.beating(a)
	l.watch(b, c)
	states := map[string]string{}
	for range 2 {
		f := l.find("an answer of the subscription", func(f client.Frame) bool { return f.Type == "presence" })
		states[f.Data.At("userId").Text()] = f.Data.At("status").Text()
	}
	t.Expect(states[b.id] == "online" && states[c.id] == "offline", "told %v", states)
	for range 3 {
		k.beat()
	}
	l.quiet("presence", "though nothing changed")
	k.present(object{"status": "offline"})
	l.shown(b, "offline")
}

func presUnwatched(t *suite.T, a, b, c *actor) {
	l := acquainted(a, b, c)
	second, other := a.online(""), c.online("")
	k := b.online("")
	l.watch(b)
	l.shown(b, "offline")
	for range 3 {
		k.beat()
		k.present(object{"status": "offline"})
	}
	k.beat()
	t.Eventually(patience, "the change is told", func() bool { return l.count("presence") > 1 })
	t.Pause(silence)
	for _, o := range []*line{second, other, k} {
		t.Expect(o.count("presence") == 0, "%s gets presence frames without a subscription", o.a.who)
	}
	for _, f := range l.Frames() {
		t.Expect(f.Type != "presence" || f.Data.At("userId").Text() == b.id, "a presence frame of %v comes unasked", f.Data.At("userId"))
	}
}

func presLease(t *suite.T, a, b *actor) {
	l := acquainted(a, b)
	renewed, ended, k := a.online(""), a.online(""), b.online("")
	for _, o := range []*line{l, renewed, ended} {
		o.watch(b)
		o.shown(b, "offline")
	}
	ended.present(object{"unsubscribe": []string{b.id}})
	ended.mark(a.group(b))
	k.beat()
	l.shown(b, "online")
	renewed.shown(b, "online")
	k.present(object{"status": "offline"})
	l.shown(b, "offline")
	renewed.shown(b, "offline")
	t.Pause(60 * time.Second)
	renewed.watch(b)
	renewed.shown(b, "offline")
	t.Pause(65 * time.Second)
	before := l.count("presence")
	k.beat()
	renewed.shown(b, "online")
	t.Pause(silence)
	t.Expect(l.count("presence") == before, "a subscription that was not renewed goes on after 125 seconds")
	t.Expect(ended.count("presence") == 1, "a subscription goes on after unsubscribe")
}

// strangers makes n user ids.
func strangers(a *actor, n int) []string {
	_, server, _ := strings.Cut(a.id, "@")
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("nobody-%08x-%d@%s", a.t.Rand.Uint32(), i, server))
	}
	return out
}

func presMany(t *suite.T, a, b *actor) {
	l := acquainted(a, b)
	k := b.online("")
	l.present(object{"subscribe": append(strangers(a, 100), b.id)})
	l.error("too_many_subscriptions")
	l.watch(a)
	l.shown(a, "online")
	l.present(object{"subscribe": append(strangers(a, 99), b.id), "unsubscribe": []string{a.id}, "status": "offline"})
	l.error("unknown_user")
	l.present(object{"subscribe": append(strangers(a, 99), b.id)})
	l.error("too_many_subscriptions")
	before := l.count("presence")
	k.beat()
	t.Pause(silence)
	t.Expect(l.count("presence") == before, "a refused frame had an effect")
	a.sees(a, "online")
}

func presNobody(t *suite.T, a, b *actor) {
	l := acquainted(a, b)
	k := b.online("")
	for _, id := range strangers(a, 1) {
		l.present(object{"subscribe": []string{b.id, id}})
		l.error("unknown_user")
		a.refused("unknown_user", get("/users/"+id+"/presence"))
	}
	l.present(object{"subscribe": []string{b.id, "bob"}})
	l.error("invalid_field")
	l.present(object{"status": "asleep"})
	l.error("invalid_field")
	k.beat()
	l.quiet("presence", "though every subscription was refused")
}

func presSeen(t *suite.T, a, b *actor) {
	l := acquainted(a, b)
	k := b.online("")
	l.watch(b)
	l.shown(b, "offline")
	k.beat()
	p := l.shown(b, "online")
	t.Expect(!p.At("lastSeen").Exists(), "lastSeen is given of a user who is online")
	k.present(object{"status": "offline"})
	p = l.shown(b, "offline")
	at := p.At("lastSeen").Int()
	age := time.Since(time.UnixMilli(at))
	t.Expect(at%60_000 == 0, "lastSeen is %d, not a full minute", at)
	t.Expect(age > -5*time.Minute && age < 6*time.Minute, "lastSeen is %v ago, though the user was online just now", age)
	got := a.sees(b, "offline")
	t.Expect(got.At("lastSeen").Int() == at, "by REST lastSeen is %v, by the subscription %d", got.At("lastSeen"), at)
}

func presSeenCrash(t *suite.T, a, b *actor) {
	acquainted(a, b)
	b.declare("online")
	b.declare("offline")
	at := a.sees(b, "offline").At("lastSeen").Int()
	t.Pause(15 * time.Second)
	hook(t, "kill")
	revive(t, a)
	have := a.sees(b, "offline").At("lastSeen").Int()
	t.Expect(have == at, "after a crash lastSeen is %d, before it was %d", have, at)
}

func presHidden(t *suite.T, a, b *actor) {
	l := acquainted(a, b)
	k := b.beating(a)
	b.set("nobody", "nobody")
	nothing := func(p client.Value, where string) {
		t.Expect(p.At("status").Text() == "offline" && !p.At("lastSeen").Exists(), "%s tells %v of a user who hides", where, p)
	}
	nothing(a.presence(b), "the answer")
	l.watch(b)
	nothing(l.shown(b, "offline"), "the frame")
	b.sees(b, "online")
	k.present(object{"status": "offline"})
	k.beat()
	l.quiet("presence", "though the user hides")
	k.present(object{"status": "offline"})
	b.becomes("offline", b)
	nothing(a.presence(b), "the answer")
	b.set("nobody", "everyone")
	p := a.sees(b, "offline")
	t.Expect(p.At("lastSeen").Exists(), "lastSeen is for everyone and not shown")
	b.set("everyone", "nobody")
	nothing(a.presence(b), "the answer")
	k.beat()
	b.becomes("online", a)
}

func presContacts(t *suite.T, a, b, c *actor) {
	a.group(b)
	k := b.beating(b)
	b.set("contacts", "contacts")
	a.sees(b, "online")
	c.sees(b, "offline")
	b.set("everyone", "everyone")
	c.sees(b, "online")
	k.present(object{"status": "offline"})
	b.becomes("offline", b)
	t.Expect(c.presence(b).At("lastSeen").Exists(), "lastSeen is for everyone and not shown to a stranger")
	b.set("contacts", "contacts")
	t.Expect(a.presence(b).At("lastSeen").Exists(), "lastSeen is not shown to a contact")
	t.Expect(!c.presence(b).At("lastSeen").Exists(), "lastSeen is for contacts and shown to a stranger")
}

func presMutual(t *suite.T, a, b *actor) {
	acquainted(a, b)
	b.set("everyone", "everyone")
	b.declare("online")
	a.sees(b, "online")
	a.set("nobody", "contacts")
	a.sees(b, "offline")
	b.declare("offline")
	t.Expect(a.presence(b).At("lastSeen").Exists(), "who hides being online sees no lastSeen")
	a.set("contacts", "nobody")
	t.Expect(!a.presence(b).At("lastSeen").Exists(), "who hides lastSeen sees that of others")
}

func presBlock(t *suite.T, a, b *actor) {
	l, _ := watched(a, b)
	for _, side := range [][2]*actor{{a, b}, {b, a}} {
		side[0].block(side[1], true)
		p := l.shownWithin(6*time.Second, b, "offline")
		t.Expect(!p.At("lastSeen").Exists(), "a block leaves lastSeen")
		a.sees(b, "offline")
		b.sees(a, "offline")
		side[0].block(side[1], false)
		l.shownWithin(6*time.Second, b, "online")
	}
}
