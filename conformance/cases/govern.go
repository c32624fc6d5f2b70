// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func governing() []*suite.Case {
	a := &area{profile: groups, feature: groupFeature}
	a.add("SET-VALUES", "settings have their values and stay", "CONV-SET-1 ENC-SHOW-1 ENC-URL-1 CONV-SET-2 CONV-SET-3", setValues)
	a.add("SET-SEEN", "members see the settings, former members do not", "CONV-SET-5", setSeen)
	a.add("SET-DIRECT", "the two of a direct conversation set the timer and pin", "CONV-DIRECT-4 CONV-DIRECT-3", setDirect)
	a.add("SET-SLOW", "slow mode makes simple members wait", "CONV-SLOW-1 MSG-EDIT-9", setSlow)
	a.add("SET-SHARED", "who joins while the history is shared reads what was shared", "CONV-READ-7 CONV-READ-5", setShared)
	a.add("PERM-CAPABILITIES", "each capability is had from its lowest role on", "CONV-PERM-1 CONV-PERM-3 CONV-ROLE-1", permCapabilities)
	a.add("PERM-OWNERS", "owners change permissions, and only to what there is", "CONV-PERM-2 CONV-PERM-4", permOwners)
	a.add("OWNER-TRANSFER", "a group is handed over in one entry", "CONV-OWNER-4", ownerTransfer)
	a.add("CHANGE-EXPECTS", "a change that was judged by an older state is refused", "CONV-EXPECTS-1", expects)
	a.add("ROLE-DEMOTED", "whoever was demoted has no right in the next entry, whenever it was sent", "CONV-EXPECTS-2 CONV-ROLE-3", demoted)
	a.add("BAN-OUT", "a ban ends the membership and keeps out by every way", "CONV-BAN-1 CONV-BAN-2 CONV-BAN-5 CONV-LINK-4", banOut)
	a.add("BAN-STRANGER", "a stranger is banned and learns nothing", "CONV-BAN-3 CONV-BAN-2", banStranger)
	a.add("BAN-RANK", "nobody bans themselves or one of the same role", "CONV-BAN-4", banRank)
	a.add("PIN-WHICH", "messages are pinned that the member reads", "CONV-PIN-1 CONV-PIN-3", pinWhich)
	a.add("PIN-FULL", "there are 50 pins at most", "CONV-PIN-2", pinFull, slow(3*time.Minute))
	a.add("BAN-FULL", "there are 500 bans at most", "CONV-BAN-6", banFull, alone, slow(5*time.Minute))
	return a.list
}

// edit changes settings.
func (k *talk) change(a *actor, body object) *client.Response {
	return a.ask(request("PATCH", k.path(""), body))
}

func (k *talk) ban(a, b *actor) *client.Response {
	return a.ask(request("PUT", k.path("/bans/"+b.id), nil))
}

func (k *talk) unban(a, b *actor) *client.Response {
	return a.ask(request("DELETE", k.path("/bans/"+b.id), nil))
}

func (k *talk) pin(a *actor, messageID string) *client.Response {
	return a.ask(request("PUT", k.path("/messages/"+messageID+"/pin"), nil))
}

func setValues(t *suite.T, a, b *actor) {
	k := a.group(b)
	for _, body := range []object{
		{"description": strings.Repeat("d", 2048)}, {"description": "two\nlines"}, {"avatarUrl": "https://media.example/a.png"}, {"avatarUrl": "/media/a.png"},
		{"ephemeralTimer": 86400}, {"ephemeralTimer": 604800}, {"ephemeralTimer": 7776000}, {"slowMode": 21600}, {"slowMode": 1},
		{"historyVisibility": "shared"}, {"serverSearch": true},
	} {
		must(t, k.change(a, body), "setting "+client.Compact(body))
		for name, value := range body {
			have := k.see(b).At(name)
			t.Expect(have.String() == client.Compact(value), "%s is %v, want %s", name, have, client.Compact(value))
		}
	}
	for _, body := range []object{
		{"description": strings.Repeat("d", 2049)}, {"description": "a\u0000b"}, {"description": "a\u202eb"}, {"avatarUrl": "javascript:alert(1)"},
		{"avatarUrl": "/\\evil.example"}, {"avatarUrl": "http://"}, {"avatarUrl": "https://user@example.org/a.png"}, {"avatarUrl": "https://" + strings.Repeat("a", 2048)},
		{"ephemeralTimer": 60}, {"ephemeralTimer": -1}, {"ephemeralTimer": 86401}, {"slowMode": 21601}, {"slowMode": -1}, {"historyVisibility": "world"}, {"historyVisibility": ""},
	} {
		wantCode(t, k.change(a, body), "invalid_field", "setting "+client.Compact(body))
	}
	for _, body := range []object{{"description": ""}, {"avatarUrl": ""}, {"ephemeralTimer": 0}, {"slowMode": 0}} {
		must(t, k.change(a, body), "clearing")
		for name := range body {
			have := k.see(b).At(name)
			t.Expect(!have.Exists() || have.Text() == "" && have.Int() <= 0, "%s is %v after it was cleared", name, have)
		}
	}
}

