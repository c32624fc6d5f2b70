// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// drawDays is a log with everything in it that people do.
func drawDays(t *rapid.T) *world {
	w := drawWorld(t)
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		w.now += pauses.Draw(t, "pause").Milliseconds()
		if len(w.log) > 0 && rapid.Bool().Draw(t, "about a message") {
			_, _ = w.propose(drawTouch(t, w))
		} else {
			_, _ = w.propose(drawProposal(t, w))
		}
	}
	return w
}

func replay(log []*conversation.Event) error {
	var r conversation.Replay
	for _, e := range log {
		if err := r.Next(e); err != nil {
			return fmt.Errorf("at %d: %w", e.Seq, err)
		}
	}
	return nil
}

func TestReplay_HoldsForEveryLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawDays(t)
		if err := replay(w.log); err != nil {
			t.Fatal(err)
		}
	})
}

// A hub that seals what the rules refuse is found out, though its chain holds.
func TestReplay_FindsWhatAHubShouldHaveRefused(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		w := drawDays(t)
		if len(w.log) == 0 {
			return
		}
		p := drawTouch(t, w)
		w.now += 1000
		p.At, p.SentAt = max(w.now, w.head.Time), w.sentAt(p.Sender)
		refusal := conversation.Decide(w.state, p, w.limits)
		if refusal == nil || fault.Is(refusal, fault.GroupFull) {
			return
		}
		content, err := contentOf(p)
		if err != nil {
			return
		}
		e := &conversation.Event{ConversationID: w.id, Type: p.Type, Sender: p.Sender, Device: testDevice, TempID: "lie", Content: content}
		if w.append(e) != nil { // It cannot even be folded.
			return
		}
		if at, err := verify(w.log); err != nil {
			t.Fatalf("the chain breaks at %d: %v", at, err)
		}
		if err := replay(w.log); err == nil {
			t.Fatalf("%s by %s stands, though refused: %v", p.Type, p.Sender, refusal)
		}
		found++
	})
	if found == 0 {
		t.Error("nothing was forged")
	}
}

func TestReplay_ErasedContentHolds(t *testing.T) {
	w := small(t)
	alice := full("alice")
	m, err := w.propose(conversation.Proposal{Type: frame.TypeMessage, Sender: alice})
	if err != nil {
		t.Fatal(err)
	}
	log := append([]*conversation.Event{}, w.log...)
	log[m.Seq] = m.Erase()
	if err := replay(log); err != nil {
		t.Error(err)
	}
	log[m.Seq].ContentHash[0] ^= 1
	if err := replay(log); err == nil {
		t.Error("another content hash stands")
	}
}

func TestReplay_GoesOnFromASnapshot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawDays(t)
		var s *conversation.State
		var from int
		for i, e := range w.log { // The last change of the state.
			next, err := conversation.Apply(s, e)
			if err != nil {
				t.Fatal(err)
			}
			if s = next; conversation.ChangesState(e.Type) {
				from = i
			}
		}
		if len(w.log) == 0 {
			return
		}
		r := conversation.ReplayFrom(s, w.log[from])
		for _, e := range w.log[from+1:] {
			if err := r.Next(e); err != nil {
				t.Fatalf("after %d, at %d: %v", from, e.Seq, err)
			}
		}
		if r.Head != w.head {
			t.Fatalf("ends at %+v, not %+v", r.Head, w.head)
		}
	})
}
