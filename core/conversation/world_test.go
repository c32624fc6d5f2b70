// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const (
	startTime  = 1790000000000
	testDevice = "01J9ZK3V8Q2M6T4R7X5W1Y0ABC"
)

// world is one conversation under test: what timeline does, without queue and database.
type world struct {
	title  string
	limits conversation.Limits
	now    int64
	state  *conversation.State
	head   conversation.Head
	log    []*conversation.Event
	id     id.Conversation
	tried  int
	steps  []step
	told   map[int64]*told // what later events did to messages, by seq
}

// newWorld makes an empty world. The title seeds everything that would be random.
func newWorld(title string) *world {
	return &world{title: title, limits: conversation.Limits{MaxMembers: event.MaxMembers}, now: startTime, told: map[int64]*told{}}
}

func (w *world) seed(what string) [16]byte {
	sum := sha256.Sum256([]byte(w.title + "\n" + what))
	return [16]byte(sum[:16])
}

// contentOf is the canonical content of a proposal.
func contentOf(p conversation.Proposal) ([]byte, error) {
	switch p.Type {
	case frame.TypeMessage:
		return event.MessageContent(frame.Send{Content: "hello", ContentType: "text", Mentions: p.Mentions})
	case frame.TypeEdit, frame.TypeReaction, frame.TypeDelete:
		return relationOf(p).Canonical()
	case frame.TypeCreate:
		return p.Create.Canonical()
	}
	return event.ChangeContent(p.Change)
}

// propose decides p and, if it is accepted, appends it.
func (w *world) propose(p conversation.Proposal) (*conversation.Event, error) {
	w.tried++
	w.now += 1000
	content, err := contentOf(p)
	if err != nil {
		return nil, err
	}
	cid := w.id
	if p.Type == frame.TypeCreate {
		cid = event.ConversationID(content)
	}
	e := &conversation.Event{
		ConversationID: cid, AuthorTime: w.now - 40, Type: p.Type, Sender: p.Sender, Device: testDevice,
		TempID: fmt.Sprintf("t%d", w.tried), Salt: w.seed(fmt.Sprint("salt ", w.tried)), Content: content,
	}
	p.At, p.SentAt = max(w.now, w.head.Time), w.sentAt(p.Sender)
	if err := conversation.Decide(w.state, p, w.limits); err != nil {
		return e, err
	}
	before := w.state
	if err := w.append(e); err != nil {
		return e, err
	}
	mustFollow(e, before, p)
	w.tell(p)
	return e, nil
}

// mustFollow wants those who did not give the order to accept what was accepted, whether they hold the message it is about or not.
func mustFollow(e *conversation.Event, before *conversation.State, p conversation.Proposal) {
	got, about, err := conversation.ProposalOf(e)
	if err != nil || (about == id.Message{}) && p.Target != nil && p.Type != frame.TypeUnpin {
		panic(fmt.Sprintf("seq %d %s is read as about %s: %v", e.Seq, e.Type, about, err))
	}
	got.SentAt, got.Target = p.SentAt, p.Target
	if err := conversation.Judge(before, got); err != nil {
		panic(fmt.Sprintf("seq %d %s was accepted, a follower says %v", e.Seq, e.Type, err))
	}
	got.Target, got.Unheld = nil, true
	if err := conversation.Judge(before, got); err != nil {
		panic(fmt.Sprintf("seq %d %s was accepted, a follower that does not hold the message says %v", e.Seq, e.Type, err))
	}
}

func (w *world) append(e *conversation.Event) error {
	after, err := conversation.Seal(e, w.head, w.state, w.now)
	if err != nil {
		return err
	}
	w.state, w.head, w.id = after, conversation.HeadAt(e), e.ConversationID
	w.log = append(w.log, e)
	return nil
}

// outcome is what a proposal came to: `seq 3`, or the code of the refusal with its field.
func outcome(e *conversation.Event, err error) string {
	var f *fault.Error
	switch {
	case err == nil:
		return fmt.Sprint("seq ", e.Seq)
	case errors.As(err, &f):
		return strings.TrimSpace(string(f.Code) + " " + f.Field)
	}
	return "error: " + err.Error()
}

// describe writes the state as scripts do: `owners alice, members bob carol, left dave, name "Team"`.
func describe(s *conversation.State) string {
	if s == nil {
		return "nothing"
	}
	groups := map[string][]string{}
	for _, u := range slices.Sorted(maps.Keys(s.Members)) {
		m := s.Members[u]
		key := m.Membership
		if key == conversation.Joined {
			key = m.Role + "s"
		}
		groups[key] = append(groups[key], short(u))
	}
	var parts []string
	for _, key := range []string{"owners", "admins", "members", conversation.Left, conversation.Removed, conversation.Banned} {
		if len(groups[key]) > 0 {
			parts = append(parts, key+" "+strings.Join(groups[key], " "))
		}
	}
	if s.Name != "" {
		parts = append(parts, fmt.Sprintf("name %q", s.Name))
	}
	return strings.Join(append(parts, describeInfo(s)...), ", ")
}

const home = "@example.org"

// full is the user id of a name in a script; short is the way back.
func full(name string) id.User {
	if strings.Contains(name, "@") {
		return id.User(name)
	}
	return id.User(name + home)
}

func short(u id.User) string { return strings.TrimSuffix(string(u), home) }

func fulls(names []string) (out []string) {
	for _, n := range names {
		out = append(out, string(full(n)))
	}
	return out
}
