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

func channelCases() []*suite.Case {
	a := &area{profile: channels, feature: "channels"}
	a.add("CHANNEL-CREATE", "a channel has a name, a visibility, and few members", "CHAN-CREATE-1 CHAN-CREATE-2 CHAN-CREATE-3 CHAN-CREATE-4", channelCreate)
	a.add("CHANNEL-SUBSCRIBE", "subscribing and ending it do no more when done twice", "CHAN-SUB-1 CHAN-SUB-3 CHAN-SUB-6 CHAN-SUB-7", channelSubscribe)
	a.add("CHANNEL-PRIVATE", "a private channel is there for whom its owners let in", "CHAN-SUB-2 CHAN-READ-2 CHAN-ADMIN-2", channelPrivate)
	a.add("CHANNEL-LINK", "an invite link of a channel makes subscribers", "CHAN-LINK-1 CHAN-LINK-2 CHAN-LINK-3", channelLink)
	a.add("CHANNEL-MEMBER", "a member who subscribes stays a member", "CHAN-SUB-4", channelMember)
	a.add("CHANNEL-FORMER", "who wrote in a public channel once may subscribe, unless banned", "CHAN-SUB-8", channelFormer)
	a.add("CHANNEL-READ", "readers see the whole log", "CHAN-READ-1", channelRead)
	a.add("CHANNEL-WRITE", "readers do not write", "CHAN-WRITE-1", channelWrite)
	a.add("CHANNEL-HINT", "readers are told that the head moved, and not what was posted", "CHAN-HINT-1 CHAN-HINT-2 CHAN-HINT-3", channelHint)
	a.add("CHANNEL-SYNC", "sync shows the channels that moved, without events", "CHAN-SYNC-1", channelSync)
	a.add("CHANNEL-CURSOR", "a cursor covers no move that was not told", "CHAN-SYNC-2", channelCursor)
	a.add("CHANNEL-POINTER", "a reader's pointer counts for the reader alone", "CHAN-POINTER-1 CHAN-POINTER-2 CHAN-POINTER-3", channelPointer)
	a.add("CHANNEL-VIEWS", "each subscriber counts once for each message", "CHAN-VIEWS-1 CHAN-VIEWS-2", channelViews)
	a.add("CHANNEL-SETTINGS", "a subscriber mutes, pins and archives, for the reader alone", "CHAN-PREFS-1", channelSettings)
	a.add("CHANNEL-ADMIN", "owners and admins list, add and remove subscribers", "CHAN-ADMIN-1 CHAN-ADMIN-2", channelAdmin)
	a.add("CHANNEL-CANNOT-ADD", "who may not be added as a member may not be added as a subscriber", "CHAN-ADMIN-5", channelCannotAdd)
	a.add("CHANNEL-BAN", "for the banned there is no channel", "CHAN-ADMIN-3 CHAN-ADMIN-4", channelBan)
	a.add("CHANNEL-CRASH", "a crash loses views and pointers alike", "CHAN-VIEWS-3", channelCrash, lab("kill", "start"), alone, slow(3*time.Minute))
	return a.list
}

// channel makes a channel with the actor as owner.
func (a *actor) channel(visibility string, others ...*actor) *talk {
	res := a.ok(http.StatusCreated, post("/conversations", object{"type": "channel", "name": "News", "visibility": visibility, "members": ids(others)}))
	return &talk{t: a.t, id: res.At("conversationId").Text()}
}

func (k *talk) subscribe(a *actor) *client.Response {
	return a.ok(http.StatusOK, post(k.path("/subscription"), nil))
}

func (k *talk) unsubscribe(a *actor) {
	a.ok(http.StatusNoContent, request("DELETE", k.path("/subscription"), nil))
}

func (k *talk) receipt(a *actor, messageID, status string) {
	a.ok(http.StatusNoContent, post(k.path("/receipts"), object{"messageId": messageID, "status": status}))
}

