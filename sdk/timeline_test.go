// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley.chat/protocol/frame"
)

func ev(seq int64) frame.Event {
	return frame.Event{ConversationID: "c", Seq: seq, Type: frame.TypeMessage}
}

func seqs(events []frame.Event) []int64 {
	var out []int64
	for _, e := range events {
		out = append(out, e.Seq)
	}
	return out
}

func TestTimeline_AnyOrderWithDuplicatesComesOutInOrderOnce(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		line := newTimeline("me@x", nil)
		var in, want []int64
		for seq := range int64(20) {
			want = append(want, seq)
			for range 1 + r.IntN(3) {
				in = append(in, seq)
			}
		}
		r.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
		var got []int64
		for _, seq := range in {
			got = append(got, seqs(line.add(ev(seq), time.Time{}))...)
		}
		if !slices.Equal(got, want) || line.nHeld != 0 {
			t.Fatalf("seed %d: %v from %v, %d held", seed, got, in, line.nHeld)
		}
	}
}

func TestTimeline_HolesFilledAtRandomLoseAndDoubleNothing(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		line := newTimeline("me@x", map[string]int64{"c": 4})
		var got []int64
		for seq := int64(0); seq < 40; seq++ {
			if r.IntN(3) > 0 {
				got = append(got, seqs(line.add(ev(seq), time.Time{}))...)
			}
			for _, h := range line.holes() {
				if r.IntN(4) > 0 {
					continue
				}
				for s := h.after + 1; s < h.before; s++ {
					got = append(got, seqs(line.add(ev(s), time.Time{}))...)
				}
				got = append(got, seqs(line.settle("c", h.before))...)
			}
		}
		for i, seq := range got {
			if seq != int64(i)+5 {
				t.Fatalf("seed %d: %v", seed, got)
			}
		}
		if line.lines["c"].high != int64(len(got))+4 {
			t.Fatalf("seed %d: high %d after %v", seed, line.lines["c"].high, got)
		}
	}
}

func TestTimeline_SettleFreesWhatIsHeldBelow(t *testing.T) {
	line := newTimeline("me@x", map[string]int64{"c": 0})
	for _, seq := range []int64{3, 5, 6, 9} {
		line.add(ev(seq), time.Time{})
	}
	if got := seqs(line.settle("c", 6)); !slices.Equal(got, []int64{3, 5, 6}) {
		t.Errorf("freed %v", got)
	}
	if h := line.holes(); len(h) != 1 || h[0].after != 6 || h[0].before != 9 || line.nHeld != 1 {
		t.Errorf("holes %+v, %d held", h, line.nHeld)
	}
	if got := line.settle("c", 5); got != nil {
		t.Errorf("settling backwards freed %v", got)
	}
}

func TestTimeline_FirstEventOfAConversation(t *testing.T) {
	added := frame.Event{ConversationID: "c", Seq: 7, Type: frame.TypeMemberAdd, Change: &frame.Change{UserIDs: []string{"me@x"}}}
	cases := []struct {
		name  string
		floor int64
		e     frame.Event
		held  bool
	}{
		{"at the beginning", -2, ev(0), false},
		{"in the middle waits for what is before", -2, ev(7), true},
		{"my own adding begins it", -2, added, false},
		{"right above the floor", 6, ev(7), false},
		{"far above the floor waits", 3, ev(7), true},
		{"below the floor", 9, ev(7), false},
	}
	for _, c := range cases {
		line := newTimeline("me@x", nil)
		if c.floor > -2 {
			line.floor("c", c.floor)
		}
		if got := line.add(c.e, time.Time{}); (len(got) == 0) != c.held {
			t.Errorf("%s: %v", c.name, seqs(got))
		}
	}
}

func TestTimeline_SealBeginsAtTheFloorAndIsStored(t *testing.T) {
	line := newTimeline("me@x", nil)
	line.floor("c", 5)
	line.seal()
	if got := line.take(); got["c"] != 5 {
		t.Errorf("stored %v", got)
	}
	if got := line.add(ev(5), time.Time{}); got != nil {
		t.Errorf("an event below the floor came out: %v", seqs(got))
	}
}

func TestTimeline_GiveBackKeepsWhatMovedSince(t *testing.T) {
	line := newTimeline("me@x", map[string]int64{"c": 0, "d": 0})
	line.add(ev(1), time.Time{})
	line.settle("d", 5)
	taken := line.take()
	line.add(ev(2), time.Time{})
	line.giveBack(taken)
	if got := line.take(); got["c"] != 2 || got["d"] != 4 {
		t.Errorf("dirty %v", got)
	}
}