func setSeen(t *suite.T, a, b *actor) {
	k := a.group(b)
	must(t, k.change(a, object{"description": "who may read this", "avatarUrl": "/a.png", "slowMode": 5}), "setting")
	at := b.cursor()
	must(t, k.remove(a, b), "removing")
	must(t, k.change(a, object{"description": "not you"}), "setting")
	_, conversations, _ := k.collect(b.catchUp(at))
	for _, see := range append(conversations, k.see(b).Value) {
		for _, name := range []string{"description", "avatarUrl", "slowMode", "permissions", "pinnedMessageIds"} {
			t.Expect(!see.At(name).Exists(), "a former member sees %s %v", name, see.At(name))
		}
	}
}

func setDirect(t *suite.T, a, b *actor) {
	k := a.direct(b)
	for i, who := range []*actor{a, b} {
		value := []int{86400, 0}[i]
		must(t, k.change(who, object{"ephemeralTimer": value}), "the timer")
		have := k.see(a).At("ephemeralTimer")
		t.Expect(have.Int() == int64(value) || value == 0 && !have.Exists(), "the timer is %v, want %d", have, value)
	}
	id := k.send(a, "x").At("messageId").Text()
	must(t, k.pin(b, id), "pinning")
	must(t, a.ask(request("DELETE", k.path("/messages/"+id+"/pin"), nil)), "unpinning")
	for _, body := range []object{{"slowMode": 5}, {"description": "x"}, {"historyVisibility": "shared"}, {"permissions": object{"send": "admin"}}, {"name": "x"}} {
		wantCode(t, k.change(a, body), "direct_fixed", "setting "+client.Compact(body))
	}
	wantCode(t, k.ban(a, b), "direct_fixed", "a ban")
	wantCode(t, a.ask(post(k.path("/links"), object{})), "direct_fixed", "a link")
}

func setSlow(t *suite.T, a, b, c *actor) {
	k := a.group(b, c)
	must(t, k.role(a, c, "admin"), "a role")
	must(t, k.change(a, object{"slowMode": 3600}), "slow mode")
	sent := message(b.temp(), "one")
	first := b.ok(http.StatusCreated, post(k.path("/messages"), sent))
	b.ok(http.StatusCreated, post(k.path("/messages"), sent)) // No second message.
	for _, in := range []client.Request{
		post(k.path("/messages"), message(b.temp(), "two")), request("PATCH", k.on(idOf(first), ""), object{"content": "two"}),
	} {
		in.Token = b.session.Access
		res := t.Do(b.who, in) // Not waited out.
		wantCode(t, res, "rate_limited", "a second message or an edit in slow mode")
		wait := res.At("retryAfterMs").Int()
		t.Expect(wait > 3500_000 && wait <= 3600_000, "retryAfterMs is %d", wait)
	}
	for range 2 {
		k.send(a, "an owner need not wait")
		k.send(c, "an admin need not wait")
	}
	must(t, k.change(a, object{"slowMode": 0}), "slow mode off")
	k.send(b, "three")
}

func setShared(t *suite.T, a, b, c, d *actor) {
	k := a.group()
	k.send(a, "before")
	must(t, k.change(a, object{"historyVisibility": "shared"}), "sharing")
	k.sendN(a, 2)
	must(t, k.add(a, b), "adding")
	wantSeqs(t, k.events(b), 2, 5)
	t.Expect(k.unread(b) == 0, "what was before the joining counts as unread: %d", k.unread(b))
	must(t, k.change(a, object{"historyVisibility": "joined"}), "closing")
	must(t, k.add(a, c), "adding")
	wantSeqs(t, k.events(c), 7, 7)
	wantSeqs(t, k.events(b), 2, 7)
	must(t, k.change(a, object{"historyVisibility": "shared"}), "sharing again")
	must(t, k.remove(a, b), "removing")
	must(t, k.add(a, b, d), "adding")
	wantSeqs(t, k.events(b), 8, 10)
	wantSeqs(t, k.events(d), 8, 10)
	wantSeqs(t, k.events(c), 7, 10)
}

