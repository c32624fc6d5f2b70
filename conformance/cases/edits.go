// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func changing() []*suite.Case {
	a := &area{profile: core, feature: "messages.edit"}
	a.add("EDIT-SHOWN", "an edit shows in the history, in sync, in the preview and live", "MSG-SHOW-1 MSG-SHOW-2 MSG-SHOW-3 MSG-EDIT-4 MSG-RELATION-1", editShown)
	a.add("EDIT-WHO", "only the sender edits, and only a message with text", "MSG-EDIT-1 MSG-EDIT-2 MSG-RELATION-2", editWho)
	a.add("EDIT-ONCE", "a tempId makes one edit, and every version is kept", "MSG-EDIT-5 MSG-EDIT-6", editOnce)
	a.add("EDIT-PAGES", "the versions of a message come in pages", "MSG-EDIT-6 MSG-EDIT-11 REST-PAGE-2 REST-PAGE-4", editPages)
	a.add("EDIT-LIMIT", "a message has at most 100 edits", "LIMIT-EDIT-1", editLimit, slow(2*time.Minute))
	a.add("EDIT-COUNT", "an edit is not unread, and moves the sender's pointers", "MSG-RELATION-4", editCount)
	a.add("EDIT-BEFORE", "who joined later does not learn of the content of older messages from their edits", "MSG-EDIT-7", editBefore)
	a.add("EDIT-RIGHT", "who may not send any more may not edit", "MSG-EDIT-8", editRight)
	a.add("EDIT-RETRY", "the edit of a message that was deleted since is refused, sent again too", "MSG-EDIT-10", editRetry)
	a.add("SIGHT-FORMER", "no way of reading shows a former member what became of messages later", "MSG-SIGHT-1", sightFormer, fresh)
	a.add("EDIT-FORMER", "a former member sees messages as they were", "MSG-SHOW-4 MSG-SHOW-3", editFormer)

	a.feature = "messages.reactions"
	a.add("REACT-LIST", "reactions are counted in order, and paged", "MSG-REACTION-5 MSG-REACTION-6 MSG-REACTION-3", reactList)
	a.add("REACT-TWICE", "a reaction that is there, or not, makes no entry", "MSG-REACTION-1", reactTwice)
	a.add("REACT-EMOJI", "an emoji is one character of at most 32 bytes", "MSG-REACTION-2", reactEmoji)
	a.add("REACT-LIMIT", "at most 20 emoji of one user", "LIMIT-REACTION-1", reactLimit)
	a.add("REACT-DELETED", "nothing is put on a deleted message", "MSG-REACTION-4", reactDeleted)

	a.feature = "messages.mentions"
	a.add("MENTION-COUNT", "unread mentions are counted exactly", "MSG-MENTION-2 MSG-FORWARD-1", mentionCount)
	a.add("MENTION-WHO", "mentions are members, and all needs the capability", "LIMIT-MENTION-1 MSG-MENTION-1", mentionWho)

	a.feature = "messages.delete"
	a.add("DELETE-GONE", "a deleted message is a record without content, everywhere", "MSG-DELETE-3 MSG-DELETE-4", deleteGone)
	a.add("DELETE-WHO", "the sender deletes, and whoever may delete others' messages", "MSG-DELETE-1 MSG-DELETE-2", deleteWho)
	a.add("DELETE-TWICE", "deleting again and sending again change nothing", "MSG-DELETE-5 MSG-DELETE-6", deleteTwice)
	a.add("DELETE-RACE", "of an edit and a deletion at the same time nothing comes back", "MSG-RELATION-3 MSG-EDIT-3", deleteRace)

	a.feature = "messages.ephemeral"
	a.add("EXPIRE-AT", "with a timer a message tells when it expires", "MSG-EXPIRE-3", expireAt)
	return a.list
}

// on is the path of a message.
func (k *talk) on(messageID, rest string) string { return k.path("/messages/" + messageID + rest) }

func (k *talk) reword(a *actor, messageID, text string) *client.Response {
	return a.ask(request("PATCH", k.on(messageID, ""), object{"content": text}))
}

func (k *talk) erase(a *actor, messageID string) *client.Response {
	return a.ask(request("DELETE", k.on(messageID, ""), nil))
}

func (k *talk) react(a *actor, method, messageID, emoji string) *client.Response {
	return a.ask(request(method, k.on(messageID, "/reactions/"+url.PathEscape(emoji)), nil))
}

