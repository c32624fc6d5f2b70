// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// never makes flushes rare, so that a kill finds everything dirty.
func never(o *timeline.Options) { o.FlushEvery, o.ReceiptEvery = time.Hour, time.Hour }

func killed(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s, never)
	convs := groups(t, n, 6)
	for i := range 60 {
		c := convs[i%len(convs)]
		n.MustAppend(t, Message(t, c, User([]string{"alice", "bob"}[i%2]), fmt.Sprint("t", i), "hello"))
		if i%10 == 0 {
			n.MustAppend(t, Change(t, c, User("alice"), frame.TypeRename, fmt.Sprint("r", i), frame.Change{Name: fmt.Sprint("name ", i)}))
		}
	}
	n.MustAppend(t, Change(t, convs[0], User("alice"), frame.TypeMemberAdd, "add", frame.Change{UserIDs: []string{"carol@example.org"}}))
	type seen struct {
		View     timeline.View
		Pointers map[id.User]timeline.Pointer
	}
	look := func(n *Node, c id.Conversation) seen {
		t.Helper()
		v, err := n.View(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		p, err := n.Pointers(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return seen{v, p}
	}
	before := map[id.Conversation]seen{}
	for _, c := range convs {
		before[c] = look(n, c)
	}
	n.Kill()
	n = Start(t, s, never)
	for _, c := range convs {
		if diff := cmp.Diff(before[c], look(n, c), Comparable); diff != "" {
			t.Errorf("differs after the kill (-before +after):\n%s", diff)
		}
		Verify(t, s, c)
	}
	n.MustAppend(t, Message(t, convs[0], User("carol"), "after", "hello"))
	VerifyShards(t, s, convs)
}

// flushed kills nodes that flush at every commit: the commit that flushes must not claim to have flushed itself.
func flushed(t *testing.T, open Open) {
	s := open(t, one())
	always := func(o *timeline.Options) { o.FlushEvery, o.ReceiptEvery = 1, time.Hour }
	n := Start(t, s, always)
	c := groups(t, n, 1)[0]
	for i := range 6 {
		n.MustAppend(t, Message(t, c, User("bob"), fmt.Sprint(i), "hello"))
		n.Kill()
		n = Start(t, s, always)
		held := false
		n.Heads(c.Shard(4), []id.Conversation{c}, func(int, timeline.View) { held = true })
		if l, _ := Log(t, s, c); l.Dirty && !held {
			t.Errorf("message %d: the stored head is behind and the owner does not know", i)
		}
	}
}

// otherDatabase has the users' shards and the conversations' in different databases, and the way between fail.
func otherDatabase(t *testing.T, open Open) {
	s := open(t, []id.Shard{0, 2}, []id.Shard{1, 3})
	n := Start(t, s)
	var users []id.User
	for i := range 8 {
		users = append(users, User(fmt.Sprint("user", i)))
	}
	create := Group(t, "spread", users...)
	c := create.ConversationID
	var once sync.Once
	n.Wire.Set(Hooks{Index: func() (err error) {
		once.Do(func() { err = ErrInjected })
		return err
	}})
	if _, err := n.Append(t.Context(), create); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v: the users in the other database were not indexed", err)
	}
	Eventually(t, "owns its shards again", n.Ready)
	if res := n.MustAppend(t, create); !res.Duplicate {
		t.Errorf("got %+v", res)
	}
	far := users[1]
	for _, u := range users[1:] {
		if u.Shard(4)%2 != c.Shard(4)%2 {
			far = u
		}
	}
	remove := Change(t, c, users[0], frame.TypeMemberRemove, "remove", frame.Change{UserIDs: []string{string(far)}})
	once = sync.Once{}
	if _, err := n.Append(t.Context(), remove); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("got %v: the removed user in the other database was not indexed", err)
	}
	Eventually(t, "owns its shards again", n.Ready)
	n.MustAppend(t, remove)
	n.MustAppend(t, Change(t, c, users[0], frame.TypeRename, "rename", frame.Change{Name: "x"}))
	events := Verify(t, s, c)
	want := map[id.User]timeline.IndexRow{}
	for _, u := range users {
		want[u] = timeline.IndexRow{User: u, Conversation: c, Membership: conversation.Joined, ChangedPos: events[0].Pos, ChangedAt: events[0].HubTime}
	}
	want[far] = timeline.IndexRow{User: far, Conversation: c, Membership: conversation.Removed, ChangedPos: events[1].Pos, ChangedAt: events[1].HubTime}
	indexed, ok := s.(interface {
		IndexOf(t testing.TB, u id.User) []timeline.IndexRow
	})
	if !ok {
		t.Fatal("the store under test does not tell its index")
	}
	for u, row := range want {
		if diff := cmp.Diff([]timeline.IndexRow{row}, indexed.IndexOf(t, u)); diff != "" {
			t.Errorf("index of %s (-want +got):\n%s", u, diff)
		}
	}
}

