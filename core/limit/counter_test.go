// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"parley.chat/protocol/fault"
)

const start = 1_800_000_000_000

func minute(n int) *Counter { return NewCounter(Rate{n, time.Minute}, 0) }

func TestCounter_LetsTheWholeAllowanceThroughAtOnceAndSaysWhenTheNextPasses(t *testing.T) {
	c := minute(3)
	for range 3 {
		if wait := c.Take("a", 1, start); wait != 0 {
			t.Fatalf("wait %s", wait)
		}
	}
	wait := c.Take("a", 1, start)
	if wait <= 0 || wait > time.Minute {
		t.Fatalf("wait %s", wait)
	}
	if w := c.Take("a", 1, start+wait.Milliseconds()-1); w != time.Millisecond {
		t.Errorf("one millisecond early: wait %s", w)
	}
	if w := c.Take("a", 1, start+wait.Milliseconds()); w != 0 {
		t.Errorf("after the wait: %s", w)
	}
	if w := c.Take("b", 1, start); w != 0 {
		t.Errorf("another key: %s", w)
	}
}

func TestCounter_IsNeverStricterThanItsRate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		c, n := minute(1+rng.IntN(20)), 0
		at := int64(start) + rng.Int64N(1e6)
		var taken []int64
		for range 400 {
			at += rng.Int64N(6000)
			recent := 0
			for _, x := range taken {
				if x > at-60_000 {
					recent++
				}
			}
			if recent < c.rate.Count {
				n++
				if w := c.Take("k", 1, at); w != 0 {
					t.Fatalf("%d of %d in the last minute, and a wait of %s", recent, c.rate.Count, w)
				}
				taken = append(taken, at)
			}
		}
		if n == 0 {
			t.Fatal("nothing was tried")
		}
	}
}

func TestCounter_NeverLetsMoreThanItsCountThroughInAWindowLessAStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		c := minute(1 + rng.IntN(20))
		at := int64(start) + rng.Int64N(1e6)
		var taken []int64
		for range 600 {
			at += rng.Int64N(1500)
			if c.Take("k", 1, at) == 0 {
				taken = append(taken, at)
			}
		}
		span := int64(60_000 - 60_000/steps)
		for i := range taken {
			if j := i + c.rate.Count; j < len(taken) && taken[j]-taken[i] < span {
				t.Fatalf("%d within %d ms", c.rate.Count+1, taken[j]-taken[i])
			}
		}
	}
}

func TestCounter_ZeroIsNoLimit(t *testing.T) {
	c := NewCounter(Rate{0, time.Minute}, 0)
	for range 1000 {
		if c.Take("a", 1, start) != 0 {
			t.Fatal("limited")
		}
	}
	c.Note("a", 5, start)
	if c.Wait("a", 1, start) != 0 || len(c.keys) != 0 {
		t.Error("an unlimited counter remembers")
	}
}

func TestCounter_ARefusalCostsNothingAndAReturnGivesBack(t *testing.T) {
	c := minute(2)
	c.Take("a", 2, start)
	for range 50 {
		if c.Take("a", 1, start+1) == 0 {
			t.Fatal("too many")
		}
	}
	c.Return("a", 1, start)
	if c.Take("a", 1, start+1) != 0 {
		t.Error("what was given back is not there")
	}
	if c.Take("a", 1, start+1) == 0 {
		t.Error("more was given back than was taken")
	}
	c.Return("nobody", 1, start)
	c.Return("a", 9, start-1e9)
}

func TestCounter_MoreThanTheAllowancePassesWhenNothingElseWasSpent(t *testing.T) {
	c := minute(5)
	if w := c.Take("a", 8, start); w != 0 {
		t.Fatal(w)
	}
	if c.Take("a", 1, start) == 0 {
		t.Error("the overdraft is not counted")
	}
}

func TestCounter_AClockThatStepsBackForgetsNothing(t *testing.T) {
	c := minute(2)
	c.Take("a", 2, start)
	if c.Take("a", 1, start-30_000) == 0 || c.Take("a", 1, start) == 0 {
		t.Error("the past made room")
	}
	if c.Take("a", 1, start-1e9) == 0 {
		t.Error("the distant past made room")
	}
}

func TestCounter_NoteCountsWhatTheLogRemembers(t *testing.T) {
	c := minute(2)
	if !c.Begin("a") || c.Begin("a") || !c.Known("a") || c.Known("b") {
		t.Error("Begin and Known do not agree")
	}
	c.Note("a", 1, start-90_000)
	c.Note("a", 1, start-10_000)
	if c.Take("a", 1, start) != 0 || c.Take("a", 1, start) == 0 {
		t.Error("one of two was spent ten seconds ago, the other one is too old")
	}
}

func TestCounter_MemoryIsBounded(t *testing.T) {
	c := NewCounter(Rate{1, time.Hour}, 100)
	c.Take("first", 1, start)
	for i := range 1000 {
		if i%50 == 0 && c.Take("first", 1, start) == 0 {
			t.Fatal("a key in use lost its count")
		}
		c.Take(fmt.Sprint(i), 1, start)
	}
	if len(c.keys) != 100 || c.order.Len() != 100 {
		t.Errorf("%d keys, %d in order", len(c.keys), c.order.Len())
	}
}

func TestPosts_BothLimitsHoldAndAreTold(t *testing.T) {
	p := NewPosts(5, 3, start)
	for range 3 {
		if err := p.Allow("a@x", "g1", start); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Allow("a@x", "g1", start); !fault.Is(err, fault.RateLimited) || fault.From(err).RetryAfter <= 0 {
		t.Errorf("fourth in the group: %v", err)
	}
	if err := p.Allow("b@x", "g1", start); err != nil {
		t.Errorf("another member: %v", err)
	}
	for range 2 {
		if err := p.Allow("a@x", "", start); err != nil {
			t.Errorf("elsewhere: %v", err)
		}
	}
	if err := p.Allow("a@x", "g3", start); !fault.Is(err, fault.RateLimited) {
		t.Errorf("sixth anywhere: %v", err)
	}
	if p.member.Wait(memberKey("a@x", "g3"), 3, start) != 0 {
		t.Error("what the other limit refused was charged to the group")
	}
}

func TestPosts_CountsTheLogOfBeforeItBeganOnce(t *testing.T) {
	p := NewPosts(4, 2, start)
	p.Past("a@x", "g", start-1000)
	p.Past("a@x", "g", start+1000)   // Allow counted it.
	p.Past("a@x", "g", start-61_000) // Too old.
	if err := p.Allow("a@x", "g", start+2000); err != nil {
		t.Errorf("second in the group: %v", err)
	}
	if err := p.Allow("a@x", "g", start+2000); !fault.Is(err, fault.RateLimited) {
		t.Errorf("third: %v", err)
	}
}

func BenchmarkPosts(b *testing.B) {
	p := NewPosts(1<<30, 1<<30, start)
	for i := range b.N {
		_ = p.Allow("alice@example.org", "cu4uHtkfDX58RGE4QChML7n0jDYheD-JCposZTiai4wg", start+int64(i))
	}
}
