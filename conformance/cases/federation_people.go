// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

const linksPath = "/federation/v1/links"

func peopleCases(a *area) {
	a.add("FED-USERS", "a server tells others who of its users exists, and how they are called", "FED-USERS-1 FED-USERS-3", usersAsked)
	a.add("FED-USERS-WHOSE", "a server asks for its own users only", "FED-USERS-2", usersWhose)
	a.add("FED-USERS-SHOWN", "users of another server are shown as that one says, as far as it may", "FED-USERS-4 FED-USERS-7", usersShown)
	a.add("FED-USERS-NONE", "users that another server does not have, or that cannot be asked about, are told apart", "FED-USERS-8", usersNone, slow(90*time.Second))
	a.add("FED-INVITE", "a server tells others whether its users may be added", "FED-INVITE-2", inviteAsked)
	a.add("FED-INVITE-REFUSED", "who may not be added by the word of another server is not", "FED-INVITE-1 FED-USERS-8", inviteRefused)
	a.add("FED-INVITE-REQUEST", "a direct conversation of another server's stranger begins as a request", "FED-INVITE-3", inviteRequest)
	a.add("FED-INVITE-OUT", "who was added against their will is taken out by their own server", "FED-SNAPSHOT-4", inviteOut)
	a.add("FED-INVITE-HUB", "a hub does not add a user against their will", "FED-INVITE-5", inviteHub)
	a.add("FED-LINK-HUB", "a hub answers the bearer of another server as one of its own", "FED-LINK-2 CONV-LINK-3", linkAsked)
	a.add("FED-LINK-OTHER", "the hub that a token names is asked", "FED-LINK-1", linkOther)
	a.add("FED-PRESENCE", "a server tells others who is online, as each viewer may see it", "FED-PRESENCE-1 FED-PRESENCE-4", presenceAsked)
	a.add("FED-PRESENCE-AWAY", "users of a server that does not answer are shown offline", "FED-PRESENCE-2", presenceAway, slow(90*time.Second))
	a.add("FED-TYPING", "typing is taken of members of the sending server", "FED-MOMENT-2", farTyping)
	a.add("FED-RECEIPTS", "receipts are taken of members of the sending server, as far as the entries", "FED-MOMENT-3", farReceipts)
}

// asked posts to an operation and wants 200.
func (p *peer) asked(path string, body mock.Object) client.Value {
	a := p.send(func() *mock.Request { return p.Signed().Sign("POST", path, []byte(mock.Encode(body))) })
	p.t.Expect(a.Status == http.StatusOK, "%s: status %d %s", path, a.Status, a.Code())
	v, err := client.Parse(a.Body)
	p.t.Expect(err == nil, "%s: %v", path, err)
	return v
}

// wrong wants an operation to refuse a body.
func (p *peer) wrong(what, code, path string, body mock.Object) {
	a := p.send(func() *mock.Request { return p.Signed().Sign("POST", path, []byte(mock.Encode(body))) })
	wantRefusal(p.t, a, code, what)
}

func usersAsked(t *suite.T, a, b *actor) {
	p := social(t)
	a.edit(object{"displayName": "Alice", "avatarUrl": "https://example.org/a.png"})
	defer a.clear()
	nobody := "nobody-" + t.Env.RunID + "@" + t.Env.ServerName()
	asked := []any{b.id, nobody, a.id, p.first("bob"), "x@elsewhere.example"}
	list := p.asked(usersPath, mock.Object{"userIds": asked, "viewerId": p.first("bob")}).At("users").List()
	t.Expect(len(list) == len(asked), "%d users have %d elements", len(asked), len(list))
	for i, u := range list {
		t.Expect(u.At("userId").Text() == asked[i], "element %d is about %v, want %v", i, u.At("userId"), asked[i])
		exists := i == 0 || i == 2
		t.Expect(u.At("code").Exists() != exists, "element %d, of %v: %v", i, asked[i], u)
		t.Expect(exists || u.At("code").Text() == "unknown_user" && len(u.Keys()) == 2, "element %d: %v", i, u)
	}
	t.Expect(list[2].At("displayName").Text() == "Alice" && list[2].At("avatarUrl").Text() == "https://example.org/a.png", "alice is %v", list[2])
	bare := p.asked(usersPath, mock.Object{"userIds": []any{a.id, nobody}}).At("users").List()
	t.Expect(len(bare) == 2 && len(bare[0].Keys()) == 1 && bare[1].At("code").Text() == "unknown_user", "without a viewer: %v", bare)
	p.done()
}

