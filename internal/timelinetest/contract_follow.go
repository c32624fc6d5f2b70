// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"errors"
	"fmt"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// pair is a hub and a server that follows it.
type pair struct {
	hub, replica *Node
	c            id.Conversation
	alice, bob   id.User // bob is of the server that follows
}

// newPair has a group of alice and bob, whose log goes on by the commands.
func newPair(t *testing.T, open Open, more ...func(p *pair) timeline.Command) *pair {
	t.Helper()
	p := &pair{hub: Start(t, open(t, one()), As(Here)), replica: Start(t, open(t, one()), As(There)), alice: User("alice"), bob: Far("bob")}
	create := Group(t, "pair", p.alice, p.bob)
	p.c = create.ConversationID
	p.hub.MustAppend(t, create)
	for _, cmd := range more {
		p.hub.MustAppend(t, cmd(p))
	}
	return p
}

func (p *pair) log(t *testing.T) []timeline.Foreign { return Records(t, p.hub.Wire, p.c, 0, id.MaxSeq) }

// says is a message of a user of the pair.
func (p *pair) says(t *testing.T, u id.User, text string) timeline.Command {
	cmd := Message(t, p.c, u, text, text)
	if u.Server() != Here {
		cmd = BySigned(cmd)
	}
	return cmd
}

func followBegins(t *testing.T, open Open) {
	p := newPair(t, open)
	log := p.log(t)
	if head, err := p.replica.Follow(t.Context(), p.c, log, nil); head.Exists || !isGap(err) {
		t.Errorf("entries without a replica: %+v, %v", head, err)
	}
	p.replica.MustBegin(t, log, 0)
	for i := range 3 {
		p.hub.MustAppend(t, p.says(t, p.alice, fmt.Sprint("a", i)))
		p.hub.MustAppend(t, p.says(t, p.bob, fmt.Sprint("b", i)))
	}
	log = p.log(t)
	if _, err := p.replica.Follow(t.Context(), p.c, log[3:], nil); !isGap(err) {
		t.Errorf("entries after a gap: %v", err)
	}
	p.replica.MustFollow(t, log[1:4])
	p.replica.MustFollow(t, log[:2])
	p.replica.MustFollow(t, log[2:])
	Verify(t, p.replica.Wire, p.c)
	for i, e := range Records(t, p.replica.Wire, p.c, 0, id.MaxSeq) {
		if w := log[i]; e.Hash != w.Hash || e.Prev != w.Prev || e.Term != w.Term || e.KeyID != w.KeyID || string(e.Signature) != string(w.Signature) || e.Salt != w.Salt {
			t.Errorf("entry %d is handed on as %+v, want %+v", i, e, w)
		}
	}
	if out := p.replica.Out.Events(); len(out) != len(log) {
		t.Errorf("%d events went out, want %d", len(out), len(log))
	}
	for _, n := range []*Node{p.hub, p.replica} {
		for _, u := range []id.User{p.alice, p.bob} { // Whom a user knows is found by it, also of other servers.
			if got := len(n.Wire.Store.(indexed).IndexOf(t, u)); got != 1 {
				t.Errorf("%s has %d conversations in the index of one server, want 1", u, got)
			}
		}
	}
	var elsewhere *timeline.ElsewhereError
	if _, err := p.replica.Append(t.Context(), p.says(t, p.bob, "new")); !errors.As(err, &elsewhere) || elsewhere.Hub != Here {
		t.Errorf("append to a replica: %v", err)
	}
	if res, err := p.replica.Append(t.Context(), p.says(t, p.bob, "b1")); err != nil || !res.Duplicate || res.Seq != 4 {
		t.Errorf("append again what is in the replica: %+v, %v", res, err)
	}
	if _, err := p.hub.Follow(t.Context(), p.c, log, nil); err != timeline.ErrHub {
		t.Errorf("follow at the hub: %v", err)
	}
	if err := p.hub.Begin(t.Context(), SnapshotAt(t, log, 0), nil); err != timeline.ErrHub {
		t.Errorf("begin at the hub: %v", err)
	}
}

