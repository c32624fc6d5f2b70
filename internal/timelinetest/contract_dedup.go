// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"fmt"
	"testing"

	"parley.chat/core/timeline"
)

// few makes the windows of tempIds small.
func few(o *timeline.Options) { o.ColdWindow = 8 }

func hotTempIDs(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s, few)
	c := groups(t, n, 1)[0]
	send := func(n *Node, i int) timeline.Result {
		t.Helper()
		return n.MustAppend(t, Message(t, c, User("bob"), fmt.Sprint("t", i), "hello"))
	}
	for i := range 100 {
		send(n, i)
	}
	n.Stop()
	n = Start(t, s, few)
	for i := range 100 {
		if res := send(n, i); !res.Duplicate || res.Seq != int64(i)+1 {
			t.Errorf("t%d: got %+v", i, res)
		}
	}
	if n.Wire.Counts().Finds == 0 {
		t.Error("the store was not asked: the test proves nothing")
	}
	if got := len(Verify(t, s, c)); got != 101 {
		t.Errorf("%d events", got)
	}
}

// coldBehindHot loads a conversation whose cold tempIds lie behind more hot events than are read back from the head.
func coldBehindHot(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s, few)
	c := groups(t, n, 1)[0]
	for i := range 400 {
		n.MustAppend(t, Message(t, c, User("bob"), fmt.Sprint("t", i), "hello"))
	}
	n.Stop()
	l, err := s.LoadConversation(t.Context(), c.Shard(4), c, 0, 8)
	if err != nil {
		t.Fatal(err)
	}
	cold, hot := map[int64]bool{}, 0
	for i, w := range l.Window {
		if i > 0 && w.Seq <= l.Window[i-1].Seq {
			t.Fatalf("the window is not in order at %d", i)
		}
		if w.Hot {
			hot++
		} else {
			cold[w.Seq] = true
		}
	}
	for seq := range int64(8) {
		if !cold[seq] {
			t.Errorf("cold seq %d is missing", seq)
		}
	}
	if len(cold) != 8 || hot == 0 {
		t.Errorf("%d cold and %d hot tempIds", len(cold), hot)
	}
	last := l.Recent[len(l.Recent)-1]
	if last.Seq != 400 || len(l.Recent) != 64 || l.Recent[0].Seq != 400-63 {
		t.Errorf("recent is %d entries up to %d", len(l.Recent), last.Seq)
	}
}
