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

func personal() []*suite.Case {
	a := &area{profile: core, feature: "personal"}
	a.add("DATA-SYNC", "what a client keeps in the account reaches the other devices, live and by sync, and ends a poll", "ACCDATA-SYNC-1 ACCDATA-SYNC-2", dataSync)
	a.add("DATA-LIMITS", "keys and values have their limits", "ACCDATA-KEY-1 ACCDATA-KEY-2 ACCDATA-VALUE-1 ACCDATA-QUOTA-1 LIMIT-ERROR-1", dataLimits, fresh)
	a.add("DATA-PRIVATE", "nobody else learns of account data", "ACCDATA-PRIVATE-1", dataPrivate)
	a.add("SETTINGS-STAY", "what is not named stays, and a change holds at once", "SETTINGS-USER-1 SETTINGS-USER-2", settingsStay, fresh)
	a.add("SETTINGS-CONTACT", "a stranger's conversation makes no contact before the answer", "SETTINGS-CONTACT-1 SETTINGS-CONTACT-2", settingsContact, fresh)
	a.add("PREFS-OWN", "settings of a conversation are one user's, on all devices", "PREFS-EDIT-1 PREFS-SYNC-1 PREFS-STAY-1", prefsOwn)
	a.add("PREFS-UNREAD", "reading and sending clear markedUnread", "PREFS-UNREAD-1 PREFS-DRAFT-1", prefsUnread)
	a.add("PREFS-FORMER", "former members change their own settings", "PREFS-EDIT-3", prefsFormer)
	a.add("PREFS-CRASH", "an answered change survives a crash", "PREFS-EDIT-2", prefsCrash, lab("kill", "start"), alone, slow(3*time.Minute))
	a.add("RECEIPT-LIST", "receipts of a message count who was there", "RECEIPT-LIST-1", receiptList)
	a.add("RECEIPT-HIDE", "who hides what was read neither shows nor sees it", "RECEIPT-HIDE-1 RECEIPT-HIDE-2 RECEIPT-HIDE-3", receiptHide, fresh)
	a.add("BLOCK-LIST", "blocks are idempotent and answer alike for anybody", "BLOCK-PUT-1", blockList, fresh)
	a.add("BLOCK-SILENT", "the blocker hears nothing, the blocked one notices nothing", "BLOCK-SEND-1 BLOCK-SILENT-1 BLOCK-LIVE-1 BLOCK-PAGE-1 BLOCK-SIGNAL-1", blockSilent, fresh)
	a.add("BLOCK-SIGHT", "no way of reading shows what a blocked one did to messages", "BLOCK-SIGHT-1", sightBlocked, fresh)
	a.add("BLOCK-POINTERS", "the blocker's pointers do not tell of the block", "BLOCK-SIGNAL-2", blockPointers, fresh)
	a.add("BLOCK-GROUP", "groups of both go on, and new ones are refused", "BLOCK-GROUP-1 BLOCK-ADD-1", blockGroup, fresh)
	a.add("REQUEST-ASK", "a stranger's conversation is a request without text", "REQUEST-SHOW-1 REQUEST-SHOW-2 REQUEST-LIVE-1 REQUEST-SYNC-1 REQUEST-SILENT-1", requestAsk, fresh)
	a.add("REQUEST-ANSWER", "a request is declined, accepted, or answered by writing", "REQUEST-ACCEPT-1 REQUEST-DECLINE-1 REQUEST-DECLINE-2 REQUEST-DECLINE-3", requestAnswer, fresh)
	a.add("REQUEST-ADD", "who may not add is told cannot_add", "REQUEST-ADD-1", requestAdd, fresh)
	a.add("STAR-LIST", "starred messages are listed as they are now", "STAR-PUT-1 STAR-LIST-1", starList, fresh)
	a.add("HIDE-OWN", "a message deleted for one user is there for the other", "HIDE-MESSAGE-1 HIDE-MESSAGE-2 HIDE-SYNC-1 HIDE-PREVIEW-1", hideOwn)
	return a.list
}

func put(path string, body any) client.Request { return request("PUT", path, body) }

func (a *actor) done(method, path string) { a.ok(http.StatusNoContent, request(method, path, nil)) }

// prefer changes settings until the case ends: the account serves others after it.
func (a *actor) prefer(body object) {
	a.t.Cleanup(func() {
		a.ask(put("/users/me/settings", object{"readReceipts": true, "lastSeen": "contacts", "online": "contacts", "whoMayMessage": "everyone", "whoMayAdd": "everyone"}))
	})
	a.ok(http.StatusOK, put("/users/me/settings", body))
}

