// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func typingCases() []*suite.Case {
	a := &area{profile: presence, feature: "presence"}
	a.add("TYPING-REACHES", "typing reaches the other members and nobody else", "TYPING-SEND-1", typingReaches)
	a.add("TYPING-RIGHT", "who may not send does not type", "TYPING-RIGHT-1", typingRight)
	a.add("TYPING-RATE", "typing is passed on once a second", "TYPING-RATE-1", typingRate)
	a.add("TYPING-STORE", "typing is in no sync and in no history", "TYPING-STORE-1", typingStore)
	a.add("TYPING-SIZE", "in large conversations nobody is told", "TYPING-SIZE-1", typingSize, alone, slow(3*time.Minute))
	a.add("TYPING-BLOCK", "between two of whom one blocks the other nobody types", "TYPING-PRIVACY-1", typingBlock)
	return a.list
}

func (l *line) typing(k *talk, on bool) {
	l.say("typing", object{"conversationId": k.id, "isTyping": on})
}

// hears wants the next typing frame of the conversation to be that of a member.
func (l *line) hears(k *talk, b *actor, on bool) {
	d := l.of("typing", k).Data
	l.t.Expect(d.At("userId").Text() == b.id && d.At("isTyping").Bool() == on, "%s hears %v, want %s %v", l.a.who, d, b.who, on)
}

func typingReaches(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	l, own, peer, stranger := a.online(""), a.other().online(""), b.online(""), c.online("")
	second := b.online("")
	l.typing(k, true)
	peer.hears(k, a, true)
	second.hears(k, a, true)
	l.typing(k, false)
	peer.hears(k, a, false)
	t.Pause(silence)
	for _, o := range []*line{l, own, stranger} {
		t.Expect(o.count("typing") == 0, "%s gets typing", o.a.who)
	}
}

func typingRight(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	peer, stranger, l := b.online(""), c.online(""), a.online("")
	stranger.typing(k, true)
	stranger.error("unknown_conversation")
	peer.say("typing", object{"conversationId": k.id})
	peer.error("invalid_field")
	must(t, a.ask(request("PATCH", k.path(""), object{"permissions": object{"send": "admin"}})), "reserving sending to admins")
	peer.typing(k, true)
	peer.error("insufficient_role")
	l.typing(k, true)
	peer.hears(k, a, true)
	must(t, k.remove(a, b), "removing")
	peer.typing(k, true)
	peer.error("not_member")
	t.Pause(time.Second)
	l.typing(k, true)
	peer.quiet("typing", "though no longer a member")
	t.Expect(l.count("typing") == 0, "typing that was refused is passed on")
}

func typingRate(t *suite.T, a, b *actor) {
	k := a.group(b)
	l, peer := a.online(""), b.online("")
	begin := time.Now()
	for range 30 {
		l.typing(k, true)
		l.typing(k, false)
		t.Pause(100 * time.Millisecond)
	}
	last := l.mark(k)
	peer.seq(k, last)
	most := int(time.Since(begin)/time.Second) + 2
	on := 0
	for _, f := range peer.Frames() {
		if f.Type == "typing" && f.Data.At("isTyping").Bool() {
			on++
		}
	}
	t.Expect(on > 0 && on <= most, "%d of 30 came in %v, want 1 to %d", on, time.Since(begin), most)
	t.Expect(l.count("error") == 0, "what is dropped is answered")
}

func typingStore(t *suite.T, a, b *actor) {
	k := a.group(b)
	l, peer := a.online(""), b.online("")
	before := b.cursor()
	l.typing(k, true)
	peer.hears(k, a, true)
	events, conversations, receipts := k.collect(b.catchUp(before))
	t.Expect(len(events)+len(conversations)+len(receipts) == 0, "after typing a sync holds %v %v %v", events, conversations, receipts)
	n := k.send(a, "and now a message").At("seq").Int()
	wantSeqs(t, k.events(b), 0, n)
	t.Expect(n == 1, "the message after typing has seq %d, want 1", n)
}

func typingSize(t *suite.T) {
	const most = 100
	if room := t.Env.Room(); room < most+1 {
		t.Impossible("needs %d accounts and the run has %d; raise --max-accounts", most+1, room)
	}
	all := actors(t, most+1)
	small, large := all[0].group(all[1:most]...), all[0].group(all[1:]...)
	l, peer := all[0].online(""), all[1].online("")
	l.typing(large, true)
	l.typing(small, true)
	f := peer.find("typing", func(f client.Frame) bool { return f.Type == "typing" })
	t.Expect(f.Data.At("conversationId").Text() == small.id, "typing of a conversation of %d is passed on", most+1)
	peer.quiet("typing", "of a large conversation")
}

func typingBlock(t *suite.T, a, b *actor) {
	k := a.direct(b)
	k.send(b, "hello") // It is no request any more, whoever made it.
	k.send(a, "hello")
	g := a.group(b)
	for _, side := range [][2]*actor{{a, b}, {b, a}} {
		side[0].block(side[1], true)
		l, peer := a.online(""), b.online("")
		l.typing(k, true)
		l.typing(g, true)
		f := peer.find("typing", func(f client.Frame) bool { return f.Type == "typing" })
		t.Expect(f.Data.At("conversationId").Text() == g.id, "typing is passed on in the direct conversation, though %s blocks %s", side[0].who, side[1].who)
		peer.quiet("typing", "though one blocks the other")
		side[0].block(side[1], false)
	}
	l, peer := a.online(""), b.online("")
	l.typing(k, true)
	peer.hears(k, a, true)
}
