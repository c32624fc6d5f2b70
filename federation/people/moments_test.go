// SPDX-License-Identifier: Apache-2.0

package people_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/federation/people"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// book is the log of one conversation, and who hides what they read.
type book struct {
	id id.Conversation

	mu       sync.Mutex
	state    *conversation.State
	head     int64
	hushed   bool
	pointers map[id.User]timeline.Pointer
	hidden   map[id.User]bool
	reached  []string
	asked    int
	heard    []string
	err      error
}

func newBook(members ...id.User) *book {
	b := &book{id: event.ConversationID([]byte("book")), head: 10, pointers: map[id.User]timeline.Pointer{}, hidden: map[id.User]bool{}}
	b.state = &conversation.State{ID: b.id, Create: event.Create{Type: event.Group}, Members: map[id.User]conversation.Member{}}
	for _, u := range members {
		b.state.Members[u] = conversation.Member{Role: conversation.Simple, Membership: conversation.Joined, JoinedSeq: 1}
		b.state.Joined++
		b.pointers[u] = timeline.Pointer{Delivered: 5, Read: 4}
	}
	return b
}

func (b *book) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *book) View(_ context.Context, c id.Conversation) (timeline.View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c != b.id {
		return timeline.View{}, fault.New(fault.UnknownConversation, "no such conversation")
	}
	return timeline.View{State: b.state, Hushed: b.hushed}, b.err
}

func (b *book) Pointers(context.Context, id.Conversation) (map[id.User]timeline.Pointer, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[id.User]timeline.Pointer{}
	for u, p := range b.pointers {
		out[u] = p
	}
	return out, b.err
}

func (b *book) Reach(_ context.Context, c id.Conversation, u id.User, delivered, read int64) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if c != b.id || b.state == nil {
		return false, fault.New(fault.UnknownConversation, "no such conversation")
	}
	if _, ok := b.state.Members[u]; !ok {
		return false, fault.New(fault.NotMember, "no member")
	}
	b.reached = append(b.reached, fmt.Sprintf("%s %d %d", u, min(delivered, b.head), min(read, b.head)))
	return delivered > b.head, b.err
}

func (b *book) HideReads(_ context.Context, users []id.User) (map[id.User]bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[id.User]bool{}
	for _, u := range users {
		if b.hidden[u] {
			out[u] = true
		}
	}
	return out, nil
}

func (b *book) Heard(_ context.Context, c id.Conversation, u id.User, on bool, members []id.User) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.Sort(members)
	b.heard = append(b.heard, fmt.Sprintf("%s %v %v", u, on, members))
	return nil
}

func (b *book) took() (reached, heard []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.reached), slices.Clone(b.heard)
}

// two are a.test and b.test with the same conversation; what a tells, b takes.
type two struct {
	*people.Moments // of a
	there           *people.Moments
	here, far       *book
	wire            *wire
	clock           *clock

	mu  sync.Mutex
	got []replica.Transaction
}

func newTwo(t *testing.T) *two {
	t.Helper()
	w := &two{here: newBook(alice, amy, bob), far: newBook(alice, amy, bob), wire: newWire("a.test"), clock: newClock()}
	w.Moments = people.NewMoments(people.MomentOptions{
		Directory: people.NewDirectory(people.Options{Self: "a.test", Caller: w.wire, Now: w.clock.now}), Timeline: w.here, Readers: w.here, Hearers: w.here,
	})
	w.there = people.NewMoments(people.MomentOptions{
		Directory: people.NewDirectory(people.Options{Self: "b.test", Now: w.clock.now}), Timeline: w.far, Readers: w.far, Hearers: w.far,
	})
	w.wire.set(func() {
		w.wire.to["b.test"] = func(path string, origin id.Server, body []byte) (any, error) {
			var tx replica.Transaction
			if err := json.Unmarshal(body, &tx); path != replica.TransactionsPath || err != nil {
				return nil, fault.New(fault.UnknownRoute, "%s: %v", path, err)
			}
			w.mu.Lock()
			w.got = append(w.got, tx)
			w.mu.Unlock()
			w.there.Deliver(t.Context(), origin, tx.Typing)
			out := replica.Taken{}
			for _, it := range tx.Items {
				w.there.Receive(t.Context(), origin, it.ConversationID, it.Receipts)
				out.Results = append(out.Results, replica.Result{ConversationID: it.ConversationID, Seq: 10})
			}
			return out, nil
		}
	})
	run(t, w.Moments)
	run(t, w.there)
	return w
}