// shut blocks a user until the case ends.
func (a *actor) shut(b *actor) {
	a.t.Cleanup(func() { a.ask(request("DELETE", "/users/me/blocks/"+b.id, nil)) })
	a.done("PUT", "/users/me/blocks/"+b.id)
}

// cursorOf reads sync to its end.
func (a *actor) cursorOf() string {
	cursor := ""
	for {
		page := a.ok(http.StatusOK, get("/sync?cursor="+cursor))
		cursor = page.At("cursor").Text()
		if !page.At("hasMore").Bool() {
			return cursor
		}
	}
}

func (k *talk) settings(a *actor, body object) *client.Response {
	return a.ok(http.StatusOK, put(k.path("/settings"), body))
}

func (k *talk) got(a *actor, ack *client.Response, status string) {
	a.ok(http.StatusNoContent, post(k.path("/receipts"), object{"messageId": ack.At("messageId").Text(), "status": status}))
}

func dataSync(t *suite.T, a *actor) {
	cursor := a.cursorOf()
	l := a.other().online("")
	key := "k" + a.temp()
	a.ok(http.StatusOK, put("/users/me/data/"+key, object{"value": object{"dark": true}}))
	f := l.find("account_data", func(f client.Frame) bool { return f.Type == "account_data" && f.Data.At("key").Text() == key })
	t.Expect(f.Data.At("type").Text() == "data" && f.Data.At("value", "dark").Bool(), "live: %v", f.Data)
	page := a.ok(http.StatusOK, get("/sync?timeout=30000&cursor="+cursor))
	list := page.At("accountData").List()
	t.Expect(len(list) == 1 && list[0].At("key").Text() == key, "by sync: %v", page.At("accountData"))
	a.done("DELETE", "/users/me/data/"+key)
	page = a.ok(http.StatusOK, get("/sync?timeout=30000&cursor="+page.At("cursor").Text()))
	list = page.At("accountData").List()
	t.Expect(len(list) == 1 && list[0].At("value").String() == "null", "after the deletion: %v", page.At("accountData"))
}

func dataLimits(t *suite.T, a *actor) {
	a.refused("unknown_key", get("/users/me/data/none"))
	a.refused("invalid_field", put("/users/me/data/"+strings.Repeat("k", 129), object{"value": 1}))
	a.refused("content_too_large", put("/users/me/data/big", object{"value": strings.Repeat("x", 64<<10)}))
	for i := range 256 {
		key := fmt.Sprintf("/users/me/data/k%d", i)
		t.Cleanup(func() { a.ask(request("DELETE", key, nil)) })
		a.ok(http.StatusOK, put(key, object{"value": i}))
	}
	a.refused("quota_exceeded", put("/users/me/data/more", object{"value": 1}))
	a.ok(http.StatusOK, put("/users/me/data/k0", object{"value": 2}))
}

func dataPrivate(t *suite.T, a, b *actor) {
	a.direct(b)
	cursor, key := b.cursorOf(), "k"+a.temp()
	a.ok(http.StatusOK, put("/users/me/data/"+key, object{"value": 1}))
	b.refused("unknown_key", get("/users/me/data/"+key))
	page := b.ok(http.StatusOK, get("/sync?cursor="+cursor))
	t.Expect(!page.At("accountData").Exists(), "another user is told %v", page.At("accountData"))
	a.done("DELETE", "/users/me/data/"+key)
}

func settingsStay(t *suite.T, a *actor) {
	a.prefer(object{"whoMayAdd": "nobody"})
	a.prefer(object{"readReceipts": false})
	s := a.other().ok(http.StatusOK, get("/users/me/settings"))
	t.Expect(s.At("whoMayAdd").Text() == "nobody" && !s.At("readReceipts").Bool() && s.At("whoMayMessage").Text() == "everyone", "the settings are %v", s)
	a.refused("invalid_field", put("/users/me/settings", object{"online": "friends"}))
}

