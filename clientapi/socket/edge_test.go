// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// feed passes stream through an edge in random pieces and returns the offsets at which it was at rest.
func feed(e *edge, stream []byte, rng *rand.Rand) (rests []int) {
	for at := 0; at < len(stream); {
		n := min(1+rng.IntN(20), e.room(), len(stream)-at)
		e.pass(stream[at : at+n])
		if at += n; e.atRest() {
			rests = append(rests, at)
		}
	}
	return rests
}

func TestEdge_RestsBetweenMessagesOnly(t *testing.T) {
	frames := [][]byte{
		masked(finText, "hello"),
		masked(finText, ""),
		masked(finPing, "x"),
		masked(0x01, "part"),
		masked(finPong, ""),
		masked(0x00, strings.Repeat("y", 300)),
		masked(0x80, "end"),
		masked(0x82, strings.Repeat("z", 70000)),
		Prepare([]byte("unmasked")).frame,
	}
	rest := []bool{true, true, true, false, false, false, true, true, true}
	var want []int
	stream := bytes.Join(frames, nil)
	for i, at := 0, 0; i < len(frames); i++ {
		if at += len(frames[i]); rest[i] {
			want = append(want, at)
		}
	}
	for seed := range uint64(50) {
		var e edge
		got := feed(&e, stream, rand.New(rand.NewPCG(seed, 0)))
		if len(got) != len(want) {
			t.Fatalf("seed %d: rests at %d, want %d", seed, got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("seed %d: rests at %d, want %d", seed, got, want)
			}
		}
	}
}

func FuzzEdge(f *testing.F) {
	f.Add([]byte{0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4, 5}, uint64(1))
	f.Add(masked(finText, "hello"), uint64(2))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		var e edge
		for at := 0; at < len(stream); {
			room := e.room()
			if room <= 0 {
				t.Fatalf("no room at %d: %+v", at, e)
			}
			n := min(room, len(stream)-at)
			e.pass(stream[at : at+n])
			at += n
		}
		var pieces edge
		feed(&pieces, stream, rand.New(rand.NewPCG(seed, 0)))
		if pieces.left != e.left || pieces.seen != e.seen || pieces.open != e.open {
			t.Errorf("in pieces %+v, at once %+v", pieces, e)
		}
	})
}
