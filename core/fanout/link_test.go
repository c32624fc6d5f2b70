// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/id"
)

func packet(run string, seq uint64, pos ...int64) *Packet {
	p := &Packet{From: "b", Run: run, Seq: seq}
	for _, n := range pos {
		p.Notes = append(p.Notes, &Note{Pos: n, Users: []id.User{"alice@a"}, Frame: NewFrame("t", nil)})
	}
	return p
}

func TestReceive_WhatASessionHears(t *testing.T) {
	for name, c := range map[string]struct {
		packets []*Packet
		want    []string
	}{
		"packets in order": {
			[]*Packet{packet("r", 1, 1), packet("r", 2, 2, 3)}, []string{"1", "2", "3"},
		},
		"a double is dropped": {
			[]*Packet{packet("r", 1, 1), packet("r", 1, 1), packet("r", 2, 2), packet("r", 1, 1)}, []string{"1", "2"},
		},
		"a gap is told before what follows, once": {
			[]*Packet{packet("r", 1, 1), packet("r", 4, 4), packet("r", 5, 5)}, []string{"1", "lost", "4", "5"},
		},
		"a late packet is a gap and is dropped": {
			[]*Packet{packet("r", 1, 1), packet("r", 3, 3), packet("r", 2, 2)}, []string{"1", "lost", "3"},
		},
		"a tick reveals a lost end, once": {
			[]*Packet{packet("r", 1, 1), packet("r", 2), packet("r", 2), packet("r", 3, 3)}, []string{"1", "lost", "3"},
		},
		"a tick of what arrived says nothing": {
			[]*Packet{packet("r", 1, 1), packet("r", 1), packet("r", 2, 2)}, []string{"1", "2"},
		},
		"the first contact is late": {
			[]*Packet{packet("r", 5, 5), packet("r", 6, 6)}, []string{"lost", "5", "6"},
		},
		"a tick is the first contact": {
			[]*Packet{packet("r", 0), packet("r", 1, 1)}, []string{"1"},
		},
		"a new run may have lost the end of the one before": {
			[]*Packet{packet("r", 1, 1), packet("q", 1, 2), packet("q", 2, 3)}, []string{"1", "lost", "2", "3"},
		},
		"a tick shows a new run": {
			[]*Packet{packet("r", 1, 1), packet("q", 0), packet("q", 1, 2)}, []string{"1", "lost", "2"},
		},
		"a late packet of the run before is dropped": {
			[]*Packet{packet("r", 1, 1), packet("q", 1, 3), packet("r", 2, 2), packet("q", 2, 4)}, []string{"1", "lost", "3", "4"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			box := &outbox{}
			f := New(Options{Self: "a", Bus: box})
			alice, bob := register(f, "alice@a"), register(f, "bob@a")
			for _, p := range c.packets {
				box.fn(p)
			}
			expect(t, alice, c.want...)
			var lost []string
			for _, w := range c.want {
				if w == "lost" {
					lost = append(lost, w)
				}
			}
			expect(t, bob, lost...) // Not a receiver of the notes, but it may be one of what is missing.
		})
	}
}

func TestReceive_LinksAreJudgedOneByOne(t *testing.T) {
	box := &outbox{}
	f := New(Options{Self: "a", Bus: box})
	alice := register(f, "alice@a")
	other := packet("r", 1, 7)
	other.From = "c"
	for _, p := range []*Packet{packet("r", 1, 1), other, packet("r", 2, 2)} {
		box.fn(p)
	}
	expect(t, alice, "1", "7", "2")
}

func TestReceive_ExceptIsKeptOnTheOtherNode(t *testing.T) {
	box := &outbox{}
	f := New(Options{Self: "a", Bus: box})
	alice := register(f, "alice@a")
	p := packet("r", 1, 1, 2)
	p.Notes[0].Except = alice.id
	box.fn(p)
	expect(t, alice, "2")
}

// running starts Run in the bubble; the function returned ends it and waits.
func running(t *testing.T, f *Fanout) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

func TestRun_TicksFollowWhatWasSentAndGrowRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		f := New(Options{Self: "a", Bus: box, Placement: byName{}})
		defer running(t, f)()
		time.Sleep(10 * time.Second) // Nothing was sent: no ticks.
		start := time.Now()
		_, create := newRoom(t, "alice@a", "bob@b")
		if err := f.Committed(t.Context(), []Committed{create}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Second)
		synctest.Wait()
		var at []int
		for i, p := range box.sent {
			if len(p.Notes) == 0 && p.Seq == 1 {
				at = append(at, int(box.at[i].Sub(start).Seconds()))
			}
		}
		if len(box.sent) != len(at)+1 {
			t.Errorf("%d packets, %d of them ticks", len(box.sent), len(at))
		}
		if diff := cmp.Diff([]int{1, 3, 7, 15, 31, 63, 95}, at); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRun_GreetsItsPeersSoThatTheySeeANewRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &outbox{}
		f := New(Options{Self: "a", Bus: box, Peers: func() []Node { return []Node{"a", "b"} }})
		defer running(t, f)()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if len(box.sent) != 1 || box.to[0] != "b" || box.sent[0].Seq != 0 || box.sent[0].Run == "" {
			t.Errorf("sent %v to %v", box.sent, box.to)
		}
	})
}

func TestLost_ReachesTheSessionsHereAndLeavesAGapOnEveryLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box, there := &outbox{}, &outbox{}
		f := New(Options{Self: "b", Bus: box, Placement: byName{}, Peers: func() []Node { return []Node{"a"} }})
		g := New(Options{Self: "a", Bus: there})
		here, far := register(f, "bob@b"), register(g, "alice@a")
		defer running(t, f)()
		_, create := newRoom(t, "alice@a", "bob@b", "carol@c")
		f.Lost()
		synctest.Wait()
		if err := f.Committed(t.Context(), []Committed{create}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i, p := range box.sent {
			if box.to[i] == "a" {
				there.fn(p)
			}
			if box.to[i] == "c" && p.Seq != 2 {
				t.Errorf("a link made after the loss begins with %d, without a gap", p.Seq)
			}
		}
		expect(t, here, "lost", "1")
		expect(t, far, "lost", "1")
	})
}

func TestRun_ABusThatRefusesIsCountedAndHarmless(t *testing.T) {
	f := New(Options{Self: "a", Bus: &outbox{err: errors.New("down")}, Placement: byName{}})
	alice := register(f, "alice@a")
	r, create := newRoom(t, "alice@a", "bob@b")
	now(f, create, r.message("alice@a"))
	expect(t, alice, "1", "2")
	if s := f.Stats(); s.SendErrors != 1 || s.Packets != 1 {
		t.Errorf("stats are %+v", s)
	}
}
