// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/protocol/id"
)

func TestState_OnlineLastsForTheTTLAfterTheLastSign(t *testing.T) {
	within(t, func(w *world) {
		c := w.Connect("s1", bob)
		w.sees(alice, bob, Offline, 0)
		c.Sign()
		w.sees(alice, bob, Online, 0)
		for range 3 {
			w.after(50 * time.Second)
			c.Sign()
		}
		last := minute()
		w.after(59 * time.Second)
		w.sees(alice, bob, Online, 0)
		w.after(3 * time.Second)
		w.sees(alice, bob, Offline, last)
	})
}

func TestState_OneDeviceOfSeveralIsEnough(t *testing.T) {
	within(t, func(w *world) {
		phone, desk := w.Connect("s1", bob), w.Connect("s2", bob)
		phone.Sign()
		desk.Sign()
		phone.Set(false)
		w.sees(alice, bob, Online, 0)
		desk.Close()
		w.after(Grace + 2*time.Second)
		w.sees(alice, bob, Offline, minute())
	})
}

func TestState_OfflineIsAtOnceAndOnlyAHeartbeatEndsIt(t *testing.T) {
	within(t, func(w *world) {
		c := w.Connect("s1", bob)
		c.Sign()
		c.Set(false)
		w.sees(alice, bob, Offline, minute())
		c.Sign()
		w.watches(c, alice)
		w.sees(alice, bob, Offline, minute())
		c.Set(true)
		w.sees(alice, bob, Online, 0)
	})
}

func TestState_AChangeOfConnectionWithinTheGraceIsNotSeen(t *testing.T) {
	within(t, func(w *world) {
		w.watches(w.Connect("a1", alice), bob)
		c := w.Connect("s1", bob)
		c.Sign()
		w.told(line("a1", alice, online(bob)))
		w.after(2 * time.Second)
		for i := range 5 {
			c.Close()
			w.after(Grace - time.Second)
			c = w.Connect(fmt.Sprintf("n%d", i), bob)
			c.Sign()
		}
		w.after(Grace)
		w.told()
		c.Close()
		w.after(Grace + 2*time.Second)
		w.told(line("a1", alice, offline(bob, minute())))
	})
}

func TestState_AClosedConnectionSaysNothingMore(t *testing.T) {
	within(t, func(w *world) {
		c := w.Connect("s1", bob)
		c.Close()
		c.Sign()
		c.Set(true)
		w.watches(c, alice)
		w.sees(alice, bob, Offline, 0)
		if s := w.Stats(); s.Online+s.Watches != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestState_ADeviceWithoutAConnectionCountsForTheTTL(t *testing.T) {
	within(t, func(w *world) {
		w.SetDevice(bob, "D1", true)
		w.sees(alice, bob, Online, 0)
		w.after(TTL + 2*time.Second)
		w.sees(alice, bob, Offline, minute()-60_000)
		w.SetDevice(bob, "D1", true)
		w.SetDevice(bob, "D2", false)
		w.sees(alice, bob, Online, 0)
		w.SetDevice(bob, "D1", false)
		w.sees(alice, bob, Offline, minute())
	})
}

func TestState_SignsOfAUserAreBounded(t *testing.T) {
	within(t, func(w *world) {
		for i := range 10 * maxSigns {
			w.SetDevice(bob, id.Device(fmt.Sprint("D", i)), true)
		}
		if n := len(w.shard(bob).users[bob].signs); n > maxSigns {
			t.Errorf("%d signs are kept", n)
		}
		w.sees(alice, bob, Online, 0)
	})
}

func TestFlapping_WithoutWatchersCostsNoFrameAndLittleMemory(t *testing.T) {
	const users = 10_000
	within(t, func(w *world) {
		conns := make([]*Connection, users)
		for i := range conns {
			conns[i] = w.Connect(fmt.Sprint("s", i), id.User(fmt.Sprintf("user%d@a", i)))
		}
		for range 20 {
			for _, c := range conns {
				c.Set(true)
				c.Set(false)
			}
			w.after(100 * time.Millisecond)
		}
		for _, c := range conns {
			c.Set(true)
		}
		w.told()
		if s := w.Stats(); s.PresenceFrames != 0 || s.Online != users || s.Watched != 0 {
			t.Errorf("stats are %+v", s)
		}
		if n := len(w.dirty); n != 0 {
			t.Errorf("%d users wait to be told to nobody", n)
		}
		if n := w.wheel.places(); n != users {
			t.Errorf("%d places in the wheel", n)
		}
		for _, c := range conns {
			c.Close()
		}
		w.after(2 * TTL)
		if n, m := w.people(), w.wheel.places(); n != 0 || m != 0 {
			t.Errorf("%d people and %d places are left", n, m)
		}
		w.told()
	})
}

func TestFlapping_OfAWatchedUserIsToldOnceASecond(t *testing.T) {
	within(t, func(w *world) {
		w.watches(w.Connect("a1", alice), bob)
		w.told(line("a1", alice, offline(bob, 0)))
		c := w.Connect("s1", bob)
		for range 100 {
			c.Set(true)
			synctest.Wait()
			c.Set(false)
			w.after(50 * time.Millisecond)
		}
		c.Set(true)
		w.after(3 * time.Second)
		got := w.out.take()
		if len(got) == 0 || len(got) > 12 {
			t.Errorf("%d frames in 8 seconds", len(got))
		}
		if last := got[len(got)-1]; last != line("a1", alice, online(bob)) {
			t.Errorf("the last frame is %s", last)
		}
	})
}

func TestPresence_IsSafeForConcurrentUse(t *testing.T) {
	within(t, func(w *world) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				me := []id.User{alice, bob, carol}[i%3]
				for n := range 200 {
					c := w.Connect(fmt.Sprint(i, "-", n), me)
					c.Sign()
					_ = c.Watch(t.Context(), []id.User{alice, bob, carol}, nil, nil)
					c.Set(n%2 == 0)
					_ = c.Typing(t.Context(), "c1", true, []id.User{alice, bob})
					c.Unwatch([]id.User{bob})
					_ = w.Recheck(t.Context(), bob)
					c.Close()
				}
			})
		}
		wg.Wait()
		w.after(3 * TTL)
		if s := w.Stats(); s.Online+s.Watches != 0 || w.people() != 0 || len(w.viewers) != 0 {
			t.Errorf("left: %+v, %d people, %d viewers", s, w.people(), len(w.viewers))
		}
	})
}