func isGap(err error) bool {
	_, ok := errors.AsType[*timeline.GapError](err)
	return ok
}

// indexed is a store whose index of users can be read.
type indexed interface {
	IndexOf(testing.TB, id.User) []timeline.IndexRow
}

// followTampered gives a replica what a bad hub might make of an entry.
func followTampered(t *testing.T, open Open) {
	p := newPair(t, open)
	p.hub.MustAppend(t, p.says(t, p.alice, "one"))
	p.replica.MustBegin(t, p.log(t), 0)
	p.hub.MustAppend(t, Change(t, p.c, p.alice, frame.TypeRename, "r", frame.Change{Name: "other"}))
	p.hub.MustAppend(t, p.says(t, p.alice, "two"))
	log := p.log(t)
	p.replica.MustFollow(t, log[:2])
	for name, edit := range map[string]func(e *timeline.Foreign){
		"content":   func(e *timeline.Foreign) { e.Content = []byte(`{"name":"mine"}`) },
		"salt":      func(e *timeline.Foreign) { e.Salt[0]++ },
		"time":      func(e *timeline.Foreign) { e.HubTime++ },
		"count":     func(e *timeline.Foreign) { e.Count++ },
		"hash":      func(e *timeline.Foreign) { e.Hash[0]++ },
		"messageId": func(e *timeline.Foreign) { e.MessageID[15]++ },
		"sender":    func(e *timeline.Foreign) { e.Sender = p.bob },
		"device":    func(e *timeline.Foreign) { e.Device = "01J9ZK3V8Q2M6T4R7X5W1Y0ABD" },
		"expects":   func(e *timeline.Foreign) { e.Expects = new(int64) },
		"term":      func(e *timeline.Foreign) { e.Term = 1 },
	} {
		bad := log[2]
		copied := *bad.Event
		bad.Event = &copied
		edit(&bad)
		_, err := p.replica.Follow(t.Context(), p.c, []timeline.Foreign{bad, log[3]}, nil)
		if _, ok := errors.AsType[conversation.Break](err); !ok {
			t.Errorf("another %s: %v, want a break", name, err)
		}
	}
	var fork *timeline.ForkError
	bad := log[2]
	bad.Prev[0]++
	if _, err := p.replica.Follow(t.Context(), p.c, []timeline.Foreign{bad}, nil); !errors.As(err, &fork) || fork.Seq != 1 {
		t.Errorf("another entry before it: %v", err)
	}
	p.replica.MustFollow(t, log)
	for _, at := range []int64{1, 3} {
		bad := log[at]
		copied := *bad.Event
		copied.Hash[5]++
		bad.Event = &copied
		if _, err := p.replica.Follow(t.Context(), p.c, []timeline.Foreign{log[at-1], bad}, nil); !errors.As(err, &fork) || fork.Seq != at || fork.Have != log[at].Hash || fork.Got != copied.Hash {
			t.Errorf("another entry at %d: %v", at, err)
		}
	}
	Verify(t, p.replica.Wire, p.c)
}

// forge is the log of a hub whose rules let everything pass, with the entry of cmd at its end.
func forge(t *testing.T, log []timeline.Foreign, cmd timeline.Command) []timeline.Foreign {
	t.Helper()
	var st *conversation.State
	var err error
	for _, e := range log {
		if st, err = conversation.Apply(st, e.Event); err != nil {
			t.Fatal(err)
		}
	}
	last := log[len(log)-1]
	e := &conversation.Event{
		ConversationID: cmd.ConversationID, AuthorTime: cmd.AuthorTime, Type: cmd.Type, Sender: cmd.Sender, Device: cmd.Device,
		TempID: cmd.TempID, Content: cmd.Content, Expects: cmd.Expects,
	}
	if _, err := conversation.Seal(e, conversation.HeadAt(last.Event), st, last.HubTime+1); err != nil {
		t.Fatal(err)
	}
	return append(log[:len(log):len(log)], timeline.Foreign{Event: e, Prev: last.Hash})
}

