// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// drawLog is a log made by a clock that jumps, in both directions.
func drawLog(t *rapid.T) *world {
	w := drawWorld(t)
	for range rapid.IntRange(1, 20).Draw(t, "steps") {
		w.now += rapid.Int64Range(-3600_000, 3600_000).Draw(t, "clock")
		_, _ = w.propose(drawProposal(t, w))
	}
	return w
}

// verify checks a log from its beginning and returns the seq at which it breaks, -1 if it holds.
func verify(log []*conversation.Event) (int64, error) {
	var s *conversation.State
	var head conversation.Head
	for i, e := range log {
		after, err := conversation.Verify(e, head, s)
		if err != nil {
			return int64(i), err
		}
		s, head = after, conversation.HeadAt(e)
	}
	return -1, nil
}

func TestSeal_OrdersWhateverTheClockDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawLog(t)
		count := int64(0)
		for i, e := range w.log {
			if conversation.Countable(e.Type) {
				count++
			}
			if e.Seq != int64(i) || e.Count != count || e.MessageID.Seq() != e.Seq || e.MessageID.Time() != e.HubTime {
				t.Fatalf("entry %d: seq %d, count %d of %d, message id %s", i, e.Seq, e.Count, count, e.MessageID)
			}
			if i == 0 {
				continue
			}
			last := w.log[i-1]
			if e.HubTime < last.HubTime {
				t.Fatalf("hub time falls from %d to %d", last.HubTime, e.HubTime)
			}
			if e.MessageID.String() <= last.MessageID.String() {
				t.Fatalf("message id falls from %s to %s", last.MessageID, e.MessageID)
			}
		}
	})
}

func TestSeal_ClockAnHourBackIsHeld(t *testing.T) {
	w := newWorld("clock")
	alice := full("alice")
	create := conversation.Proposal{Type: frame.TypeCreate, Sender: alice, Create: w.create(alice, []string{"group"})}
	if _, err := w.propose(create); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.now -= 3600_000
		if _, err := w.propose(conversation.Proposal{Type: frame.TypeMessage, Sender: alice}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range w.log {
		if e.HubTime != startTime+1000 {
			t.Errorf("seq %d at %d", e.Seq, e.HubTime)
		}
	}
	if at, err := verify(w.log); err != nil {
		t.Errorf("breaks at %d: %v", at, err)
	}
}

func TestSeal_RefusesWhatAMessageIDCannotCarry(t *testing.T) {
	w := small(t)
	head := w.head
	for name, edit := range map[string]func(*world){
		"seq 2^40":  func(w *world) { w.head.Seq = id.MaxSeq },
		"time 2^48": func(w *world) { w.now = 1 << 48 },
	} {
		w.head, w.now = head, startTime
		edit(w)
		if e, err := w.propose(conversation.Proposal{Type: frame.TypeMessage, Sender: full("alice")}); err == nil {
			t.Errorf("%s: sealed as %s", name, e.MessageID)
		}
	}
	w.head, w.now = head, 1<<48-1001 // A proposal takes a second.
	w.head.Seq = id.MaxSeq - 1
	last, err := w.propose(conversation.Proposal{Type: frame.TypeMessage, Sender: full("alice")})
	if err != nil || last.MessageID.Seq() != id.MaxSeq || last.MessageID.Time() != 1<<48-1 {
		t.Errorf("the last of all: %s, %v", last.MessageID, err)
	}
	e := *w.log[0]
	if _, err := conversation.Seal(&e, conversation.Head{}, nil, -1); err != nil || e.HubTime != 0 {
		t.Errorf("a clock before 1970 is not held at the zero head: %d, %v", e.HubTime, err)
	}
}

func TestVerify_HoldsForEveryLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if at, err := verify(drawLog(t).log); err != nil {
			t.Fatalf("breaks at %d: %v", at, err)
		}
	})
}

