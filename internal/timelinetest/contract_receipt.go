// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func receipts(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s, func(o *timeline.Options) { o.FlushEvery, o.ReceiptEvery = time.Hour, 300*time.Millisecond })
	both := groups(t, n, 2)
	c := both[0]
	ids := make([]id.Message, 101)
	for i := range 100 {
		ids[i+1] = n.MustAppend(t, Message(t, c, User("alice"), fmt.Sprint("t", i), "hello")).MessageID
	}
	before := n.Wire.Counts().Points
	free := occupied(t, n, Message(t, both[1], User("alice"), "meanwhile", "hello"))
	for _, m := range ids[1:] {
		if err := n.Receive(t.Context(), c, User("bob"), m, true); err != nil {
			t.Fatal(err)
		}
	}
	free()
	Eventually(t, "receipts go out", func() bool { return len(n.Out.GotReceipts()) > 0 })
	list := n.Out.GotReceipts()
	if points := n.Wire.Counts().Points - before; points != 2 || len(list) != 2 { // Alice's own sends are the other row.
		t.Errorf("100 moves made %d rows and %d receipts", points, len(list))
	}
	last := map[string]id.Message{}
	for _, r := range list {
		if r.User != User("bob") || r.Seq != r.MessageID.Seq() || len(r.To) != 2 {
			t.Errorf("receipt %+v", r)
		}
		last[r.Status] = r.MessageID
	}
	if last["delivered"] != ids[100] || last["read"] != ids[100] {
		t.Errorf("told %v", last)
	}
	refusals(t, n, c, ids)
	if err := n.Receive(t.Context(), c, User("bob"), ids[3], true); err != nil {
		t.Errorf("an old message: %v", err)
	}
	n.Kill() // What was flushed stays.
	n = Start(t, s)
	want := timeline.Pointer{Delivered: 100, Read: 100, ReadCount: 100}
	p, err := n.Pointer(t.Context(), c, User("bob"))
	if p.Mark, p.DeliveredMark = 0, 0; err != nil || p != want {
		t.Errorf("pointer %+v %v, want %+v", p, err, want)
	}
	if v, err := n.View(t.Context(), c); err != nil || v.Mark == 0 {
		t.Errorf("mark %d %v", v.Mark, err)
	}
}

// occupied holds the writer in the commit of a command, so that nothing is flushed until free is called.
func occupied(t *testing.T, n *Node, cmd timeline.Command) (free func()) {
	t.Helper()
	entered, freed, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	n.Wire.Set(Hooks{BeforeCommit: func(b *timeline.Batch) error {
		if len(b.Events) > 0 {
			once.Do(func() {
				close(entered)
				select {
				case <-freed:
				case <-t.Context().Done(): // The test failed meanwhile.
				}
			})
		}
		return nil
	}})
	go func() {
		_, err := n.Append(t.Context(), cmd)
		done <- err
	}()
	<-entered
	return func() {
		t.Helper()
		close(freed)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func refusals(t *testing.T, n *Node, c id.Conversation, ids []id.Message) {
	t.Helper()
	for _, old := range []int{5, 100} { // One from the store, one from memory.
		fake := id.NewMessage(ids[old].Time(), int64(old), [32]byte{1, 2, 3})
		if err := n.Receive(t.Context(), c, User("bob"), fake, true); !fault.Is(err, fault.UnknownMessage) {
			t.Errorf("a made-up id of seq %d: %v", old, err)
		}
	}
	future := id.NewMessage(ids[100].Time(), 101, [32]byte{})
	if err := n.Receive(t.Context(), c, User("bob"), future, true); !fault.Is(err, fault.UnknownMessage) {
		t.Errorf("a message to come: %v", err)
	}
	if err := n.Receive(t.Context(), c, User("mallory"), ids[5], true); !fault.Is(err, fault.UnknownConversation) {
		t.Errorf("a stranger: %v", err)
	}
	n.MustAppend(t, Change(t, c, User("alice"), frame.TypeMemberAdd, "add", frame.Change{UserIDs: []string{"carol@example.org"}}))
	if err := n.Receive(t.Context(), c, User("carol"), ids[5], true); !fault.Is(err, fault.UnknownMessage) {
		t.Errorf("a message from before the member joined: %v", err)
	}
	if r, err := n.Ref(t.Context(), c, User("bob"), ids[5]); err != nil || r.Message != ids[5] || r.Sender != User("alice") {
		t.Errorf("a message of one's own conversation: %+v %v", r, err)
	}
}

// pointersFlush has a receipt flush the head of a conversation in which another member's pointer waits to be flushed: it
// must go along, because a flushed conversation is not looked at again.
func pointersFlush(t *testing.T, open Open) {
	n := Start(t, open(t, one()), func(o *timeline.Options) { o.FlushEvery, o.ReceiptEvery = time.Hour, 10*time.Millisecond })
	c := groups(t, n, 1)[0]
	var mu sync.Mutex
	written := map[id.User]timeline.Pointer{}
	n.Wire.Set(Hooks{BeforeCommit: func(b *timeline.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range b.Points {
			written[p.User] = p.Pointer
		}
		return nil
	}})
	m := n.MustAppend(t, Message(t, c, User("alice"), "1", "hello"))
	if err := n.Receive(t.Context(), c, User("bob"), m.MessageID, true); err != nil {
		t.Fatal(err)
	}
	want := timeline.Pointer{Delivered: 1, Read: 1, ReadCount: 1}
	Eventually(t, "both pointers are written", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return written[User("alice")] == want && written[User("bob")] == want
	})
}

// unreadModel compares pointers with a model that counts, over random sends and reads and restarts.
func unreadModel(t *testing.T, open Open) {
	s := open(t, one())
	rnd := rand.New(rand.NewPCG(1, 2))
	n := Start(t, s)
	c := groups(t, n, 1)[0]
	users := []id.User{User("alice"), User("bob")}
	unread := map[id.User]int{}
	read := map[id.User]int64{}
	ids := []id.Message{{}}
	for i := range 150 {
		u, other := users[i%2], users[1-i%2]
		switch rnd.IntN(4) {
		case 0, 1:
			ids = append(ids, n.MustAppend(t, Message(t, c, u, fmt.Sprint("t", i), "hello")).MessageID)
			unread[u], unread[other] = 0, unread[other]+1
			read[u] = int64(len(ids)) - 1
		case 2:
			seq := rnd.IntN(len(ids))
			if seq == 0 {
				continue
			}
			if err := n.Receive(t.Context(), c, u, ids[seq], true); err != nil {
				t.Fatal(err)
			}
			if int64(seq) > read[u] {
				unread[u], read[u] = len(ids)-1-seq, int64(seq)
			}
		case 3:
			if rnd.IntN(10) == 0 {
				n.Stop()
				n = Start(t, s)
			}
		}
		v, err := n.View(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		p, err := n.Pointer(t.Context(), c, u)
		if err != nil || v.Head.Count-p.ReadCount != int64(unread[u]) || p.Delivered < p.Read {
			t.Fatalf("step %d: %s has %d unread, want %d (%+v %v)", i, u, v.Head.Count-p.ReadCount, unread[u], p, err)
		}
	}
}