func permCapabilities(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	id := k.send(a, "x").At("messageId").Text()
	acts := map[string]func() *client.Response{
		"send":           func() *client.Response { return b.ask(post(k.path("/messages"), message(b.temp(), "x"))) },
		"invite":         func() *client.Response { return k.add(b, c) },
		"editInfo":       func() *client.Response { return k.change(b, object{"description": "x"}) },
		"pin":            func() *client.Response { return k.pin(b, id) },
		"remove":         func() *client.Response { return k.remove(b, c) },
		"ban":            func() *client.Response { return k.ban(b, c) },
		"manageLinks":    func() *client.Response { return b.ask(post(k.path("/links"), object{})) },
		"changeSettings": func() *client.Response { return k.change(b, object{"slowMode": 0}) },
	}
	see := k.see(b).At("permissions")
	for capability := range acts {
		want := map[bool]string{true: "member", false: "admin"}[capability == "send"]
		t.Expect(see.At(capability).Text() == want, "%s is %v in a new group, want %s", capability, see.At(capability), want)
	}
	for _, capability := range []string{"send", "invite", "remove", "editInfo", "pin", "manageLinks", "changeSettings", "ban"} {
		if capability == "remove" {
			must(t, k.change(a, object{"permissions": object{"invite": "member"}}), "permissions")
			must(t, k.add(b, c), "adding as a member")
			must(t, k.change(a, object{"permissions": object{"invite": "admin"}}), "permissions")
		}
		must(t, k.change(a, object{"permissions": object{capability: "admin"}}), "permissions")
		wantCode(t, acts[capability](), "insufficient_role", capability+" as a member")
		must(t, k.change(a, object{"permissions": object{capability: "member"}}), "permissions")
		t.Expect(k.see(b).At("permissions", capability).Text() == "member", "%s is %v", capability, k.see(b).At("permissions"))
		if capability != "remove" && capability != "ban" { // Those are of lower roles only.
			must(t, acts[capability](), capability+" as a member that has it")
		}
		must(t, k.change(a, object{"permissions": object{capability: "owner"}}), "permissions")
		must(t, k.role(a, b, "admin"), "a role")
		wantCode(t, acts[capability](), "insufficient_role", capability+" as an admin")
		must(t, k.role(a, b, "member"), "a role")
		if capability == "invite" {
			must(t, k.remove(a, c), "removing as owner")
		}
	}
}

func permOwners(t *suite.T, a, b *actor) {
	k := a.group(b)
	wantCode(t, k.change(b, object{"permissions": object{"ban": "member"}}), "insufficient_role", "permissions as a member")
	must(t, k.role(a, b, "admin"), "a role")
	wantCode(t, k.change(b, object{"permissions": object{"ban": "member"}}), "insufficient_role", "permissions as an admin")
	for _, bad := range []object{{"fly": "member"}, {"send": "king"}, {"send": ""}, {"permissions": "owner"}} {
		wantCode(t, k.change(a, object{"permissions": bad}), "invalid_field", "permissions "+client.Compact(bad))
	}
	before := k.see(a).At("headSeq").Int()
	must(t, k.change(a, object{"permissions": object{"send": "member"}}), "setting what is set")
	t.Expect(k.see(a).At("headSeq").Int() == before, "setting what is set made an entry")
}

func ownerTransfer(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	hand := func(from, to *actor) *client.Response {
		return from.ask(post(k.path("/owner"), object{"userId": to.id}))
	}
	wantCode(t, hand(b, b), "insufficient_role", "taking the group")
	wantCode(t, hand(a, c), "unknown_user", "handing over to a stranger")
	wantCode(t, hand(c, c), "unknown_conversation", "a stranger who takes the group")
	must(t, hand(a, b), "handing over")
	e := k.newest(a)
	m := k.members(a)
	t.Expect(e.At("type").Text() == "owner_transfer" && e.At("seq").Int() == 1, "the entry is %v", e)
	t.Expect(m[b.id].At("role").Text() == "owner" && m[a.id].At("role").Text() == "admin", "the new owner is %v, the old one %v", m[b.id].At("role"), m[a.id].At("role"))
}

