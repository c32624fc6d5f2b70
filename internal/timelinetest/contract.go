// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Open opens a fresh store with these groups of shards, one for each database, until the test ends.
type Open func(t testing.TB, groups ...[]id.Shard) timeline.Store

// Contract is what a Timeline does on any honest store, and so what a store must do.
func Contract(t *testing.T, open Open) {
	for name, run := range map[string]func(*testing.T, Open){
		"StaleEpochWritesNothing":             staleEpoch,
		"ManySendersShareCommits":             manySenders,
		"TempIDMakesOneEvent":                 oneEvent,
		"UnknownOutcomeMakesOneEvent":         unknownOutcome,
		"TempIDIsNotForSomethingElse":         conflict,
		"HotTempIDsAreFoundInTheStore":        hotTempIDs,
		"NewOwnerSeesWhatTheKilledOneDid":     killed,
		"FlushCoversCommittedOnly":            flushed,
		"IndexFollowsInTheOtherDatabase":      otherDatabase,
		"ReceiptsMoveForwardOnly":             receipts,
		"PointersFlushWithReceiptsOfOthers":   pointersFlush,
		"RejoinedMemberStartsAnew":            rejoin,
		"FaultsLoseAndDoubleNothing":          faults,
		"CommitIsNotSeenBeforeItIsDone":       noEarlyReveal,
		"ShutdownAnswersAndFlushes":           shutdown,
		"PointersOfUnreadMessagesAreAsModel":  unreadModel,
		"LoadFindsColdTempIDsBehindHotEvents": coldBehindHot,
		"EventsAboutMessagesShowInFacts":      relations,
		"NoEditComesAfterADeletion":           editsAgainstDeletion,
		"NewestMentionsAreKnown":              mentions,
		"ExpiredMessagesAreErasedAndTold":     expiry,
		"PrefsStayAndAreTheMembersOwn":        prefsStay,
		"BlocksWithholdWhatComesMeanwhile":    blockWithholds,
		"RequestsKnockAndWritingIsConsent":    requestsKnock,
		"AllTheStateHoldsSurvivesARestart":    groupsReload,
		"SlowModeHoldsAfterARestart":          slowMode,
		"ReplicasBeginAndFollow":              followBegins,
		"TamperedEntriesBreakTheChain":        followTampered,
		"EntriesAgainstTheRulesAreRefused":    followRefused,
		"AReplicaSaysWhatTheHubSays":          followModel,
		"ReplicasBeginInTheMiddle":            followLate,
		"ReplicasOutliveFaults":               followFaults,
		"WhatAReplicaErasesStaysForTheHub":    followLocal,
		"ReplicasBeginAgain":                  followAgain,
		"DirectConversationsAreMadeByEither":  followDirect,
		"ReplicasKnowTempIDsAboveTheirBase":   followTempIDs,
		"FarMembersMoveTheirPointers":         reach,
	} {
		t.Run(name, func(t *testing.T) { run(t, open) })
	}
}

// one is a single database with four shards.
func one() []id.Shard { return []id.Shard{0, 1, 2, 3} }

