// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// About is the command of an event about a message.
func About(t testing.TB, c id.Conversation, by id.User, m id.Message, p conversation.Proposal, text string) timeline.Command {
	t.Helper()
	r := event.Relation{Action: p.Action, Content: text, Emoji: p.Emoji, Mentions: p.Mentions, TargetMessageID: m.String()}
	if text != "" {
		r.ContentType = "text"
	}
	content, err := r.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	p.Sender = by
	return timeline.Command{ConversationID: c, Proposal: p, Device: Device, Content: content, About: m}
}

func edit(t testing.TB, c id.Conversation, by id.User, m id.Message, text string) timeline.Command {
	return About(t, c, by, m, conversation.Proposal{Type: frame.TypeEdit}, text)
}

func remove(t testing.TB, c id.Conversation, by id.User, m id.Message) timeline.Command {
	return About(t, c, by, m, conversation.Proposal{Type: frame.TypeDelete}, "")
}

func react(t testing.TB, c id.Conversation, by id.User, m id.Message, emoji, action string) timeline.Command {
	return About(t, c, by, m, conversation.Proposal{Type: frame.TypeReaction, Emoji: emoji, Action: action}, "")
}

// at reads one entry as alice sees it.
func at(t testing.TB, s timeline.Store, c id.Conversation, seq int64) *conversation.Event {
	t.Helper()
	n := c.Shard(s.Shards())
	l, err := s.LoadConversation(t.Context(), n, c, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	events, err := s.Events(t.Context(), n, l.Conv, timeline.Range{From: seq, To: seq, Limit: 1, Reader: User("alice")})
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	return events[0]
}

func refused(t testing.TB, n *Node, cmd timeline.Command, code fault.Code) {
	t.Helper()
	if _, err := n.Append(t.Context(), cmd); !fault.Is(err, code) {
		t.Errorf("%s: %v, want %s", cmd.Type, err, code)
	}
}

func relations(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s)
	alice, bob := User("alice"), User("bob")
	create := Group(t, "r", alice, bob)
	c := create.ConversationID
	n.MustAppend(t, create)
	m := n.MustAppend(t, Message(t, c, alice, "m", "helo")).MessageID
	n.MustAppend(t, edit(t, c, alice, m, "hello"))
	n.MustAppend(t, react(t, c, bob, m, "x", frame.ActionAdd))
	n.MustAppend(t, react(t, c, alice, m, "y", frame.ActionAdd))
	n.MustAppend(t, react(t, c, alice, m, "x", frame.ActionAdd))
	if _, err := n.Append(t.Context(), react(t, c, bob, m, "x", frame.ActionAdd)); !errors.Is(err, conversation.ErrUnchanged) {
		t.Errorf("a reaction that is there: %v", err)
	}
	n.MustAppend(t, react(t, c, alice, m, "y", frame.ActionRemove))
	e := at(t, s, c, 1)
	if f := e.Facts; f == nil || f.Edits != 1 || f.ChangedSeq != 6 || !strings.Contains(string(f.Edited), "hello") || f.EditedAt == 0 {
		t.Fatalf("facts: %+v", f)
	}
	want := fmt.Sprint([]frame.Reaction{{Emoji: "x", Count: 2, UserIDs: []string{string(bob), string(alice)}, IsOwn: true}})
	if got := fmt.Sprint(e.Facts.Reactions); got != want {
		t.Errorf("reactions %s, want %s", got, want)
	}
	refused(t, n, edit(t, c, bob, m, "mine"), fault.Forbidden)
	refused(t, n, remove(t, c, bob, m), fault.InsufficientRole)
	refused(t, n, edit(t, c, User("mallory"), m, "x"), fault.UnknownConversation)
	refused(t, n, edit(t, c, alice, id.NewMessage(1, 1, event.Hash{}), "x"), fault.UnknownMessage)
	n.Stop()
	n = Start(t, s)
	n.MustAppend(t, remove(t, c, alice, m))
	refused(t, n, edit(t, c, alice, m, "x"), fault.MessageDeleted)
	for range 2 {
		if e := at(t, s, c, 1); e.Content != nil || e.Facts.DeletedBy != alice || len(e.Facts.Reactions) > 0 || e.Facts.Edited != nil {
			t.Errorf("deleted: %+v %+v", e, e.Facts)
		}
		if e := at(t, s, c, 2); e.Content != nil {
			t.Errorf("its edit: %s", e.Content)
		}
		if v, err := n.View(t.Context(), c); err != nil || v.Last == nil || v.Last.Content != nil || v.Last.Facts.DeletedBy != alice {
			t.Errorf("the preview: %+v, %v", v.Last, err)
		}
		if res, err := n.Append(t.Context(), Message(t, c, alice, "m", "helo")); err != nil || !res.Duplicate || res.MessageID != m {
			t.Errorf("the send again: %+v, %v", res, err)
		}
		if _, err := n.Append(t.Context(), remove(t, c, alice, m)); !errors.Is(err, conversation.ErrUnchanged) {
			t.Errorf("deleted twice: %v", err)
		}
		n.Stop()
		n = Start(t, s)
	}
	Verify(t, s, c)
}

