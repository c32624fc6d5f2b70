// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
	"parley.chat/server/homeserver"
	"parley.chat/server/verify"
)

// federated are two servers that reach each other, with a user on each.
type federated struct {
	net        *testenv.Federation
	a, b       *testenv.Server
	alice, bob *testenv.User // alice's server is the hub of what they share
}

func federate(t *testing.T) *federated {
	t.Helper()
	net := testenv.NewFederation(t)
	f := &federated{net: net, a: net.Start("a.test"), b: net.Start("b.test")}
	f.alice, f.bob = f.a.User(t, "alice"), f.b.User(t, "bob")
	return f
}

// texts is what a user reads in a conversation, oldest first.
func texts(u *testenv.User, conv string) []string {
	var out []string
	for _, e := range u.History(conv) {
		if e.Type == frame.TypeMessage {
			out = append(out, e.Content)
		}
	}
	return out
}

// sees waits until the user reads exactly these messages.
func sees(t *testing.T, s *testenv.Server, u *testenv.User, conv string, want ...string) {
	t.Helper()
	s.Until(fmt.Sprintf("%s reads %q", u.ID, want), func() bool {
		var c frame.Conversation
		return u.CallContext(t.Context(), "GET", "/conversations/"+conv, nil, &c) == nil && slices.Equal(texts(u, conv), want)
	})
}

func TestFederated_DirectConversationBothWays(t *testing.T) {
	t.Parallel()
	f := federate(t)
	phone := f.bob.Socket(nil)
	conv := f.alice.Direct(f.bob)
	f.alice.Post(conv, "hello bob")
	sees(t, f.b, f.bob, conv, "hello bob")
	if ack := f.bob.Post(conv, "hello alice"); ack.Status != frame.Sent || ack.Seq == 0 {
		t.Errorf("bob's ack is %+v", ack)
	}
	sees(t, f.a, f.alice, conv, "hello bob", "hello alice")
	sees(t, f.b, f.bob, conv, "hello bob", "hello alice")
	phone.Await("the message, live", func(fr testenv.Frame) bool {
		var e frame.Event
		return fr.Type == frame.MessageReceived && fr.Decode(&e) == nil && e.Content == "hello bob"
	})
	equalLogs(t, f, conv)
}

// equalLogs holds the two logs against each other: the same entries, byte for byte in what clients see.
func equalLogs(t *testing.T, f *federated, conv string) {
	t.Helper()
	f.b.Until("both have the same log", func() bool {
		x, y := f.alice.History(conv), f.bob.History(conv)
		if len(x) != len(y) {
			return false
		}
		for i := range x {
			if x[i].MessageID != y[i].MessageID || x[i].Content != y[i].Content || x[i].Seq != y[i].Seq || x[i].SenderID != y[i].SenderID {
				return false
			}
		}
		return true
	})
}

func TestFederated_ConversationOpenedFromTheOtherSide(t *testing.T) {
	t.Parallel()
	f := federate(t)
	conv := f.bob.Direct(f.alice) // The hub is a.test all the same.
	f.bob.Post(conv, "hello alice")
	sees(t, f.a, f.alice, conv, "hello alice")
	f.alice.Post(conv, "hello bob")
	sees(t, f.b, f.bob, conv, "hello alice", "hello bob")
	if again := f.alice.Direct(f.bob); again != conv {
		t.Errorf("alice opens %s, bob opened %s", again, conv)
	}
}

