// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"fmt"
	"testing"

	"parley.chat/core/fanout"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func TestSubscribe_PublicByOneselfPrivateByInvitationOnly(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	public, private := m.channel(t, 1, event.Public), m.channel(t, 2, "")
	ctx := t.Context()
	must(t, c.Subscribe(ctx, public, "bob@x", false, false))
	wantFault(t, c.Subscribe(ctx, private, "bob@x", false, false), fault.UnknownConversation)
	must(t, c.Subscribe(ctx, private, "bob@x", true, false))
	must(t, c.Subscribe(ctx, private, "bob@x", false, false)) // Already.
	must(t, c.Subscribe(ctx, public, "alice@x", false, false))
	for _, want := range []struct {
		v      timeline.View
		u      id.User
		access Access
	}{{public, "bob@x", Subscriber}, {private, "bob@x", Subscriber}, {public, "carol@x", Looker}, {private, "carol@x", Stranger}, {public, "alice@x", Looker}} {
		if have, _, err := c.Access(ctx, want.v, want.u); have != want.access || err != nil {
			t.Errorf("%s of %s: %v %v, want %v", want.u, want.v.State.Name, have, err, want.access)
		}
	}
	if n, err := c.Subscribers(ctx, public); n != 1 || err != nil {
		t.Errorf("%d subscribers, %v", n, err)
	}
}

func TestSubscribe_MoreThanTheLimitIsRefused(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	for i := range MaxSubscriptions {
		must(t, c.Subscribe(t.Context(), m.channel(t, i, event.Public), "bob@x", false, false))
	}
	last := m.channel(t, MaxSubscriptions, event.Public)
	wantFault(t, c.Subscribe(t.Context(), last, "bob@x", false, false), fault.QuotaExceeded)
	must(t, c.Unsubscribe(t.Context(), m.channel(t, 0, event.Public), "bob@x", false))
	must(t, c.Subscribe(t.Context(), last, "bob@x", false, false))
}

func TestUnsubscribe_ABanKeepsOutUntilAPardon(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v := m.channel(t, 1, event.Public)
	ctx := t.Context()
	must(t, c.Subscribe(ctx, v, "bob@x", false, false))
	must(t, c.Unsubscribe(ctx, v, "bob@x", true))
	if a, _, _ := c.Access(ctx, v, "bob@x"); a != Stranger {
		t.Errorf("the banned is %v", a)
	}
	wantFault(t, c.Subscribe(ctx, v, "bob@x", false, false), fault.UnknownConversation)
	wantFault(t, c.Receive(ctx, v, "bob@x", timeline.Ref{Seq: 1}), fault.UnknownConversation)
	if list, _ := c.Of(ctx, "bob@x"); len(list) != 0 {
		t.Errorf("the banned has %v", list)
	}
	must(t, c.Unsubscribe(ctx, v, "bob@x", false)) // Is no way out of a ban.
	wantFault(t, c.Subscribe(ctx, v, "bob@x", false, false), fault.UnknownConversation)
	must(t, c.Subscribe(ctx, v, "bob@x", true, true))
	if a, _, _ := c.Access(ctx, v, "bob@x"); a != Subscriber {
		t.Errorf("the pardoned is %v", a)
	}
}

func TestOf_IsReadOnceAndAgainAfterTheLeaseWasLost(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v := m.channel(t, 1, event.Public)
	for range 3 {
		if list, err := c.Of(t.Context(), "bob@x"); len(list) != 0 || err != nil {
			t.Fatalf("%v %v", list, err)
		}
	}
	if n := m.count("Subscriptions"); n != 1 {
		t.Errorf("read %d times", n)
	}
	m.index["bob@x"] = []id.Conversation{v.State.ID} // By the node that had the lease meanwhile.
	m.lose()
	if list, err := c.Of(t.Context(), "bob@x"); len(list) != 1 || err != nil {
		t.Errorf("after the lease was lost: %v %v", list, err)
	}
}

func TestOf_WhatWasReadBeforeASubscriptionIsNotKept(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v := m.channel(t, 1, event.Public)
	m.index["bob@x"] = nil
	raced := false
	stale := func(call string) {
		if call != "Subscriptions" || raced {
			return
		}
		raced = true
		c.live.change("bob@x", v.State.ID, true, c.MaxUsers) // The write of another call is done while this one reads.
		m.mu.Lock()
		m.index["bob@x"] = []id.Conversation{v.State.ID}
		m.mu.Unlock()
	}
	m.before = stale
	if list, err := c.Of(t.Context(), "bob@x"); len(list) != 1 || err != nil {
		t.Errorf("%v %v", list, err)
	}
	if n := m.count("Subscriptions"); n != 2 {
		t.Errorf("read %d times, want again after the race", n)
	}
}

func TestUsers_OnlyThoseWithSessionsStayBeyondTheLimit(t *testing.T) {
	m := newMemory()
	c := m.channels(func(o *Options) { o.MaxUsers = 8 })
	var live []*session
	for i := range 4 {
		s := &session{user: id.User(fmt.Sprintf("live%d@x", i)), name: fmt.Sprint(i)}
		c.Enter(s)
		live = append(live, s)
	}
	for i := range 100 {
		if _, err := c.Of(t.Context(), id.User(fmt.Sprintf("u%d@x", i))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.live.users); n > 8 {
		t.Errorf("%d users are held", n)
	}
	for _, s := range live {
		if c.live.users[s.user] == nil {
			t.Errorf("%s is forgotten", s.user)
		}
		c.Leave(s)
		c.Leave(s)
	}
	var _ fanout.Session = live[0]
}

func TestStore_AwayIsUnavailable(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v := m.channel(t, 1, event.Public)
	m.away = errAway
	ctx := t.Context()
	_, err := c.Of(ctx, "bob@x")
	wantFault(t, err, fault.Unavailable)
	_, _, err = c.Access(ctx, v, "bob@x")
	wantFault(t, err, fault.Unavailable)
	_, err = c.Subscribers(ctx, v)
	wantFault(t, err, fault.Unavailable)
	_, err = c.Views(ctx, v, []int64{1})
	wantFault(t, err, fault.Unavailable)
	_, err = c.List(ctx, v, "", false, 1)
	wantFault(t, err, fault.Unavailable)
	_, err = c.Readers(ctx, v.Shard, []timeline.View{v}, "bob@x")
	wantFault(t, err, fault.Unavailable)
	wantFault(t, c.Subscribe(ctx, v, "bob@x", false, false), fault.Unavailable)
	wantFault(t, c.Unsubscribe(ctx, v, "bob@x", false), fault.Unavailable)
}
