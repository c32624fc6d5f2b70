// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const alice, bob, carol = id.User("alice@example.org"), id.User("bob@example.org"), id.User("carol@example.org")

func TestStream_HeldNotesFollowThePagesWithoutAGap(t *testing.T) {
	w := newWorld()
	conv, _ := w.create(t, alice, bob)
	c := newClient(w, bob)
	s := w.feed().Open("s1", bob, "d", c)
	w.before = func() { // Commits while the pages are read: once before the index is seen, and its note is held.
		w.before = nil
		s.Deliver(noteOf(t, w.send(t, conv, alice, "during")))
	}
	if err := s.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	s.Deliver(noteOf(t, w.send(t, conv, alice, "after")))
	c.check(t)
}

func TestStream_NotesBeforeTheFirstSyncAreNotWanted(t *testing.T) {
	w := newWorld()
	conv, _ := w.create(t, alice, bob)
	c := newClient(w, bob)
	s := w.feed().Open("s1", bob, "d", c)
	s.Deliver(noteOf(t, w.send(t, conv, alice, "early")))
	if len(c.have) > 0 || s.Synced() {
		t.Fatal("a note went out before the first sync")
	}
	if err := s.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	c.check(t)
}

func TestStream_ANewConversationDuringThePullIsNotSkipped(t *testing.T) {
	w := newWorld()
	w.create(t, alice, bob)
	c := newClient(w, bob)
	s := w.feed().Open("s1", bob, "d", c)
	w.before = func() { // The index was read before its row was written, the note was lost.
		w.before = nil
	}
	if err := s.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	cursor := c.cursor
	_, created := w.create(t, bob, carol)
	s.Deliver(noteOf(t, created))
	again := newClient(w, bob)
	again.have = c.have
	if err := w.feed().Open("s2", bob, "d", again).Resume(t.Context(), cursor); err != nil {
		t.Fatal(err)
	}
	again.check(t)
}

func TestStream_LostNotesAreCaughtUp(t *testing.T) {
	w := newWorld()
	conv, _ := w.create(t, alice, bob)
	c := newClient(w, bob)
	s := w.feed().Open("s1", bob, "d", c)
	if err := s.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	w.send(t, conv, alice, "lost")
	s.Lost()
	late := noteOf(t, w.send(t, conv, alice, "held"))
	s.Deliver(late)
	for _, f := range c.later {
		f(t.Context())
	}
	s.Deliver(late) // Doubled.
	c.check(t)
}

func TestStream_OverflowStopsUntilTheClientSyncs(t *testing.T) {
	w := newWorld()
	conv, _ := w.create(t, alice, bob)
	c := newClient(w, bob)
	s := w.feed().Open("s1", bob, "d", c)
	if err := s.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	c.full = true
	s.Deliver(noteOf(t, w.send(t, conv, alice, "refused")))
	c.full = false
	s.Deliver(noteOf(t, w.send(t, conv, alice, "not wanted")))
	if s.Synced() || len(c.have[conv]) != 1 {
		t.Fatalf("live frames after an overflow: %v", c.have[conv])
	}
	if err := s.Resume(t.Context(), c.cursor); err != nil {
		t.Fatal(err)
	}
	c.check(t)
}

func TestStream_ManyHeldNotesBecomeOneMorePull(t *testing.T) {
	w := newWorld()
	conv, _ := w.create(t, alice, bob)
	c := newClient(w, bob)
	s := w.feed().Open("s1", bob, "d", c)
	w.before = func() {
		w.before = nil
		for range heldNotes + 5 {
			s.Deliver(noteOf(t, w.send(t, conv, alice, "x")))
		}
	}
	if err := s.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if len(s.held) > 0 {
		t.Error("notes are still held")
	}
	c.check(t)
}

