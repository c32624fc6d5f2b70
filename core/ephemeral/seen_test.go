// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"fmt"
	"testing"
	"time"

	"parley.chat/protocol/id"
)

func TestSeen_IsWrittenInBatchesAndNotForHeartbeats(t *testing.T) {
	within(t, func(w *world) {
		b, a := w.Connect("b1", bob), w.Connect("a1", alice)
		for range 20 {
			b.Sign()
			a.Sign()
			w.after(30 * time.Second)
		}
		if w.store.writes != 0 {
			t.Errorf("%d writes for heartbeats", w.store.writes)
		}
		last := minute()
		b.Set(false)
		a.Set(false)
		w.after(6 * time.Second)
		if w.store.writes != 1 || w.store.row(bob) != last || w.store.row(alice) != last {
			t.Errorf("%d writes, rows %v, want %d", w.store.writes, w.store.rows, last)
		}
	})
}

func TestSeen_IsTheLastSignAndNotTheEndOfTheTTL(t *testing.T) {
	within(t, func(w *world) {
		w.Connect("b1", bob).Sign()
		last := minute()
		w.after(2 * TTL)
		if got := w.store.row(bob); got != last {
			t.Errorf("seen at %d, want %d", got, last)
		}
	})
}

func TestSeen_WhatIsNotWrittenYetIsKnownAlready(t *testing.T) {
	within(t, func(w *world) {
		w.store.slow = time.Minute
		b := w.Connect("b1", bob)
		b.Sign()
		b.Set(false)
		last := minute()
		w.sees(alice, bob, Offline, last)
		w.after(30 * time.Second) // In the hands of the store.
		w.sees(alice, bob, Offline, last)
		w.after(5 * TTL)
		if w.people() != 0 {
			t.Error("a person is left")
		}
		w.sees(alice, bob, Offline, last)
	})
}

func TestSeen_ASlowStoreHoldsUpNobody(t *testing.T) {
	within(t, func(w *world) {
		w.store.slow = time.Hour
		b := w.Connect("b1", bob)
		b.Sign()
		b.Set(false)
		w.after(10 * time.Second)
		w.watches(w.Connect("a1", alice), bob)
		w.told(line("a1", alice, offline(bob, minute())))
		w.after(10 * time.Minute)
		if n := w.wheel.places(); n > 2 {
			t.Errorf("%d places in the wheel", n)
		}
	})
}

func TestSeen_WhatTheStoreRefusedIsWrittenLater(t *testing.T) {
	within(t, func(w *world) {
		b := w.Connect("b1", bob)
		b.Sign()
		b.Set(false)
		last := minute()
		w.store.fail(errAway)
		w.after(20 * time.Second)
		if w.store.row(bob) != 0 {
			t.Fatal("the store took it")
		}
		w.store.fail(nil)
		w.after(6 * time.Second)
		if got := w.store.row(bob); got != last {
			t.Errorf("seen at %d, want %d", got, last)
		}
	})
}

func TestSeen_WhatWaitsIsBounded(t *testing.T) {
	s := newSeen(10)
	for i := range 25 {
		s.note(id.User(fmt.Sprint(i)), int64(i))
	}
	s.note("3", 300)
	if len(s.pending) != 10 || s.lost != 15 || s.pending["3"] != 300 || !s.full() {
		t.Errorf("%d wait, %d lost", len(s.pending), s.lost)
	}
	s.begin()
	s.note("3", 200)
	for i := range 5 {
		s.note(id.User(fmt.Sprint("n", i)), 1)
	}
	s.end(false)
	if len(s.pending) != 10 || s.pending["3"] != 300 {
		t.Errorf("%d wait after a failure, 3 at %d", len(s.pending), s.pending["3"])
	}
}

func TestRun_TheEndWritesWhoIsOnline(t *testing.T) {
	within(t, func(w *world) {
		w.seen.size = 2
		for i := range 10 {
			u := id.User(fmt.Sprint("user", i))
			w.store.rows[u] = 0
			w.Connect(string(u), u).Sign()
		}
		last := minute()
		w.end()
		for u, at := range w.store.rows {
			if at != last && u != alice && u != bob && u != carol {
				t.Errorf("%s was seen at %d, want %d", u, at, last)
			}
		}
	})
}