func channelCreate(t *suite.T, a, b *actor) {
	a.refused("invalid_field", post("/conversations", object{"type": "channel"}))
	a.refused("invalid_field", post("/conversations", object{"type": "channel", "name": "News", "visibility": "secret"}))
	a.refused("invalid_field", post("/conversations", object{"type": "channel", "name": "News", "visibility": ""}))
	for _, visibility := range []string{"", "private", "public"} {
		body := object{"type": "channel", "name": "News"}
		if visibility != "" {
			body["visibility"] = visibility
		}
		res := a.ok(http.StatusCreated, post("/conversations", body))
		k := &talk{t: t, id: res.At("conversationId").Text()}
		want := visibility
		if want == "" {
			want = "private"
		}
		t.Expect(res.At("visibility").Text() == want && res.At("type").Text() == "channel" && res.At("role").Text() == "owner", "with visibility %q the channel is %v", visibility, res.Value)
		have := k.event(a, 0).At("change", "visibility")
		t.Expect(have.Exists() == (want == "public"), "with visibility %q the create event says %v", visibility, have)
	}
	k := a.channel("public", b)
	t.Expect(k.see(a).At("memberCount").Int() == 2, "with one more writer there are %v members", k.see(a).At("memberCount"))
	var many []string
	for i := range 49 {
		many = append(many, fmt.Sprintf("writer%d@%s", i, t.Env.ServerName()))
	}
	wantCode(t, a.ask(post(k.path("/members"), object{"userIds": many})), "group_full", "51 members")
}

func channelSubscribe(t *suite.T, a, b *actor) {
	k := a.channel("public")
	before := k.see(b)
	t.Expect(before.At("membership").Text() == "none" && before.At("role").Text() == "reader" && !before.At("isSubscribed").Bool(), "who looks is %v", before.Value)
	for range 2 {
		res := k.subscribe(b)
		t.Expect(res.At("membership").Text() == "subscribed" && res.At("role").Text() == "reader" && res.At("isSubscribed").Bool(), "the subscriber is %v", res.Value)
		t.Expect(k.see(a).At("subscriberCount").Int() == 1 && res.At("memberCount").Int() == 1, "the owner sees %v subscribers", k.see(a).At("subscriberCount"))
	}
	t.Expect(k.listed(b), "the channel is not among the subscriber's conversations")
	for range 2 {
		k.unsubscribe(b)
		t.Expect(!k.see(a).At("subscriberCount").Exists() && k.see(b).At("membership").Text() == "none", "after the end there are %v subscribers", k.see(a).At("subscriberCount"))
	}
	t.Expect(!k.listed(b), "the channel is still among the conversations")
}

// listed tells whether the actor finds the conversation in the list.
func (k *talk) listed(a *actor) bool {
	for query := "?limit=100"; ; {
		page := a.ok(http.StatusOK, get("/conversations"+query))
		if strings.Contains(page.At("conversations").String(), k.id) {
			return true
		}
		if !page.At("hasMore").Bool() {
			return false
		}
		query = "?limit=100&cursor=" + page.At("nextCursor").Text()
	}
}

func channelPrivate(t *suite.T, a, b, c *actor) {
	k := a.channel("private")
	for _, in := range []client.Request{
		get(k.path("")), get(k.path("/messages")), post(k.path("/subscription"), nil),
		post(k.path("/messages"), message("t-1", "let me in")), get(k.path("/subscribers")),
	} {
		b.refused("unknown_conversation", in)
	}
	a.ok(http.StatusOK, post(k.path("/subscribers"), object{"userIds": ids([]*actor{b})}))
	t.Expect(k.see(b).At("membership").Text() == "subscribed", "who was let in is %v", k.see(b).At("membership"))
	k.subscribe(b)
	wantSeqs(t, k.events(b), 0, 0)
	c.refused("unknown_conversation", get(k.path("")))
}

