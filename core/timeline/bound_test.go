// SPDX-License-Identifier: Apache-2.0

package timeline_test

import (
	"context"
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
		if held := n.Held(); held != 1 {
			t.Errorf("%d conversations are held: names of none fill the memory", held)
		}
		synctest.Wait()
		if len(n.Out.Events()) != 2 {
			t.Errorf("%d events went out", len(n.Out.Events()))
		}
	})
}

func TestAppend_WithoutTempIDIsANewEventEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := fresh(t, mem())
		for i := range 3 {
			if res := n.MustAppend(t, message(t, c, "")); res.Duplicate || res.Seq != int64(i)+1 {
				t.Errorf("got %+v", res)
			}
		}
	})
}

func TestDedup_WhatMemoryForgotIsFoundInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem()
		n, c := fresh(t, s, func(o *timeline.Options) { o.ColdWindow = 8 })
		for i := range 8400 {
			err := n.Submit(t.Context(), message(t, c, fmt.Sprint(i)), func(_ timeline.Result, err error) {
				if err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if i%2000 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if res := n.MustAppend(t, message(t, c, "50")); !res.Duplicate || res.Seq != 51 {
			t.Errorf("got %+v", res)
		}
	})
}

// TestEviction_WhatIsBeingCommittedStays sends to a conversation whose first message hangs in its commit while many others
// push it out of memory.
func TestEviction_WhatIsBeingCommittedStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := timelinetest.NewMem([]id.Shard{0})
		n := timelinetest.Start(t, s, func(o *timeline.Options) { o.MaxConversations = 2 })
		var convs []id.Conversation
		for i := range 10 {
			cmd := timelinetest.Group(t, fmt.Sprint(i), timelinetest.User("alice"), timelinetest.User("bob"))
			n.MustAppend(t, cmd)
			convs = append(convs, cmd.ConversationID)
		}
		time.Sleep(time.Hour)
		n.Stop()
		n = timelinetest.Start(t, s, func(o *timeline.Options) { o.MaxConversations = 2 })
		free := make(chan struct{})
		n.Wire.Set(timelinetest.Hooks{BeforeCommit: func(*timeline.Batch) error { <-free; return nil }})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = n.Append(ctx, message(t, convs[0], "slow")) }()
		synctest.Wait()
		cancel() // Its caller leaves.
		time.Sleep(5 * time.Minute)
		for _, c := range convs[1:] {
			if _, err := n.View(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
		}
		done := make(chan timeline.Result, 1)
		go func() { done <- n.MustAppend(t, message(t, convs[0], "next")) }()
		synctest.Wait()
		close(free)
		if res := <-done; res.Seq != 2 {
			t.Errorf("got %+v", res)
		}
		timelinetest.Verify(t, s, convs[0])
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
