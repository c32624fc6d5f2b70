// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// followFaults has a replica whose store fails at random and which is killed now and then, and two that push at the same time.
func followFaults(t *testing.T, open Open) {
	p := newPair(t, open)
	l := newLife(t, p, 5)
	for range 120 {
		l.propose()
	}
	log := p.log(t)
	s := p.replica.Wire.Store
	p.replica.Stop()
	r := &rough{t: t, store: s, as: There}
	r.start(Hooks{})
	r.current().MustBegin(t, log, 0)
	r.current().Wire.Set(r.hooks(3))
	var wg sync.WaitGroup
	for i := range uint64(2) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(i, 1))
			for at, end := int64(0), time.Now().Add(20*time.Second); at < int64(len(log)-1) && time.Now().Before(end); {
				from := max(0, at-rnd.Int64N(3))
				head, err := r.current().Follow(t.Context(), p.c, log[from:min(at+1+rnd.Int64N(9), int64(len(log)))], nil)
				if err != nil && !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Draining) && !isGap(err) {
					t.Errorf("from %d: %v", from, err)
					return
				}
				if head.Exists {
					at = head.Seq
				}
			}
		})
	}
	for k := range uint64(4) {
		time.Sleep(20 * time.Millisecond)
		r.current().Kill()
		r.start(r.hooks(k))
	}
	wg.Wait()
	r.current().Kill()
	p.replica = Start(t, s, As(There))
	Verify(t, s, p.c)
	VerifyShards(t, s, []id.Conversation{p.c})
	sameViews(t, p)
	samePages(t, p, l.users, 0)
}

// followLocal erases messages in a replica that are still there for the hub: because they expired by the own clock, or because
// their author is gone. What happens to them at the hub goes on.
func followLocal(t *testing.T, open Open) {
	p := newPair(t, open, func(p *pair) timeline.Command {
		return Change(t, p.c, p.alice, frame.TypeSettings, "timer", frame.Change{EphemeralTimer: new(int64(86400))})
	})
	late := func(o *timeline.Options) {
		o.Clock, o.SweepEvery = func() time.Time { return time.Now().Add(25 * time.Hour) }, 5*time.Millisecond
	}
	mine := p.hub.MustAppend(t, p.says(t, p.bob, "mine"))
	old := p.hub.MustAppend(t, p.says(t, p.alice, "old"))
	log := p.log(t)
	p.replica.MustBegin(t, log, 0)
	p.replica.MustFollow(t, log)
	if erased, _, err := p.replica.EraseBy(t.Context(), p.c, p.bob, -1); erased != 1 || err != nil {
		t.Fatalf("%d were erased, %v", erased, err)
	}
	s := p.replica.Wire.Store
	p.replica.Stop()
	p.replica = Start(t, s, As(There), late)
	Eventually(t, "the message expired in the replica", func() bool { return at(t, s, p.c, old.Seq).Content == nil })
	for _, cmd := range []timeline.Command{
		react(t, p.c, p.alice, mine.MessageID, "x", frame.ActionAdd),
		react(t, p.c, p.alice, old.MessageID, "x", frame.ActionAdd),
		edit(t, p.c, p.alice, old.MessageID, "newer"),
		remove(t, p.c, p.alice, old.MessageID),
	} {
		p.hub.MustAppend(t, cmd)
		p.replica.MustFollow(t, p.log(t))
	}
	bad := forge(t, p.log(t), edit(t, p.c, p.alice, old.MessageID, "after all"))
	if _, err := p.replica.Follow(t.Context(), p.c, bad, nil); !fault.Is(err, fault.MessageDeleted) {
		t.Errorf("an edit after the deletion: %v", err)
	}
	Eventually(t, "nothing of them is left", func() bool {
		for _, e := range Records(t, s, p.c, 0, id.MaxSeq) {
			if e.Content != nil && (e.Type == frame.TypeMessage || e.Type == frame.TypeEdit) {
				return false
			}
		}
		return true
	})
	Verify(t, s, p.c)
}

