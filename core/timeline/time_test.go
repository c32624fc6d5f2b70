// SPDX-License-Identifier: Apache-2.0

package timeline_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func mem() *timelinetest.Mem { return timelinetest.NewMem([]id.Shard{0, 1, 2, 3}) }

// fresh starts a node with one group of alice and bob.
func fresh(t *testing.T, s timeline.Store, change ...func(*timeline.Options)) (*timelinetest.Node, id.Conversation) {
	t.Helper()
	n := timelinetest.Start(t, s, change...)
	cmd := timelinetest.Group(t, "group", timelinetest.User("alice"), timelinetest.User("bob"))
	n.MustAppend(t, cmd)
	return n, cmd.ConversationID
}

func message(t *testing.T, c id.Conversation, tempID string) timeline.Command {
	t.Helper()
	return timelinetest.Message(t, c, timelinetest.User("bob"), tempID, "hello")
}

func node(name string) func(*timeline.Options) {
	return func(o *timeline.Options) { o.Node = name }
}

func TestLease_IsTakenOverOnlyAfterItExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem()
		a, c := fresh(t, s, node("a"))
		a.MustAppend(t, message(t, c, "known"))
		b := timelinetest.StartUnready(t, s, node("b"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if !a.Ready() || b.Ready() {
			t.Fatal("a renewed lease was taken over")
		}
		start := time.Now()
		a.Kill()
		for !b.Ready() {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(start); took < 10*time.Second || took > 16*time.Second {
			t.Errorf("took over after %v, the lease lasts 15 s from its last renewal", took)
		}
		if res := b.MustAppend(t, message(t, c, "known")); !res.Duplicate {
			t.Errorf("the tempId was forgotten by the takeover: %+v", res)
		}
		b.MustAppend(t, message(t, c, "t"))
		timelinetest.Verify(t, s, c)
	})
}

func TestLease_OwnerThatCannotRenewStopsAnsweringInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem()
		a, c := fresh(t, s, node("a"))
		a.Wire.Set(timelinetest.Hooks{Renew: func() error { return timelinetest.ErrInjected }, Acquire: func() error { return timelinetest.ErrInjected }})
		b := timelinetest.StartUnready(t, s, node("b"))
		for !b.Ready() {
			time.Sleep(10 * time.Millisecond)
		}
		if a.Ready() {
			t.Error("two nodes think that they own the shards")
		}
		if _, err := a.View(t.Context(), c); !fault.Is(err, fault.Unavailable) {
			t.Errorf("the old owner answers: %v", err)
		}
		if _, err := a.Position(c.Shard(4)); !fault.Is(err, fault.Unavailable) {
			t.Errorf("the old owner tells a position: %v", err)
		}
		b.MustAppend(t, message(t, c, "t"))
	})
}

// TestLease_StaleOwnerCannotWrite steals the shards of a node that does not know it yet.
func TestLease_StaleOwnerCannotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem()
		a, c := fresh(t, s, node("a"))
		if err := s.Release(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		b := timelinetest.Start(t, s, node("b"))
		if _, err := a.Append(t.Context(), message(t, c, "stale")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("the stale owner answered %v", err)
		}
		b.MustAppend(t, message(t, c, "t"))
		if events := timelinetest.Verify(t, s, c); len(events) != 2 || events[1].TempID != "t" {
			t.Errorf("the log is %d events", len(events))
		}
		timelinetest.VerifyShards(t, s, []id.Conversation{c})
	})
}

func TestClock_StepBackHoldsHubTimeAndRaisesMessageIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem()
		var offset atomic.Int64
		n, c := fresh(t, s, func(o *timeline.Options) {
			o.Clock = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		})
		n.MustAppend(t, message(t, c, "1"))
		offset.Store(int64(-time.Hour))
		for i := range 5 {
			n.MustAppend(t, message(t, c, fmt.Sprint("back", i)))
		}
		if res := n.MustAppend(t, message(t, c, "1")); !res.Duplicate {
			t.Error("a tempId was forgotten by the step")
		}
		events := timelinetest.Verify(t, s, c)
		if events[6].HubTime != events[1].HubTime {
			t.Errorf("hub time is %d, held it is %d", events[6].HubTime, events[1].HubTime)
		}
	})
}