// flips changes one bit or letter in each field that an entry vouches for.
var flips = map[string]func(e *conversation.Event, i int){
	"conversation": func(e *conversation.Event, i int) {
		e.ConversationID = id.Conversation(flip(string(e.ConversationID), i))
	},
	"seq":        func(e *conversation.Event, i int) { e.Seq ^= 1 << (i % 40) },
	"count":      func(e *conversation.Event, i int) { e.Count ^= 1 << (i % 40) },
	"hubTime":    func(e *conversation.Event, i int) { e.HubTime ^= 1 << (i % 48) },
	"authorTime": func(e *conversation.Event, i int) { e.AuthorTime ^= 1 << (i % 48) },
	"messageId":  func(e *conversation.Event, i int) { e.MessageID[i%16] ^= 1 << (i % 8) },
	"sender":     func(e *conversation.Event, i int) { e.Sender = id.User(flip(string(e.Sender), i)) },
	"device":     func(e *conversation.Event, i int) { e.Device = id.Device(flip(string(e.Device), i)) },
	"type":       func(e *conversation.Event, i int) { e.Type = flip(e.Type, i) },
	"tempId":     func(e *conversation.Event, i int) { e.TempID = flip(e.TempID, i) },
	"salt":       func(e *conversation.Event, i int) { e.Salt[i%event.SaltSize] ^= 1 << (i % 8) },
	"hash":       func(e *conversation.Event, i int) { e.Hash[i%32] ^= 1 << (i % 8) },
	"content":    func(e *conversation.Event, i int) { e.Content = []byte(flip(string(e.Content), i)) },
}

func flip(s string, i int) string {
	b := []byte(s)
	b[i%len(b)] ^= 1 << (i / len(b) % 7)
	return string(b)
}

func TestVerify_AnyFlippedBitOfAnyFieldBreaksTheChain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t).log
		at := rapid.IntRange(0, len(log)-1).Draw(t, "entry")
		i := rapid.IntRange(0, 5000).Draw(t, "bit")
		for name, edit := range flips {
			bad := bytesCopy(log)
			edit(bad[at], i)
			if broken, _ := verify(bad); broken != int64(at) {
				t.Fatalf("%s flipped at %d: breaks at %d", name, at, broken)
			}
		}
	})
}

func bytesCopy(log []*conversation.Event) []*conversation.Event {
	out := make([]*conversation.Event, len(log))
	for i, e := range log {
		c := *e
		c.Content = bytes.Clone(e.Content)
		out[i] = &c
	}
	return out
}

func TestVerify_NoEntryCanBeLeftOutDoubledOrMoved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t).log
		if len(log) < 3 {
			return
		}
		at := rapid.IntRange(0, len(log)-2).Draw(t, "entry")
		without := append(bytesCopy(log[:at]), log[at+1:]...)
		double := append(bytesCopy(log[:at+1]), log[at:]...)
		moved := bytesCopy(log)
		moved[at], moved[at+1] = moved[at+1], moved[at]
		for name, bad := range map[string][]*conversation.Event{"left out": without, "doubled": double, "moved": moved} {
			if _, err := verify(bad); err == nil {
				t.Fatalf("entry %d %s: the chain holds", at, name)
			}
		}
	})
}

func TestEntryOf_ErasedContentKeepsTheChain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawLog(t)
		var s *conversation.State
		var prev event.Hash
		for _, e := range w.log {
			after, err := conversation.Apply(s, e)
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == frame.TypeMessage {
				e = e.Erase()
			}
			entry, err := conversation.EntryOf(e, prev, s.Term(), after)
			if err != nil {
				t.Fatal(err)
			}
			if hash, err := entry.Hash(nil); err != nil || hash != e.Hash {
				t.Fatalf("seq %d: got %x, %v; want %x", e.Seq, hash, err, e.Hash)
			}
			s, prev = after, e.Hash
		}
	})
}

// small is a group of two with one message.
func small(t *testing.T) *world {
	t.Helper()
	return play(t, scene{title: "small", lines: []string{"alice creates group with bob -> seq 0", "bob sends -> seq 1"}})
}

func TestVerify_NamesTheBreak(t *testing.T) {
	for want, edit := range map[conversation.Break]func(e *conversation.Event){
		conversation.BreakSeq:       func(e *conversation.Event) { e.Seq++ },
		conversation.BreakCount:     func(e *conversation.Event) { e.Count++ },
		conversation.BreakTime:      func(e *conversation.Event) { e.HubTime = startTime },
		conversation.BreakMessageID: func(e *conversation.Event) { e.MessageID[15]++ },
		conversation.BreakHash:      func(e *conversation.Event) { e.Hash[0]++ },
	} {
		log := small(t).log
		edit(log[1])
		if at, err := verify(log); at != 1 || err != want {
			t.Errorf("breaks at %d: %v, want %v", at, err, want)
		}
	}
}

