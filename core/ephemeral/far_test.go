// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

const (
	frank = id.User("frank@b")
	fiona = id.User("fiona@b")
)

// abroad is the other servers.
type abroad struct {
	mu    sync.Mutex
	tells map[Pair]Far
	asked []Pair
	typed []string
}

func (a *abroad) IsHere(u id.User) bool { return u.Server() == "a" }

func (a *abroad) Presence(_ context.Context, pairs []Pair) []Far {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, pairs...)
	out := make([]Far, len(pairs))
	for i, p := range pairs {
		out[i] = a.tells[p]
	}
	return out
}

func (a *abroad) Typing(c id.Conversation, u id.User, on bool, members []id.User) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.typed = append(a.typed, fmt.Sprintf("%s %s %v %v", c, u, on, members))
}

func (a *abroad) set(p Pair, f Far) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tells[p] = f
}

func (a *abroad) questions() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.asked)
	a.asked = nil
	return n
}

// withOthers runs f in a world with other servers.
func withOthers(t *testing.T, f func(w *world, a *abroad)) {
	synctest.Test(t, func(t *testing.T) {
		far := &abroad{tells: map[Pair]Far{}}
		w := &world{
			t: t, out: &wire{}, store: &shelf{rows: map[id.User]int64{alice: 0, bob: 0, carol: 0}},
			rules: &law{some: map[[2]id.User]Sight{}, deaf: map[id.User]bool{}},
		}
		w.Presence = New(Options{Out: w.out, Store: w.store, Rules: w.rules, Elsewhere: far})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
		}()
		f(w, far)
	})
}

func TestFar_WhoIsWatchedIsAskedForAndNobodyElse(t *testing.T) {
	withOthers(t, func(w *world, far *abroad) {
		far.set(Pair{alice, frank}, Far{Online: true})
		far.set(Pair{carol, frank}, Far{LastSeen: 60_500})
		a, c := w.Connect("a1", alice), w.Connect("c1", carol)
		w.watches(a, frank, bob)
		w.told(line("a1", alice, offline(bob, 0)), line("a1", alice, online(frank)))
		w.watches(c, frank)
		w.told(line("c1", carol, offline(frank, 60_000)))
		if n := far.questions(); n != 2 {
			t.Errorf("%d questions when they subscribed", n)
		}
		w.after(2 * farEvery)
		w.told()
		if n := far.questions(); n != 4 {
			t.Errorf("%d questions in two rounds", n)
		}
		far.set(Pair{alice, frank}, Far{LastSeen: 120_000})
		w.after(farEvery)
		w.told(line("a1", alice, offline(frank, 120_000)))
		a.Unwatch([]id.User{frank})
		c.Close()
		far.questions()
		w.after(10 * farEvery)
		if n := far.questions(); n != 0 {
			t.Errorf("%d questions about nobody's business", n)
		}
		if n := len(w.watchedFar); n != 0 {
			t.Errorf("%d users are still on the list", n)
		}
	})
}

func TestFar_TheLeaseEndsTheQuestions(t *testing.T) {
	withOthers(t, func(w *world, far *abroad) {
		w.watches(w.Connect("a1", alice), frank)
		w.after(Lease + farEvery)
		far.questions()
		w.after(10 * farEvery)
		if n := far.questions(); n != 0 {
			t.Errorf("%d questions after the lease", n)
		}
	})
}

func TestFar_ManyWhoLookAreOnePairForEachViewer(t *testing.T) {
	withOthers(t, func(w *world, far *abroad) {
		for i := range 5 {
			w.watches(w.Connect(fmt.Sprint("a", i), alice), frank, fiona)
		}
		w.after(0)
		far.questions()
		w.after(farEvery)
		if n := far.questions(); n != 2 {
			t.Errorf("%d pairs", n)
		}
	})
}