func channelLink(t *suite.T, a, b *actor) {
	k := a.channel("private")
	for _, body := range []object{{"maxUses": 3}, {"needsApproval": true}} {
		a.refused("invalid_field", post(k.path("/links"), body))
	}
	token := a.ok(http.StatusCreated, post(k.path("/links"), object{})).At("token").Text()
	for range 2 {
		res := b.ok(http.StatusOK, post("/links/join", object{"token": token}))
		t.Expect(res.At("membership").Text() == "subscribed" && res.At("memberCount").Int() == 1, "the bearer is %v", res.Value)
	}
	t.Expect(k.see(a).At("subscriberCount").Int() == 1, "there are %v subscribers", k.see(a).At("subscriberCount"))
	wantSeqs(t, k.events(b), 0, 1)
	a.ok(http.StatusNoContent, request("DELETE", k.path("/subscribers/"+b.id+"?ban=true"), nil))
	b.refused("banned", post("/links/join", object{"token": token}))
	b.refused("banned", post("/links/preview", object{"token": token}))
}

func channelMember(t *suite.T, a, b *actor) {
	k := a.channel("public", b)
	res := k.subscribe(b)
	t.Expect(res.At("membership").Text() == "joined" && !res.At("isSubscribed").Bool() && !res.At("subscriberCount").Exists(), "the member is %v", res.Value)
	k.send(b, "still a writer")
}

func channelFormer(t *suite.T, a, b, c, d *actor) {
	k, private := a.channel("public", b, c, d), a.channel("private", b)
	for _, in := range []*talk{k, private} {
		b.ok(http.StatusNoContent, request("DELETE", in.path("/members/"+b.id), nil))
	}
	a.ok(http.StatusNoContent, request("DELETE", k.path("/members/"+c.id), nil))
	a.ok(http.StatusNoContent, request("PUT", k.path("/bans/"+d.id), nil))
	last := k.send(a, "without them").At("seq").Int()
	for _, u := range []*actor{b, c} {
		res := k.subscribe(u)
		t.Expect(res.At("membership").Text() == "subscribed" && res.At("isSubscribed").Bool(), "who wrote once is %v", res.Value)
		wantSeqs(t, k.events(u), 0, last)
	}
	d.refused("unknown_conversation", post(k.path("/subscription"), nil))
	b.refused("unknown_conversation", post(private.path("/subscription"), nil))
}

func channelRead(t *suite.T, a, b, c *actor) {
	k := a.channel("public")
	k.sendN(a, 3)
	k.subscribe(b)
	k.sendN(a, 2)
	for _, reader := range []*actor{b, c} {
		wantSeqs(t, k.events(reader), 0, 5)
		t.Expect(k.see(reader).At("headSeq").Int() == 5 && k.see(reader).At("lastMessage", "seq").Int() == 5, "%s sees the head %v", reader.who, k.see(reader).At("headSeq"))
	}
}

func channelWrite(t *suite.T, a, b, c *actor) {
	k := a.channel("public")
	k.subscribe(b)
	for _, reader := range []*actor{b, c} {
		for _, in := range []client.Request{
			post(k.path("/messages"), message("t-1", "me too")), get(k.path("/members")), get(k.path("/checkpoint")),
			request("PATCH", k.path(""), object{"name": "Mine"}), post(k.path("/members"), object{"userIds": ids([]*actor{c})}),
		} {
			reader.refused("insufficient_role", in)
		}
	}
	l := b.online("")
	body := message("t-2", "me too")
	body["conversationId"] = k.id
	l.say("send_message", body)
	l.error("insufficient_role")
	wantSeqs(t, k.events(a), 0, 0)
}

