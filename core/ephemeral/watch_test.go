// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func TestWatch_IsAnsweredWithTheStateAndThenTellsChangesOnly(t *testing.T) {
	within(t, func(w *world) {
		a, b := w.Connect("a1", alice), w.Connect("b1", bob)
		w.store.rows[carol] = 120_000
		b.Sign()
		w.watches(a, bob, carol, bob)
		w.told(line("a1", alice, online(bob)), line("a1", alice, offline(carol, 120_000)))
		b.Sign()
		w.after(30 * time.Second)
		b.Sign()
		w.told()
		b.Set(false)
		w.told(line("a1", alice, offline(bob, minute())))
	})
}

func TestWatch_OnlyTheConnectionThatAskedIsTold(t *testing.T) {
	within(t, func(w *world) {
		a, b := w.Connect("a1", alice), w.Connect("b1", bob)
		w.Connect("a2", alice)
		w.Connect("c1", carol)
		w.watches(a, bob)
		w.told(line("a1", alice, offline(bob, 0)))
		b.Sign()
		w.told(line("a1", alice, online(bob)))
	})
}

func TestWatch_OneFrameIsEncodedForAllWhoSeeTheSame(t *testing.T) {
	within(t, func(w *world) {
		w.watches(w.Connect("a1", alice), bob)
		w.watches(w.Connect("a2", alice), bob)
		w.watches(w.Connect("c1", carol), bob)
		synctest.Wait()
		w.out.take() // The answers may come in one frame or in several.
		w.Connect("b1", bob).Sign()
		w.told("[alice@a carol@a][a1 a2 c1] " + online(bob))
		if n := w.Stats().PresenceFrames; n != 6 {
			t.Errorf("%d frames are counted", n)
		}
	})
}