func TestStream_ACursorFrameFollowsManyLiveFrames(t *testing.T) {
	w := newWorld()
	conv, _ := w.create(t, alice, bob)
	c := newClient(w, bob)
	s := w.feed().Open("s1", bob, "d", c)
	if err := s.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	before := c.cursor
	for range cursorFrames {
		s.Deliver(noteOf(t, w.send(t, conv, alice, "x")))
	}
	if c.cursor == before {
		t.Fatal("no cursor after many live frames")
	}
	at, err := w.feed().Decode(c.cursor, bob)
	if err != nil {
		t.Fatal(err)
	}
	page, err := w.feed().Pull(t.Context(), bob, at)
	if err != nil || !page.Empty() {
		t.Fatalf("the cursor does not cover what was sent: %+v, %v", page, err)
	}
}

func TestStream_ADatabaseThatIsAwayLeavesItIdle(t *testing.T) {
	w := newWorld()
	w.away = errAway
	s := w.feed().Open("s1", bob, "d", newClient(w, bob))
	if err := s.Resume(t.Context(), ""); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("Resume = %v", err)
	}
	if s.Synced() {
		t.Error("the stream is not idle")
	}
}

func TestStream_CatchUpThatFailsSendsTheClientAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.create(t, alice, bob)
		c := newClient(w, bob)
		s := w.feed().Open("s1", bob, "d", c)
		if err := s.Resume(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		w.away = errAway
		s.Lost()
		for _, f := range c.later {
			f(t.Context())
		}
		if c.closed != fault.SlowReader {
			t.Errorf("closed with %q", c.closed)
		}
	})
}

// The property of walk C: whatever is lost, doubled or held, a client that resumes ends with everything, in order.
func TestStream_AnyInterleavingEndsComplete(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		w.recent = rapid.Bool().Draw(rt, "memory")
		convs := []id.Conversation{}
		for _, peer := range []id.User{alice, carol, "dave@example.org"} {
			conv, _ := w.create(t, bob, peer)
			convs = append(convs, conv)
		}
		c := newClient(w, bob)
		s := w.feed().Open("s0", bob, "d", c)
		run := func() {
			later := c.later
			c.later = nil
			for _, f := range later {
				f(context.Background())
			}
		}
		var missed []*conversation.Event
		step := func(kind int) {
			switch kind {
			case 0, 1, 2: // A message, delivered.
				n := noteOf(t, w.send(t, rapid.SampledFrom(convs).Draw(rt, "conv"), alice, "x"))
				if len(missed) == 0 {
					s.Deliver(n)
				}
			case 3: // A message whose note is lost; the link tells before anything later is delivered.
				w.send(t, rapid.SampledFrom(convs).Draw(rt, "conv"), alice, "lost")
				s.Lost()
			case 4:
				run()
			case 5: // Reconnect with the last cursor.
				s = w.feed().Open(fmt.Sprint("s", len(missed)), bob, "d", c)
				c.later = nil
				if err := s.Resume(t.Context(), c.cursor); err != nil {
					rt.Fatal(err)
				}
			case 6: // A slow moment.
				c.full = true
				s.Deliver(noteOf(t, w.send(t, convs[0], alice, "refused")))
				c.full = false
			}
		}
		for _, kind := range rapid.SliceOfN(rapid.IntRange(0, 6), 1, 60).Draw(rt, "steps") {
			step(kind)
		}
		step(5)
		run()
		c.check(t)
	})
}

func TestPull_MemorySparesTheIndex(t *testing.T) {
	w := newWorld()
	conv, _ := w.create(t, bob, alice)
	quiet, _ := w.create(t, bob, carol)
	at, _ := w.feed().Decode("", bob)
	first, err := w.feed().Pull(t.Context(), bob, at)
	if err != nil || len(first.Conversations) != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	w.recent = true
	w.before = func() { t.Error("the index was read") }
	w.send(t, conv, alice, "x")
	next, err := w.feed().Pull(t.Context(), bob, first.Next)
	if err != nil || len(next.Conversations) != 1 || next.Conversations[0].ConversationID == string(quiet) {
		t.Fatalf("%+v, %v", next, err)
	}
	fresh, _ := w.create(t, "dave@example.org", bob) // Made since then, in whatever shard.
	last, err := w.feed().Pull(t.Context(), bob, next.Next)
	if err != nil || len(last.Conversations) != 1 || last.Conversations[0].ConversationID != string(fresh) {
		t.Fatalf("%+v, %v", last, err)
	}
}