func channelHint(t *suite.T, a, b, c *actor) {
	k := a.channel("public")
	k.subscribe(b)
	reader, looker := b.online(""), c.online("")
	begin := time.Now()
	first := k.send(a, "first").At("seq").Int()
	reader.within(2*time.Second, "channel_head", headOf(k, first))
	last := int64(0)
	for range 30 {
		last = k.send(a, "again").At("seq").Int()
	}
	f := reader.within(3*time.Second, "channel_head", headOf(k, last))
	t.Expect(f.Data.At("headSeq").Int() >= last && f.Data.At("lastMessageAt").Int() > 0, "the head is %v, want %d", f.Data, last)
	took := time.Since(begin)
	n := 0
	for _, f := range reader.Frames() {
		t.Expect(!isEvent(f) || f.Data.At("conversationId").Text() != k.id, "a reader gets %s", f.Type)
		if f.Type == "channel_head" && f.Data.At("conversationId").Text() == k.id {
			n++
		}
	}
	t.Expect(n <= int(took/time.Second)+2, "%d frames in %v", n, took)
	for _, f := range looker.Frames() {
		t.Expect(f.Data.At("conversationId").Text() != k.id, "who does not subscribe gets %s", f.Type)
	}
}

func headOf(k *talk, seq int64) func(client.Frame) bool {
	return func(f client.Frame) bool {
		return f.Type == "channel_head" && f.Data.At("conversationId").Text() == k.id && f.Data.At("headSeq").Int() >= seq
	}
}

func channelSync(t *suite.T, a, b *actor) {
	k := a.channel("public")
	k.subscribe(b)
	cursor := b.cursor()
	t.Eventually(patience, "sync tells that nothing moved", func() bool { // A cursor may lag while others are told of their channels.
		all := b.catchUp(cursor)
		cursor = all[len(all)-1].At("cursor").Text()
		events, moved, _ := k.collect(all)
		return len(events) == 0 && len(moved) == 0
	})
	k.sendN(a, 30)
	events, moved, receipts := k.collect(b.catchUp(cursor))
	t.Expect(len(events) == 0 && len(receipts) == 0, "sync has %d events and %d receipts", len(events), len(receipts))
	t.Expect(len(moved) == 1 && moved[0].At("headSeq").Int() == 30 && moved[0].At("unreadCount").Int() == 30 && !moved[0].At("gap").Exists(), "sync shows %v", moved)
}

// channelCursor goes away at once after a message of another conversation, so that a hint may still be on its way.
func channelCursor(t *suite.T, a, b *actor) {
	k, other := a.channel("public"), a.group(b)
	k.subscribe(b)
	cursor := b.cursor()
	for range 4 {
		l := b.online(cursor)
		k.send(a, "before") // From here on hints wait for their time.
		head := k.send(a, "news").At("seq").Int()
		for range 70 { // A cursor comes after so many frames, or sooner.
			l.seq(other, other.send(a, "chatter").At("seq").Int())
		}
		told := false
		for _, f := range l.Frames() {
			if f.Type == "sync" {
				cursor = f.Data.At("cursor").Text()
			}
			told = told || headOf(k, head)(f)
		}
		l.Close()
		_, moved, _ := k.collect(b.catchUp(cursor))
		t.Expect(told || len(moved) == 1, "the move to %d was never told", head)
	}
}

func channelPointer(t *suite.T, a, b, c *actor) {
	k := a.channel("public")
	k.sendN(a, 3)
	k.subscribe(b)
	k.subscribe(c)
	t.Expect(k.see(b).At("readSeq").Int() == 3 && k.unread(b) == 0, "the pointer starts at %v", k.see(b).At("readSeq"))
	writer, peer := a.online(""), c.online("")
	var acks []*client.Response
	for range 3 {
		acks = append(acks, k.send(a, "x"))
	}
	k.receipt(b, acks[2].At("messageId").Text(), "delivered")
	t.Expect(k.unread(b) == 3, "delivered moves the count to %d", k.unread(b))
	k.receipt(b, acks[1].At("messageId").Text(), "read")
	k.receipt(b, acks[0].At("messageId").Text(), "read")
	t.Expect(k.unread(b) == 1 && k.see(b).At("readSeq").Int() == 5, "after reading the fifth the pointer is %v with %d unread", k.see(b).At("readSeq"), k.unread(b))
	writer.mark(a.group())
	t.Pause(500 * time.Millisecond) // Receipts may be gathered for a moment.
	for _, l := range []*line{writer, peer} {
		for _, f := range l.Frames() {
			t.Expect(f.Type != "delivery_ack" || f.Data.At("userId").Text() != b.id, "%s is told of a reader's pointer", l.a.who)
		}
	}
	list := a.ok(http.StatusOK, get(k.path("/subscribers")))
	t.Expect(!strings.Contains(list.String(), "readSeq"), "the list of subscribers has pointers: %v", list.Value)
}