func usersWhose(t *suite.T, a, b *actor) {
	p, q := social(t), social(t)
	for what, viewer := range map[string]string{"of the asked server": b.id, "of a third server": q.first("eve"), "that is none": "eve"} {
		p.wrong("a viewer "+what, "invalid_field", usersPath, mock.Object{"userIds": []any{a.id}, "viewerId": viewer})
		p.wrong("a viewer of presence "+what, "invalid_field", presencePath, mock.Object{"asks": []any{mock.Object{"viewerId": viewer, "userIds": []any{a.id}}}})
		p.wrong("an inviter "+what, "invalid_field", invitesPath, mock.Object{
			"create": mock.Encode(mock.DirectCreate(viewer, a.id)), "inviterId": viewer, "userIds": []any{a.id},
		})
		p.wrong("a bearer "+what, "invalid_field", linksPath, mock.Object{
			"conversationId": "c" + mock.Base64(mock.Random(32)), "linkId": mock.Base64(mock.Random(12)), "secret": mock.Base64(mock.Random(16)), "userId": viewer,
		})
	}
	p.done()
}

// answers lets the homeserver say of every user what f returns.
func (p *peer) answers(f func(id string) mock.Object) {
	p.Handle(usersPath, func(w http.ResponseWriter, v *mock.Visit) {
		list := []any{}
		for _, id := range idsOf(v, "userIds") {
			list = append(list, f(id))
		}
		mock.Reply(w, mock.Object{"users": list})
	})
}

func usersShown(t *suite.T, a, b *actor) {
	p := social(t)
	users := map[string]mock.Object{
		p.first("good"): {"displayName": "Good", "avatarUrl": "https://example.org/good.png"}, p.first("path"): {"avatarUrl": "/media/x.png"},
		p.first("script"): {"avatarUrl": "javascript:alert(1)"}, p.first("long"): {"displayName": strings.Repeat("x", 257)}, p.first("control"): {"displayName": "a\u0007b"},
	}
	p.answers(func(id string) mock.Object {
		out := mock.Object{"userId": id}
		for key, v := range users[id] {
			out[key] = v
		}
		return out
	})
	good := a.ok(http.StatusOK, get("/users/"+p.first("good")))
	t.Expect(good.At("displayName").Text() == "Good" && good.At("avatarUrl").Text() == "https://example.org/good.png", "a user of another server is shown as %s", good.Body)
	for id, o := range users {
		res := a.ok(http.StatusOK, get("/users/"+id))
		for key, v := range o {
			t.Expect(id == p.first("good") || res.At(key).Text() != v, "%s of %s is shown as %q", key, id, v)
		}
	}
	for _, v := range p.Visits(usersPath) {
		o, _ := value(v)
		t.Expect(o.At("viewerId").Text() == a.id, "asked for the viewer %v, want %s", o.At("viewerId"), a.id)
	}
	forged := p.first("forged")
	p.answers(func(string) mock.Object { return mock.Object{"userId": b.id, "displayName": "Forged"} })
	_ = a.ask(get("/users/" + forged))
	t.Expect(a.ok(http.StatusOK, get("/users/"+b.id)).At("displayName").Text() != "Forged", "another server renamed %s", b.who)
	p.done()
}