func rejoin(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s)
	c := groups(t, n, 1)[0]
	n.MustAppend(t, Message(t, c, User("alice"), "1", "hello"))
	n.MustAppend(t, Change(t, c, User("bob"), frame.TypeMemberLeave, "leave", frame.Change{}))
	if _, err := n.Append(t.Context(), Message(t, c, User("bob"), "2", "hello")); !fault.Is(err, fault.NotMember) {
		t.Errorf("got %v, want not_member", err)
	}
	n.MustAppend(t, Message(t, c, User("alice"), "3", "hello"))
	res := n.MustAppend(t, Change(t, c, User("alice"), frame.TypeMemberAdd, "add", frame.Change{UserIDs: []string{"bob@example.org"}}))
	want := timeline.Pointer{Delivered: res.Seq, Read: res.Seq, ReadCount: 2}
	for _, again := range []bool{false, true} {
		if again {
			n.Stop()
			n = Start(t, s)
		}
		if p, err := n.Pointer(t.Context(), c, User("bob")); err != nil || p != want {
			t.Errorf("pointer %+v %v, want %+v", p, err, want)
		}
	}
	if p, err := n.Pointer(t.Context(), c, User("mallory")); err != nil || p.Read != -1 {
		t.Errorf("pointer of a stranger: %+v %v", p, err)
	}
}

func noEarlyReveal(t *testing.T, open Open) {
	n := Start(t, open(t, one()))
	c := groups(t, n, 1)[0]
	entered, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	n.Wire.Set(Hooks{BeforeCommit: func(b *timeline.Batch) error {
		if len(b.Events) > 0 {
			once.Do(func() { close(entered); <-free })
		}
		return nil
	}})
	done := make(chan error, 1)
	go func() {
		_, err := n.Append(t.Context(), Message(t, c, User("bob"), "slow", "hello"))
		done <- err
	}()
	<-entered
	repeated := make(chan timeline.Result, 1)
	go func() {
		res, _ := n.Append(t.Context(), Message(t, c, User("bob"), "slow", "hello"))
		repeated <- res
	}()
	time.Sleep(20 * time.Millisecond) // The repeat has every chance to be answered too early.
	v, err := n.View(t.Context(), c)
	if err != nil || v.Head.Seq != 0 {
		t.Errorf("head %d %v is seen before the commit", v.Head.Seq, err)
	}
	if p, err := n.Position(v.Shard); err != nil || p.Pos != v.Head.Pos {
		t.Errorf("position %+v %v is seen before the commit", p, err)
	}
	select {
	case err := <-done:
		t.Errorf("answered before the commit: %v", err)
	case res := <-repeated:
		t.Errorf("the repeat was answered before the commit: %+v", res)
	default:
	}
	close(free)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if res := <-repeated; !res.Duplicate || res.Seq != 1 {
		t.Errorf("repeat got %+v", res)
	}
	if v, err := n.View(t.Context(), c); err != nil || v.Head.Seq != 1 {
		t.Errorf("head %d %v after the commit", v.Head.Seq, err)
	}
}

func shutdown(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s, never)
	c := groups(t, n, 1)[0]
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := map[string]bool{}
	for i := range 50 {
		wg.Go(func() {
			for k := 0; ; k++ {
				temp := fmt.Sprint(i, "/", k)
				_, err := n.Append(t.Context(), Message(t, c, User("bob"), temp, "hello"))
				if fault.Is(err, fault.Draining) || fault.Is(err, fault.Unavailable) {
					return
				}
				if err != nil {
					t.Errorf("got %v", err)
					return
				}
				mu.Lock()
				acked[temp] = true
				mu.Unlock()
			}
		})
	}
	Eventually(t, "some are sent", func() bool { return len(n.Out.Events()) > 100 })
	n.Stop()
	wg.Wait()
	n = Start(t, s, func(o *timeline.Options) { o.Node = "b" }) // The lease was let go: no waiting for it to expire.
	if l, _ := Log(t, s, c); l.Dirty {
		t.Error("the head was not flushed")
	}
	onceEach(t, Verify(t, s, c), acked)
}

// onceEach checks that the log holds every acknowledged tempId, and none twice.
func onceEach(t testing.TB, events []*conversation.Event, acked map[string]bool) {
	t.Helper()
	have := map[string]bool{}
	for _, e := range events {
		if have[e.TempID] {
			t.Errorf("%s is in the log twice", e.TempID)
		}
		have[e.TempID] = true
	}
	for temp := range acked {
		if !have[temp] {
			t.Errorf("%s was acknowledged and is not in the log", temp)
		}
	}
}