func idOf(ack *client.Response) string { return ack.At("messageId").Text() }

func editBefore(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	ack := k.send(a, "before")
	must(t, k.add(a, c), "adding")
	since, live := c.cursor(), c.online("")
	must(t, k.reword(a, idOf(ack), "a secret of before"), "editing")
	last := k.send(a, "after")
	for {
		f := live.next("a frame")
		t.Expect(!strings.Contains(f.Data.String(), "secret"), "live: %v", f.Data)
		if f.Type == "message_received" && f.Data.At("messageId").Text() == idOf(last) {
			break
		}
	}
	for _, res := range append(c.catchUp(since), k.page(c, "limit=10"), k.see(c), c.ok(http.StatusOK, get("/sync"))) {
		t.Expect(!strings.Contains(res.String(), "secret"), "who joined later gets %v", res)
	}
	t.Expect(k.event(c, 3).At("type").Text() == "edit" && !k.event(c, 3).At("content").Exists(), "the edit is %v", k.event(c, 3))
	t.Expect(k.event(b, 3).At("content").Text() == "a secret of before", "to a member of before it is %v", k.event(b, 3))
}

func editShown(t *suite.T, a, b *actor) {
	k := a.group(b)
	since := b.cursor()
	live := b.online("")
	ack := k.send(a, "helo")
	res := a.ok(http.StatusOK, request("PATCH", k.on(idOf(ack), ""), object{"content": "hello", "mentions": []string{b.id}}))
	f := live.of("message_edited", k)
	t.Expect(f.Data.At("messageId").Text() == idOf(ack) && f.Data.At("event", "seq").Int() == 2 && f.Data.At("content").Text() == "hello", "live: %v", f.Data)
	events, convs, _ := k.collect(b.catchUp(since))
	t.Expect(len(convs) == 1 && convs[0].At("lastMessage", "content").Text() == "hello" && !convs[0].At("lastMessage", "changedSeq").Exists(), "sync: %v", convs)
	shown := []client.Value{res.Value, k.event(b, 1), k.event(a, 1)}
	for _, e := range events {
		if e.At("seq").Int() == 1 {
			shown = append(shown, e)
		}
	}
	t.Expect(len(shown) == 4, "sync does not give the message")
	for _, e := range shown {
		t.Expect(e.At("content").Text() == "hello" && e.At("editedAt").Int() > 0 && e.At("changedSeq").Int() == 2, "the message is %v", e)
		t.Expect(e.At("contentType").Text() == "text" && client.Compact(e.At("mentions").Texts()) == client.Compact([]string{b.id}), "the message is %v", e)
	}
	e := k.event(b, 2)
	t.Expect(e.At("type").Text() == "edit" && e.At("targetMessageId").Text() == idOf(ack) && e.At("content").Text() == "hello", "the entry is %v", e)
}

func editWho(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "hello"))
	wantCode(t, k.reword(b, id, "x"), "forbidden", "editing another's message")
	wantCode(t, k.reword(c, id, "x"), "unknown_conversation", "editing as a stranger")
	wantCode(t, k.reword(a, id, ""), "invalid_field", "an empty edit")
	wantCode(t, k.reword(a, "01M844DZG000000001W2047Q97", "x"), "unknown_message", "editing nothing")
	must(t, k.rename(a, "n"), "renaming")
	wantCode(t, k.reword(a, k.newest(a).At("messageId").Text(), "x"), "unknown_message", "editing a change of name")
	picture := a.ok(http.StatusCreated, post(k.path("/messages"), object{"tempId": a.temp(), "contentType": "image", "mediaUrl": "https://example.org/a.png"}))
	wantCode(t, k.reword(a, idOf(picture), "x"), "invalid_field", "editing a message without text")
}

func editOnce(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "one"))
	temp := a.temp()
	for range 2 {
		a.ok(http.StatusOK, request("PATCH", k.on(id, ""), object{"content": "two", "tempId": temp}))
	}
	k.reword(a, id, "three")
	k.reword(a, id, "three")
	var have []string
	for _, v := range b.ok(http.StatusOK, get(k.on(id, "/edits"))).At("versions").List() {
		have = append(have, v.At("content").Text())
	}
	t.Expect(strings.Join(have, " ") == "one two three three", "the versions are %v", have)
}