func staleEpoch(t *testing.T, open Open) {
	s, ctx := open(t, one()), t.Context()
	first, err := s.Acquire(ctx, "a", one(), 0)
	if err != nil || len(first) != 4 {
		t.Fatal(first, err)
	}
	second, err := s.Acquire(ctx, "b", one()[:1], 1e12)
	if err != nil || len(second) != 1 || second[0].Epoch <= first[0].Epoch {
		t.Fatal(second, err)
	}
	if third, err := s.Acquire(ctx, "c", one()[:1], 1e12); err != nil || len(third) != 0 {
		t.Errorf("a held lease was taken: %v %v", third, err)
	}
	advance := func(l timeline.Lease, prev int64) error {
		return s.Commit(ctx, &timeline.Batch{Advance: []timeline.Advance{{Shard: l.Shard, Epoch: l.Epoch, PrevPos: prev, Pos: prev + 1, Flushed: -1, Mark: -1}}})
	}
	if err := advance(first[shardIndex(first, second[0].Shard)], 0); err != timeline.ErrStale {
		t.Errorf("stale epoch: %v", err)
	}
	if err := advance(second[0], 1); err != timeline.ErrStale {
		t.Errorf("wrong position: %v", err)
	}
	if err := advance(second[0], 0); err != nil {
		t.Errorf("right epoch and position: %v", err)
	}
	if err := s.Renew(ctx, "a", first[:1], 1e12); shardIndex(first[:1], second[0].Shard) == 0 && err != timeline.ErrStale {
		t.Errorf("a lost lease was renewed: %v", err)
	}
	if err := s.Renew(ctx, "b", second, 1e12); err != nil {
		t.Errorf("renew: %v", err)
	}
	if err := s.Release(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Acquire(ctx, "c", one()[:1], 1e12); err != nil || len(again) != 1 {
		t.Errorf("a released lease was not taken: %v %v", again, err)
	}
}

func shardIndex(list []timeline.Lease, n id.Shard) int {
	for i, l := range list {
		if l.Shard == n {
			return i
		}
	}
	return -1
}

// groups creates count groups of alice and bob.
func groups(t testing.TB, n *Node, count int) []id.Conversation {
	t.Helper()
	out := make([]id.Conversation, count)
	for i := range out {
		cmd := Group(t, fmt.Sprint("group ", i), User("alice"), User("bob"))
		n.MustAppend(t, cmd)
		out[i] = cmd.ConversationID
	}
	return out
}

func manySenders(t *testing.T, open Open) {
	const senders, each = 200, 5
	n := Start(t, open(t, one()))
	convs := groups(t, n, 20)
	n.Wire.Set(Hooks{BeforeCommit: func(*timeline.Batch) error { time.Sleep(time.Millisecond); return nil }})
	before := n.Wire.Counts()
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			for k := range each {
				cmd := Message(t, convs[i%len(convs)], User("bob"), fmt.Sprint(i, "/", k), "hello")
				if _, err := n.Append(t.Context(), cmd); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	after := n.Wire.Counts()
	if got := after.Events - before.Events; got != senders*each {
		t.Errorf("%d events were written, want %d", got, senders*each)
	}
	if got := after.Batches - before.Batches; got > senders*each/4 {
		t.Errorf("%d commits for %d messages: they are not shared", got, senders*each)
	}
	if after.InFlight != 1 {
		t.Errorf("%d commits at once: the writer writes one while the builder fills one", after.InFlight)
	}
	for _, c := range convs {
		if got := len(Verify(t, n.Wire, c)); got != 1+senders*each/len(convs) {
			t.Errorf("%d events in %s", got, c)
		}
	}
	VerifyShards(t, n.Wire, convs)
	Eventually(t, "all went out", func() bool { return len(n.Out.Events()) == len(convs)+senders*each })
	inOrder(t, n.Out)
}

// inOrder checks that a shard's events went out in order of pos and once.
func inOrder(t testing.TB, o *Out) {
	t.Helper()
	last := map[id.Shard]int64{}
	for _, out := range o.Events() {
		if out.Event.Pos != last[out.Event.Shard]+1 {
			t.Errorf("pos %d of shard %d went out after %d", out.Event.Pos, out.Event.Shard, last[out.Event.Shard])
		}
		last[out.Event.Shard] = out.Event.Pos
	}
}

func oneEvent(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s)
	c := groups(t, n, 1)[0]
	cmd := Message(t, c, User("bob"), "once", "hello")
	var wg sync.WaitGroup
	var mu sync.Mutex
	first := 0
	for range 50 {
		wg.Go(func() {
			res, err := n.Append(t.Context(), cmd)
			if err != nil || res.Seq != 1 {
				t.Errorf("got %+v %v", res, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !res.Duplicate {
				first++
			}
		})
	}
	wg.Wait()
	if first != 1 {
		t.Errorf("%d of 50 were the first", first)
	}
	repeat := func(n *Node, when string) {
		t.Helper()
		if res := n.MustAppend(t, cmd); !res.Duplicate || res.Seq != 1 {
			t.Errorf("%s: got %+v", when, res)
		}
	}
	n.Stop()
	n = Start(t, s)
	repeat(n, "after a restart")
	n.Kill()
	n = Start(t, s)
	repeat(n, "after a kill")
	n.Stop()
	n = Start(t, s, func(o *timeline.Options) { o.Node = "b" })
	repeat(n, "on another node")
	other := cmd
	other.Device = "01J9ZK3V8Q2M6T4R7X5W1Y0ABD"
	if res := n.MustAppend(t, other); res.Duplicate || res.Seq != 2 {
		t.Errorf("the tempId of another device is another: got %+v", res)
	}
	if got := len(Verify(t, s, c)); got != 3 {
		t.Errorf("%d events", got)
	}
}

func unknownOutcome(t *testing.T, open Open) {
	n := Start(t, open(t, one()))
	c := groups(t, n, 1)[0]
	n.SentOut(t, n.MustAppend(t, Message(t, c, User("bob"), "zero", "hello")))
	told := n.Out.Losses() // That of the start, for one or more shards at a time.
	var once sync.Once
	n.Wire.Set(Hooks{AfterCommit: func(b *timeline.Batch) (err error) {
		if len(b.Events) > 0 {
			once.Do(func() { err = ErrInjected })
		}
		return err
	}})
	cmd := Message(t, c, User("bob"), "once", "hello")
	if _, err := n.Append(t.Context(), cmd); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v, want unavailable", err)
	}
	Eventually(t, "owns its shards again", n.Ready)
	if res := n.MustAppend(t, cmd); !res.Duplicate || res.Seq != 2 {
		t.Errorf("got %+v", res)
	}
	if got := len(Verify(t, n.Wire, c)); got != 3 {
		t.Errorf("%d events", got)
	}
	Eventually(t, "the sessions are told that they may have missed something", func() bool { return n.Out.Losses() > told })
}

func conflict(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s)
	c := groups(t, n, 1)[0]
	n.MustAppend(t, Message(t, c, User("alice"), "once", "hello"))
	n.MustAppend(t, Change(t, c, User("alice"), frame.TypeMemberAdd, "add", frame.Change{UserIDs: []string{"carol@example.org"}}))
	refuse := func(n *Node) {
		t.Helper()
		if _, err := n.Append(t.Context(), Message(t, c, User("alice"), "once", "other")); !fault.Is(err, fault.TempIDConflict) {
			t.Errorf("got %v, want a conflict", err)
		}
		same := Change(t, c, User("alice"), frame.TypeMemberRemove, "add", frame.Change{UserIDs: []string{"carol@example.org"}})
		if _, err := n.Append(t.Context(), same); !fault.Is(err, fault.TempIDConflict) {
			t.Errorf("the same content of another type: got %v, want a conflict", err)
		}
	}
	refuse(n)
	n.Stop()
	refuse(Start(t, s))
	bad := Message(t, c, User("alice"), "nul\x00", "hello")
	if _, err := n.Append(t.Context(), bad); !fault.Is(err, fault.InvalidField) {
		t.Errorf("a tempId that cannot be stored: got %v", err)
	}
}
