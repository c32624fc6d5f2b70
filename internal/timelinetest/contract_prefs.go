// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"fmt"
	"slices"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// set changes prefs in the usual way.
func set(t testing.TB, n *Node, c id.Conversation, u id.User, f func(*timeline.Prefs)) {
	t.Helper()
	err := n.SetPrefs(t.Context(), c, u, func(v timeline.View, p timeline.Pointer) (*timeline.Prefs, error) { return p.Prefs.With(v, p, f), nil })
	if err != nil {
		t.Fatal(err)
	}
}

func pointer(t testing.TB, n *Node, c id.Conversation, u id.User) timeline.Pointer {
	t.Helper()
	p, err := n.Pointer(t.Context(), c, u)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func prefsStay(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s, never)
	c := groups(t, n, 1)[0]
	alice, bob := User("alice"), User("bob")
	set(t, n, c, alice, func(p *timeline.Prefs) { p.IsPinned, p.Draft = true, "Dear \\u0000 all" })
	set(t, n, c, alice, func(p *timeline.Prefs) { p.MarkedUnread = true })
	list := n.Out.GotReceipts()
	if len(list) != 2 || list[1].Prefs == nil || !list[1].Prefs.MarkedUnread || !list[1].Prefs.IsPinned || !slices.Equal(list[1].To, []id.User{alice}) {
		t.Errorf("told %+v", list)
	}
	err := n.SetPrefs(t.Context(), c, User("mallory"), func(timeline.View, timeline.Pointer) (*timeline.Prefs, error) { return &timeline.Prefs{}, nil })
	if !fault.Is(err, fault.UnknownConversation) {
		t.Errorf("a stranger's: %v", err)
	}
	n.Kill()
	n = Start(t, s)
	p := pointer(t, n, c, alice)
	if p.Prefs == nil || !p.Prefs.IsPinned || !p.Prefs.MarkedUnread || p.Prefs.Draft != "Dear \\u0000 all" || p.PrefsMark == 0 {
		t.Errorf("after a kill %+v %+v", p, p.Prefs)
	}
	if p := pointer(t, n, c, bob); p.Prefs != nil {
		t.Errorf("bob has %+v", p.Prefs)
	}
	m := n.MustAppend(t, Message(t, c, bob, "1", "x"))
	if err := n.Receive(t.Context(), c, alice, m.MessageID, true); err != nil {
		t.Fatal(err)
	}
	if p := pointer(t, n, c, alice); p.Prefs.MarkedUnread || !p.Prefs.IsPinned {
		t.Errorf("after reading %+v", p.Prefs)
	}
	Eventually(t, "the devices are told that it is read", func() bool {
		return slices.ContainsFunc(n.Out.GotReceipts(), func(r conversation.Receipt) bool { return r.Prefs != nil && !r.Prefs.MarkedUnread })
	})
}

func blockWithholds(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s)
	alice, bob := User("alice"), User("bob")
	create := Direct(t, alice, bob)
	n.MustAppend(t, create)
	c, sent := create.ConversationID, 0
	say := func(by id.User, count int) (last timeline.Result) {
		for range count {
			sent++
			last = n.MustAppend(t, Message(t, c, by, fmt.Sprint(sent), "x"))
		}
		return last
	}
	want := func(what string, unread, top int64, hushed bool) {
		t.Helper()
		v, err := n.View(t.Context(), c)
		p := pointer(t, n, c, alice)
		if err != nil || p.Unread(v.Head.Count) != unread || p.Top(v.Head.Seq) != top || v.Hushed != hushed {
			t.Errorf("%s: unread %d of %d, top %d of %d, hushed %v (%v)", what, p.Unread(v.Head.Count), unread, p.Top(v.Head.Seq), top, v.Hushed, err)
		}
	}
	say(bob, 2)
	set(t, n, c, alice, func(p *timeline.Prefs) { p.Blocked = true })
	kept := say(bob, 3)
	want("blocked", 2, 2, true)
	if err := n.Receive(t.Context(), c, alice, kept.MessageID, true); err != nil {
		t.Fatal(err)
	}
	if d, r := pointer(t, n, c, alice).Seen(); d != 0 || r != 0 {
		t.Errorf("bob sees %d %d of alice, who read while he was blocked", d, r)
	}
	say(bob, 1)
	Eventually(t, "the reading is written", func() bool { return pointer(t, n, c, alice).Mark > 0 })
	n.Kill()
	n = Start(t, s)
	set(t, n, c, alice, func(p *timeline.Prefs) { p.Blocked = false })
	want("unblocked", 0, 6, false)
	last := say(bob, 1)
	want("one more", 1, 7, false)
	p := pointer(t, n, c, alice)
	if p.Prefs.Blocks(2) || !p.Prefs.Blocks(3) || !p.Prefs.Blocks(6) || p.Prefs.Blocks(7) {
		t.Errorf("withheld %+v", p.Prefs.Withheld)
	}
	var got, withheld []int64
	for _, e := range n.SentOut(t, last) {
		if len(e.Withheld) > 0 {
			withheld = append(withheld, e.Event.Seq)
		} else {
			got = append(got, e.Event.Seq)
		}
	}
	if !slices.Equal(got, []int64{7}) || len(withheld) != 0 {
		t.Errorf("after the kill alice got %v and was kept from %v", got, withheld)
	}
}

func requestsKnock(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s, never)
	alice, bob := User("alice"), User("bob")
	create := Direct(t, bob, alice)
	asked := (*timeline.Prefs)(nil).With(timeline.View{}, timeline.Pointer{}, func(p *timeline.Prefs) { p.Consent = timeline.Requested })
	create.Prefs = map[id.User]*timeline.Prefs{alice: asked}
	outdated := create
	outdated.Still = func() bool { return false }
	if _, err := n.Append(t.Context(), outdated); err != timeline.ErrOutdated {
		t.Errorf("an outdated command: %v", err)
	}
	n.MustAppend(t, create)
	c := create.ConversationID
	var last timeline.Result
	for i := range 3 {
		last = n.MustAppend(t, Message(t, c, bob, fmt.Sprint(i), "hello"))
	}
	knocks := 0
	for _, e := range n.SentOut(t, last) {
		if !slices.Equal(e.Withheld, []id.User{alice}) {
			t.Errorf("seq %d is withheld from %v", e.Event.Seq, e.Withheld)
		}
		if e.Knock {
			knocks++
		}
	}
	if knocks != 1 {
		t.Errorf("%d knocks", knocks)
	}
	n.MustAppend(t, Message(t, c, alice, "answer", "hello")) // Consent by writing, not flushed.
	last = n.MustAppend(t, Message(t, c, bob, "more", "hello"))
	if list := n.SentOut(t, last); list[len(list)-1].Withheld != nil {
		t.Error("after the answer bob is still kept from alice")
	}
	n.Kill()
	n = Start(t, s)
	p := pointer(t, n, c, alice)
	if p.Prefs == nil || p.Prefs.Consent != "" || p.Prefs.Shown != nil || p.Unread(5) != 1 {
		t.Errorf("after a kill %+v %+v", p, p.Prefs)
	}
	Eventually(t, "the consent is written", func() bool { return pointer(t, n, c, alice).PrefsMark > 0 })
}