func TestFar_OwnSettingsHideOthersToo(t *testing.T) {
	withOthers(t, func(w *world, far *abroad) {
		far.set(Pair{alice, frank}, Far{Online: true})
		w.rules.set(alice, frank, Sight{LastSeen: true})
		w.watches(w.Connect("a1", alice), frank)
		w.told(line("a1", alice, offline(frank, 0)))
		w.sees(alice, frank, Offline, 0)
		w.rules.set(alice, frank, Sight{Online: true})
		w.Reconsider(alice)
		w.told(line("a1", alice, online(frank)))
		w.sees(alice, frank, Online, 0)
	})
}

func TestFar_WhoDoesNotExistIsRefusedWithoutEffect(t *testing.T) {
	withOthers(t, func(w *world, far *abroad) {
		far.set(Pair{alice, fiona}, Far{IsUnknown: true})
		a := w.Connect("a1", alice)
		wantCode(t, a.Watch(t.Context(), []id.User{bob, frank, fiona}, nil, nil), fault.UnknownUser)
		_, err := w.Get(t.Context(), alice, fiona)
		wantCode(t, err, fault.UnknownUser)
		w.told()
		if s := w.Stats(); s.Watches != 0 || len(w.watchedFar) != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestFar_LookShowsOwnUsersAndLeavesOutTheRest(t *testing.T) {
	withOthers(t, func(w *world, _ *abroad) {
		w.store.rows[carol] = 120_000
		w.Connect("b1", bob).Sign()
		got, err := w.Look(t.Context(), []id.User{bob, carol, ghost}, []Sight{{Online: true}, {LastSeen: true}, {Online: true}})
		if err != nil || len(got) != 2 || got[bob].Status != Online || got[carol].Status != Offline || got[carol].LastSeen != 120_000 {
			t.Errorf("%+v %v", got, err)
		}
		w.store.fail(errAway)
		if _, err := w.Look(t.Context(), []id.User{bob}, make([]Sight, 1)); err != errAway {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestFar_TypingGoesToBothSides(t *testing.T) {
	withOthers(t, func(w *world, far *abroad) {
		c := w.Connect("b1", bob)
		if err := c.Typing(t.Context(), conv, true, []id.User{alice, frank, fiona}); err != nil {
			t.Fatal(err)
		}
		w.told(typing("[alice@a]", true))
		if want := []string{"c1 bob@a true [frank@b fiona@b]"}; !slices.Equal(far.typed, want) {
			t.Errorf("passed on: %v", far.typed)
		}
		w.rules.deaf[frank], w.rules.deaf[fiona] = true, true
		w.after(time.Second)
		if err := c.Typing(t.Context(), conv, true, []id.User{frank, fiona}); err != nil || len(far.typed) != 1 {
			t.Errorf("to who may not hear: %v, %v", err, far.typed)
		}
	})
}

func TestFar_WhatIsHeardIsThrottledAndForOwnUsers(t *testing.T) {
	withOthers(t, func(w *world, _ *abroad) {
		hear := func(on bool) {
			t.Helper()
			if err := w.Heard(t.Context(), conv, frank, on, []id.User{alice, fiona}); err != nil {
				t.Error(err)
			}
		}
		said := func(on bool) string {
			return fmt.Sprintf(`[alice@a][] {"conversationId":"c1","userId":"frank@b","isTyping":%v}`, on)
		}
		hear(false)
		w.told()
		for range 50 {
			hear(true)
		}
		w.told(said(true))
		hear(false)
		w.told(said(false))
		for i := range 2 * farMarks {
			_ = w.Heard(t.Context(), conv, id.User(fmt.Sprintf("u%d@b", i)), true, []id.User{alice})
		}
		if n := len(w.typingFar); n != farMarks {
			t.Errorf("%d marks are kept", n)
		}
		w.after(TypingTTL)
		w.out.take()
		hear(true)
		w.told(said(true))
		if n := len(w.typingFar); n != 1 {
			t.Errorf("%d marks are kept after a while", n)
		}
	})
}