func prefsOwn(t *suite.T, a, b *actor) {
	k := a.group(b)
	mine, theirs := a.cursorOf(), b.cursorOf()
	l := a.other().online("")
	k.settings(a, object{"isPinned": true})
	c := k.settings(a, object{"isArchived": true, "notifications": "none"})
	t.Expect(c.At("isPinned").Bool() && c.At("isArchived").Bool() && c.At("notifications").Text() == "none", "the answer is %v", c)
	l.find("conversation_settings", func(f client.Frame) bool {
		return f.Type == "conversation_settings" && f.Data.At("conversationId").Text() == k.id && f.Data.At("isArchived").Bool()
	})
	_, list, _ := k.collect(a.catchUp(mine))
	t.Expect(len(list) == 1 && list[0].At("isPinned").Bool(), "by sync: %v", list)
	_, list, receipts := k.collect(b.catchUp(theirs))
	t.Expect(len(list)+len(receipts) == 0, "another member is told %v %v", list, receipts)
	k.send(b, "hello")
	t.Expect(k.see(a).At("isArchived").Bool(), "a message took it out of the archive")
	t.Expect(!k.see(b).At("isPinned").Bool(), "another member has it pinned")
}

func prefsUnread(t *suite.T, a, b *actor) {
	k := a.group(b)
	ack := k.send(b, "hello")
	for what, clear := range map[string]func(){"reading": func() { k.got(a, ack, "read") }, "reading again": func() { k.got(a, ack, "read") }, "sending": func() { k.send(a, "hello") }} {
		t.Expect(k.settings(a, object{"markedUnread": true}).At("markedUnread").Bool(), "markedUnread was not set")
		clear()
		t.Expect(!k.see(a).At("markedUnread").Bool(), "%s does not clear markedUnread", what)
	}
	a.refused("invalid_field", put(k.path("/settings"), object{"draft": strings.Repeat("x", 4097)}))
	t.Expect(k.settings(a, object{"draft": "Dear all"}).At("draft").Text() == "Dear all", "the draft is not kept")
	t.Expect(!k.settings(a, object{"draft": ""}).At("draft").Exists(), "the draft is not cleared")
}

func prefsFormer(t *suite.T, a, b *actor) {
	k := a.group(b)
	must(t, k.remove(b, b), "leaving")
	c := k.settings(b, object{"isArchived": true, "mutedUntil": 1})
	t.Expect(c.At("isArchived").Bool() && c.At("mutedUntil").Int() == 1, "a former member sees %v", c)
}

func prefsCrash(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.settings(a, object{"isPinned": true, "draft": "Dear all"})
	hook(t, "kill")
	revive(t, a)
	c := k.see(a)
	t.Expect(c.At("isPinned").Bool() && c.At("draft").Text() == "Dear all", "after the crash %v", c)
}

func receiptList(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	ack := k.send(a, "who is there?")
	must(t, k.add(a, c), "adding")
	k.got(b, ack, "read")
	path := k.on(ack.At("messageId").Text(), "/receipts")
	r := a.ok(http.StatusOK, get(path))
	list := r.At("receipts").List()
	t.Expect(r.At("memberCount").Int() == 1 && r.At("readCount").Int() == 1 && r.At("deliveredCount").Int() == 1, "the counts are %v", r)
	t.Expect(len(list) == 1 && list[0].At("userId").Text() == b.id && list[0].At("status").Text() == "read", "the list is %v", r.At("receipts"))
	c.refused("unknown_message", get(path))
}

func receiptHide(t *suite.T, a, b *actor) {
	k := a.direct(b)
	b.prefer(object{"readReceipts": false})
	ack := k.send(a, "hello")
	k.got(b, ack, "read")
	t.Expect(k.newest(a).At("status").Text() != "read", "the status tells that it was read")
	r := a.ok(http.StatusOK, get(k.on(ack.At("messageId").Text(), "/receipts")))
	t.Expect(r.At("readCount").Int() == 0, "the receipts tell that it was read: %v", r)
	own := k.send(b, "hello")
	k.got(a, own, "read")
	t.Expect(k.newest(b).At("status").Text() != "read", "who hides what was read sees what others read")
	t.Expect(k.see(b).At("unreadCount").Int() == 0, "the own unread count is %v", k.see(b).At("unreadCount"))
}

func blockList(t *suite.T, a, b *actor) {
	for range 2 {
		a.shut(b)
		a.done("PUT", "/users/me/blocks/nobody-"+t.Env.RunID+"@"+t.Env.ServerName())
	}
	list := a.ok(http.StatusOK, get("/users/me/blocks")).At("blocks").List()
	t.Expect(len(list) == 2, "the blocks are %v", list)
	for range 2 {
		a.done("DELETE", "/users/me/blocks/"+b.id)
	}
	list = a.ok(http.StatusOK, get("/users/me/blocks")).At("blocks").List()
	t.Expect(len(list) == 1, "after unblocking the blocks are %v", list)
}

