// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

var (
	emojis   = rapid.SampledFrom([]string{"x", "y", "👍", "xy"})
	actions  = rapid.SampledFrom([]string{frame.ActionAdd, frame.ActionAdd, frame.ActionRemove, "toggle"})
	mentions = rapid.SliceOfN(rapid.SampledFrom([]string{"all", "alice@example.org", "bob@example.org", "mallory@example.org"}), 0, 2)
	writers  = rapid.SampledFrom([]string{"alice", "alice", "bob", "bob", "carol", "mallory", "server", "server@b.example"})
	happens  = rapid.SampledFrom([]string{
		frame.TypeMessage, frame.TypeMessage, frame.TypeMessage, frame.TypeEdit, frame.TypeEdit, frame.TypeReaction, frame.TypeReaction,
		frame.TypeDelete, frame.TypePin, frame.TypeSettings, frame.TypeMemberAdd, frame.TypeMemberRemove, frame.TypeMemberRole,
	})
	pauses = rapid.SampledFrom([]time.Duration{0, 0, 0, 0, time.Hour, 23 * time.Hour, 49 * time.Hour, -time.Hour})
)

// drawRelation completes proposals of messages and of what happens to them.
func drawRelation(t *rapid.T, w *world, p *conversation.Proposal) {
	switch p.Type {
	case frame.TypeMessage, frame.TypeEdit:
		p.Mentions = mentions.Draw(t, "mentions")
	case frame.TypeReaction:
		p.Emoji, p.Action = emojis.Draw(t, "emoji"), actions.Draw(t, "action")
	case frame.TypeDelete:
	default:
		return
	}
	if p.Type != frame.TypeMessage {
		_ = w.target(p, []string{fmt.Sprint(rapid.IntRange(0, len(w.log)-1).Draw(t, "about"))})
	}
}

// drawTouch draws a proposal that likely is about a message.
func drawTouch(t *rapid.T, w *world) conversation.Proposal {
	p := conversation.Proposal{Type: happens.Draw(t, "type"), Sender: full(writers.Draw(t, "sender"))}
	switch p.Type {
	case frame.TypeMemberAdd, frame.TypeMemberRemove, frame.TypeMemberRole:
		p.Change.UserIDs = fulls(rapid.SliceOfN(names, 1, 1).Draw(t, "user"))
		p.Change.Role = map[string]string{frame.TypeMemberRole: roles.Draw(t, "role")}[p.Type]
	case frame.TypeSettings:
		timer := rapid.SampledFrom([]int64{0, 86400}).Draw(t, "timer")
		p.Change.EphemeralTimer = &timer
	case frame.TypePin:
		_ = w.target(&p, []string{fmt.Sprint(rapid.IntRange(0, len(w.log)-1).Draw(t, "pin"))})
	}
	drawRelation(t, w, &p)
	return p
}

// code is what a decision comes to.
func code(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return fmt.Sprint(f.Code, " ", f.Field, " ", errors.Is(err, conversation.ErrUnchanged))
	}
	return fmt.Sprint(err)
}

// ledger is what the log says of messages, read from nothing but entries: the model that Decide is held against.
type ledger struct {
	byID    map[string]*conversation.Event
	over    map[string]bool            // deleted
	reacted map[string]map[string]bool // message to `emoji user`
}

// take reads the next entry; the error says which promise it breaks.
func (l *ledger) take(e *conversation.Event) error {
	if e.Type == frame.TypeMessage {
		l.byID[e.MessageID.String()] = e
		return nil
	}
	if e.Type == frame.TypePin {
		c, err := event.ParseChange(e.Type, e.Content)
		if err != nil {
			return err
		}
		_, err = l.alive(e, c.TargetMessageID)
		return err
	}
	if conversation.ChangesState(e.Type) {
		return nil
	}
	r, err := event.ParseRelation(e.Content)
	if err != nil {
		return err
	}
	m, err := l.alive(e, r.TargetMessageID)
	if err != nil {
		return err
	}
	return l.touch(e, m, r)
}

// alive finds a message that stands before e and is not over.
func (l *ledger) alive(e *conversation.Event, name string) (*conversation.Event, error) {
	m := l.byID[name]
	switch {
	case m == nil:
		return nil, errors.New("is about no message")
	case l.over[name]:
		return nil, errors.New("is about a message that was deleted")
	case m.ExpiresAt != 0 && m.ExpiresAt <= e.HubTime:
		return nil, errors.New("is about a message that has expired")
	}
	return m, nil
}

func (l *ledger) touch(e, m *conversation.Event, r event.Relation) error {
	name, key := r.TargetMessageID, r.Emoji+" "+string(e.Sender)
	switch e.Type {
	case frame.TypeEdit:
		if m.Sender != e.Sender {
			return errors.New("edits what another wrote")
		}
	case frame.TypeDelete:
		l.over[name] = true
	case frame.TypeReaction:
		if l.reacted[name] == nil {
			l.reacted[name] = map[string]bool{}
		}
		if l.reacted[name][key] == (r.Action == frame.ActionAdd) {
			return errors.New("is a reaction that changes nothing")
		}
		l.reacted[name][key] = r.Action == frame.ActionAdd
	}
	return nil
}