func TestWatch_TheLeaseEndsUnlessItIsRenewed(t *testing.T) {
	within(t, func(w *world) {
		a, b := w.Connect("a1", alice), w.Connect("b1", bob)
		w.watches(a, bob)
		w.after(Lease - time.Second)
		w.watches(a, bob)
		w.told(line("a1", alice, offline(bob, 0)), line("a1", alice, offline(bob, 0)))
		w.after(Lease - time.Second)
		b.Sign()
		w.told(line("a1", alice, online(bob)))
		w.after(2 * time.Second)
		b.Set(false)
		w.told()
		w.after(TTL)
		if s := w.Stats(); s.Watches != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestWatch_EndsWithUnsubscribeAndWithTheConnection(t *testing.T) {
	within(t, func(w *world) {
		a, c, b := w.Connect("a1", alice), w.Connect("c1", carol), w.Connect("b1", bob)
		w.watches(a, bob)
		w.watches(c, bob)
		w.after(0)
		w.out.take()
		a.Unwatch([]id.User{bob, alice})
		c.Close()
		b.Sign()
		w.told()
		if n := len(w.viewers); n != 0 {
			t.Errorf("%d viewers are left", n)
		}
	})
}

func TestWatch_IsBoundedAndAllOrNothing(t *testing.T) {
	within(t, func(w *world) {
		var many []id.User
		for i := range MaxSubscriptions {
			u := id.User(fmt.Sprintf("user%03d@a", i))
			many, w.store.rows[u] = append(many, u), 0
		}
		a := w.Connect("a1", alice)
		w.watches(a, many...)
		w.watches(a, many[:50]...)
		w.after(0)
		w.out.take()
		wantCode(t, a.Watch(t.Context(), []id.User{bob}, nil, nil), fault.TooManySubscriptions)
		wantCode(t, a.Watch(t.Context(), []id.User{many[0], ghost}, many[1:3], nil), fault.UnknownUser)
		if n := w.Stats().Watches; n != MaxSubscriptions {
			t.Errorf("%d subscriptions after the refusals", n)
		}
		w.told()
		if err := a.Watch(t.Context(), []id.User{bob}, many[:1], nil); err != nil {
			t.Errorf("with room made in the same frame: %v", err)
		}
		w.told(line("a1", alice, offline(bob, 0)))
		w.after(Lease)
		w.watches(a, many...) // The leases of before are over.
	})
}

func TestWatch_AStoreThatIsAwayRefusesWithoutEffect(t *testing.T) {
	within(t, func(w *world) {
		w.store.fail(errAway)
		if err := w.Connect("a1", alice).Watch(t.Context(), []id.User{bob}, nil, nil); err != errAway {
			t.Errorf("the error is %v", err)
		}
		w.told()
	})
}

func TestWatch_WhatFoundNoRoomIsToldAgain(t *testing.T) {
	within(t, func(w *world) {
		a, b := w.Connect("a1", alice), w.Connect("b1", bob)
		w.out.setFull(true)
		w.watches(a, bob)
		b.Sign()
		w.told()
		w.after(5 * time.Second)
		w.out.setFull(false)
		w.after(time.Second)
		w.told(line("a1", alice, online(bob)))
		w.after(5 * time.Second)
		w.told()
	})
}

func TestPrivacy_WhoMayNotSeeIsToldWhatIsTrueOfAUserWhoNeverCame(t *testing.T) {
	within(t, func(w *world) {
		w.store.rows[bob] = 60_000
		w.rules.set(alice, bob, Sight{})
		w.rules.set(carol, bob, Sight{LastSeen: true})
		w.watches(w.Connect("a1", alice), bob)
		w.told(line("a1", alice, offline(bob, 0)))
		w.watches(w.Connect("c1", carol), bob)
		w.told(line("c1", carol, offline(bob, 60_000)))
		b := w.Connect("b1", bob)
		b.Sign()
		w.told()
		w.sees(alice, bob, Offline, 0)
		w.sees(carol, bob, Offline, 60_000)
		w.sees(bob, bob, Online, 0)
		b.Set(false)
		w.told(line("c1", carol, offline(bob, minute())))
		w.sees(alice, bob, Offline, 0)
	})
}

func TestPrivacy_UsersSeeThemselvesWhateverTheRulesSay(t *testing.T) {
	within(t, func(w *world) {
		w.rules.set(bob, bob, Sight{})
		b := w.Connect("b1", bob)
		w.watches(b, bob)
		b.Sign()
		w.after(time.Second)
		w.sees(bob, bob, Online, 0)
		if got := w.out.take(); got[len(got)-1] != line("b1", bob, online(bob)) {
			t.Errorf("told %v", got)
		}
	})
}

func TestPrivacy_AChangeIsFeltAtOnceOnBothSides(t *testing.T) {
	within(t, func(w *world) {
		a, b := w.Connect("a1", alice), w.Connect("b1", bob)
		a.Sign()
		b.Sign()
		w.watches(a, bob)
		w.watches(b, alice)
		w.after(2 * time.Second)
		w.out.take()
		w.rules.set(alice, bob, Sight{})
		w.rules.set(bob, alice, Sight{LastSeen: true})
		w.Reconsider(bob)
		w.told(line("a1", alice, offline(bob, 0)), line("b1", bob, offline(alice, 0)))
		b.Set(false)
		w.told()
		w.after(2 * time.Second)
		w.rules.set(alice, bob, Sight{Online: true, LastSeen: true})
		if err := w.Recheck(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		w.told(line("a1", alice, offline(bob, minute())))
	})
}

func TestPrivacy_WhatCannotBeAskedIsHidden(t *testing.T) {
	within(t, func(w *world) {
		a, b := w.Connect("a1", alice), w.Connect("b1", bob)
		a.Sign()
		b.Sign()
		w.watches(a, bob)
		w.watches(b, alice)
		w.after(2 * time.Second)
		w.out.take()
		w.rules.fail(errAway)
		w.Reconsider(bob)
		w.told(line("a1", alice, offline(bob, 0)), line("b1", bob, offline(alice, 0)))
		w.rules.fail(nil)
		w.watches(a, bob)
		w.told(line("a1", alice, online(bob)))
		w.end()
		for range maxDoubts {
			w.Reconsider(carol)
		}
		w.Reconsider(bob)
		if got := w.shard(bob).users[bob].watchers[a].sight; got != (Sight{}) {
			t.Errorf("with a full queue alice sees %+v", got)
		}
	})
}

func TestPrivacy_RulesThatFailShowNothing(t *testing.T) {
	within(t, func(w *world) {
		w.rules.err = errAway
		w.Connect("b1", bob).Sign()
		if _, err := w.Get(t.Context(), alice, bob); err != errAway {
			t.Errorf("the error is %v", err)
		}
		if err := w.Connect("a1", alice).Watch(t.Context(), []id.User{bob}, nil, nil); err != errAway {
			t.Errorf("the error is %v", err)
		}
		w.told()
	})
}

func TestGet_OfNobodyIsUnknown(t *testing.T) {
	within(t, func(w *world) {
		_, err := w.Get(t.Context(), alice, ghost)
		wantCode(t, err, fault.UnknownUser)
	})
}