func blockSilent(t *suite.T, a, b *actor) {
	k := a.direct(b)
	k.send(b, "before")
	a.shut(b)
	cursor := a.cursorOf()
	ack := k.sendN(b, 3)
	t.Expect(ack.At("status").Text() == "sent", "the blocked one is told %v", ack)
	c := k.see(a)
	t.Expect(c.At("unreadCount").Int() == 1 && c.At("lastMessage", "content").Text() == "before", "the blocker sees %v", c)
	page := a.ok(http.StatusOK, get("/sync?cursor="+cursor))
	t.Expect(len(page.At("messages").List())+len(page.At("conversations").List()) == 0, "the blocker is told %v", page)
	k.got(a, ack, "read")
	t.Expect(k.newest(b).At("status").Text() == "sent", "the blocked one sees %v", k.newest(b).At("status"))
	a.done("DELETE", "/users/me/blocks/"+b.id)
	k.send(b, "after")
	list := k.between(a, 0, client.Missing)
	t.Expect(len(list) == 5, "%d entries, want 5", len(list))
	for _, e := range list[1:4] {
		t.Expect(e.At("withheld").Text() == "blocked" && !e.At("content").Exists(), "after the unblock the blocker sees %v", e)
	}
	t.Expect(list[4].At("content").Text() == "after", "after the unblock %v", list[4])
	l := a.online("")
	for _, e := range list[3:5] {
		must(t, k.reword(b, e.At("messageId").Text(), "a later edit"), "editing")
		f := l.of("message_edited", k)
		withheld := e.At("withheld").Exists()
		t.Expect(f.Data.At("content").Exists() != withheld && f.Data.At("event", "content").Exists() != withheld, "the edit of a message withheld (%v) comes as %v", withheld, f.Data)
	}
}

func blockGroup(t *suite.T, a, b *actor) {
	k := a.group(b)
	a.shut(b)
	k.send(b, "hello")
	t.Expect(k.newest(a).At("content").Text() == "hello", "in a group of both the blocker sees %v", k.newest(a))
	b.refused("cannot_add", post("/conversations", object{"type": "group", "members": []string{a.id}}))
}

func requestAsk(t *suite.T, a, b *actor) {
	a.prefer(object{"whoMayMessage": "contacts"})
	cursor, l := a.cursorOf(), a.online("")
	k := b.direct(a)
	ack := k.sendN(b, 2)
	f := l.find("message_request", func(f client.Frame) bool { return f.Type == "message_request" })
	t.Expect(f.Data.At("senderId").Text() == b.id, "live: %v", f.Data)
	c := k.see(a)
	t.Expect(c.At("isRequest").Bool() && c.At("unreadCount").Int() == 0 && !c.At("lastMessage").Exists(), "the request is %v", c)
	page := a.ok(http.StatusOK, get("/sync?cursor="+cursor))
	list := page.At("conversations").List()
	t.Expect(len(page.At("messages").List()) == 0 && len(list) == 1 && list[0].At("gap", "beforeSeq").Int() == 3, "by sync: %v", page)
	found := a.ok(http.StatusOK, get("/search"))
	t.Expect(!strings.Contains(found.String(), k.id), "a search finds %v", found)
	t.Expect(!c.At("mentionCount").Exists(), "the request mentions %v", c)
	t.Expect(len(k.between(a, 0, client.Missing)) == 2, "who opens the request does not see it")
	k.got(a, ack, "read")
	t.Expect(k.newest(b).At("status").Text() == "sent", "who asks sees %v", k.newest(b).At("status"))
	t.Expect(!k.see(b).At("isRequest").Exists(), "who asks sees that it is a request")
}