func usersNone(t *suite.T, a *actor) {
	p := social(t)
	p.answers(func(id string) mock.Object { return mock.Object{"userId": id, "code": "unknown_user"} })
	a.refused("unknown_user", get("/users/"+p.first("nobody")))
	if name := t.Env.MockDenied(); name != "" {
		a.refused("server_refused", get("/users/x@"+name))
	}
	q := social(t)
	q.Handle(usersPath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Refuse(w, http.StatusForbidden, "server_refused") })
	a.refused("server_refused", get("/users/"+q.first("bob")))
	r := social(t)
	r.Handle(usersPath, func(w http.ResponseWriter, _ *mock.Visit) {
		w.Header().Set("Retry-After", "30")
		mock.Refuse(w, http.StatusServiceUnavailable, "unavailable")
	})
	res := a.account.Sessions[0]
	once := t.Do(a.who, client.Request{Method: "GET", Path: "/api/v1/users/" + r.first("bob"), Token: res.Access})
	wantCode(t, once, "server_unreachable", "a user of a server that does not answer")
	p.done()
}

func inviteAsked(t *suite.T, a, b *actor) {
	p := social(t)
	bob := p.first("bob")
	b.prefer(object{"whoMayAdd": "nobody"})
	nobody := "nobody-" + t.Env.RunID + "@" + t.Env.ServerName()
	create := mock.Encode(mock.Object{"creators": []any{bob}, "hub": p.Name, "members": []any{bob}, "nonce": mock.Base64(mock.Random(16)), "type": "group", "v": int64(1)})
	asked := []any{b.id, nobody, a.id}
	list := p.asked(invitesPath, mock.Object{"create": create, "inviterId": bob, "userIds": asked}).At("results").List()
	t.Expect(len(list) == 3, "3 users have %d elements", len(list))
	for i, code := range []string{"cannot_add", "unknown_user", ""} {
		t.Expect(list[i].At("userId").Text() == asked[i] && list[i].At("code").Text() == code, "element %d is %v, want the code %q", i, list[i], code)
	}
	direct := p.asked(invitesPath, mock.Object{"create": mock.Encode(mock.DirectCreate(bob, b.id)), "inviterId": bob, "userIds": []any{b.id}}).At("results").List()
	t.Expect(len(direct) == 1 && !direct[0].At("code").Exists(), "for a direct conversation: %v", direct)
	p.done()
}

func inviteRefused(t *suite.T, a, b *actor) {
	p := social(t)
	for _, code := range []string{"cannot_add", "unknown_user"} {
		p.Handle(invitesPath, func(w http.ResponseWriter, v *mock.Visit) {
			list := []any{}
			for _, id := range idsOf(v, "userIds") {
				list = append(list, mock.Object{"userId": id, "code": code})
			}
			mock.Reply(w, mock.Object{"results": list})
		})
		a.refused(code, post("/conversations", object{"type": "group", "members": []string{b.id, p.last("bob")}}))
		k := a.group(b)
		a.refused(code, post(k.path("/members"), object{"userIds": []string{p.last("bob")}}))
		wantSeqs(t, k.events(a), 0, 0)
	}
	t.Expect(p.visits(invitesPath) == 4, "the server was asked %d times, want 4", p.visits(invitesPath))
	p.done()
}

func inviteRequest(t *suite.T, a *actor) {
	a.prefer(object{"whoMayMessage": "contacts"})
	f := farDirect(t, a)
	f.sends("hello stranger")
	see := f.see(a)
	t.Expect(see.At("isRequest").Bool() && !see.At("lastMessage").Exists() && see.At("unreadCount").Int() <= 0, "a stranger's conversation is shown as %s", see.Body)
	f.p.done()
}

func inviteOut(t *suite.T, a, b *actor) {
	a.prefer(object{"whoMayAdd": "nobody"})
	p := social(t)
	f := farGroupOf(t, p, a, b)
	f.orders()
	f.begin()
	f.t.Eventually(30*time.Second, "the user who does not want to be added leaves", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, r := range f.log.Records {
			if r.Submission["type"] == "member_leave" && r.Submission["sender"] == a.id {
				return true
			}
		}
		return len(p.Faults()) > 0
	})
	p.done()
	t.Expect(f.see(b).At("type").Text() == "group", "the other member does not see the group")
}

