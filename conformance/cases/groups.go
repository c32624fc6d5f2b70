// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

const groupFeature = "conversations.group"

func creating() []*suite.Case {
	a := &area{profile: groups, feature: groupFeature}
	a.add("GROUP-CREATE", "the creator is owner and member, the others are members", "CONV-CREATE-1 CONV-CREATE-2 CONV-COUNT-2", groupCreate)
	a.add("GROUP-UNKNOWN", "a group with a user who does not exist is not made", "CONV-CREATE-3", groupUnknown)
	a.add("GROUP-NAME", "a name has at most 255 bytes and no control characters", "CONV-NAME-1 ENC-SHOW-1 ENC-SHOW-2 LIMIT-ERROR-1 LIMIT-ERROR-2", groupName)
	return a.list
}

func groupCreate(t *suite.T, a, b *actor) {
	for _, members := range [][]string{{b.id}, {a.id, b.id}, {b.id, b.id}} {
		res := a.ok(http.StatusCreated, post("/conversations", object{"type": "group", "name": "G", "members": members}))
		k := &talk{t: t, id: res.At("conversationId").Text()}
		t.Expect(res.At("role").Text() == "owner" && res.At("memberCount").Int() == 2, "with members %v: role %v of %v members", members, res.At("role"), res.At("memberCount"))
		list := k.members(b)
		t.Expect(len(list) == 2 && list[a.id].At("role").Text() == "owner" && list[b.id].At("role").Text() == "member", "the members are %v", list)
		t.Expect(k.see(b).At("createdBy").Text() == a.id && k.see(b).At("membership").Text() == "joined", "bob sees %v", k.see(b).Value)
	}
	alone := a.group()
	t.Expect(alone.see(a).At("memberCount").Int() == 1, "a group of one has %v members", alone.see(a).At("memberCount"))
}

func groupUnknown(t *suite.T, a, b *actor) {
	before := a.ok(http.StatusOK, get("/conversations?limit=1")).String()
	a.refused("unknown_user", post("/conversations", object{"type": "group", "members": []string{b.id, "nobody-" + t.Env.RunID + "@" + t.Env.ServerName()}}))
	after := a.ok(http.StatusOK, get("/conversations?limit=1")).String()
	t.Expect(before == after, "the list of conversations changed")
	k := a.group(b)
	res := a.ask(post(k.path("/members"), object{"userIds": []string{"nobody-" + t.Env.RunID + "@" + t.Env.ServerName()}}))
	wantCode(t, res, "unknown_user", "adding nobody")
}

func groupName(t *suite.T, a, b *actor) {
	k := a.group(b)
	t.Expect(!k.see(a).At("name").Exists(), "a group without a name has the name %v", k.see(a).At("name"))
	for _, name := range []string{strings.Repeat("n", 255), strings.Repeat("é", 127), ""} {
		must(t, k.rename(a, name), "renaming")
		have := k.see(b).At("name")
		t.Expect(have.Text() == name && have.Exists() == (name != ""), "the name is %v, want %q", have, name)
	}
	for what, name := range map[string]string{"256 bytes": strings.Repeat("n", 256), "128 characters of 2 bytes": strings.Repeat("é", 128), "a line feed": "a\nb", "an override": "a\u202eb", "an isolate": "a\u2067b", "nothing to see": " \u200d\u3164"} {
		wantCode(t, k.rename(a, name), "invalid_field", "a name with "+what)
		res := a.ask(post("/conversations", object{"type": "group", "name": name, "members": []string{b.id}}))
		wantCode(t, res, "invalid_field", "a group called with "+what)
	}
}

func members() []*suite.Case {
	a := &area{profile: groups, feature: groupFeature}
	a.add("MEMBER-EVENTS", "each change is an event with its change", "CONV-CREATE-2 CONV-LEAVE-1 LOG-STATE-3", memberEvents)
	a.add("MEMBER-NOTHING", "a change that changes nothing makes no entry", "CONV-CHANGE-1", memberNothing)
	a.add("MEMBER-LEAVE", "leaving is recorded as member_leave and costs the role", "CONV-LEAVE-1 CONV-OWNER-1", memberLeave)
	a.add("MEMBER-COUNT", "memberCount is the number of joined members", "CONV-COUNT-2", memberCount)
	return a.list
}