func editRight(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(b, "one"))
	must(t, k.change(a, object{"permissions": object{"send": "admin"}}), "permissions")
	wantCode(t, k.reword(b, id, "two"), "insufficient_role", "an edit without the right to send")
	must(t, k.react(b, "PUT", id, "👍"), "reacting")
	must(t, k.change(a, object{"permissions": object{"send": "member"}}), "permissions")
	must(t, k.reword(b, id, "two"), "editing")
}

func editRetry(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "one"))
	edit := request("PATCH", k.on(id, ""), object{"content": "two", "tempId": a.temp()})
	a.ok(http.StatusOK, edit)
	must(t, k.erase(a, id), "deleting")
	a.refused("message_deleted", edit)
	a.refused("message_deleted", request("PATCH", k.on(id, ""), object{"content": "three", "tempId": a.temp()}))
}

func editPages(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "0"))
	for i := 1; i <= 5; i++ {
		k.reword(a, id, fmt.Sprint(i)+strings.Repeat("x", 60_000))
	}
	read := func(limit string) (have string, pages int) {
		for path, more := k.on(id, "/edits?limit="+limit), true; more && pages < 10; pages++ {
			page := b.ok(http.StatusOK, get(path))
			for _, v := range page.At("versions").List() {
				have += v.At("content").Text()[:1]
			}
			more = page.At("hasMore").Bool()
			path = k.on(id, "/edits?limit="+limit+"&cursor="+page.At("nextCursor").Text())
		}
		return have, pages
	}
	have, pages := read("2")
	t.Expect(have == "012345" && pages >= 3, "by two the versions are %s on %d pages", have, pages)
	have, pages = read("100")
	t.Expect(have == "012345" && pages > 1, "the versions are %s on %d pages, 300 KB are more than one holds", have, pages)
	b.refused("invalid_cursor", get(k.on(id, "/edits?cursor=r.1")))
	b.refused("invalid_field", get(k.on(id, "/edits?limit=101")))
}

func editLimit(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "0"))
	for i := range 100 {
		a.ok(http.StatusOK, request("PATCH", k.on(id, ""), object{"content": fmt.Sprint(i)}))
	}
	wantCode(t, k.reword(a, id, "x"), "too_many_edits", "the 101st edit")
}

func editCount(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "one"))
	hers := idOf(k.send(b, "two"))
	k.send(a, "three")
	k.reword(a, id, "1")
	k.react(a, "PUT", hers, "x")
	t.Expect(k.unread(b) == 1, "%d unread, want the one message", k.unread(b))
	must(t, k.react(b, "PUT", id, "x"), "reacting")
	c := k.see(b)
	t.Expect(c.At("unreadCount").Int() == 0 && c.At("readSeq").Int() == c.At("headSeq").Int(), "after an own reaction: %v", c.Value)
}

func editFormer(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "before"))
	k.reword(a, id, "while there")
	must(t, k.remove(a, b), "removing")
	k.reword(a, id, "after")
	e := k.event(b, 1)
	t.Expect(e.At("content").Text() == "while there", "who left sees %v", e)
	last := k.see(b).At("lastMessage")
	t.Expect(!last.Exists() || last.At("content").Text() == "while there", "the preview is %v", last)
	k.erase(a, id)
	t.Expect(k.event(b, 1).At("content").Text() == "", "who left still sees what was deleted")
}

func reactList(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "hello"))
	live := a.online("")
	const thumb, heart, odd = "\U0001F44D", "\u2764\ufe0f", "%"
	must(t, k.react(b, "PUT", id, thumb), "reacting")
	f := live.of("message_reaction", k)
	t.Expect(f.Data.At("messageId").Text() == id && f.Data.At("emoji").Text() == thumb && f.Data.At("action").Text() == "add", "live: %v", f.Data)
	must(t, k.react(a, "PUT", id, heart), "reacting")
	must(t, k.react(a, "PUT", id, thumb), "reacting")
	must(t, k.react(a, "PUT", id, odd), "reacting")
	list := k.event(a, 1).At("reactions").List()
	t.Expect(len(list) == 3, "the reactions are %v", list)
	t.Expect(list[0].At("emoji").Text() == thumb && list[0].At("count").Int() == 2 && client.Compact(list[0].At("userIds").Texts()) == client.Compact([]string{b.id, a.id}), "first %v", list[0])
	t.Expect(list[1].At("emoji").Text() == heart && list[1].At("isOwn").Bool() && !k.event(b, 1).At("reactions").List()[1].At("isOwn").Bool(), "second %v", list[1])
	t.Expect(list[2].At("emoji").Text() == odd, "third %v", list[2])
	var have []string
	for next := ""; ; {
		page := a.ok(http.StatusOK, get(k.on(id, "/reactions?limit=1"+next)))
		for _, r := range page.At("reactions").List() {
			have = append(have, r.At("emoji").Text()+r.At("userId").Text())
		}
		if !page.At("hasMore").Bool() {
			break
		}
		next = "&cursor=" + url.QueryEscape(page.At("nextCursor").Text())
	}
	t.Expect(strings.Join(have, " ") == strings.Join([]string{thumb + b.id, heart + a.id, thumb + a.id, odd + a.id}, " "), "the pages give %v", have)
}