func inviteHub(t *suite.T, a, b *actor) {
	n := nearGroup(t, a)
	b.prefer(object{"whoMayAdd": "nobody"})
	must(t, a.ask(request("PATCH", n.path("/members/"+n.bob), object{"role": "admin"})), "making bob an admin")
	n.holds(2)
	r := mock.Submission(n.id, n.bob, "member_add", mock.Encode(mock.Object{"userIds": []any{b.id}})).Signed(n.p.Key)
	n.refused("adding a user against their will", r.Submitted(), "cannot_add")
	b.prefer(object{"whoMayAdd": "everyone"})
	r = mock.Submission(n.id, n.bob, "member_add", mock.Encode(mock.Object{"userIds": []any{b.id}})).Signed(n.p.Key)
	got := n.submit(r.Submitted())[0]
	t.Expect(got.Code == "" && got.Seq == 2, "adding a user who does not mind: seq %d %s", got.Seq, got.Code)
	n.p.done()
}

// bare returns the parts of a token.
func bare(t *suite.T, token string) (conversation, link, secret string) {
	text, _, _ := strings.Cut(strings.TrimPrefix(token, "pl_"), "@")
	t.Expect(len(text) == 43+16+22, "the token has %d characters", len(token))
	return "c" + text[:43], text[43:59], text[59:]
}

func linkAsked(t *suite.T, a *actor) {
	p := social(t)
	k := a.named("Linked")
	conversation, link, secret := bare(t, k.link(a, object{}))
	ask := func(c, l, s string) mock.Object {
		return mock.Object{"conversationId": c, "linkId": l, "secret": s, "userId": p.last("bob")}
	}
	see := p.asked(linksPath, ask(conversation, link, secret))
	t.Expect(see.At("conversationId").Text() == k.id && see.At("name").Text() == "Linked" && see.At("memberCount").Int() == 1 && !see.At("isMember").Bool(), "the preview is %v", see)
	p.wrong("another secret", "link_invalid", linksPath, ask(conversation, link, mock.Base64(mock.Random(16))))
	p.wrong("another link", "link_invalid", linksPath, ask(conversation, mock.Base64(mock.Random(12)), secret))
	p.wrong("another conversation", "link_invalid", linksPath, ask("c"+mock.Base64(mock.Random(32)), link, secret))
	must(t, a.ask(request("DELETE", k.path("/links/"+link), nil)), "revoking")
	p.wrong("a revoked link", "link_revoked", linksPath, ask(conversation, link, secret))
	p.done()
}

func linkOther(t *suite.T, a *actor) {
	p := social(t)
	id, link, secret := "c"+mock.Base64(mock.Random(32)), mock.Base64(mock.Random(12)), mock.Base64(mock.Random(16))
	p.Handle(linksPath, func(w http.ResponseWriter, v *mock.Visit) {
		o, _ := value(v)
		if o.At("conversationId").Text() != id || o.At("linkId").Text() != link || o.At("secret").Text() != secret || o.At("userId").Text() != a.id {
			p.Fault("asked about a link with %v", o)
		}
		mock.Reply(w, mock.Object{"conversationId": id, "name": "Far away", "memberCount": int64(7), "needsApproval": false, "isMember": false, "isRequested": false})
	})
	token := "pl_" + id[1:] + link + secret + "@" + p.Name
	see := a.ok(http.StatusOK, post("/links/preview", object{"token": token}))
	t.Expect(see.At("name").Text() == "Far away" && see.At("memberCount").Int() == 7 && see.At("conversationId").Text() == id, "the preview is %s", see.Body)
	t.Expect(p.visits(linksPath) == 1, "the hub was asked %d times", p.visits(linksPath))
	line, _ := t.Env.Server.Law().Catalogue("link_expired")
	p.Handle(linksPath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Refuse(w, line.Status, "link_expired") })
	a.refused("link_expired", post("/links/preview", object{"token": token}))
	p.done()
}