func memberEvents(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	must(t, k.add(a, c), "adding")
	must(t, k.role(a, c, "admin"), "a role")
	must(t, k.rename(c, "Ours"), "renaming")
	must(t, k.remove(a, b), "removing")
	must(t, k.remove(c, c), "leaving")
	events := k.events(a)
	wantSeqs(t, events, 0, 5)
	for i, want := range []struct {
		kind, sender string
		change       object
	}{
		{"create", a.id, nil}, {"member_add", a.id, object{"userIds": []string{c.id}, "role": "member"}},
		{"member_role", a.id, object{"userIds": []string{c.id}, "role": "admin"}}, {"rename", c.id, object{"name": "Ours"}},
		{"member_remove", a.id, object{"userIds": []string{b.id}}}, {"member_leave", c.id, nil},
	} {
		e := events[i]
		t.Expect(e.At("type").Text() == want.kind && e.At("senderId").Text() == want.sender, "seq %d is %v by %v, want %s by %s", i, e.At("type"), e.At("senderId"), want.kind, want.sender)
		for name, value := range want.change {
			t.Expect(e.At("change", name).String() == client.Compact(value), "the %s of %s is %v, want %s", name, want.kind, e.At("change", name), client.Compact(value))
		}
	}
}

func memberNothing(t *suite.T, a, b *actor) {
	k := a.named("Same", b)
	wantCode(t, k.add(a, b), "already_member", "adding a member again")
	a.want(k.rename(a, "Same"), http.StatusOK)
	a.want(k.role(a, b, "member"), http.StatusOK)
	a.want(k.role(a, a, "owner"), http.StatusOK)
	wantCode(t, k.rename(b, "Same"), "insufficient_role", "setting the set name without the right")
	wantSeqs(t, k.events(a), 0, 0)
}

func memberLeave(t *suite.T, a, b *actor) {
	k := a.group(b)
	must(t, k.role(a, b, "admin"), "a role")
	a.want(k.remove(b, b), http.StatusNoContent)
	e := k.newest(a)
	t.Expect(e.At("type").Text() == "member_leave" && e.At("senderId").Text() == b.id, "leaving is recorded as %v by %v", e.At("type"), e.At("senderId"))
	t.Expect(k.see(b).At("membership").Text() == "left", "the membership is %v, want left", k.see(b).At("membership"))
	must(t, k.add(a, b), "adding")
	t.Expect(k.members(a)[b.id].At("role").Text() == "member", "who left as admin comes back as %v", k.members(a)[b.id].At("role"))
}

func memberCount(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	want := func(n int64) {
		have := k.see(a).At("memberCount").Int()
		t.Expect(have == n && len(k.members(a)) == int(n), "memberCount is %d with %d in the list, want %d", have, len(k.members(a)), n)
	}
	want(2)
	must(t, k.add(a, c), "adding")
	want(3)
	must(t, k.remove(a, b), "removing")
	want(2)
	must(t, k.remove(c, c), "leaving")
	want(1)
}

func roles() []*suite.Case {
	a := &area{profile: groups, feature: groupFeature}
	a.add("ROLE-MEMBER", "a member reads, sends and leaves, and no more", "CONV-ROLE-1", roleMember)
	a.add("ROLE-ADMIN", "an admin renames, adds, and removes members", "CONV-ROLE-1 CONV-ROLE-2", roleAdmin)
	a.add("ROLE-OWNER", "an owner removes admins and changes roles, and removes no owner", "CONV-ROLE-1 CONV-ROLE-2", roleOwner)
	a.add("ROLE-STATE", "rights are those of the state right before", "CONV-ROLE-3", roleState)
	a.add("ROLE-ONLY-OWNER", "the only owner cannot take another role", "CONV-OWNER-3", roleOnlyOwner)
	a.add("ROLE-SUCCESSION-ADMIN", "the admin follows the last owner", "CONV-OWNER-1 CONV-OWNER-2", roleAdminFollows)
	a.add("ROLE-SUCCESSION-MEMBER", "without an admin who joined first follows, of two the smaller id", "CONV-OWNER-2", roleMemberFollows)
	return a.list
}

func roleMember(t *suite.T, a, b, c, d *actor) {
	k := a.group(b, c)
	for what, res := range map[string]*client.Response{
		"renaming": k.rename(b, "x"), "adding": k.add(b, d), "removing": k.remove(b, c), "a role": k.role(b, b, "owner"), "removing the owner": k.remove(b, a),
	} {
		wantCode(t, res, "insufficient_role", what+" as a member")
	}
	wantSeqs(t, k.events(a), 0, 0)
	k.send(b, "but I may send")
	must(t, k.remove(b, b), "leaving")
}