func TestApply_RefusesWhatCannotStandInTheLog(t *testing.T) {
	for name, edit := range map[string]func(w *world, e *conversation.Event){
		"create again":          func(w *world, e *conversation.Event) { *e = *w.log[0]; e.Seq = 2 },
		"create again at 0":     func(w *world, e *conversation.Event) { *e = *w.log[0] },
		"create later":          func(w *world, e *conversation.Event) { *e = *w.log[0]; e.Seq, w.state = 2, nil },
		"create of another id":  func(w *world, e *conversation.Event) { *e, w.state = *w.log[0], nil; e.ConversationID = "c" },
		"create of nothing":     func(w *world, e *conversation.Event) { *e, w.state = *w.log[0], nil; e.Content = nil },
		"no create":             func(w *world, _ *conversation.Event) { w.state = nil },
		"a message at 0":        func(w *world, e *conversation.Event) { e.Type, e.Seq, w.state = frame.TypeMessage, 0, nil },
		"another conversation":  func(_ *world, e *conversation.Event) { e.ConversationID = "c" },
		"erased content":        func(_ *world, e *conversation.Event) { e.Content = nil },
		"content in other form": func(_ *world, e *conversation.Event) { e.Content = []byte(`{"name": "x"}`) },
	} {
		w := small(t)
		e := &conversation.Event{ConversationID: w.id, Seq: 2, Type: frame.TypeRename, Sender: full("alice"), Content: []byte(`{"name":"x"}`)}
		if _, err := conversation.Apply(w.state, e); err != nil {
			t.Fatal(err)
		}
		edit(w, e)
		if s, err := conversation.Apply(w.state, e); err == nil {
			t.Errorf("%s: folded into %s", name, describe(s))
		}
	}
}

// A follower folds what the hub put into the log: what makes no sense there must leave the state sound.
func TestApply_FoldsWhatNobodyHadTheRightTo(t *testing.T) {
	const before = "owners alice, left bob"
	for name, c := range map[string]struct{ typ, sender, content, want string }{
		"a role for a past member": {frame.TypeMemberRole, "alice", `{"role":"owner","userIds":["bob@example.org"]}`, before},
		"a role for a stranger":    {frame.TypeMemberRole, "alice", `{"role":"owner","userIds":["mallory@example.org"]}`, before},
		"a past member leaves":     {frame.TypeMemberLeave, "bob", `{}`, before},
		"a stranger leaves":        {frame.TypeMemberLeave, "mallory", `{}`, before},
		"a stranger is removed":    {frame.TypeMemberRemove, "alice", `{"userIds":["mallory@example.org"]}`, before},
		"a member is added again":  {frame.TypeMemberAdd, "alice", `{"userIds":["alice@example.org"]}`, before},
		"one is added twice": {frame.TypeMemberAdd, "alice", `{"userIds":["carol@example.org","carol@example.org"]}`,
			"owners alice, members carol, left bob"},
		"the last owner is removed": {frame.TypeMemberRemove, "mallory", `{"userIds":["alice@example.org"]}`, "left bob, removed alice"},
	} {
		w := small(t)
		if _, err := w.propose(conversation.Proposal{Type: frame.TypeMemberLeave, Sender: full("bob")}); err != nil {
			t.Fatal(err)
		}
		after, err := conversation.Apply(w.state, &conversation.Event{
			ConversationID: w.id, Seq: 3, Type: c.typ, Sender: full(c.sender), Content: []byte(c.content),
		})
		if err != nil || describe(after) != c.want {
			t.Errorf("%s: got %s, %v; want %s", name, describe(after), err, c.want)
			continue
		}
		joined := 0
		for _, m := range after.Members {
			if m.Membership == conversation.Joined {
				joined++
			}
		}
		if after.Joined != joined || after.Members[full("bob")].LeftSeq != 2 {
			t.Errorf("%s: %d of %d joined, bob left at %d", name, after.Joined, joined, after.Members[full("bob")].LeftSeq)
		}
	}
}