func presenceAsked(t *suite.T, a, b *actor) {
	p := social(t)
	bob := p.first("bob")
	b.prefer(object{"online": "nobody", "lastSeen": "nobody"})
	nobody := "nobody-" + t.Env.RunID + "@" + t.Env.ServerName()
	list := p.asked(presencePath, mock.Object{"asks": []any{
		mock.Object{"viewerId": bob, "userIds": []any{b.id, nobody}}, mock.Object{"viewerId": p.first("carol"), "userIds": []any{a.id}},
	}}).At("presence").List()
	t.Expect(len(list) == 3, "3 users have %d elements", len(list))
	for i, id := range []string{b.id, nobody, a.id} {
		t.Expect(list[i].At("userId").Text() == id, "element %d is about %v, want %s", i, list[i].At("userId"), id)
	}
	t.Expect(list[0].At("status").Text() == "offline" && !list[0].At("lastSeen").Exists(), "who shows nobody is %v", list[0])
	t.Expect(list[1].At("code").Text() == "unknown_user" && list[2].At("status").Exists(), "the others are %v and %v", list[1], list[2])
	many := []any{}
	for range 101 {
		many = append(many, a.id)
	}
	p.wrong("101 users", "invalid_field", presencePath, mock.Object{"asks": []any{mock.Object{"viewerId": bob, "userIds": many}}})
	p.done()
}

func presenceAway(t *suite.T, a *actor) {
	p := social(t)
	p.Handle(presencePath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Refuse(w, http.StatusInternalServerError, "internal") })
	res := a.ok(http.StatusOK, get("/users/"+p.first("bob")+"/presence"))
	t.Expect(res.At("status").Text() == "offline" && !res.At("lastSeen").Exists(), "a user of a server that does not answer is %s", res.Body)
	p.done()
}

func farTyping(t *suite.T, a *actor) {
	f := farGroup(t, a)
	third := social(t)
	l := a.online("")
	typing := func(from *peer, user string) {
		body := mock.Encode(mock.Object{"items": []any{}, "typing": []any{mock.Object{"conversationId": f.log.ID, "userId": user, "isTyping": true}}})
		res := from.send(func() *mock.Request { return from.Signed().Sign("POST", transactionsPath, []byte(body)) })
		t.Expect(res.Status == http.StatusOK, "typing of %s: status %d %s", user, res.Status, res.Code())
	}
	typing(third, f.bob)
	typing(f.p, third.first("eve"))
	typing(f.p, f.p.first("stranger"))
	typing(f.p, f.bob)
	l.within(10*time.Second, "typing of "+f.bob, func(x client.Frame) bool {
		return x.Type == "typing" && x.Data.At("userId").Text() == f.bob
	})
	for _, x := range l.Frames() {
		t.Expect(x.Type != "typing" || x.Data.At("userId").Text() == f.bob, "typing is shown of %v", x.Data)
	}
	f.p.done()
}

func farReceipts(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	third := social(t)
	first := n.send(a, "one")
	n.send(a, "two")
	n.holds(3)
	receipt := func(from *peer, user string, seq int64) {
		_ = from.push(mock.Object{"conversationId": n.id, "receipts": []any{mock.Object{"userId": user, "deliveredSeq": seq, "readSeq": seq}}})
	}
	status := func(seq int64) string { return n.event(a, seq).At("status").Text() }
	receipt(third, n.bob, 2)
	receipt(n.p, a.id, 2)
	receipt(n.p, n.p.last("stranger"), 2)
	t.Expect(status(1) != "read", "a receipt of somebody else is taken: the message is %s", status(1))
	receipt(n.p, n.bob, 1)
	t.Eventually(10*time.Second, "the first message is read", func() bool { return status(1) == "read" })
	t.Expect(status(2) != "read", "the second message is %s", status(2))
	receipt(n.p, n.bob, 2)
	t.Eventually(10*time.Second, "the second message is read", func() bool { return status(2) == "read" })
	receipt(n.p, n.bob, 0)
	t.Expect(status(1) == "read" && status(2) == "read", "an older receipt moves the pointer back, of %v", first.At("messageId"))
	n.p.done()
}