func TestDedup_TempIDIsKnownFor24HoursAndForgottenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem()
		n, c := fresh(t, s)
		n.MustAppend(t, message(t, c, "t"))
		time.Sleep(24*time.Hour - time.Second)
		if res := n.MustAppend(t, message(t, c, "t")); !res.Duplicate {
			t.Errorf("within 24 hours: %+v", res)
		}
		time.Sleep(2 * time.Second)
		if res := n.MustAppend(t, message(t, c, "t")); res.Duplicate || res.Seq != 2 {
			t.Errorf("after 24 hours: %+v", res)
		}
	})
}

func TestDedup_HotWindowEndsWhenColdOnesExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := fresh(t, mem(), func(o *timeline.Options) { o.ColdWindow = 4 })
		hot := func(tempID string) bool {
			t.Helper()
			var got bool
			n.Wire.Set(timelinetest.Hooks{BeforeCommit: func(b *timeline.Batch) error {
				for _, e := range b.Events {
					got = e.Hot
				}
				return nil
			}})
			n.MustAppend(t, message(t, c, tempID))
			return got
		}
		for i := range 10 {
			if got, want := hot(fmt.Sprint(i)), i >= 3; got != want { // The create event is the first cold one.
				t.Errorf("message %d: hot %v", i, got)
			}
		}
		time.Sleep(24*time.Hour + time.Second)
		if hot("later") {
			t.Error("still hot when all is expired")
		}
	})
}

func TestEviction_IdleConversationsLeaveMemoryAndComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := timelinetest.NewMem([]id.Shard{0})
		n := timelinetest.Start(t, s, func(o *timeline.Options) { o.MaxConversations = 10 })
		var convs []id.Conversation
		for i := range 40 {
			cmd := timelinetest.Group(t, fmt.Sprint(i), timelinetest.User("alice"), timelinetest.User("bob"))
			n.MustAppend(t, cmd)
			convs = append(convs, cmd.ConversationID)
			time.Sleep(10 * time.Second)
		}
		held := 0
		n.Heads(0, convs, func(int, timeline.View) { held++ })
		if held > 20 {
			t.Errorf("%d conversations are held, the limit is 10 and those of the last minute", held)
		}
		for _, c := range convs {
			if res := n.MustAppend(t, message(t, c, "t")); res.Seq != 1 {
				t.Errorf("seq %d", res.Seq)
			}
			timelinetest.Verify(t, s, c)
		}
	})
}

func TestStore_AwayIsUnavailableAndRecoversByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mem()
		n, c := fresh(t, s)
		away := func(*timeline.Batch) error { return timelinetest.ErrInjected }
		down := func() error { return timelinetest.ErrInjected }
		n.Wire.Set(timelinetest.Hooks{BeforeCommit: away, Load: down, Renew: down, Acquire: down})
		for i := range 5 {
			_, err := n.Append(t.Context(), message(t, c, "t"))
			var f *fault.Error
			if f = fault.From(err); f.Code != fault.Unavailable || f.RetryAfter == 0 {
				t.Fatalf("try %d: got %v", i, err)
			}
			time.Sleep(5 * time.Second)
		}
		n.Wire.Set(timelinetest.Hooks{})
		time.Sleep(time.Second)
		n.MustAppend(t, message(t, c, "t"))
		timelinetest.Verify(t, s, c)
	})
}

func TestStore_HangingCommitIsUnavailableInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, c := fresh(t, mem())
		n.Wire.Set(timelinetest.Hooks{BeforeCommit: func(b *timeline.Batch) error {
			if len(b.Events) > 0 {
				time.Sleep(11 * time.Second)
			}
			return nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := n.Append(ctx, message(t, c, "t")); !fault.Is(err, fault.Unavailable) {
			t.Errorf("got %v", err)
		}
		n.Wire.Set(timelinetest.Hooks{})
		time.Sleep(time.Minute)
		if res := n.MustAppend(t, message(t, c, "t")); !res.Duplicate {
			t.Errorf("the commit went through at last: %+v", res)
		}
	})
}