func roleAdmin(t *suite.T, a, b, c, d *actor) {
	k := a.group(b, c)
	must(t, k.role(a, b, "admin"), "a role")
	must(t, k.rename(b, "x"), "renaming as admin")
	must(t, k.add(b, d), "adding as admin")
	must(t, k.role(a, c, "admin"), "a role")
	for what, res := range map[string]*client.Response{
		"a role": k.role(b, d, "admin"), "removing an admin": k.remove(b, c), "removing the owner": k.remove(b, a),
	} {
		wantCode(t, res, "insufficient_role", what+" as an admin")
	}
	must(t, k.remove(b, d), "removing a member as admin")
}

func roleOwner(t *suite.T, a, b, c *actor) {
	k := a.group(b, c)
	must(t, k.role(a, b, "admin"), "a role")
	must(t, k.remove(a, b), "removing an admin as owner")
	must(t, k.role(a, c, "owner"), "making an owner")
	wantCode(t, k.remove(a, c), "insufficient_role", "removing an owner as owner")
	must(t, k.role(c, a, "member"), "taking the role of the other owner")
	wantCode(t, k.rename(a, "x"), "insufficient_role", "renaming as a former owner")
}

func roleState(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	wantCode(t, k.add(b, c), "insufficient_role", "adding before the role")
	must(t, k.role(a, b, "admin"), "a role")
	must(t, k.add(b, c), "adding right after the role")
	must(t, k.role(a, b, "member"), "taking the role")
	wantCode(t, k.remove(b, c), "insufficient_role", "removing right after the role was taken")
	must(t, k.remove(a, b), "removing")
	wantCode(t, k.rename(b, "x"), "not_member", "renaming after the removal")
}

// roleOnlyOwner asks both: in one of the two groups the other member would be the heir, in the other one the owner.
func roleOnlyOwner(t *suite.T, a, b *actor) {
	for _, x := range [][2]*actor{{a, b}, {b, a}} {
		owner, other := x[0], x[1]
		k := owner.group(other)
		for _, role := range []string{"admin", "member"} {
			_ = k.role(owner, owner, role) // Which refusal is the server's to choose.
			have := k.members(other)[owner.id].At("role").Text()
			t.Expect(have == "owner", "the only owner took the role %s and is now %s", role, have)
		}
		must(t, k.role(owner, other, "owner"), "naming a second owner")
		must(t, k.role(owner, owner, "member"), "stepping down beside a second owner")
		t.Expect(k.members(other)[owner.id].At("role").Text() == "member", "who stepped down is %v", k.members(other)[owner.id].At("role"))
	}
}

func roleAdminFollows(t *suite.T, a, b, c *actor) {
	k := a.group(b, c)
	must(t, k.role(a, c, "admin"), "a role")
	must(t, k.remove(a, a), "leaving")
	m := k.members(b)
	t.Expect(m[c.id].At("role").Text() == "owner" && m[b.id].At("role").Text() == "member", "after the owner left, the admin is %v and the member %v", m[c.id].At("role"), m[b.id].At("role"))
	must(t, k.rename(c, "mine"), "renaming as the new owner")
}

func roleMemberFollows(t *suite.T, a, b, c, d *actor) {
	k := a.group(b)
	must(t, k.add(a, c, d), "adding")
	must(t, k.remove(a, a), "leaving")
	t.Expect(k.members(b)[b.id].At("role").Text() == "owner", "who joined first is %v, want owner", k.members(b)[b.id].At("role"))
	must(t, k.remove(b, b), "leaving")
	first, second := c, d
	if d.id < c.id {
		first, second = d, c
	}
	m := k.members(c)
	t.Expect(m[first.id].At("role").Text() == "owner" && m[second.id].At("role").Text() == "member", "of two who joined together %s is %v", first.id, m[first.id].At("role"))
}

func reading() []*suite.Case {
	a := &area{profile: groups, feature: groupFeature}
	a.add("READ-FOUNDER", "a founding member reads from 0", "CONV-READ-1", readFounder)
	a.add("READ-LATER", "who joined later reads from the joining on", "CONV-READ-1", readLater)
	a.add("READ-FORMER", "a former member reads up to the end of the membership and writes nothing", "CONV-READ-2 CONV-READ-3", readFormer)
	a.add("READ-FORMER-VIEW", "a former member sees name and count of the end of the membership", "CONV-READ-6 CONV-COUNT-1", readFormerView)
	a.add("READ-AGAIN", "who comes back reads from the last joining on", "CONV-READ-5", readAgain)
	return a.list
}

func readFounder(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 2)
	wantSeqs(t, k.events(b), 0, 2)
}

