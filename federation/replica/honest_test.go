// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/federation/replica"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

func TestTake_AReplicaFollowsItsHub(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	for i, u := range []id.User{alice, bob, carol, alice} {
		r.say(t, u, fmt.Sprint("m", i))
	}
	r.change(t, frame.TypeRename, frame.Change{Name: "old news"})
	seq, err := r.giveRange(t, 1, 5)
	want(t, "a range of everybody's", seq, err, 5, "")
	r.same(t)
	cp, ok, err := r.Head(t.Context(), r.conv)
	if err != nil || !ok || cp.Seq != 5 {
		t.Errorf("the newest checkpoint is %+v, %t, %v", cp, ok, err)
	}
}

func TestTake_DoubledAndOverlappingRangesChangeNothing(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	for i := range 6 {
		r.say(t, alice, fmt.Sprint(i))
	}
	for _, c := range []struct{ from, to, head int64 }{{1, 3, 3}, {1, 3, 3}, {2, 2, 3}, {2, 5, 5}, {0, 6, 6}, {6, 6, 6}} {
		seq, err := r.giveRange(t, c.from, c.to)
		want(t, fmt.Sprint(c), seq, err, c.head, "")
	}
	r.same(t)
}

func TestTake_WhatIsMissingIsPulled(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	for i := range 130 {
		r.say(t, []id.User{alice, bob, carol}[i%3], fmt.Sprint(i))
	}
	r.run(t)
	seq, err := r.giveRange(t, 125, 130)
	want(t, "the newest", seq, err, 0, fault.EntriesMissing)
	timelinetest.Eventually(t, "the rest is pulled", func() bool { return r.head(t) == 130 })
	r.same(t)
	if n := len(r.asks()); n != 3 {
		t.Errorf("asked %d times for 130 entries", n)
	}
}

func TestTake_AHeadSaysHowFarThereIsToPull(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.say(t, alice, "x")
	log, _ := r.hub.Log(t, r.conv)
	seq, err := r.give(t, a, wire.Item{Head: r.hub.Checkpoint(t, log[1].Entry)})
	want(t, "a head", seq, err, 0, "")
	r.run(t)
	timelinetest.Eventually(t, "the entry is pulled", func() bool { return r.head(t) == 1 })
}

func TestTake_AHeadWithoutAReplicaAsksForASnapshot(t *testing.T) {
	r := newRoom(t)
	r.change(t, frame.TypeRename, frame.Change{Name: "x"})
	at := r.say(t, carol, "y")
	log, _ := r.hub.Log(t, r.conv)
	seq, err := r.give(t, a, wire.Item{Head: r.hub.Checkpoint(t, log[at].Entry)})
	want(t, "a head", seq, err, -1, fault.UnknownReplica)
	r.run(t)
	timelinetest.Eventually(t, "it is begun and pulled", func() bool { return r.head(t) == at })
}

func TestPull_OneServerCannotFillTheList(t *testing.T) {
	r := newRoom(t)
	r.o.Waiting = 8
	r.restart()
	r.begin(t)
	for i := range 20 {
		cp := wire.Checkpoint{Checkpoint: event.Checkpoint{ConversationID: id.NewConversation([32]byte{byte(i)}), Hub: m, Time: time.Now().UnixMilli()}}
		r.Servers[m].SignHead(t, &cp)
		if _, err := r.Take(t.Context(), m, wire.Item{ConversationID: cp.ConversationID, Head: &cp}); !fault.Is(err, fault.UnknownReplica) {
			t.Fatal(err)
		}
	}
	r.say(t, alice, "x")
	log, _ := r.hub.Log(t, r.conv)
	seq, err := r.give(t, a, wire.Item{Head: r.hub.Checkpoint(t, log[1].Entry)})
	want(t, "a head", seq, err, 0, "")
	r.run(t)
	timelinetest.Eventually(t, "the honest one is pulled", func() bool { return r.head(t) == 1 })
}

func TestPull_AHubThatGivesLessIsTriedAgain(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.say(t, alice, "x")
	answers := 0
	r.setAnswer(func(in wire.Entries) (wire.Range, error) {
		r.mu.Lock()
		answers++
		n := answers
		r.mu.Unlock()
		switch n {
		case 1:
			return wire.Range{}, errors.New("the line is dead")
		case 2:
			return wire.Range{ConversationID: r.conv}, nil
		}
		return r.given(t, in), nil
	})
	at := time.Now()
	r.setTime(at)
	r.run(t)
	log, _ := r.hub.Log(t, r.conv)
	seq, err := r.give(t, a, wire.Item{Head: r.hub.Checkpoint(t, log[1].Entry)})
	want(t, "a head", seq, err, 0, "")
	for n := 1; n < 3; n++ {
		timelinetest.Eventually(t, "it is asked", func() bool { return len(r.asks()) == n })
		r.Heard(a) // Nobody waits for the pause in a test.
	}
	timelinetest.Eventually(t, "the entry is pulled", func() bool { r.Heard(a); return r.head(t) == 1 })
}

