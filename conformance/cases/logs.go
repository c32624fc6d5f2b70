// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strings"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func logs() []*suite.Case {
	a := &area{profile: core}
	a.add("CHECKPOINT-SIGNED", "the checkpoint names the newest entry and its signature verifies",
		"LOG-CHECKPOINT-1 LOG-CHECKPOINT-2 LOG-CHECKPOINT-4 LOG-CHECKPOINT-5 ENC-CANON-5 ENC-HASH-1 ENC-HASH-2 ENC-SIGN-1", checkpointSigned)
	a.add("CHECKPOINT-ONE-HASH", "all checkpoints of one place have one hash", "LOG-CHECKPOINT-3", checkpointOne)
	a.add("CHECKPOINT-READERS", "former members and strangers get no checkpoint", "LOG-CHECKPOINT-4 TRUST-HIDE-1", checkpointReaders)
	return a.list
}

func (k *talk) checkpoint(a *actor) *client.Response {
	return a.ok(http.StatusOK, get(k.path("/checkpoint")))
}

func checkpointSigned(t *suite.T, a, b *actor) {
	k := a.group(b)
	keys := t.Ask("a stranger", client.Request{Method: "GET", Path: "/.well-known/parley/server"})
	for range 2 {
		head := k.send(a, "x").At("seq").Int()
		c := k.checkpoint(b)
		t.Expect(c.At("seq").Int() == head && c.At("conversationId").Text() == k.id, "the checkpoint is of seq %v, the newest is %d", c.At("seq"), head)
		t.Expect(c.At("hub").Text() == keys.At("serverName").Text(), "the hub is %v, the keys are of %v", c.At("hub"), keys.At("serverName"))
		verify(t, c, keys)
	}
}

func verify(t *suite.T, c, keys *client.Response) {
	signed := object{}
	for _, name := range c.Keys() {
		if name != "signatures" {
			signed[name] = c.At(name).Any()
		}
	}
	text := []byte("parley/v1/checkpoint\n" + client.Compact(signed))
	checked := 0
	signatures := c.At("signatures", c.At("hub").Text())
	for _, id := range signatures.Keys() {
		key, err1 := base64.RawURLEncoding.Strict().DecodeString(keys.At("keys", id).Text())
		sig, err2 := base64.RawURLEncoding.Strict().DecodeString(signatures.At(id).Text())
		t.Expect(err1 == nil && err2 == nil && len(key) == ed25519.PublicKeySize && len(sig) == ed25519.SignatureSize,
			"key %s is not published, or it or its signature has the wrong form", id)
		t.Expect(ed25519.Verify(key, text, sig), "the signature of %s does not verify", id)
		checked++
	}
	t.Expect(checked > 0, "the checkpoint has no signature of its hub: %v", c.At("signatures"))
}

func checkpointOne(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.send(a, "x")
	first, second := k.checkpoint(a), k.checkpoint(b)
	for _, member := range []string{"seq", "term", "hash", "hub"} {
		t.Expect(first.At(member).String() == second.At(member).String(), "two checkpoints have the %s %v and %v", member, first.At(member), second.At(member))
	}
	k.send(a, "y")
	t.Expect(k.checkpoint(a).At("hash").Text() != first.At("hash").Text(), "another entry has the same hash")
}

func checkpointReaders(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	c.refused("unknown_conversation", get(k.path("/checkpoint")))
	must(t, k.remove(a, b), "removing")
	b.refused("not_member", get(k.path("/checkpoint")))
}

func privacy() []*suite.Case {
	a := &area{profile: core}
	a.add("HIDE-CONVERSATION", "who never was a member is told that there is no such conversation", "TRUST-HIDE-1 CONV-READ-4 REST-PAGE-4", hideConversation)
	a.add("HIDE-SOCKET", "the socket hides it too", "TRUST-HIDE-1 CONV-READ-4", hideSocket)
	a.add("HIDE-FEED", "nothing of a conversation reaches who is no member", "TRUST-HIDE-1 CONV-READ-4", hideFeed)
	return a.list
}

