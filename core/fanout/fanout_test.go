// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func TestCommitted_ReachesSessionsInOrderThroughRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(Options{})
		bob := register(f, "bob@a")
		defer running(t, f)()
		r, create := newRoom(t, "alice@a", "bob@a")
		events, want := []Committed{create}, []string{"1"}
		for i := range 3 * chunk {
			events, want = append(events, r.message("alice@a")), append(want, fmt.Sprint(i+2))
		}
		if err := f.Committed(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		if err := f.Receipts(t.Context(), []Receipt{{Mark: 5, To: []id.User{"bob@a"}}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		expect(t, bob, append(want, "m5")...)
	})
}

func TestCommitted_BlocksWhileFullAndTellsLostWhenItGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(Options{Queue: chunk})
		bob := register(f, "bob@a")
		r, create := newRoom(t, "alice@a", "bob@a")
		if err := f.Committed(t.Context(), []Committed{create}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error, 1)
		go func() { got <- f.Committed(ctx, []Committed{r.message("alice@a")}) }()
		synctest.Wait()
		select {
		case err := <-got:
			t.Fatalf("returned %v while the queue is full", err)
		default:
		}
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		expect(t, bob, "lost")
		running(t, f)()
		expect(t, bob, "lost", "1")
	})
}

func TestRun_DispatchesWhatIsQueuedWhenItEnds(t *testing.T) {
	f := New(Options{})
	bob := register(f, "bob@a")
	_, create := newRoom(t, "alice@a", "bob@a")
	ctx, cancel := context.WithCancel(t.Context())
	if err := f.Committed(ctx, []Committed{create}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := f.Run(ctx); err != nil {
		t.Fatal(err)
	}
	expect(t, bob, "1")
}

func TestCommitted_AfterRunEndedDoesNotBlockForever(t *testing.T) {
	f := New(Options{Queue: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Run(ctx); err != nil {
		t.Fatal(err)
	}
	receipts := make([]Receipt, 3*chunk)
	for i := range receipts {
		receipts[i].ConversationID = id.Conversation(fmt.Sprint(i))
	}
	err := f.Receipts(t.Context(), receipts)
	if !errors.Is(err, ErrStopped) {
		t.Errorf("got %v, want ErrStopped", err)
	}
}

func TestUnregister_EndsDeliveryAndTwiceIsHarmless(t *testing.T) {
	f := New(Options{})
	one, two := register(f, "bob@a"), &heard{id: "two", user: "bob@a"}
	f.Register(two)
	r, create := newRoom(t, "alice@a", "bob@a")
	now(f, create)
	f.Unregister(one)
	f.Unregister(one)
	now(f, r.message("alice@a"))
	expect(t, one, "1")
	expect(t, two, "1", "2")
	if f.Sessions() != 1 || !f.Online("bob@a") {
		t.Errorf("%d sessions, online %v", f.Sessions(), f.Online("bob@a"))
	}
	f.Unregister(two)
	if f.Sessions() != 0 || f.Online("bob@a") {
		t.Errorf("%d sessions, online %v", f.Sessions(), f.Online("bob@a"))
	}
}

func TestRevoke_EndsTheSessionsOfTheDeviceOrOfAll(t *testing.T) {
	f := New(Options{})
	one, two := register(f, "bob@a"), &heard{id: "two", user: "bob@a", device: "D2"}
	alice := register(f, "alice@a")
	f.Register(two)
	f.Revoke("bob@a", "D2", fault.UnknownDevice)
	expect(t, one)
	f.Revoke("bob@a", "", fault.Forbidden)
	expect(t, one, "revoked forbidden")
	expect(t, two, "revoked unknown_device", "revoked forbidden")
	expect(t, alice)
}

func TestRevoke_ASessionMayUnregisterItselfWithinACall(t *testing.T) {
	f := New(Options{})
	bob := register(f, "bob@a")
	bob.onEvent = func() { f.Unregister(bob) }
	f.Revoke("bob@a", "", fault.Forbidden)
	f.Lost()
	expect(t, bob, "revoked forbidden")
}

func TestRegistry_SessionsComeAndGoWhileNotesAreHandedOut(t *testing.T) {
	f := New(Options{})
	stays := register(f, "alice@a")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	var churn sync.WaitGroup
	for w := range 4 {
		churn.Go(func() {
			for i := range 200 {
				h := &heard{id: fmt.Sprintf("%d/%d", w, i), user: "bob@a"}
				f.Register(h)
				if !f.Online("bob@a") {
					t.Error("a registered user is not online")
				}
				f.Lost()
				f.Unregister(h)
			}
		})
	}
	r, create := newRoom(t, "alice@a", "bob@a")
	sent := []Committed{create}
	for range 500 {
		sent = append(sent, r.message("bob@a"))
	}
	if err := f.Committed(ctx, sent); err != nil {
		t.Fatal(err)
	}
	churn.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var pos int64
	for _, n := range stays.notes {
		if n.Pos != pos+1 {
			t.Fatalf("pos %d after %d", n.Pos, pos)
		}
		pos = n.Pos
	}
	if pos != 501 || f.Sessions() != 1 {
		t.Errorf("last pos %d, %d sessions", pos, f.Sessions())
	}
}

func TestFrame_TheWireFormIsMadeOnce(t *testing.T) {
	f := NewFrame("t", []byte("x"))
	made := 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got := f.Wire(func(p []byte) any {
				mu.Lock()
				defer mu.Unlock()
				made++
				return "wire " + string(p)
			})
			if diff := cmp.Diff("wire x", got); diff != "" {
				t.Error(diff)
			}
		})
	}
	all.Wait()
	if made != 1 || f.Type() != "t" {
		t.Errorf("made %d times, type %s", made, f.Type())
	}
}

func TestTell_ReachesLiveSessionsAndIsDroppedWhenThereIsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(Options{Queue: chunk})
		alice, bob := register(f, "alice@a"), register(f, "bob@a")
		frame := NewFrame("typing", []byte(`{"type":"typing","data":{}}`))
		for range 2 { // The second finds no room.
			f.Tell(Passing{Frame: frame, To: []id.User{"alice@a", "bob@a"}, Except: alice.ID()})
		}
		defer running(t, f)()
		synctest.Wait()
		expect(t, alice)
		expect(t, bob, "0")
	})
}

func TestTell_MayBeForOneDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(Options{})
		phone := register(f, "alice@a")
		laptop := &heard{id: "laptop", user: "alice@a", device: "D2"}
		f.Register(laptop)
		frame := NewFrame("message_ack", []byte(`{"type":"message_ack","data":{}}`))
		f.Tell(Passing{Frame: frame, To: []id.User{"alice@a"}, Device: "D2"})
		defer running(t, f)()
		synctest.Wait()
		expect(t, phone)
		expect(t, laptop, "0")
	})
}