func TestPull_AtMostSoManyAtOnceAndOfOneHub(t *testing.T) {
	r := newRoom(t)
	r.o.PullsOfHub = 2
	r.restart()
	var convs []id.Conversation
	for i := range 8 {
		r.conv = r.hub.Group(t, fmt.Sprint("g", i), alice, bob)
		r.begin(t)
		r.say(t, alice, "x")
		convs = append(convs, r.conv)
	}
	var mu sync.Mutex
	now, most := 0, 0
	gate := make(chan struct{})
	r.setAnswer(func(in wire.Entries) (wire.Range, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-gate
		mu.Lock()
		defer mu.Unlock()
		now--
		return overWire(t, r.hub.Range(t, in.ConversationID, 1, 1)), nil
	})
	for _, conv := range convs {
		r.conv = conv
		log, _ := r.hub.Log(t, conv)
		seq, err := r.give(t, a, wire.Item{Head: r.hub.Checkpoint(t, log[1].Entry)})
		want(t, "a head", seq, err, 0, "")
	}
	r.run(t)
	timelinetest.Eventually(t, "two are asked for", func() bool { mu.Lock(); defer mu.Unlock(); return now == 2 })
	close(gate)
	for _, conv := range convs {
		r.conv = conv
		timelinetest.Eventually(t, "all are pulled", func() bool { return r.head(t) == 1 })
	}
	if most != 2 {
		t.Errorf("%d were asked for at once", most)
	}
}

func TestTake_ErasedContentComesWithoutIt(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.say(t, bob, "secret")
	r.say(t, alice, "next")
	rng := r.hub.Range(t, r.conv, 1, 2)
	rng.Records[0].Content, rng.Records[0].Salt = nil, [16]byte{}
	seq, err := r.give(t, a, wire.Item{Range: &rng})
	want(t, "an erased message", seq, err, 2, "")
	list := timelinetest.Verify(t, r.here.Store, r.conv)
	if list[1].Content != nil || string(list[2].Content) == "" {
		t.Errorf("the replica holds %q and %q", list[1].Content, list[2].Content)
	}
}

func TestTake_OwnUsersAreAskedWhenTheyAreAdded(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	bela, gone := id.NewUser("bela", b), id.NewUser("gone", b)
	var asked []replica.Joining
	r.consent = func(j replica.Joining) (*timeline.Prefs, error) {
		asked = append(asked, j)
		switch j.User {
		case bela:
			return nil, fault.New(fault.CannotAdd, "no")
		case gone:
			return nil, fault.New(fault.UnknownUser, "no such user")
		}
		return &timeline.Prefs{Consent: timeline.Requested}, nil
	}
	users := []string{string(bela), string(bert), string(gone), "dave@c.test"}
	r.change(t, frame.TypeMemberAdd, frame.Change{UserIDs: users})
	seq, err := r.giveRange(t, 1, 1)
	want(t, "an invitation", seq, err, 1, "")
	if len(asked) != 3 || asked[0].By != alice || asked[0].ConversationID != r.conv || asked[0].State == nil {
		t.Errorf("asked for %+v", asked)
	}
	if !slices.Equal(r.refused, []id.User{bela, gone}) && !slices.Equal(r.refused, []id.User{gone, bela}) {
		t.Errorf("refused for %v", r.refused)
	}
	l, _ := timelinetest.Log(t, r.here.Store, r.conv)
	if p := l.Pointers[bert].Prefs; p == nil || p.Consent != timeline.Requested {
		t.Errorf("it begins with %+v for who is asked", p)
	}
}

func TestTake_NothingIsTakenWhileConsentCannotBeTold(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.consent = func(replica.Joining) (*timeline.Prefs, error) { return nil, context.DeadlineExceeded }
	r.change(t, frame.TypeMemberAdd, frame.Change{UserIDs: []string{string(bert)}})
	if seq, err := r.giveRange(t, 1, 1); err == nil || seq != 0 {
		t.Errorf("taken up to %d", seq)
	}
	r.consent = nil
	seq, err := r.giveRange(t, 1, 1)
	want(t, "afterwards", seq, err, 1, "")
}