// editsAgainstDeletion lets edits, reactions and a deletion of the same messages race, with commits that fail.
func editsAgainstDeletion(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s)
	var calls atomic.Int64
	rnd, mu := rand.New(rand.NewPCG(3, 3)), sync.Mutex{}
	fail := func(*timeline.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		if calls.Add(1) > 8 && rnd.IntN(12) == 0 {
			return ErrInjected
		}
		return nil
	}
	alice := User("alice")
	create := Group(t, "race", alice, User("bob"))
	c := create.ConversationID
	n.MustAppend(t, create)
	var messages []id.Message
	for i := range 6 {
		messages = append(messages, n.MustAppend(t, Message(t, c, alice, fmt.Sprint("m", i), "secret")).MessageID)
	}
	n.Wire.Set(Hooks{BeforeCommit: fail, AfterCommit: fail})
	again := func(cmd timeline.Command) error {
		for {
			_, err := n.Append(t.Context(), cmd)
			if !fault.Is(err, fault.Unavailable) {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
	var wg sync.WaitGroup
	for k, m := range messages {
		for i := range 8 {
			wg.Go(func() {
				cmd := edit(t, c, alice, m, fmt.Sprint("secret ", i))
				cmd.TempID = fmt.Sprint("e", k, "/", i)
				switch {
				case i == 3:
					cmd = remove(t, c, alice, m)
				case i > 5:
					cmd = react(t, c, User("bob"), m, "x", frame.ActionAdd)
				}
				if err := again(cmd); err != nil && !fault.Is(err, fault.MessageDeleted) && !errors.Is(err, conversation.ErrUnchanged) {
					t.Errorf("%s: %v", cmd.Type, err)
				}
			})
		}
	}
	wg.Wait()
	n.Wire.Set(Hooks{})
	gone := map[string]int64{}
	for _, e := range Verify(t, s, c) {
		if strings.Contains(string(e.Content), "secret") {
			t.Errorf("seq %d still has content: %s", e.Seq, e.Content)
		}
		if e.Type == frame.TypeDelete {
			r, err := event.ParseRelation(e.Content)
			if err != nil || gone[r.TargetMessageID] != 0 {
				t.Errorf("seq %d deletes again: %v", e.Seq, err)
			}
			gone[r.TargetMessageID] = e.Seq
		}
	}
	for _, e := range Verify(t, s, c) {
		if e.Type != frame.TypeReaction {
			continue
		}
		if r, err := event.ParseRelation(e.Content); err != nil || e.Seq > gone[r.TargetMessageID] {
			t.Errorf("seq %d reacts to what was deleted at %d (%v)", e.Seq, gone[r.TargetMessageID], err)
		}
	}
	if len(gone) != len(messages) {
		t.Errorf("%d deletions of %d", len(gone), len(messages))
	}
}

func mentions(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s)
	alice, bob, carol := User("alice"), User("bob"), User("carol")
	create := Group(t, "m", alice, bob, carol)
	c := create.ConversationID
	n.MustAppend(t, create)
	cmd := Message(t, c, alice, "1", "hey")
	cmd.Mentions = []string{string(bob)}
	n.MustAppend(t, cmd)
	cmd = Message(t, c, alice, "2", "hey all")
	cmd.Mentions = []string{frame.MentionAll}
	all := n.MustAppend(t, cmd).MessageID
	n.MustAppend(t, Message(t, c, alice, "3", "nobody"))
	newest := func(u id.User, want int64) {
		t.Helper()
		if p, err := n.Pointer(t.Context(), c, u); err != nil || p.Mentioned != want {
			t.Errorf("%s: newest mention %d, want %d (%v)", u, p.Mentioned, want, err)
		}
	}
	for range 2 {
		newest(bob, 2)
		newest(carol, 2)
		n.Stop()
		n = Start(t, s)
	}
	n.MustAppend(t, remove(t, c, alice, all))
	n.Stop()
	n = Start(t, s)
	newest(bob, 1)
	newest(carol, 0)
}

// expiry sets the timer, lets time pass, and wants what expired erased and told, also after a restart and failed commits.
func expiry(t *testing.T, open Open) {
	s := open(t, one())
	var shift atomic.Int64
	o := func(o *timeline.Options) {
		o.Clock = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
		o.SweepEvery = 5 * time.Millisecond
	}
	n := Start(t, s, o)
	alice := User("alice")
	create := Group(t, "x", alice, User("bob"))
	c := create.ConversationID
	n.MustAppend(t, create)
	timer := int64(86400)
	n.MustAppend(t, Change(t, c, alice, frame.TypeSettings, "timer", frame.Change{EphemeralTimer: &timer}))
	first := n.MustAppend(t, Message(t, c, alice, "1", "secret one")).MessageID
	n.MustAppend(t, edit(t, c, alice, first, "secret two"))
	off := int64(0)
	n.MustAppend(t, Change(t, c, alice, frame.TypeSettings, "off", frame.Change{EphemeralTimer: &off}))
	kept := n.MustAppend(t, Message(t, c, alice, "2", "kept"))
	if e := at(t, s, c, 2); e.ExpiresAt != e.HubTime+86400000 {
		t.Errorf("expires at %d, sent at %d", e.ExpiresAt, e.HubTime)
	}
	n.Stop()
	shift.Store(int64(24*time.Hour - time.Minute))
	n = Start(t, s, o)
	n.SentOut(t, n.MustAppend(t, edit(t, c, alice, first, "secret three")))
	told := n.Out.Losses()
	failing := atomic.Bool{}
	failing.Store(true)
	n.Wire.Set(Hooks{AfterCommit: func(b *timeline.Batch) error {
		if len(b.Erase) > 0 && failing.Swap(false) {
			return ErrInjected
		}
		return nil
	}})
	shift.Add(int64(2 * time.Minute))
	Eventually(t, "expired content is erased", func() bool {
		return at(t, s, c, 2).Content == nil && at(t, s, c, 3).Content == nil && at(t, s, c, 6).Content == nil
	})
	Eventually(t, "what the failed commit put in doubt is owned again", func() bool { return n.Out.Losses() > told && n.Ready() })
	refused(t, n, edit(t, c, alice, first, "secret four"), fault.MessageDeleted)
	if e := at(t, s, c, kept.Seq); e.Content == nil {
		t.Error("a message without a timer is gone")
	}
	for _, e := range Verify(t, s, c) {
		if strings.Contains(string(e.Content), "secret") {
			t.Errorf("seq %d is still there", e.Seq)
		}
	}
}