func TestFederated_GroupOfThreeServers(t *testing.T) {
	t.Parallel()
	f := federate(t)
	c := f.net.Start("c.test")
	carol := c.User(t, "carol")
	conv := f.alice.Group("Team", f.bob)
	f.alice.Post(conv, "before carol")
	sees(t, f.b, f.bob, conv, "before carol")
	f.alice.Do("POST", "/conversations/"+conv+"/members", rest.AddMembers{UserIDs: []string{carol.ID}}, nil)
	f.bob.Post(conv, "hello all")
	sees(t, c, carol, conv, "hello all") // She joined after the first.
	ack := carol.Post(conv, "hello from c")
	sees(t, f.a, f.alice, conv, "before carol", "hello all", "hello from c")
	sees(t, f.b, f.bob, conv, "before carol", "hello all", "hello from c")

	carol.Do("PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "hello from C"}, nil)
	f.bob.Do("PUT", with(conv, ack.MessageID, "👍"), nil, nil)
	for _, one := range []struct {
		s *testenv.Server
		u *testenv.User
	}{{f.a, f.alice}, {f.b, f.bob}, {c, carol}} {
		one.s.Until(one.u.ID+" sees the edit and the reaction", func() bool {
			e := find(t, one.u, conv, ack.MessageID)
			return e.Content == "hello from C" && len(e.Reactions) == 1 && e.Reactions[0].Count == 1
		})
	}
	carol.Do("DELETE", on(conv, ack.MessageID), nil, nil)
	f.b.Until("bob sees it gone", func() bool { return find(t, f.bob, conv, ack.MessageID).DeletedAt != 0 })

	f.alice.Do("DELETE", "/conversations/"+conv+"/members/"+carol.ID, nil, nil)
	c.Until("carol is out", func() bool {
		var got frame.Conversation
		return carol.CallContext(t.Context(), "POST", "/conversations/"+conv+"/messages", testenv.Text(conv, "x"), &got) != nil
	})
	f.alice.Post(conv, "without carol")
	sees(t, f.b, f.bob, conv, "before carol", "hello all", "", "without carol")
	if got := texts(carol, conv); slices.Contains(got, "without carol") {
		t.Errorf("carol reads on: %q", got)
	}
	carol.Refused(fault.NotMember, "POST", "/conversations/"+conv+"/messages", testenv.Text(conv, "x"))
}

func TestFederated_HubAway(t *testing.T) {
	t.Parallel()
	f := federate(t)
	conv := f.alice.Direct(f.bob)
	f.alice.Post(conv, "hello")
	sees(t, f.b, f.bob, conv, "hello")
	f.a.Stop()
	var want []string
	for i := range 3 {
		text := fmt.Sprintf("while you are away %d", i)
		want = append(want, text)
		send := testenv.Text(conv, text)
		send.TempID = fmt.Sprintf("away-%d", i)
		var ack frame.Ack
		f.bob.Do("POST", "/conversations/"+conv+"/messages", send, &ack)
		if ack.Status != frame.Accepted || ack.MessageID != "" {
			t.Errorf("the hub is away and the ack is %+v", ack)
		}
	}
	if got := texts(f.bob, conv); !slices.Equal(got, []string{"hello"}) {
		t.Errorf("history shows %q", got)
	}
	if err := f.bob.Refused(fault.HubUnavailable, "PATCH", "/conversations/"+conv, rest.EditConversation{EphemeralTimer: new(int64(86400))}); err == nil || err.RetryAfter == 0 {
		t.Errorf("a change of state while the hub is away: %v", err)
	}
	f.b.Restart() // What was accepted is on disk.
	phone := f.bob.Socket(nil)
	f.a.Restart()
	sees(t, f.a, f.alice, conv, append([]string{"hello"}, want...)...)
	sees(t, f.b, f.bob, conv, append([]string{"hello"}, want...)...)
	for i := range 3 {
		phone.Await("sent", func(fr testenv.Frame) bool {
			var a frame.Ack
			return fr.Type == frame.MessageAck && fr.Decode(&a) == nil && a.TempID == fmt.Sprintf("away-%d", i) && a.Status == frame.Sent
		})
	}
	equalLogs(t, f, conv)
}

func TestFederated_FollowerAwayCatchesUp(t *testing.T) {
	t.Parallel()
	f := federate(t)
	conv := f.alice.Direct(f.bob)
	f.alice.Post(conv, "0")
	sees(t, f.b, f.bob, conv, "0")
	f.b.Stop()
	want := []string{"0"}
	for i := range 130 { // More than a transaction holds, and more than a range.
		want = append(want, fmt.Sprint(i+1))
		f.alice.Post(conv, fmt.Sprint(i+1))
	}
	f.b.Restart()
	sees(t, f.b, f.bob, conv, want...)
	if c := f.bob.Get(conv); c.UnreadCount != 131 {
		t.Errorf("%d are unread", c.UnreadCount)
	}
	equalLogs(t, f, conv)
}

func TestFederated_StrangersLearnNothing(t *testing.T) {
	t.Parallel()
	f := federate(t)
	eve := f.b.User(t, "eve")
	conv := f.alice.Group("Secret", f.bob)
	sees(t, f.b, f.bob, conv)
	eve.Refused(fault.UnknownConversation, "GET", "/conversations/"+conv, nil)
	eve.Refused(fault.UnknownConversation, "POST", "/conversations/"+conv+"/messages", testenv.Text(conv, "x"))
	other := f.alice.Group("Other")
	f.bob.Refused(fault.UnknownConversation, "GET", "/conversations/"+other, nil)
	if e := f.alice.CallContext(t.Context(), "POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{"nobody@b.test"}}, nil); e == nil || e.Code != fault.UnknownUser {
		t.Errorf("a conversation with nobody: %v", e)
	}
	start := time.Now()
	e := f.alice.CallContext(t.Context(), "POST", "/conversations", rest.CreateConversation{Type: "direct", Members: []string{"zoe@nowhere.test"}}, nil)
	if e == nil || !strings.Contains(string(e.Code), "un") || time.Since(start) > 20*time.Second {
		t.Errorf("a conversation with a server that is not there: %v", e)
	}
}

func TestFederated_ReceiptsCross(t *testing.T) {
	t.Parallel()
	f := federate(t)
	conv := f.alice.Direct(f.bob)
	ack := f.alice.Post(conv, "hello")
	sees(t, f.b, f.bob, conv, "hello")
	f.bob.Post(conv, "I accept") // A request is answered by writing.
	f.bob.Do("POST", "/conversations/"+conv+"/receipts", rest.Acknowledge{MessageID: ack.MessageID, Status: "read"}, nil)
	f.a.Until("alice sees it read", func() bool {
		return find(t, f.alice, conv, ack.MessageID).Status == "read"
	})
}

// What was said across two servers is exported from either, and holds.
func TestFederated_TranscriptsHold(t *testing.T) {
	t.Parallel()
	f := federate(t)
	conv := f.alice.Direct(f.bob)
	gone := f.alice.Post(conv, "soon gone")
	sees(t, f.b, f.bob, conv, "soon gone")
	f.bob.Post(conv, "hello alice")
	f.alice.Do("DELETE", on(conv, gone.MessageID), nil, nil)
	sees(t, f.b, f.bob, conv, "", "hello alice")
	equalLogs(t, f, conv)
	for _, s := range []*testenv.Server{f.a, f.b} {
		if got := transcript(t, f, s, conv, 3); got.Hub != "a.test" || got.Messages != 2 || got.Signed != 1 || got.Erased != 1 {
			t.Errorf("%+v", got)
		}
	}
}

// transcript exports a conversation from a server, once that has the hub's word for its head, and checks it.
func transcript(t *testing.T, f *federated, s *testenv.Server, conv string, head int64) (got verify.Report) {
	t.Helper()
	cfg := s.Config()
	for i, name := range []string{"a.test", "b.test", "c.test"} {
		cfg.Federation.Hosts += fmt.Sprintf("%s%s=%s:%d", map[bool]string{true: ","}[i > 0], name, f.net.Host(name), f.net.Port)
	}
	s.Until("the transcript reaches the head", func() bool {
		var file bytes.Buffer
		if err := homeserver.Transcript(t.Context(), cfg, id.Conversation(conv), &file, slog.New(slog.DiscardHandler)); err != nil {
			return false
		}
		var err error
		if got, err = verify.Transcript(&file); err != nil {
			t.Fatal(err)
		}
		return got.Last == head
	})
	return got
}

func TestFederated_CheckpointsAreTheHubs(t *testing.T) {
	t.Parallel()
	f := federate(t)
	conv := f.alice.Direct(f.bob)
	f.alice.Post(conv, "hello bob")
	sees(t, f.b, f.bob, conv, "hello bob")
	var at, there rest.Checkpoint
	f.alice.Call("GET", "/conversations/"+conv+"/checkpoint", nil, &at)
	f.b.Until("bob has the checkpoint of the newest entry", func() bool {
		return f.bob.CallContext(t.Context(), "GET", "/conversations/"+conv+"/checkpoint", nil, &there) == nil && there.Hash == at.Hash
	})
	if there.Hub != "a.test" || len(there.Signatures) != 1 || len(there.Signatures["a.test"]) == 0 {
		t.Errorf("bob is told %+v", there)
	}
}