func TestTake_AReplicaBeginsAgainWhenSomebodyIsAddedAgain(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.change(t, frame.TypeMemberRemove, frame.Change{UserIDs: []string{string(bob)}})
	seq, err := r.giveRange(t, 1, 1)
	want(t, "the removal", seq, err, 1, "")
	for i := range 5 {
		r.say(t, alice, fmt.Sprint("not-for-b", i))
	}
	added := r.change(t, frame.TypeMemberAdd, frame.Change{UserIDs: []string{string(bert)}})
	seq, err = r.giveSnapshot(t, added)
	want(t, "a new beginning", seq, err, added, "")
	r.say(t, alice, "hello-again")
	seq, err = r.giveRange(t, added+1, added+1)
	want(t, "what follows", seq, err, added+1, "")
	v, err := r.here.View(t.Context(), r.conv)
	if m, ok := v.State.Member(bert); err != nil || !ok || m.Membership != conversation.Joined || v.Base != added {
		t.Errorf("the replica: %+v, %v", v, err)
	}
}

func TestTake_ASnapshotAheadOfAReplicaIsPulledUpTo(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.say(t, alice, "x")
	at := r.change(t, frame.TypeRename, frame.Change{Name: "y"})
	seq, err := r.giveSnapshot(t, at)
	want(t, "a snapshot ahead", seq, err, 0, "")
	r.run(t)
	timelinetest.Eventually(t, "it is pulled up to", func() bool { return r.head(t) == at })
	r.same(t)
	seq, err = r.giveSnapshot(t, at)
	want(t, "the same again", seq, err, at, "")
}

func TestTake_SurvivesARestartOfEverything(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.run(t)
	r.say(t, bob, "x")
	seq, err := r.giveRange(t, 1, 1)
	want(t, "before", seq, err, 1, "")
	timelinetest.Eventually(t, "the checkpoint is saved", func() bool {
		raw, _, _ := r.shelf.Replica(t.Context(), r.conv)
		return raw != nil
	})
	r.here.Stop()
	r.here.Start(t)
	r.restart()
	if cp, ok, err := r.Head(t.Context(), r.conv); err != nil || !ok || cp.Seq > 1 {
		t.Errorf("the checkpoint after a restart: %+v, %t, %v", cp, ok, err)
	}
	r.say(t, alice, "y")
	seq, err = r.giveRange(t, 1, 2)
	want(t, "after", seq, err, 2, "")
	r.same(t)
}

func TestTake_ManyAtOnceOfOneConversation(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	for i := range 20 {
		r.say(t, alice, fmt.Sprint(i))
	}
	ranges := make([]wire.Range, 20)
	for i := range ranges {
		ranges[i] = overWire(t, r.hub.Range(t, r.conv, int64(i+1), int64(i+1)))
	}
	var group sync.WaitGroup
	for range 3 {
		for i := range ranges {
			group.Go(func() { _, _ = r.Take(t.Context(), a, wire.Item{ConversationID: r.conv, Range: &ranges[i]}) })
		}
	}
	group.Wait()
	rng := r.hub.Range(t, r.conv, 1, 20)
	seq, err := r.give(t, a, wire.Item{Range: &rng})
	want(t, "at the end", seq, err, 20, "")
	r.same(t)
}

func TestTake_WaitsForKeysThatCannotBeHad(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.say(t, carol, "x")
	r.Away(c, true)
	seq, err := r.giveRange(t, 1, 1)
	want(t, "while the author's server is away", seq, err, 0, fault.Unavailable)
	r.Away(c, false)
	seq, err = r.giveRange(t, 1, 1)
	want(t, "when it is back", seq, err, 1, "")
	r.Away(a, true)
	r.say(t, alice, "y")
	seq, err = r.giveRange(t, 2, 2)
	want(t, "without the hub's key", seq, err, 1, fault.Unavailable)
}

func TestTake_ADirectConversationIsARequestForWhoWasNotAsked(t *testing.T) {
	r := newRoom(t)
	cmd := timelinetest.Direct(t, alice, bob)
	r.hub.MustAppend(t, cmd)
	r.conv = cmd.ConversationID
	r.consent = func(j replica.Joining) (*timeline.Prefs, error) {
		if j.State.Type() != event.Direct || j.By != alice {
			t.Errorf("asked about %+v", j)
		}
		return &timeline.Prefs{Consent: timeline.Requested}, nil
	}
	r.begin(t)
	l, _ := timelinetest.Log(t, r.here.Store, r.conv)
	if p := l.Pointers[bob].Prefs; p == nil || p.Consent != timeline.Requested {
		t.Errorf("it begins with %+v", p)
	}
}
