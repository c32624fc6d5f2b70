// SPDX-License-Identifier: Apache-2.0

package timeline_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func TestQueue_FullIsUnavailableAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem()
		n, c := fresh(t, s)
		free := make(chan struct{})
		n.Wire.Set(timelinetest.Hooks{BeforeCommit: func(*timeline.Batch) error { <-free; return nil }})
		var mu sync.Mutex
		refused, sent := 0, 0
		var wg sync.WaitGroup
		for i := range 6000 {
			wg.Go(func() {
				_, err := n.Append(t.Context(), message(t, c, fmt.Sprint(i)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					sent++
				} else if f := fault.From(err); f.Code == fault.Unavailable && f.RetryAfter > 0 {
					refused++
				} else {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		mu.Lock()
		if refused < 6000-4096-2*256-1 || sent != 0 {
			t.Errorf("%d refused and %d sent while the commit hangs", refused, sent)
		}
		mu.Unlock()
		close(free)
		wg.Wait()
		if sent+refused != 6000 || len(timelinetest.Verify(t, s, c)) != sent+1 {
			t.Errorf("%d sent and %d refused of 6000", sent, refused)
		}
	})
}

func TestQueue_TwoBatchesAreInFlightAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := fresh(t, mem())
		n.Wire.Set(timelinetest.Hooks{BeforeCommit: func(*timeline.Batch) error { time.Sleep(time.Second); return nil }})
		before := n.Wire.Counts()
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() { n.MustAppend(t, message(t, c, fmt.Sprint(i))) })
		}
		wg.Wait()
		after := n.Wire.Counts()
		// The first commit takes what came first, the others 256 each: a linger or a second writer would show.
		if got := after.Batches - before.Batches; got > 6 || after.InFlight != 1 {
			t.Errorf("%d commits, %d at once", got, after.InFlight)
		}
		if took := time.Since(start); took > 9*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestAppend_CommandsOfOneSenderKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := fresh(t, mem())
		var got []int64
		for i := range 600 {
			err := n.Submit(t.Context(), message(t, c, fmt.Sprint(i)), func(r timeline.Result, err error) {
				if err != nil {
					t.Errorf("command %d: %v", i, err)
				}
				got = append(got, r.Seq)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if len(got) != 600 || !slices.IsSorted(got) {
			t.Errorf("%d answers, in order: %v", len(got), slices.IsSorted(got))
		}
	})
}

func TestAppend_RefusalsLeaveNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem()
		n, c := fresh(t, s)
		unknown := message(t, id.NewConversation([32]byte{1}), "t")
		if _, err := n.Append(t.Context(), unknown); !fault.Is(err, fault.UnknownConversation) {
			t.Errorf("unknown conversation: %v", err)
		}
		rename := timelinetest.Change(t, c, timelinetest.User("bob"), frame.TypeRename, "r", frame.Change{Name: "x"})
		if _, err := n.Append(t.Context(), rename); !fault.Is(err, fault.InsufficientRole) {
			t.Errorf("a member renames: %v", err)
		}
		if res := n.MustAppend(t, message(t, c, "r")); res.Duplicate || res.Seq != 1 {
			t.Errorf("the tempId of a refused command: %+v", res)
		}
		if len(n.Out.Events()) != 2 {
			t.Errorf("%d events went out", len(n.Out.Events()))
		}
	})
}

func TestRun_LeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	n, c := fresh(t, mem())
	n.MustAppend(t, message(t, c, "t"))
	n.Stop()
	timelinetest.Eventually(t, "all goroutines ended", func() bool { return runtime.NumGoroutine() <= before })
	if _, err := n.Append(t.Context(), message(t, c, "late")); !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Draining) {
		t.Errorf("a stopped node answered %v", err)
	}
}