// followRefused gives a replica entries that are well made and that no honest hub would make.
func followRefused(t *testing.T, open Open) {
	p := newPair(t, open)
	p.hub.MustAppend(t, p.says(t, p.alice, "one"))
	p.hub.MustAppend(t, p.says(t, p.bob, "two"))
	p.hub.MustAppend(t, Change(t, p.c, p.alice, frame.TypeMemberRemove, "r", frame.Change{UserIDs: []string{string(p.bob)}}))
	p.hub.MustAppend(t, Change(t, p.c, p.alice, frame.TypeMemberAdd, "a", frame.Change{UserIDs: []string{string(p.bob)}}))
	log := p.log(t)
	p.replica.MustBegin(t, log, 0)
	p.replica.MustFollow(t, log)
	old := int64(1)
	rename := Change(t, p.c, p.alice, frame.TypeRename, "n", frame.Change{Name: "other"})
	rename.Expects = &old
	garbage := p.says(t, p.alice, "garbage")
	garbage.Content = []byte(`{"content":"x","contentType":"text","mystery":true}`)
	nul, nameless, nobody := p.says(t, p.alice, "nul"), p.says(t, p.alice, "nameless"), p.says(t, "alice\x00@example.org", "nobody")
	nul.TempID, nameless.Device = "\x00", "device\x00"
	expecting := p.says(t, p.alice, "expecting")
	expecting.Expects = &old
	for name, c := range map[string]struct {
		cmd  timeline.Command
		code fault.Code
	}{
		"of a stranger":                    {p.says(t, User("mallory"), "x"), fault.UnknownConversation},
		"of a member without the right":    {Change(t, p.c, p.bob, frame.TypeRename, "n", frame.Change{Name: "mine"}), fault.InsufficientRole},
		"that changes nothing":             {Change(t, p.c, p.alice, frame.TypeRename, "n", frame.Change{Name: "pair"}), fault.InvalidField},
		"of another who edits":             {edit(t, p.c, p.alice, log[2].MessageID, "mine"), fault.Forbidden},
		"about nothing":                    {edit(t, p.c, p.alice, id.NewMessage(1, 2, event.Hash{}), "mine"), fault.UnknownMessage},
		"about what the sender cannot see": {react(t, p.c, p.bob, log[1].MessageID, "x", frame.ActionAdd), fault.UnknownMessage},
		"that was sent before":             {p.says(t, p.bob, "two"), fault.TempIDConflict},
		"judged by another state":          {rename, fault.StateChanged},
		"that cannot be read":              {garbage, fault.MalformedJSON},
		"that the store cannot write":      {nul, fault.InvalidField},
		"of no device":                     {nameless, fault.InvalidField},
		"of no user":                       {nobody, fault.InvalidField},
		"that expects, and is no change":   {expecting, fault.InvalidField},
		"of a type nobody knows":           {Change(t, p.c, p.alice, "coup", "x", frame.Change{}), fault.InvalidField},
		"of another server by itself":      {remove(t, p.c, conversation.ServerUser(There), log[1].MessageID), fault.UnknownConversation},
	} {
		bad := forge(t, log, c.cmd)
		head, err := p.replica.Follow(t.Context(), p.c, bad[3:], nil)
		var refused *timeline.RefusedError
		if !errors.As(err, &refused) || refused.Seq != 5 || !fault.Is(err, c.code) || head.Seq != 4 {
			t.Errorf("an entry %s: %v with head %d, want refused with %s", name, err, head.Seq, c.code)
		}
	}
	good := forge(t, log, remove(t, p.c, conversation.ServerUser(Here), log[1].MessageID))
	p.replica.MustFollow(t, good)
	if e := at(t, p.replica.Wire, p.c, 1); e.Content != nil {
		t.Error("the hub deleted a message and the replica still has it")
	}
}