// entitled tells whether a deletion lies within the author's hours, or is by one who may delete what others wrote.
func (l *ledger) entitled(e *conversation.Event, s *conversation.State) error {
	r, err := event.ParseRelation(e.Content)
	if err != nil {
		return err
	}
	m, sender := l.byID[r.TargetMessageID], e.Sender
	if m == nil || sender == conversation.ServerUser(s.Create.Hub) {
		return nil
	}
	by, _ := s.Member(sender)
	own := m.Sender == sender && e.HubTime-m.HubTime <= conversation.DeleteWithin.Milliseconds()
	if own || s.Type() != event.Direct && s.May(by.Role, conversation.CanDeleteOthers) {
		return nil
	}
	return fmt.Errorf("%s had no right to delete it", sender)
}

func TestDecide_NothingHappensToWhatIsOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		l := ledger{map[string]*conversation.Event{}, map[string]bool{}, map[string]map[string]bool{}}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.now += pauses.Draw(t, "pause").Milliseconds()
			before := w.state
			e, err := w.propose(drawTouch(t, w))
			if err != nil {
				continue
			}
			if !conversation.ChangesState(e.Type) && hashOf(t, before) != hashOf(t, w.state) {
				t.Fatalf("seq %d: %s changed the state", e.Seq, e.Type)
			}
			if e.Type == frame.TypeDelete {
				err = l.entitled(e, before)
			}
			if err = errors.Join(err, l.take(e)); err != nil {
				t.Fatalf("seq %d: %s by %s %v", e.Seq, e.Type, e.Sender, err)
			}
			if conversation.IsServer(e.Sender) && (e.Type != frame.TypeDelete || e.Sender != full("server")) {
				t.Fatalf("seq %d: %s by %s", e.Seq, e.Type, e.Sender)
			}
		}
		refold(t, w)
	})
}

func TestDecide_SaysTheSameTwiceAndTouchesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for range rapid.IntRange(0, 25).Draw(t, "steps") {
			_, _ = w.propose(drawTouch(t, w))
		}
		p := drawTouch(t, w)
		p.At, p.SentAt = w.now+pauses.Draw(t, "pause").Milliseconds(), w.sentAt(p.Sender)
		if p.Target != nil {
			_ = pretend(p.Target, []string{fmt.Sprint(rapid.SampledFrom([]int{0, 99, 100}).Draw(t, "edits")), "edits",
				fmt.Sprint(rapid.SampledFrom([]int{0, 49, 50}).Draw(t, "emojis")), "emojis"})
		}
		kept := fmt.Sprintf("%+v %+v", p, p.Target)
		first := code(conversation.Decide(w.state, p, w.limits))
		for range 2 {
			if again := code(conversation.Decide(clone(w.state), p, w.limits)); again != first {
				t.Fatalf("%s: %s, then %s", kept, first, again)
			}
		}
		if now := fmt.Sprintf("%+v %+v", p, p.Target); now != kept {
			t.Fatalf("deciding changed\n%s to\n%s", kept, now)
		}
	})
}

// TestLedger_SeesWhatBreaksAPromise keeps the model from accepting everything.
func TestLedger_SeesWhatBreaksAPromise(t *testing.T) {
	message := &conversation.Event{Type: frame.TypeMessage, Sender: full("bob"), HubTime: 5, ExpiresAt: 100, MessageID: id.NewMessage(5, 1, event.Hash{})}
	about := func(typ, by string, at int64, r event.Relation) *conversation.Event {
		r.TargetMessageID = message.MessageID.String()
		content, err := r.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		return &conversation.Event{Type: typ, Sender: full(by), HubTime: at, Content: content}
	}
	add := event.Relation{Action: frame.ActionAdd, Emoji: "x"}
	deleted := about(frame.TypeDelete, "bob", 6, event.Relation{})
	for what, log := range map[string][]*conversation.Event{
		"an edit of nothing":          {about(frame.TypeEdit, "bob", 6, event.Relation{})},
		"an edit by another":          {message, about(frame.TypeEdit, "alice", 6, event.Relation{})},
		"an edit of what expired":     {message, about(frame.TypeEdit, "bob", 100, event.Relation{})},
		"a reaction after a deletion": {message, deleted, about(frame.TypeReaction, "bob", 6, add)},
		"a deletion after another":    {message, deleted, deleted},
		"a reaction twice":            {message, about(frame.TypeReaction, "bob", 6, add), about(frame.TypeReaction, "bob", 6, add)},
	} {
		l := ledger{map[string]*conversation.Event{}, map[string]bool{}, map[string]map[string]bool{}}
		last := len(log) - 1
		for _, e := range slices.Clone(log)[:last] {
			if err := l.take(e); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if l.take(log[last]) == nil {
			t.Errorf("%s is not seen", what)
		}
	}
}
