// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func TestParseState_ReadsWhatCanonicalWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawLog(t)
		raw, err := w.state.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		joined := map[id.User]int64{}
		for u, m := range w.state.Members {
			joined[u] = m.JoinedAt
		}
		got, err := conversation.ParseState(raw, w.state.Create, joined)
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		got.Seq = w.state.Seq
		got.Remember(w.state)
		if diff := cmp.Diff(w.state, got, comparable); diff != "" {
			t.Fatalf("-folded +read:\n%s", diff)
		}
		if hashOf(t, got) != hashOf(t, w.state) || !slices.Equal(got.Servers(), w.state.Servers()) {
			t.Fatal("it has another hash, or other servers")
		}
	})
}

// stateText is the canonical text of a small group.
func stateText(t testing.TB) (string, event.Create) {
	t.Helper()
	w := newWorld("state")
	for _, line := range []string{`alice creates group "Team" with bob`, `alice bans mallory`, `alice adds carol`, `bob leaves`, `alice links L`} {
		if got, err := w.perform(line, line); err != nil || !strings.HasPrefix(got, "seq ") {
			t.Fatal(line, got, err)
		}
	}
	raw, err := w.state.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), w.state.Create
}

func TestParseState_RefusesWhatNoLogFoldsTo(t *testing.T) {
	good, create := stateText(t)
	if _, err := conversation.ParseState([]byte(good), create, nil); err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{
		{`{"conv`, ` {"conv`},
		{`"v":1`, `"v":2`},
		{`"v":1`, `"v":1,"x":1`},
		{`"name":"Team"`, `"name":"Te\u0061m"`},
		{`"name":"Team"`, `"Name":"Team"`},
		{`"name":"Team"`, `"name":"Te\u0001m"`},
		{`"type":"group"`, `"type":"direct"`},
		{`"role":"owner"`, `"role":"member"`},
		{`"role":"owner"`, `"role":"king"`},
		{`"membership":"left"`, `"membership":"gone"`},
		{`"membership":"left"`, `"membership":"joined"`},
		{`"joinedSeq":0`, `"joinedSeq":-1`},
		{`"joinedSeq":0,`, `"fromSeq":0,"joinedSeq":0,`},
		{`"joinedSeq":0,`, `"fromSeq":1,"joinedSeq":0,`},
		{`bob@example.org`, `alice@example.org`},
		{`bob@example.org`, `bob`},
		{`]},"members"`, `],"moves":[]},"members"`},
		{`]},"members"`, `],"moves":[{"hub":"b.example","seq":0}]},"members"`},
		{`]},"members"`, `],"moves":[{"hub":"b.example","seq":3},{"hub":"b.example","seq":4}]},"members"`},
		{`]},"members"`, `],"moves":[{"hub":"b.example","seq":3},{"hub":"c.example","seq":3}]},"members"`},
		{`"userId":"mallory@example.org"}]`, `"userId":"mallory"}]`},
		{`"createdBy":"alice@example.org"`, `"createdBy":"ALICE"`},
		{`]},"members"`, `],"moves":[{"hub":"example.org","seq":3}]},"members"`},
		{`]},"members"`, `],"moves":[{"hub":"no server","seq":3}]},"members"`},
		{`"info":{`, `"info":{"ephemeralTimer":7,`},
		{`"info":{`, `"info":{"permissions":{"send":"member"},`},
		{`"info":{`, `"info":{"permissions":{"fly":"member"},`},
		{`"info":{`, `"info":{"sharedFrom":3,`},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if bad == good {
			t.Fatalf("%s is not in %s", edit[0], good)
		}
		if _, err := conversation.ParseState([]byte(bad), create, nil); err == nil {
			t.Errorf("accepted with %s in place of %s", edit[1], edit[0])
		}
	}
	create.Nonce[0]++
	if _, err := conversation.ParseState([]byte(good), create, nil); err == nil {
		t.Error("accepted as that of another conversation")
	}
}

func TestState_TheHubMovesWithoutTheConversation(t *testing.T) {
	good, create := stateText(t)
	moved := strings.Replace(good, `]},"members"`, `],"moves":[{"hub":"b.example","seq":1},{"hub":"c.example","seq":2},{"hub":"b.example","seq":4}]},"members"`, 1)
	s, err := conversation.ParseState([]byte(moved), create, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, moved)
	}
	if s.Hub() != "b.example" || s.Term() != 3 {
		t.Errorf("hub %s, term %d", s.Hub(), s.Term())
	}
	for seq, want := range map[int64]conversation.Reign{
		0: {Hub: "example.org", Last: 1}, 1: {Hub: "example.org", Last: 1}, 2: {Hub: "b.example", Term: 1, Last: 2},
		3: {Hub: "c.example", Term: 2, Last: 4}, 5: {Hub: "b.example", Term: 3, Last: id.MaxSeq},
	} {
		if got := s.ReignAt(seq); got != want {
			t.Errorf("the entry at %d is of %+v", seq, got)
		}
	}
	message := &conversation.Target{Type: "message", Sender: full("alice")}
	for server, want := range map[id.Server]fault.Code{"b.example": "", "example.org": fault.UnknownConversation} {
		p := conversation.Proposal{Type: "delete", Sender: conversation.ServerUser(server), Target: message}
		if err := conversation.Decide(s, p, conversation.Limits{}); want == "" && err != nil || want != "" && !fault.Is(err, want) {
			t.Errorf("a deletion by %s: %v", server, err)
		}
		if _, _, ok := s.Visible(conversation.ServerUser(server), 5); ok != (want == "") {
			t.Errorf("%s reads: %v", server, ok)
		}
	}
	e := &conversation.Event{ConversationID: s.ID, Type: "message", Sender: full("alice"), Content: []byte(`{"contentType":"text"}`)}
	head := conversation.Head{Exists: true, Seq: 4, Time: 1}
	if _, err := conversation.Seal(e, head, s, 2); err != nil {
		t.Fatal(err)
	}
	entry, err := conversation.EntryOf(e, head.Hash, 3, nil)
	if err != nil || entry.Term != 3 {
		t.Fatal(entry, err)
	}
	if h, err := entry.Hash(nil); err != nil || h != e.Hash {
		t.Error("the entry was not made in the term of the state before it")
	}
}

func TestServers_AreThoseOfJoinedMembers(t *testing.T) {
	w := newWorld("servers")
	for _, line := range []string{`alice creates group with erin@b.example`, `alice adds frank@c.example`, `frank@c.example leaves`} {
		if got, err := w.perform(line, line); err != nil || !strings.HasPrefix(got, "seq ") {
			t.Fatal(line, got, err)
		}
	}
	want := []id.Server{"b.example", "example.org"}
	copied := *w.state
	copied.Complete()
	for _, s := range []*conversation.State{w.state, w.state, &copied, {Members: w.state.Members}} {
		if got := s.Servers(); !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	}
	var none *conversation.State
	if none.Servers() != nil || none.Hub() != "" || none.Term() != 0 {
		t.Error("there is something before create")
	}
}

func FuzzParseState(f *testing.F) {
	good, create := stateText(f)
	f.Add(good)
	f.Add(strings.Replace(good, `]},"members"`, `],"moves":[{"hub":"b.example","seq":3}]},"members"`, 1))
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := conversation.ParseState([]byte(raw), create, nil)
		if err != nil {
			return
		}
		again, err := s.Canonical()
		if err != nil || string(again) != raw {
			t.Fatalf("%q is read, and written as %q: %v", raw, again, err)
		}
		s.Servers()
		s.Remember(nil)
		if _, err := s.Hash(); err != nil {
			t.Fatal(err)
		}
	})
}