// followAgain has a replica whose users left, one of whom comes back later.
func followAgain(t *testing.T, open Open) {
	p := newPair(t, open, func(p *pair) timeline.Command { return p.says(t, p.bob, "first") })
	first := p.log(t)
	p.replica.MustBegin(t, first, 0)
	p.replica.MustFollow(t, first)
	if err := p.replica.Begin(t.Context(), SnapshotAt(t, first, 0), nil); err != nil {
		t.Errorf("begin where it begins: %v", err)
	}
	out := p.hub.MustAppend(t, Change(t, p.c, p.alice, frame.TypeMemberRemove, "out", frame.Change{UserIDs: []string{string(p.bob)}}))
	missed := p.hub.MustAppend(t, p.says(t, p.alice, "not for bob"))
	back := p.hub.MustAppend(t, Change(t, p.c, p.alice, frame.TypeMemberAdd, "back", frame.Change{UserIDs: []string{string(p.bob)}}))
	log := p.log(t)
	again := SnapshotAt(t, log, back.Seq)
	if err := p.replica.Begin(t.Context(), again, nil); !isGap(err) {
		t.Errorf("begin again while a user is a member: %v", err)
	}
	p.replica.MustFollow(t, log[:out.Seq+1])
	bad := again
	copied := *again.State
	copied.Name = "mine"
	bad.State = &copied
	if err := p.replica.Begin(t.Context(), bad, nil); err != conversation.BreakHash {
		t.Errorf("begin with another state: %v", err)
	}
	bad.State, bad.Entry = again.State, log[missed.Seq]
	if err := p.replica.Begin(t.Context(), bad, nil); err == nil {
		t.Error("a replica began with a message")
	}
	asked := 0
	prefs := func(u id.User, e *conversation.Event) *timeline.Prefs {
		if asked++; u != p.bob || e.Seq != back.Seq {
			t.Errorf("asked for the prefs of %s at %d", u, e.Seq)
		}
		return &timeline.Prefs{IsArchived: true}
	}
	if err := p.replica.Begin(t.Context(), again, prefs); err != nil || asked == 0 {
		t.Fatalf("begin again: %v, asked %d times", err, asked)
	}
	p.hub.MustAppend(t, p.says(t, p.alice, "for bob"))
	p.hub.MustAppend(t, react(t, p.c, p.alice, first[1].MessageID, "x", frame.ActionAdd)) // Of before the hole.
	p.replica.MustFollow(t, p.log(t)[back.Seq:])
	s := p.replica.Wire.Store
	for range 2 {
		v, err := p.replica.View(t.Context(), p.c)
		if err != nil || v.Base != back.Seq || v.Head.Seq != back.Seq+2 {
			t.Fatalf("%+v, %v", v, err)
		}
		at, err := p.replica.Pointer(t.Context(), p.c, p.bob)
		if err != nil || at.Read != back.Seq || at.Unread(v.Head.Count) != 1 || at.Prefs == nil || !at.Prefs.IsArchived {
			t.Errorf("bob's pointer: %+v, %v", at, err)
		}
		if rows := s.(indexed).IndexOf(t, p.bob); len(rows) != 1 || rows[0].Membership != conversation.Joined {
			t.Errorf("bob's index: %+v", rows)
		}
		if held := Records(t, s, p.c, 0, id.MaxSeq); len(held) != 6 || held[3].Prev != log[missed.Seq].Hash {
			t.Errorf("%d entries are held", len(held))
		}
		if _, err := p.replica.Follow(t.Context(), p.c, log[missed.Seq:missed.Seq+1], nil); err != nil {
			t.Errorf("an entry within the hole: %v", err)
		}
		p.replica.Kill()
		p.replica = Start(t, s, As(There))
	}
}