func hideConversation(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	k.send(a, "secret")
	_, _, _ = k.see(a), k.members(a), k.events(a) // What members read must not help a stranger.
	none := "c" + strings.Repeat("A", 43)
	ask := func(id string) (out []string) {
		p := "/conversations/" + id
		for _, in := range []client.Request{
			get(p), get(p + "/messages"), get(p + "/messages?afterSeq=0"), get(p + "/members"), get(p + "/checkpoint"),
			post(p+"/messages", message("t-1", "x")), request("PATCH", p, object{"name": "x"}), post(p+"/members", object{"userIds": []string{c.id}}),
			request("PATCH", p+"/members/"+b.id, object{"role": "admin"}), request("DELETE", p+"/members/"+b.id, nil), request("DELETE", p+"/members/"+c.id, nil),
		} {
			res := c.refused("unknown_conversation", in)
			out = append(out, string(res.Body))
		}
		return out
	}
	known, unknown := ask(k.id), ask(none)
	for i := range known {
		t.Expect(known[i] == unknown[i], "a conversation that exists is refused with %s, one that does not with %s", known[i], unknown[i])
	}
	wantSeqs(t, k.events(a), 0, 1)
}

func hideSocket(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	id := k.send(a, "secret").At("messageId").Text()
	l := c.online("")
	body := message(c.temp(), "x")
	body["conversationId"] = k.id
	l.say("send_message", body)
	l.error("unknown_conversation")
	l.ack(k, id, "read")
	l.error("unknown_conversation")
}

func hideFeed(t *suite.T, a, b, c *actor) {
	mine := c.group()
	before := c.cursor()
	l := c.online("")
	k := a.named("secret name", b)
	k.sendN(a, 3)
	l.mark(mine)
	for _, f := range l.Frames() {
		t.Expect(!strings.Contains(string(f.Raw), k.id), "a %s frame tells a stranger of the conversation", f.Type)
	}
	for _, in := range []client.Request{get("/conversations?limit=100"), get("/sync"), get("/sync?cursor=" + before)} {
		res := c.ok(http.StatusOK, in)
		t.Expect(!strings.Contains(string(res.Body), k.id), "%s tells a stranger of the conversation", in.Path)
	}
}

func limits() []*suite.Case {
	a := &area{profile: core}
	a.add("LIMIT-CONTENT", "content has at most 65,536 bytes in its encoding", "LIMIT-CONTENT-1 LIMIT-ERROR-1 LIMIT-ERROR-2 LOG-CONTENT-2", limitContent)
	a.add("LIMIT-TEXTS", "tempId, mediaUrl and cursor have their bounds", "LIMIT-ERROR-1 LIMIT-ERROR-2 SYNC-CURSOR-2", limitTexts)
	return a.list
}

func limitContent(t *suite.T, a, b *actor) {
	k := a.group(b)
	most := int(t.Env.Limit("contentBytes")) - len(`{"content":"","contentType":"text"}`)
	for what, text := range map[string]string{
		"one-byte characters": strings.Repeat("x", most), "two-byte characters": strings.Repeat("é", most/2), "quotes": strings.Repeat(`"`, most/2),
	} {
		ack := k.send(a, text)
		t.Expect(k.event(b, ack.At("seq").Int()).At("content").Text() == text, "the largest content of %s came back changed", what)
	}
	for what, text := range map[string]string{
		"one byte more": strings.Repeat("x", most+1), "characters of two bytes": strings.Repeat("é", most/2+1), "escaped quotes": strings.Repeat(`"`, most/2+1),
	} {
		res := a.ask(post(k.path("/messages"), message(a.temp(), text)))
		wantCode(t, res, "content_too_large", "content with "+what)
	}
	l := a.online("")
	body := message(a.temp(), strings.Repeat("x", most+1))
	body["conversationId"] = k.id
	l.say("send_message", body)
	l.error("content_too_large")
}

func limitTexts(t *suite.T, a, b *actor) {
	k := a.group(b)
	a.refused("invalid_field", post(k.path("/messages"), message(strings.Repeat("t", 65), "x")))
	k.sendAs(a, strings.Repeat("t", 64), "x")
	media := func(n int) client.Request {
		url := "https://example.org/" + strings.Repeat("a", n-20)
		return post(k.path("/messages"), object{"tempId": a.temp(), "contentType": "image", "mediaUrl": url})
	}
	a.ok(http.StatusCreated, media(2048))
	a.refused("invalid_field", media(2049))
	a.refused("invalid_field", get("/sync?cursor="+strings.Repeat("A", 4097)))
	res := a.ask(get("/sync?cursor=" + strings.Repeat("A", 4096)))
	wantCode(t, res, "invalid_cursor", "a cursor of 4096 bytes that the server did not make")
}