func reactTwice(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "hello"))
	for range 2 {
		must(t, k.react(b, "PUT", id, "x"), "reacting")
	}
	for range 2 {
		must(t, k.react(b, "DELETE", id, "x"), "taking back")
	}
	t.Expect(k.see(a).At("headSeq").Int() == 3 && !k.event(a, 1).At("reactions").Exists(), "the head is %v", k.see(a).At("headSeq"))
}

func reactEmoji(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "hello"))
	for _, bad := range []string{"ab", " ", "\u202e", "\u3164", "\u115f", "\u1160", "\uffa0", "\U0001F44D\U0001F44D", "x" + strings.Repeat("\u0301", 16)} {
		wantCode(t, k.react(b, "PUT", id, bad), "invalid_field", fmt.Sprintf("the emoji %q", bad))
	}
	for _, good := range []string{"x", "\U0001F44D\U0001F3FD", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "\U0001F1E9\U0001F1EA"} {
		must(t, k.react(b, "PUT", id, good), "reacting with "+good)
	}
}

func reactLimit(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "hello"))
	for i := range 20 {
		must(t, k.react(b, "PUT", id, string(rune('a'+i))), "reacting")
	}
	wantCode(t, k.react(b, "PUT", id, "Z"), "too_many_reactions", "the 21st emoji")
}

func reactDeleted(t *suite.T, a, b *actor) {
	k := a.group(b)
	id := idOf(k.send(a, "hello"))
	must(t, k.react(b, "PUT", id, "x"), "reacting")
	must(t, k.erase(a, id), "deleting")
	wantCode(t, k.react(b, "PUT", id, "y"), "message_deleted", "reacting to a deleted message")
	must(t, k.react(b, "DELETE", id, "x"), "taking back")
}

func mentionCount(t *suite.T, a, b, c *actor) {
	k := a.group(b, c)
	say := func(who ...string) string {
		body := message(a.temp(), "hey")
		body["mentions"], body["isForwarded"] = who, true
		return idOf(a.ok(http.StatusCreated, post(k.path("/messages"), body)))
	}
	want := func(who *actor, n int64, when string) {
		have := k.see(who).At("mentionCount")
		t.Expect(n == 0 && !have.Exists() || have.Int() == n, "%s: %s has %v mentions, want %d", when, who.who, have, n)
	}
	first, all := say(b.id), say("all", b.id)
	t.Expect(k.event(b, 1).At("isForwarded").Bool(), "isForwarded is not shown")
	want(b, 2, "after two")
	want(c, 1, "after all")
	want(a, 0, "of one's own")
	must(t, k.reword(a, first, "nobody"), "editing")
	want(b, 1, "after an edit")
	must(t, k.erase(a, all), "deleting")
	want(b, 0, "after a deletion")
	k.read(c, k.newest(c).At("messageId").Text(), k.newest(c).At("seq").Int())
	want(c, 0, "after reading")
}

func mentionWho(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	try := func(who *actor, mentions ...string) *client.Response {
		body := message(who.temp(), "hey")
		body["mentions"] = mentions
		return who.ask(post(k.path("/messages"), body))
	}
	many := make([]string, 51)
	for i := range many {
		many[i] = fmt.Sprintf("u%d@%s", i, t.Env.ServerName())
	}
	for what, mentions := range map[string][]string{"a stranger": {c.id}, "nobody": {"nobody"}, "one twice": {a.id, a.id}, "51": many} {
		wantCode(t, try(b, mentions...), "invalid_field", "mentioning "+what)
	}
	wantCode(t, try(b, "all"), "insufficient_role", "mentioning all as a member")
	must(t, try(a, "all"), "mentioning all as owner")
	k = a.direct(b)
	must(t, try(b, "all"), "mentioning all in a direct conversation")
}