func requestAnswer(t *suite.T, a, b, c *actor) {
	a.prefer(object{"whoMayMessage": "contacts"})
	k := b.direct(a)
	k.send(b, "hello")
	for range 2 {
		a.done("POST", k.path("/decline"))
	}
	list := a.ok(http.StatusOK, get("/conversations")).At("conversations").List()
	t.Expect(len(list) == 0, "after declining the list has %v", list)
	list = a.ok(http.StatusOK, get("/conversations?hidden=true")).At("conversations").List()
	t.Expect(len(list) == 1 && list[0].At("conversationId").Text() == k.id, "after declining the hidden ones are %v", list)
	cursor := a.cursorOf()
	k.send(b, "hello?")
	page := a.ok(http.StatusOK, get("/sync?cursor="+cursor))
	t.Expect(len(page.At("messages").List())+len(page.At("conversations").List()) == 0, "after declining: %v", page)
	res := a.ok(http.StatusOK, post(k.path("/accept"), nil))
	t.Expect(!res.At("isHidden").Exists() && !res.At("isRequest").Exists() && res.At("unreadCount").Int() == 2, "after accepting: %v", res)
	a.refused("not_a_request", post(k.path("/decline"), nil))
	other := c.direct(a)
	other.send(c, "hello")
	other.send(a, "hello yourself")
	t.Expect(!other.see(a).At("isRequest").Exists(), "an answered request is one still")
	a.refused("not_a_request", post(a.group(b).path("/decline"), nil))
}

func requestAdd(t *suite.T, a, b, c *actor) {
	a.prefer(object{"whoMayAdd": "contacts"})
	k := b.group(c)
	wantCode(t, k.add(b, a), "cannot_add", "adding a stranger")
	b.refused("cannot_add", post("/conversations", object{"type": "group", "members": []string{a.id}}))
	a.direct(b)
	must(t, k.add(b, a), "adding by a contact")
}

func settingsContact(t *suite.T, a, b, c *actor) {
	a.prefer(object{"whoMayAdd": "contacts", "online": "contacts", "lastSeen": "contacts"})
	a.declare("online")
	t.Eventually(patience, "alice is online", func() bool { return a.presence(a).At("status").Text() == "online" })
	k, other := b.direct(a), c.direct(a)
	k.send(b, "hello")
	for _, stranger := range []*actor{b, c} {
		t.Expect(stranger.presence(a).At("status").Text() == "offline", "%s opened a conversation and sees that alice is online", stranger.who)
		stranger.refused("cannot_add", post("/conversations", object{"type": "group", "members": []string{a.id}}))
	}
	k.send(a, "hello yourself")
	a.ok(http.StatusOK, post(other.path("/accept"), nil))
	for _, known := range []*actor{b, c} {
		t.Expect(known.presence(a).At("status").Text() == "online", "%s was answered and sees alice offline", known.who)
	}
	must(t, b.group(c).add(b, a), "adding by who was answered")
}

func starList(t *suite.T, a, b *actor) {
	k := a.direct(b)
	first, second := k.send(b, "one"), k.send(b, "two")
	for range 2 {
		for _, ack := range []*client.Response{first, second} {
			a.done("PUT", k.on(ack.At("messageId").Text(), "/star"))
		}
	}
	list := a.ok(http.StatusOK, get("/users/me/starred")).At("messages").List()
	t.Expect(len(list) == 2 && list[0].At("content").Text() == "two", "the stars are %v", list)
	must(t, k.erase(b, second.At("messageId").Text()), "deleting")
	a.done("DELETE", k.on(first.At("messageId").Text(), "/star"))
	list = a.ok(http.StatusOK, get("/users/me/starred")).At("messages").List()
	t.Expect(len(list) == 0, "after unstarring and deletion the stars are %v", list)
}

func hideOwn(t *suite.T, a, b *actor) {
	k := a.direct(b)
	k.send(b, "kept")
	m := k.send(b, "hidden").At("messageId").Text()
	cursor, l := a.cursorOf(), a.other().online("")
	a.done("DELETE", k.on(m, "?for=me"))
	f := l.find("message_deleted", func(f client.Frame) bool { return f.Type == "message_deleted" && f.Data.At("messageId").Text() == m })
	t.Expect(f.Data.At("reason").Text() == "for_me", "live: %v", f.Data)
	list := a.ok(http.StatusOK, get("/sync?cursor="+cursor)).At("accountData").List()
	t.Expect(len(list) == 1 && list[0].At("type").Text() == "hidden", "by sync: %v", list)
	e := k.newest(a)
	t.Expect(e.At("messageId").Text() == m && e.At("deletedAt").Exists() && !e.At("content").Exists(), "the user sees %v", e)
	t.Expect(k.see(a).At("lastMessage", "content").Text() == "kept", "the preview is %v", k.see(a).At("lastMessage"))
	t.Expect(k.newest(b).At("content").Text() == "hidden", "the other one sees %v", k.newest(b))
	must(t, k.reword(b, m, "zephyr"), "editing")
	k.hidesFrom(a, m, "zephyr")
}
