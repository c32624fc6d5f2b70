// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"errors"
	"testing"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func TestDecide_TheServerDeletesMessagesAndDoesNothingElse(t *testing.T) {
	s := &State{ID: "c", Create: event.NewDirect("alice@example.org", "bob@example.org"), Members: map[id.User]Member{"alice@example.org": {Membership: Joined}}}
	server := ServerUser("example.org")
	if !IsServer(server) || IsServer("alice@example.org") {
		t.Error("the names are told apart wrongly")
	}
	message := Target{Seq: 1, Type: frame.TypeMessage, Sender: "alice@example.org"}
	if err := Decide(s, Proposal{Type: frame.TypeDelete, Sender: server, Target: &message, At: 1 << 40}, Limits{}); err != nil {
		t.Errorf("a message: %v", err)
	}
	erased, other := message, message
	erased.Erased, other.Type = true, frame.TypeRename
	if err := Decide(s, Proposal{Type: frame.TypeDelete, Sender: server, Target: &erased}, Limits{}); !errors.Is(err, ErrUnchanged) {
		t.Errorf("one that is gone: %v", err)
	}
	for what, c := range map[string]struct {
		code  fault.Code
		state *State
		p     Proposal
	}{
		"no message":           {fault.UnknownMessage, s, Proposal{Type: frame.TypeDelete}},
		"a state event":        {fault.UnknownMessage, s, Proposal{Type: frame.TypeDelete, Target: &other}},
		"no conversation":      {fault.UnknownConversation, nil, Proposal{Type: frame.TypeDelete, Target: &message}},
		"a message of its own": {fault.Forbidden, s, Proposal{Type: frame.TypeMessage}},
		"an edit":              {fault.Forbidden, s, Proposal{Type: frame.TypeEdit, Target: &message}},
		"a member":             {fault.Forbidden, s, Proposal{Type: frame.TypeMemberRemove}},
	} {
		c.p.Sender = server
		if err := Decide(c.state, c.p, Limits{}); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", what, err, c.code)
		}
	}
	if from, to, ok := s.Visible(server, 7); from != 0 || to != 7 || !ok {
		t.Errorf("the server sees %d to %d, %v", from, to, ok)
	}
}