// followDirect has the direct conversation of two users made by the one whose server is not the hub.
func followDirect(t *testing.T, open Open) {
	hub, replica := Start(t, open(t, one()), As(Here)), Start(t, open(t, one()), As(There))
	aaron, bob := id.NewUser("aaron", Here), id.NewUser("bob", There)
	cmd := create(t, event.NewDirect(aaron, bob), bob)
	if _, err := replica.Append(t.Context(), cmd); err == nil {
		t.Error("it was made where the hub is not")
	}
	hub.MustAppend(t, BySigned(cmd))
	p := &pair{hub: hub, replica: replica, c: cmd.ConversationID, alice: aaron, bob: bob}
	log := p.log(t)
	if log[0].KeyID == "" || len(log[0].Signature) != 64 {
		t.Errorf("the signature of the maker's server is gone: %+v", log[0])
	}
	replica.MustBegin(t, log, 0)
	one, expects := hub.MustAppend(t, p.says(t, bob, "hello")), int64(0)
	change := BySigned(Change(t, p.c, bob, frame.TypeSettings, "s", frame.Change{EphemeralTimer: new(int64(86400))}))
	change.Expects = &expects
	hub.MustAppend(t, change)
	change = BySigned(Change(t, p.c, bob, frame.TypeSettings, "s2", frame.Change{EphemeralTimer: new(int64(0))}))
	change.Expects = &expects
	refused(t, hub, change, fault.StateChanged)
	if log = p.log(t); len(log) != 3 || log[1].MessageID != one.MessageID || log[2].Expects == nil || *log[2].Expects != 0 {
		t.Fatalf("%d entries, %+v", len(log), log[2])
	}
	replica.MustFollow(t, log)
	for i, e := range Records(t, replica.Wire, p.c, 0, id.MaxSeq) {
		got, err := e.Submission().Hash(nil)
		want, _ := log[i].Submission().Hash(nil)
		if err != nil || e.Hash != log[i].Hash || got != want {
			t.Errorf("entry %d is another submission", i)
		}
	}
}

// followTempIDs has a replica that begins in the middle of a long log, most of whose tempIds memory does not hold: own users who send
// again what is in it are told its place.
func followTempIDs(t *testing.T, open Open) {
	const before, after = 350, 900
	p := newPair(t, open)
	send := func(from, count int) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range count {
			wg.Add(1)
			if err := p.hub.Submit(t.Context(), p.says(t, p.bob, fmt.Sprint("t", from+i)), func(_ timeline.Result, err error) {
				if wg.Done(); err != nil {
					t.Error(err)
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
	}
	send(0, before)
	base := p.hub.MustAppend(t, Change(t, p.c, p.alice, frame.TypeRename, "n", frame.Change{Name: "base"})).Seq
	send(before, after)
	log := p.log(t)
	few := func(o *timeline.Options) { o.ColdWindow = 32 }
	s := p.replica.Wire.Store
	p.replica.Stop()
	p.replica = Start(t, s, As(There), few)
	p.replica.MustBegin(t, log, base)
	p.replica.MustFollow(t, log[base:])
	for range 2 {
		for _, i := range []int{before, before + 10, before + 40, before + after/2, before + after - 1} {
			res, err := p.replica.Append(t.Context(), p.says(t, p.bob, fmt.Sprint("t", i)))
			if want := int64(i) + 2; err != nil || !res.Duplicate || res.Seq != want {
				t.Errorf("sent again what is at %d: %+v, %v", want, res, err)
			}
		}
		var elsewhere *timeline.ElsewhereError
		if _, err := p.replica.Append(t.Context(), p.says(t, p.bob, "t3")); !errors.As(err, &elsewhere) {
			t.Errorf("sent again what is before the base: %v", err)
		}
		p.replica.Kill()
		p.replica = Start(t, s, As(There), few)
	}
	bad := forge(t, log, p.says(t, p.bob, fmt.Sprint("t", before+after-1)))
	if _, err := p.replica.Follow(t.Context(), p.c, bad[len(log):], nil); !fault.Is(err, fault.TempIDConflict) {
		t.Errorf("an entry that repeats one: %v", err)
	}
}