func TestPull_MemoryShowsAPastMemberTheEndOnce(t *testing.T) {
	w := newWorld()
	w.recent = true
	raw, err := event.Create{Creators: []id.User{alice}, Hub: "example.org", Members: []id.User{alice, bob}, Name: "g", Type: event.Group}.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	conv := event.ConversationID(raw)
	w.append(t, conv, conversation.Event{Type: frame.TypeCreate, Sender: alice, Content: raw})
	at, _ := w.feed().Decode("", bob)
	first, err := w.feed().Pull(t.Context(), bob, at)
	if err != nil {
		t.Fatal(err)
	}
	gone, _ := event.ChangeContent(frame.Change{UserIDs: []string{string(bob)}})
	w.append(t, conv, conversation.Event{Type: frame.TypeMemberRemove, Sender: alice, Content: gone})
	w.send(t, conv, alice, "secret")
	second, err := w.feed().Pull(t.Context(), bob, first.Next)
	if err != nil || len(second.Messages) != 1 || second.Messages[0].Type != frame.TypeMemberRemove {
		t.Fatalf("%+v, %v", second, err)
	}
	w.send(t, conv, alice, "secret too")
	third, err := w.feed().Pull(t.Context(), bob, second.Next)
	if err != nil || !third.Empty() {
		t.Fatalf("%+v, %v", third, err)
	}
}

func TestPull_PagesHoldEverythingOnceAndGapsTellTheRest(t *testing.T) {
	w := newWorld()
	for i := range 2*pageConversations + 7 {
		conv, _ := w.create(t, bob, id.User(fmt.Sprintf("u%d@example.org", i)))
		for range i % 40 {
			w.send(t, conv, bob, "x")
		}
	}
	c := newClient(w, bob)
	var at Cursor
	at, _ = w.feed().Decode("", bob)
	for n := 0; ; n++ {
		page, err := w.feed().Pull(t.Context(), bob, at)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Conversations) > pageConversations || len(page.Messages) >= pageEvents+newestEvents {
			t.Fatalf("a page of %d conversations and %d events", len(page.Conversations), len(page.Messages))
		}
		raw := mustJSON(t, page.Sync)
		c.take(frame.AppendFrame(nil, frame.SyncFrame, raw))
		if at, err = w.feed().Decode(page.Cursor, bob); err != nil {
			t.Fatal(err)
		}
		if !page.HasMore {
			break
		}
		if n > 100 {
			t.Fatal("paging does not end")
		}
	}
	c.check(t)
}

func TestPull_LargeContentsKeepAPageWithinAFrame(t *testing.T) {
	w := newWorld()
	conv, _ := w.create(t, bob, alice)
	for range 10 {
		w.send(t, conv, alice, strings.Repeat("x", 60<<10))
	}
	at, _ := w.feed().Decode("", bob)
	page, err := w.feed().Pull(t.Context(), bob, at)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(mustJSON(t, page.Sync)); n > 256<<10 {
		t.Errorf("a page of %d bytes", n)
	}
	if g := page.Conversations[0].Gap; g == nil || g.AfterSeq != -1 || g.BeforeSeq != page.Messages[0].Seq {
		t.Errorf("gap = %+v", g)
	}
}

func TestPull_ACursorAheadOfTheLogIsInvalid(t *testing.T) {
	w := newWorld()
	conv, _ := w.create(t, bob, alice)
	w.send(t, conv, alice, "x")
	at, _ := w.feed().Decode("", bob)
	page, err := w.feed().Pull(t.Context(), bob, at)
	if err != nil {
		t.Fatal(err)
	}
	restored := newWorld() // From a backup that is older than the cursor.
	restored.create(t, bob, alice)
	if _, err := restored.feed().Pull(t.Context(), bob, page.Next); !fault.Is(err, fault.InvalidCursor) {
		t.Errorf("Pull = %v", err)
	}
}
