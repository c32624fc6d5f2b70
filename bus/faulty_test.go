// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/fanout"
)

// wire is a bus that notes what was sent.
type wire struct {
	seqs []uint64
	err  error
	fn   func(*fanout.Packet)
}

func (w *wire) Send(_ context.Context, _ fanout.Node, p *fanout.Packet) error {
	w.seqs = append(w.seqs, p.Seq)
	return w.err
}

func (w *wire) Receive(fn func(*fanout.Packet)) { w.fn = fn }

func sendAll(t *testing.T, f *Faulty, n uint64) {
	t.Helper()
	for seq := range n {
		if err := f.Send(t.Context(), "b", &fanout.Packet{Seq: seq + 1}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFaulty_WithoutFaultsChangesNothing(t *testing.T) {
	w := &wire{}
	f := NewFaulty(w, 1, Faults{})
	called := false
	f.Receive(func(*fanout.Packet) { called = true })
	w.fn(nil)
	sendAll(t, f, 100)
	if diff := cmp.Diff(upTo(100), w.seqs); diff != "" || !called {
		t.Errorf("called %v, %s", called, diff)
	}
}

func TestFaulty_DropLosesAll(t *testing.T) {
	w := &wire{}
	sendAll(t, NewFaulty(w, 1, Faults{Drop: 1}), 100)
	if len(w.seqs) != 0 {
		t.Errorf("%d arrived", len(w.seqs))
	}
}

func TestFaulty_DoubleSendsEachAgainLater(t *testing.T) {
	w := &wire{}
	f := NewFaulty(w, 1, Faults{Double: 1})
	sendAll(t, f, 100)
	f.Set(Faults{})
	for range maxDelay { // What is held goes with these.
		sendAll(t, f, 0)
		_ = f.Send(t.Context(), "b", &fanout.Packet{Seq: 1000})
	}
	count := map[uint64]int{}
	for _, s := range w.seqs {
		count[s]++
	}
	for seq := uint64(1); seq <= 100; seq++ {
		if count[seq] != 2 {
			t.Errorf("packet %d arrived %d times", seq, count[seq])
		}
	}
}

func TestFaulty_ReorderLetsTheNextOvertake(t *testing.T) {
	w := &wire{}
	f := NewFaulty(w, 1, Faults{Reorder: 1})
	sendAll(t, f, 1)
	f.Set(Faults{})
	_ = f.Send(t.Context(), "b", &fanout.Packet{Seq: 2})
	if diff := cmp.Diff([]uint64{2, 1}, w.seqs); diff != "" {
		t.Error(diff)
	}
}

func TestFaulty_DelayLetsTwoToEightOvertake(t *testing.T) {
	seen := map[int]bool{}
	for seed := range uint64(200) {
		w := &wire{}
		f := NewFaulty(w, seed, Faults{Delay: 1})
		sendAll(t, f, 1)
		f.Set(Faults{})
		for seq := range uint64(20) {
			_ = f.Send(t.Context(), "b", &fanout.Packet{Seq: seq + 2})
		}
		seen[slices.Index(w.seqs, 1)] = true
	}
	want := map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func TestFaulty_TheSeedDecides(t *testing.T) {
	all := Faults{Drop: 0.2, Double: 0.2, Reorder: 0.2, Delay: 0.2}
	a, b, c := &wire{}, &wire{}, &wire{}
	sendAll(t, NewFaulty(a, 7, all), 200)
	sendAll(t, NewFaulty(b, 7, all), 200)
	sendAll(t, NewFaulty(c, 8, all), 200)
	if diff := cmp.Diff(a.seqs, b.seqs); diff != "" {
		t.Error(diff)
	}
	if slices.Equal(a.seqs, c.seqs) {
		t.Error("another seed made the same faults")
	}
}

func TestFaulty_HoldsABoundedNumber(t *testing.T) {
	f := NewFaulty(&wire{}, 3, Faults{Delay: 1})
	for range 1000 {
		sendAll(t, f, 1)
		if n := len(f.held["b"]); n > maxDelay+1 {
			t.Fatalf("%d are held", n)
		}
	}
}

func TestFaulty_ErrorsOfTheBusPassThrough(t *testing.T) {
	f := NewFaulty(&wire{err: ErrFull}, 1, Faults{})
	if err := f.Send(t.Context(), "b", &fanout.Packet{}); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
}