func channelViews(t *suite.T, a, b, c, d *actor) {
	k := a.channel("public", d)
	k.subscribe(b)
	k.subscribe(c)
	var acks []string
	for range 3 {
		acks = append(acks, k.send(a, "x").At("messageId").Text())
	}
	k.receipt(d, acks[2], "read")
	k.receipt(b, acks[1], "read")
	k.receipt(b, acks[1], "read")
	k.receipt(b, acks[2], "read")
	k.receipt(c, acks[0], "read")
	t.Eventually(patience, "views are counted", func() bool { return k.event(a, 1).At("views").Int() == 2 })
	for _, u := range []*actor{a, b, d} {
		for i, want := range []int64{2, 1, 1} {
			have := k.event(u, int64(i)+1).At("views").Int()
			t.Expect(have == want, "%s sees %d views of message %d, want %d", u.who, have, i+1, want)
		}
	}
	k.send(a, "unread")
	t.Expect(!k.event(a, 4).At("views").Exists(), "an unread message has views")
}

func channelSettings(t *suite.T, a, b, c *actor) {
	k := a.channel("public")
	k.subscribe(b)
	set := func(u *actor, body object) *client.Response { return u.ask(request("PUT", k.path("/settings"), body)) }
	b.want(set(b, object{"mutedUntil": 7000, "isPinned": true}), http.StatusOK)
	b.want(set(b, object{"isArchived": true}), http.StatusOK)
	have := k.see(b)
	t.Expect(have.At("mutedUntil").Int() == 7000 && have.At("isPinned").Bool() && have.At("isArchived").Bool(), "the settings are %v", have.Value)
	t.Expect(!k.see(c).At("isPinned").Bool() && !k.see(a).At("isPinned").Bool(), "others see the channel pinned")
	for name, value := range map[string]any{"draft": "Dear all", "markedUnread": true, "notifications": "none"} {
		wantCode(t, set(b, object{name: value}), "invalid_field", "setting "+name)
	}
	wantCode(t, set(c, object{"isPinned": true}), "insufficient_role", "setting without a subscription")
}

func channelAdmin(t *suite.T, a, b, c, d *actor) {
	k := a.channel("public", b)
	k.subscribe(c)
	for _, u := range []*actor{b, c} {
		u.refused("insufficient_role", get(k.path("/subscribers")))
		u.refused("insufficient_role", post(k.path("/subscribers"), object{"userIds": ids([]*actor{d})}))
		u.refused("insufficient_role", request("DELETE", k.path("/subscribers/"+c.id), nil))
	}
	must(t, k.role(a, b, "admin"), "a role")
	b.ok(http.StatusOK, post(k.path("/subscribers"), object{"userIds": ids([]*actor{d})}))
	for _, u := range []*actor{a, b} {
		list := u.ok(http.StatusOK, get(k.path("/subscribers")))
		t.Expect(len(list.At("subscribers").List()) == 2, "%s lists %v", u.who, list.Value)
	}
	t.Expect(k.see(d).At("isSubscribed").Bool() && k.listed(d), "who was added sees %v", k.see(d).Value)
	b.ok(http.StatusNoContent, request("DELETE", k.path("/subscribers/"+d.id), nil))
	t.Expect(k.see(d).At("membership").Text() == "none" && !k.listed(d), "who was removed sees %v", k.see(d).Value)
	b.refused("unknown_user", request("DELETE", k.path("/subscribers/"+d.id), nil))
	k.subscribe(d)
}