func expects(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	must(t, k.change(a, object{"name": "first", "slowMode": 5, "expects": 0}), "judging by the newest state")
	for what, in := range map[string]client.Request{
		"a name":      request("PATCH", k.path(""), object{"name": "second", "expects": 1}),
		"a setting":   request("PATCH", k.path(""), object{"slowMode": 7, "expects": 1}),
		"an addition": post(k.path("/members"), object{"userIds": []string{c.id}, "expects": 0}),
		"a role":      request("PATCH", k.path("/members/"+b.id), object{"role": "admin", "expects": 1}),
		"a link":      post(k.path("/links"), object{"expects": 1}),
		"an owner":    post(k.path("/owner"), object{"userId": b.id, "expects": 0}),
	} {
		wantCode(t, a.ask(in), "state_changed", what+" judged by an older state")
	}
	wantSeqs(t, k.events(a), 0, 2)
	k.send(a, "messages change no state")
	must(t, k.change(a, object{"name": "third", "expects": 2}), "after a message")
}

// demoted sends a demotion and what the demoted one does at the same time, several times.
func demoted(t *suite.T, a, b, c *actor) {
	k := a.group(b, c)
	for range 5 {
		must(t, k.role(a, b, "admin"), "a role")
		var taken, res *client.Response
		at := func(who *actor, in client.Request, out **client.Response) func() error {
			in.Token = who.session.Access
			return func() (err error) {
				*out, err = t.Env.Server.Do(t.Context(), t.Rec, who.who, in)
				return err
			}
		}
		together(t,
			at(a, request("PATCH", k.path("/members/"+b.id), object{"role": "member"}), &taken),
			at(b, request("PATCH", k.path(""), object{"description": b.temp()}), &res))
		must(t, taken, "taking the role")
		t.Expect(res.Status == http.StatusOK || res.Code() == "insufficient_role", "an act beside a demotion: status %d %s", res.Status, res.Code())
		wantCode(t, k.change(b, object{"description": b.temp()}), "insufficient_role", "after the demotion")
	}
	admin := false
	for _, e := range k.events(a) {
		switch {
		case e.At("type").Text() == "member_role":
			admin = e.At("change", "role").Text() == "admin"
		case e.At("senderId").Text() == b.id:
			t.Expect(admin, "seq %v is by one who was demoted before", e.At("seq"))
		}
	}
}

func banOut(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	open, asking := k.link(a, object{}), k.link(a, object{"needsApproval": true})
	wantJoin(t, c, asking, http.StatusAccepted)
	must(t, k.ban(a, b), "banning a member")
	must(t, k.ban(a, c), "banning one who asks")
	must(t, k.ban(a, c), "banning again")
	k.send(a, "without them")
	see := k.see(b)
	t.Expect(see.At("membership").Text() == "banned" && see.At("headSeq").Int() == 4, "the banned member sees %v", see.Value)
	b.refused("not_member", post(k.path("/messages"), message(b.temp(), "x")))
	requests := a.ok(http.StatusOK, get(k.path("/requests"))).At("requests").List()
	t.Expect(len(requests) == 0, "who was banned still asks: %v", requests)
	for _, who := range []*actor{b, c} {
		wantCode(t, k.add(a, who), "banned", "adding")
		for _, token := range []string{open, asking} {
			wantCode(t, who.join(token), "banned", "joining")
			wantCode(t, who.ask(post("/links/preview", object{"token": token})), "banned", "looking")
		}
	}
	must(t, k.unban(a, b), "lifting")
	b.refused("not_member", post(k.path("/messages"), message(b.temp(), "x")))
	wantJoin(t, b, open, http.StatusOK)
	k.send(b, "back")
}

func banStranger(t *suite.T, a, b *actor) {
	k := a.group()
	at := b.cursor()
	must(t, k.ban(a, b), "banning a stranger")
	k.send(a, "x")
	list := a.ok(http.StatusOK, get(k.path("/bans"))).At("bans").List()
	t.Expect(len(list) == 1 && list[0].At("userId").Text() == b.id && list[0].At("bannedBy").Text() == a.id, "the bans are %v", list)
	for _, in := range []client.Request{
		get(k.path("")), get(k.path("/bans")), get(k.path("/pins")), get(k.path("/requests")), get(k.path("/links")), get(k.path("/messages")),
		request("DELETE", k.path("/bans/"+b.id), nil), post(k.path("/messages"), message(b.temp(), "x")),
	} {
		b.refused("unknown_conversation", in)
	}
	events, conversations, _ := k.collect(b.catchUp(at))
	t.Expect(len(events)+len(conversations) == 0, "a banned stranger is told %v %v", events, conversations)
	wantCode(t, k.add(a, b), "banned", "adding")
	a.refused("unknown_user", request("PUT", k.path("/bans/nobody-"+t.Env.RunID+"@"+t.Env.ServerName()), nil))
}