func readLater(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	hidden := k.sendN(a, 3)
	must(t, k.add(a, c), "adding")
	k.sendN(a, 2)
	wantSeqs(t, k.events(c), 4, 6)
	wantSeqs(t, k.page(c, "limit=200").At("messages").List(), 6, 4)
	t.Expect(len(k.between(c, -1, 4)) == 0, "who joined at 4 reads entries before it")
	l := c.online("")
	l.ack(k, hidden.At("messageId").Text(), "read")
	l.error("unknown_message")
	t.Expect(k.unread(c) == 2, "unread is %d, want the 2 since the joining", k.unread(c))
}

func readFormer(t *suite.T, a, b, c *actor) {
	k := a.group(b, c)
	k.send(a, "1")
	must(t, k.remove(a, b), "removing")
	must(t, k.remove(c, c), "leaving")
	k.sendN(a, 2)
	for who, end := range map[*actor]int64{b: 2, c: 3} {
		see := k.see(who)
		t.Expect(see.At("headSeq").Int() == end, "headSeq of %s is %v, want %d", who.who, see.At("headSeq"), end)
		wantSeqs(t, k.page(who, "limit=200&beforeSeq="+client.Compact(end+1)).At("messages").List(), end, 0)
		for _, in := range []client.Request{
			post(k.path("/messages"), message(who.temp(), "x")), request("PATCH", k.path(""), object{"name": "x"}),
			post(k.path("/members"), object{"userIds": []string{b.id}}), get(k.path("/members")), get(k.path("/checkpoint")),
		} {
			who.refused("not_member", in)
		}
		for _, after := range []int64{end, end + 1, end + 100} {
			n := len(k.between(who, after, client.Missing))
			t.Expect(n == 0, "%d events after seq %d, where the membership ended before", n, after)
		}
	}
	t.Expect(k.see(b).At("membership").Text() == "removed" && k.see(c).At("membership").Text() == "left", "memberships %v and %v", k.see(b).At("membership"), k.see(c).At("membership"))
}

func readFormerView(t *suite.T, a, b, c *actor) {
	k := a.named("Before", b, c)
	id := k.send(a, "x").At("messageId").Text()
	must(t, k.remove(a, b), "removing")
	before := b.cursor()
	must(t, k.rename(a, "After"), "renaming")
	must(t, k.remove(c, c), "leaving")
	k.read(a, id, 1)
	see := k.see(b)
	t.Expect(see.At("name").Text() == "Before" && see.At("memberCount").Int() == 2, "the former member sees %v with %v members, want Before with 2", see.At("name"), see.At("memberCount"))
	t.Expect(see.At("unreadCount").Int() == 0, "the former member sees %v unread", see.At("unreadCount"))
	events, conversations, receipts := k.collect(b.catchUp(before))
	t.Expect(len(events)+len(receipts) == 0, "after the end of the membership %d events and %d receipts arrive", len(events), len(receipts))
	for _, c := range conversations {
		t.Expect(c.At("name").Text() == "Before" && c.At("headSeq").Int() == 2, "sync shows the former member %v", c)
	}
}

func readAgain(t *suite.T, a, b *actor) {
	k := a.group(b)
	must(t, k.remove(a, b), "removing")
	k.sendN(a, 2)
	must(t, k.add(a, b), "adding")
	k.send(a, "x")
	wantSeqs(t, k.events(b), 4, 5)
}

func full() []*suite.Case {
	a := &area{profile: groups, feature: groupFeature}
	a.add("GROUP-FULL", "a group beyond its limit is refused", "CONV-CREATE-4 LIMIT-ERROR-1 LIMIT-ERROR-2", groupFull, alone, slow(5*time.Minute))
	return a.list
}

func groupFull(t *suite.T) {
	most := int(t.Env.Limit("groupMembers"))
	if room := t.Env.Room(); room < most+1 {
		t.Impossible("needs %d accounts and the run has %d; raise --max-accounts", most+1, room)
	}
	all := actors(t, most+1)
	creator, others, extra := all[0], all[1:most], all[most]
	create := func(list []*actor) *client.Response {
		return creator.ask(post("/conversations", object{"type": "group", "members": ids(list)}))
	}
	wantCode(t, create(all[1:]), "group_full", "a group beyond the limit")
	res := create(others)
	creator.want(res, http.StatusCreated)
	k := &talk{t: t, id: res.At("conversationId").Text()}
	wantCode(t, k.add(creator, extra), "group_full", "adding beyond the limit")
	must(t, k.remove(creator, others[0]), "removing")
	must(t, k.add(creator, extra), "adding when there is room again")
	t.Expect(len(k.members(creator)) == most, "%d members, want %d", len(k.members(creator)), most)
}