func channelCannotAdd(t *suite.T, a, b, c *actor) {
	k := a.channel("private")
	b.ok(http.StatusOK, request("PUT", "/users/me/settings", object{"whoMayAdd": "nobody"}))
	defer b.ask(request("PUT", "/users/me/settings", object{"whoMayAdd": "everyone"}))
	a.refused("cannot_add", post(k.path("/subscribers"), object{"userIds": ids([]*actor{b, c})}))
	b.refused("unknown_conversation", get(k.path("")))
	c.refused("unknown_conversation", get(k.path("")))
}

func channelBan(t *suite.T, a, b *actor) {
	k := a.channel("public")
	k.subscribe(b)
	l := b.online("")
	a.ok(http.StatusNoContent, request("DELETE", k.path("/subscribers/"+b.id+"?ban=true"), nil))
	k.send(a, "without them")
	t.Pause(1500 * time.Millisecond)
	for _, f := range l.Frames() {
		t.Expect(f.Type != "channel_head" || f.Data.At("conversationId").Text() != k.id, "the banned is told of the head")
	}
	for _, in := range []client.Request{
		get(k.path("")), get(k.path("/messages")), post(k.path("/subscription"), nil), post(k.path("/messages"), message("t-1", "let me in")),
	} {
		b.refused("unknown_conversation", in)
	}
	body := message("t-2", "let me in")
	body["conversationId"] = k.id
	l.say("send_message", body)
	l.error("unknown_conversation")
	t.Expect(!k.listed(b), "the banned finds the channel in the list")
	list := a.ok(http.StatusOK, get(k.path("/subscribers?banned=true"))).At("subscribers").List()
	t.Expect(len(list) == 1 && list[0].At("userId").Text() == b.id && list[0].At("bannedAt").Int() > 0, "the bans are %v", list)
	a.ok(http.StatusOK, post(k.path("/subscribers"), object{"userIds": ids([]*actor{b})}))
	t.Expect(k.see(b).At("isSubscribed").Bool(), "after the pardon the channel is %v", k.see(b).Value)
}

// channelCrash kills the server while readers move, and wants each view to have its pointer afterwards.
func channelCrash(t *suite.T, a, b, c *actor) {
	k := a.channel("public")
	k.subscribe(b)
	k.subscribe(c)
	var acks []string
	for range 8 {
		acks = append(acks, k.send(a, "x").At("messageId").Text())
	}
	for i, id := range acks {
		k.receipt(b, id, "read")
		if i%2 == 0 {
			k.receipt(c, id, "read")
		}
		t.Pause(400 * time.Millisecond)
	}
	hook(t, "kill")
	hook(t, "start")
	t.Outage()
	t.Eventually(90*time.Second, "the server answers again", func() bool {
		in := get("/users/me")
		in.Token = a.session.Access
		res, err := t.Env.Server.Do(t.Context(), t.Rec, a.who, in)
		return err == nil && res.Status == http.StatusOK
	})
	agree := func() {
		reads := []int64{k.see(b).At("readSeq").Int(), k.see(c).At("readSeq").Int()}
		for i := range acks {
			seq, want := int64(i)+1, int64(0)
			for _, r := range reads {
				if r >= seq {
					want++
				}
			}
			have := max(0, k.event(a, seq).At("views").Int())
			t.Expect(have == want, "message %d has %d views with pointers at %v", seq, have, reads)
		}
	}
	wantSeqs(t, k.events(b), 0, int64(len(acks)))
	agree()
	k.receipt(b, acks[7], "read")
	k.receipt(c, acks[7], "read")
	agree()
}