func banRank(t *suite.T, a, b, c, d *actor) {
	k := a.group(b, c, d)
	must(t, k.role(a, b, "admin"), "a role")
	must(t, k.role(a, c, "admin"), "a role")
	for what, res := range map[string]*client.Response{
		"a member": k.ban(d, b), "an admin of an admin": k.ban(b, c), "an admin of the owner": k.ban(b, a), "the owner of themselves": k.ban(a, a), "an admin of themselves": k.ban(b, b),
	} {
		wantCode(t, res, "insufficient_role", "a ban by "+what)
	}
	must(t, k.ban(b, d), "an admin bans a member")
	must(t, k.ban(a, b), "the owner bans an admin")
	wantCode(t, k.unban(b, d), "not_member", "lifting a ban as a banned one")
}

func pinWhich(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	must(t, k.change(a, object{"permissions": object{"pin": "member"}}), "permissions")
	first, second := k.send(a, "1").At("messageId").Text(), k.send(b, "2").At("messageId").Text()
	must(t, k.add(a, c), "adding")
	third := k.send(c, "3").At("messageId").Text()
	added := k.event(a, 4).At("messageId").Text()
	for what, id := range map[string]string{"an entry that is no message": added, "nothing": "01ARZ3NDEKTSV4RRFFQ69G5FAV"} {
		wantCode(t, k.pin(a, id), "unknown_message", "pinning "+what)
	}
	wantCode(t, k.pin(c, first), "unknown_message", "pinning what was before the joining")
	wantCode(t, k.pin(a, "nonsense"), "invalid_field", "pinning nonsense")
	for _, id := range []string{second, first, third, first} {
		must(t, k.pin(b, id), "pinning")
	}
	wantPins(t, k, b, third, first, second)
	wantPins(t, k, c, third)
	t.Expect(k.newest(a).At("type").Text() == "pin" && k.newest(a).At("targetMessageId").Text() == third, "the pin is told as %v", k.newest(a))
	must(t, b.ask(request("DELETE", k.path("/messages/"+first+"/pin"), nil)), "unpinning")
	wantPins(t, k, b, third, second)
	must(t, a.ask(request("DELETE", k.path("/messages/"+second), nil)), "deleting")
	list := b.ok(http.StatusOK, get(k.path("/pins"))).At("messages").List()
	t.Expect(len(list) == 1 && list[0].At("messageId").Text() == third, "after one was deleted the pins are %v", list)
	wantCode(t, k.pin(a, second), "unknown_message", "pinning a deleted message")
}

// wantPins compares the list of pins, newest first, one page at a time, and the ids in the conversation.
func wantPins(t *suite.T, k *talk, who *actor, want ...string) {
	var have []string
	for query := "?limit=1"; ; {
		page := who.ok(http.StatusOK, get(k.path("/pins"+query)))
		for _, e := range page.At("messages").List() {
			have = append(have, e.At("messageId").Text())
		}
		if !page.At("hasMore").Bool() {
			break
		}
		query = "?limit=1&cursor=" + page.At("nextCursor").Text()
	}
	t.Expect(strings.Join(have, " ") == strings.Join(want, " "), "%s lists the pins %v, want %v", who.who, have, want)
	ids := k.see(who).At("pinnedMessageIds").Texts()
	t.Expect(len(ids) == len(want) && ids[0] == want[len(want)-1], "%s sees the pins %v, want %v", who.who, ids, want)
}

func pinFull(t *suite.T, a *actor) {
	k := a.group()
	for range 50 {
		must(t, k.pin(a, k.send(a, "x").At("messageId").Text()), "pinning")
	}
	id := k.send(a, "x").At("messageId").Text()
	wantCode(t, k.pin(a, id), "limit_reached", "the 51st pin")
	must(t, a.ask(request("DELETE", k.path("/messages/"+k.see(a).At("pinnedMessageIds").Texts()[0]+"/pin"), nil)), "unpinning")
	must(t, k.pin(a, id), "pinning where one made room")
}

func banFull(t *suite.T) {
	const most = 500
	if room := t.Env.Room(); room < most+2 {
		t.Impossible("needs %d accounts and the run has %d; raise --max-accounts", most+2, room)
	}
	all := actors(t, most+2)
	k := all[0].group()
	for _, b := range all[1 : most+1] {
		must(t, k.ban(all[0], b), "banning")
	}
	wantCode(t, k.ban(all[0], all[most+1]), "limit_reached", "the 501st ban")
}
