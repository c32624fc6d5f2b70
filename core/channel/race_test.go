// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"testing"

	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
)

// TestReaders_APointerThatMovesDuringACallStays lets bob's pointer move while each call of the store is under way.
func TestReaders_APointerThatMovesDuringACallStays(t *testing.T) {
	for _, call := range []string{"Flush", "Readers", "Set"} {
		t.Run(call, func(t *testing.T) {
			m := newMemory()
			c := m.channels(nil)
			v := m.channel(t, 1, event.Public)
			ctx := t.Context()
			must(t, c.Subscribe(ctx, v, "bob@x", false, false))
			must(t, c.Receive(ctx, v, "bob@x", timeline.Ref{Seq: 2, Count: 2}))
			if call == "Readers" {
				c.flush(ctx)
				m.lose() // So that the row is read again.
			}
			moved := false
			m.before = func(now string) {
				if now == call && !moved {
					moved = true
					must(t, c.Receive(ctx, v, "bob@x", timeline.Ref{Seq: 5, Count: 5}))
				}
			}
			switch call {
			case "Flush":
				c.flush(ctx)
			case "Readers":
				if _, r, err := c.Access(ctx, v, "bob@x"); err != nil || r.ReadSeq != 5 {
					t.Errorf("the row read before is taken for the newest: %+v %v", r, err)
				}
			case "Set":
				must(t, c.Set(ctx, v, "bob@x", func(s *Settings) { s.IsPinned = true }))
			}
			if !moved {
				t.Fatal("the call was not made")
			}
			if _, r, err := c.Access(ctx, v, "bob@x"); err != nil || r.ReadSeq != 5 {
				t.Errorf("in memory: %+v %v", r, err)
			}
			c.flush(ctx)
			if r := m.rows[key{place(v), "bob@x"}]; r.ReadSeq != 5 || r.ReadCount != 5 {
				t.Errorf("written: %+v", r)
			}
			if n := m.views[place(v)]; n[1] != 1 || n[5] != 1 || n[6] != 0 {
				t.Errorf("views written: %v", n)
			}
		})
	}
}

func TestSubscribe_IsSeenAtOnceByWhoLookedBefore(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v := m.channel(t, 1, event.Public)
	ctx := t.Context()
	if a, _, err := c.Access(ctx, v, "bob@x"); a != Looker || err != nil {
		t.Fatalf("%v %v", a, err)
	}
	must(t, c.Subscribe(ctx, v, "bob@x", false, false))
	if a, _, err := c.Access(ctx, v, "bob@x"); a != Subscriber || err != nil {
		t.Errorf("%v %v", a, err)
	}
	must(t, c.Unsubscribe(ctx, v, "bob@x", false))
	if a, _, err := c.Access(ctx, v, "bob@x"); a != Looker || err != nil {
		t.Errorf("%v %v", a, err)
	}
}