// run runs until the test ends.
func run(t *testing.T, m *people.Moments) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (w *two) transactions() []replica.Transaction {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

// moves tells that pointers of users of a moved.
func (w *two) moves(status string, users ...id.User) {
	var list []conversation.Receipt
	for _, u := range users {
		list = append(list, conversation.Receipt{ConversationID: w.here.id, User: u, Status: status})
	}
	w.Moved(list)
}

func TestMoments_TypingReachesTheOtherServer(t *testing.T) {
	w := newTwo(t)
	w.Typing(w.here.id, alice, true, []id.User{bob})
	eventually(t, "b hears it", func() bool { _, heard := w.far.took(); return len(heard) == 1 })
	if _, heard := w.far.took(); heard[0] != "alice@a.test true [amy@a.test bob@b.test]" {
		t.Errorf("b heard %v", heard)
	}
}

func TestMoments_TypingIsLostWhileAServerIsAway(t *testing.T) {
	w := newTwo(t)
	w.wire.set(func() { w.wire.cut = true })
	w.Typing(w.here.id, alice, true, []id.User{bob})
	eventually(t, "it is tried", func() bool { return w.wire.count() > 0 })
	w.wire.set(func() { w.wire.cut = false })
	w.Directory.Heard("b.test")
	w.moves("delivered", amy)
	eventually(t, "b gets something else", func() bool { reached, _ := w.far.took(); return len(reached) == 1 })
	if _, heard := w.far.took(); len(heard) != 0 {
		t.Errorf("b heard %v later", heard)
	}
}

func TestMoments_ReceiptsAreThoseThatMovedAndComeAfterAnOutage(t *testing.T) {
	w := newTwo(t)
	w.wire.set(func() { w.wire.cut = true })
	w.moves("delivered", alice)
	eventually(t, "it is tried", func() bool { return w.wire.count() > 0 })
	w.here.set(func() { w.here.pointers[alice] = timeline.Pointer{Delivered: 9, Read: 8} })
	w.moves("read", alice)
	w.wire.set(func() { w.wire.cut = false })
	w.Directory.Heard("b.test")
	eventually(t, "b has the newest", func() bool { reached, _ := w.far.took(); return slices.Contains(reached, "alice@a.test 9 8") })
	for _, tx := range w.transactions() {
		for _, it := range tx.Items {
			if len(it.Receipts) != 1 || it.Receipts[0].UserID != alice || it.Range != nil || it.Snapshot != nil {
				t.Errorf("an item is %+v", it)
			}
		}
	}
}

func TestMoments_WhatIsHiddenDoesNotLeaveTheServer(t *testing.T) {
	w := newTwo(t)
	w.here.set(func() { w.here.hidden[alice] = true })
	w.moves("read", alice) // That only the reading moved is not told at all.
	w.moves("read", amy)
	eventually(t, "b has amy's", func() bool { reached, _ := w.far.took(); return len(reached) > 0 })
	if reached, _ := w.far.took(); !slices.Equal(reached, []string{"amy@a.test 5 4"}) {
		t.Errorf("b took %v", reached)
	}
	w.here.set(func() {
		p := timeline.Pointer{Delivered: 9, Read: 9, Prefs: &timeline.Prefs{Blocked: true, Shown: &timeline.Shown{Delivered: 3, Read: 2}}}
		w.here.pointers[amy] = p
	})
	w.moves("delivered", alice, amy)
	eventually(t, "b has both", func() bool { reached, _ := w.far.took(); return len(reached) == 3 })
	reached, _ := w.far.took()
	slices.Sort(reached)
	if want := []string{"alice@a.test 5 1", "amy@a.test 3 2", "amy@a.test 5 4"}; !slices.Equal(reached, want) {
		t.Errorf("b took %v, want %v", reached, want)
	}
	all, err := w.ReceiptsOf(t.Context(), w.here.id)
	want := []replica.Receipt{{UserID: alice, DeliveredSeq: 5, ReadSeq: 1}, {UserID: amy, DeliveredSeq: 3, ReadSeq: 2}}
	if d := cmp.Diff(want, all); d != "" || err != nil {
		t.Errorf("all of them: %v: %s", err, d)
	}
}

func TestMoments_OthersCannotSpeakForUsersThatAreNotTheirs(t *testing.T) {
	w := newTwo(t)
	for _, origin := range []id.Server{"c.test", "b.test", "a.test.evil", "b.test:8448"} {
		w.there.Deliver(t.Context(), origin, []frame.Typing{{ConversationID: string(w.far.id), UserID: string(alice), IsTyping: true}})
		w.there.Receive(t.Context(), origin, w.far.id, []replica.Receipt{{UserID: alice, DeliveredSeq: 9, ReadSeq: 9}, {UserID: bob, DeliveredSeq: 9, ReadSeq: 9}})
	}
	w.there.Deliver(t.Context(), "a.test", []frame.Typing{
		{ConversationID: string(w.far.id), UserID: "mallory@a.test", IsTyping: true}, {ConversationID: "x", UserID: string(alice)},
		{ConversationID: string(event.ConversationID(nil)), UserID: string(alice), IsTyping: true}, {ConversationID: string(w.far.id), UserID: "alice"},
	})
	w.there.Receive(t.Context(), "a.test", w.far.id, []replica.Receipt{{UserID: "mallory@a.test", DeliveredSeq: 1}, {UserID: alice, DeliveredSeq: -5, ReadSeq: 3}, {UserID: alice, DeliveredSeq: 3, ReadSeq: -2}})
	w.far.set(func() { w.far.hushed = true })
	w.there.Deliver(t.Context(), "a.test", []frame.Typing{{ConversationID: string(w.far.id), UserID: string(alice), IsTyping: true}})
	if reached, heard := w.far.took(); len(reached) != 0 || len(heard) != 0 {
		t.Errorf("taken: %v, heard: %v", reached, heard)
	}
}

func TestMoments_AFloodIsPassedOver(t *testing.T) {
	w := newTwo(t)
	var typing []frame.Typing
	var receipts []replica.Receipt
	for i := range 20_000 {
		typing = append(typing, frame.Typing{ConversationID: string(w.far.id), UserID: string(alice), IsTyping: true})
		receipts = append(receipts, replica.Receipt{UserID: alice, DeliveredSeq: int64(i), ReadSeq: -1})
	}
	for range 100 {
		w.there.Deliver(t.Context(), "a.test", typing[:100])
	}
	w.there.Deliver(t.Context(), "a.test", typing)
	w.there.Receive(t.Context(), "a.test", w.far.id, receipts)
	if reached, heard := w.far.took(); len(reached) != 6000 || len(heard) != 6000 {
		t.Errorf("taken: %d, heard: %d", len(reached), len(heard))
	}
	w.far.set(func() { w.far.state.Members["anna@c.test"] = w.far.state.Members[alice] })
	w.there.Receive(t.Context(), "c.test", w.far.id, []replica.Receipt{{UserID: "anna@c.test", DeliveredSeq: 3, ReadSeq: -1}})
	if reached, _ := w.far.took(); len(reached) != 6001 {
		t.Error("another server pays for it")
	}
}

func TestMoments_ReceiptsAheadOfTheLogWaitForIt(t *testing.T) {
	w := newTwo(t)
	w.there.Receive(t.Context(), "a.test", w.far.id, []replica.Receipt{{UserID: alice, DeliveredSeq: 12, ReadSeq: 12}})
	w.far.set(func() { w.far.head = 11 })
	w.there.Committed([]conversation.Committed{{Event: &conversation.Event{ConversationID: w.far.id, Seq: 11}}})
	eventually(t, "it is as far as the log", func() bool { reached, _ := w.far.took(); return slices.Contains(reached, "alice@a.test 11 11") })
	w.far.set(func() { w.far.head = 12 })
	w.there.Committed([]conversation.Committed{{Event: &conversation.Event{ConversationID: w.far.id, Seq: 12}}})
	eventually(t, "it is where it shall be", func() bool { reached, _ := w.far.took(); return slices.Contains(reached, "alice@a.test 12 12") })
	n := len(func() []string { reached, _ := w.far.took(); return reached }())
	w.there.Committed([]conversation.Committed{{Event: &conversation.Event{ConversationID: w.far.id, Seq: 13}}})
	w.moves("delivered", amy)
	eventually(t, "something else", func() bool { reached, _ := w.far.took(); return len(reached) == n+1 })
}

func TestMoments_ReceiptsWaitForAReplica(t *testing.T) {
	w := newTwo(t)
	state := w.far.state
	w.far.set(func() { w.far.state = nil })
	w.there.Receive(t.Context(), "a.test", w.far.id, []replica.Receipt{{UserID: alice, DeliveredSeq: 7, ReadSeq: 6}, {UserID: amy, DeliveredSeq: 8, ReadSeq: 5}})
	w.far.set(func() {
		if w.far.asked != 1 {
			t.Errorf("a conversation that is not there was looked for %d times", w.far.asked)
		}
		w.far.state = state
	})
	w.there.Committed([]conversation.Committed{{Event: &conversation.Event{ConversationID: w.far.id, Seq: 1}}})
	eventually(t, "they are taken", func() bool { reached, _ := w.far.took(); return len(reached) == 2 })
}

func TestMoments_WhatWaitsOfAServerIsBoundedAndForgotten(t *testing.T) {
	w := newTwo(t)
	var list []replica.Receipt
	for i := range 1000 {
		list = append(list, replica.Receipt{UserID: id.User(fmt.Sprintf("u%d@a.test", i)), DeliveredSeq: 1 << 30, ReadSeq: -1})
	}
	w.there.Receive(t.Context(), "a.test", event.ConversationID([]byte("junk")), list)
	w.far.set(func() { w.far.state.Members["carl@c.test"] = w.far.state.Members[bob] })
	w.there.Receive(t.Context(), "c.test", w.far.id, []replica.Receipt{{UserID: "carl@c.test", DeliveredSeq: 12, ReadSeq: -1}})
	w.there.Receive(t.Context(), "a.test", w.far.id, []replica.Receipt{{UserID: alice, DeliveredSeq: 12, ReadSeq: -1}})
	w.far.set(func() { w.far.head = 12 })
	grown := []conversation.Committed{{Event: &conversation.Event{ConversationID: w.far.id, Seq: 12}}}
	w.there.Committed(grown)
	eventually(t, "another server's receipt is taken", func() bool { reached, _ := w.far.took(); return slices.Contains(reached, "carl@c.test 12 -1") })
	if reached, _ := w.far.took(); slices.Contains(reached, "alice@a.test 12 -1") {
		t.Error("there was room for more than there is")
	}
	w.clock.add(11 * time.Minute)
	w.far.set(func() { w.far.head = 10 })
	w.there.Receive(t.Context(), "a.test", w.far.id, []replica.Receipt{{UserID: alice, DeliveredSeq: 12, ReadSeq: -1}})
	w.far.set(func() { w.far.head = 12 })
	w.there.Committed(grown)
	eventually(t, "there is room again", func() bool { reached, _ := w.far.took(); return slices.Contains(reached, "alice@a.test 12 -1") })
}

func TestMoments_AServerThatGotTheConversationIsToldOfAll(t *testing.T) {
	w := newTwo(t)
	event := &conversation.Event{ConversationID: w.here.id, Seq: 1, Type: frame.TypeMemberAdd}
	other := *w.here.state
	other.Members = map[id.User]conversation.Member{}
	for u, m := range w.here.state.Members {
		m.JoinedSeq = 0
		other.Members[u] = m
	}
	w.Committed([]conversation.Committed{{Event: event, State: &other}}) // Somebody else joined.
	m := other.Members[bob]
	m.JoinedSeq = 1
	other.Members[bob] = m
	w.here.set(func() { w.here.pointers[amy] = timeline.Pointer{Delivered: 1, Read: 1} }) // She is where everybody begins.
	w.Committed([]conversation.Committed{{Event: event, State: &other}})
	eventually(t, "b is told", func() bool { reached, _ := w.far.took(); return len(reached) > 0 })
	if reached, _ := w.far.took(); !slices.Equal(reached, []string{"alice@a.test 5 4"}) {
		t.Errorf("b took %v", reached)
	}
	if n := len(w.transactions()); n != 1 {
		t.Errorf("%d transactions", n)
	}
}

func TestMoments_ADatabaseThatIsAwayDropsWhatIsOfTheMoment(t *testing.T) {
	w := newTwo(t)
	w.far.set(func() { w.far.err = errors.New("away") })
	w.there.Deliver(t.Context(), "a.test", []frame.Typing{{ConversationID: string(w.far.id), UserID: string(alice), IsTyping: true}})
	w.there.Receive(t.Context(), "a.test", w.far.id, []replica.Receipt{{UserID: alice, DeliveredSeq: 3, ReadSeq: -1}, {UserID: amy, DeliveredSeq: 3, ReadSeq: -1}})
	if reached, heard := w.far.took(); len(reached) != 1 || len(heard) != 0 {
		t.Errorf("taken: %v, heard: %v", reached, heard)
	}
}