func deleteGone(t *suite.T, a, b *actor) {
	k := a.group(b)
	live := b.online("")
	id := idOf(k.send(a, "secret one"))
	k.reword(a, id, "secret two")
	must(t, k.react(b, "PUT", id, "x"), "reacting")
	must(t, k.erase(a, id), "deleting")
	f := live.of("message_deleted", k)
	t.Expect(f.Data.At("messageId").Text() == id && f.Data.At("reason").Text() == "deleted" && f.Data.At("event", "seq").Int() == 4, "live: %v", f.Data)
	sync, _, _ := k.collect(b.catchUp(""))
	for _, e := range append(k.events(b), sync...) {
		t.Expect(!strings.Contains(e.String(), "secret"), "the content is still in %v", e)
		if e.At("messageId").Text() != id {
			continue
		}
		t.Expect(e.At("deletedBy").Text() == a.id && e.At("deletedAt").Int() > 0, "the record is %v", e)
		for _, member := range []string{"content", "contentType", "editedAt", "reactions", "mentions"} {
			t.Expect(!e.At(member).Exists(), "the record has %s", member)
		}
	}
	last := k.see(b).At("lastMessage")
	t.Expect(last.At("messageId").Text() == id && last.At("deletedAt").Exists() && !last.At("content").Exists(), "the preview is %v", last)
	versions := b.ok(http.StatusOK, get(k.on(id, "/edits")))
	t.Expect(!strings.Contains(versions.String(), "secret"), "a version is still there: %v", versions.Value)
}

func deleteWho(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	mine, hers := idOf(k.send(b, "x")), idOf(k.send(a, "y"))
	wantCode(t, k.erase(b, hers), "insufficient_role", "deleting the owner's message")
	wantCode(t, k.erase(c, hers), "unknown_conversation", "deleting as a stranger")
	must(t, k.erase(a, mine), "deleting a member's message as owner")
	must(t, k.erase(a, hers), "deleting one's own")
	d := a.direct(b)
	wantCode(t, d.erase(b, idOf(d.send(a, "x"))), "forbidden", "deleting the other's message")
}

func deleteTwice(t *suite.T, a, b *actor) {
	k := a.group(b)
	temp := a.temp()
	first := k.sendAs(a, temp, "x")
	for range 2 {
		must(t, k.erase(a, idOf(first)), "deleting")
	}
	again := k.sendAs(a, temp, "x")
	t.Expect(again.String() == first.String(), "sending again answers %v, first %v", again.Value, first.Value)
	t.Expect(k.see(a).At("headSeq").Int() == 2, "the head is %v", k.see(a).At("headSeq"))
}

func deleteRace(t *suite.T, a, b *actor) {
	k := a.group(b)
	for range 5 {
		id := idOf(k.send(a, "secret"))
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.other().ask(request("DELETE", k.on(id, ""), nil))
		}()
		for i := range 5 {
			if res := k.reword(a, id, fmt.Sprint("secret ", i)); res.Status != http.StatusOK {
				wantCode(t, res, "message_deleted", "editing what is deleted")
			}
		}
		<-done
	}
	for _, e := range k.events(b) {
		t.Expect(!strings.Contains(e.String(), "secret"), "%v came back", e)
	}
}

func expireAt(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.send(a, "before")
	must(t, a.ask(request("PATCH", k.path(""), object{"ephemeralTimer": 86400})), "setting the timer")
	id := idOf(k.send(a, "during"))
	k.reword(a, id, "edited")
	must(t, a.ask(request("PATCH", k.path(""), object{"ephemeralTimer": 0})), "ending the timer")
	k.send(a, "after")
	for _, e := range k.events(b) {
		at := e.At("expiresAt")
		switch e.At("content").Text() {
		case "edited":
			t.Expect(at.Int() == k.event(b, 3).At("expiresAt").Int() && at.Exists(), "the message and its edit expire at %v", at)
		case "before", "after":
			t.Expect(!at.Exists(), "%v expires", e)
		}
	}
	e := k.event(b, 3)
	t.Expect(e.At("expiresAt").Int() == e.At("timestamp").Int()+86_400_000, "the message is %v", e)
}
