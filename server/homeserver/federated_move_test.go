// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"sync"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// trio are three servers with a user on each, in one group that a.test orders.
type trio struct {
	*federated
	c     *testenv.Server
	carol *testenv.User
	conv  string
}

func meetThree(t *testing.T) *trio {
	t.Helper()
	f := &trio{federated: federate(t)}
	f.c = f.net.Start("c.test")
	f.carol = f.c.User(t, "carol")
	f.conv = f.alice.Group("Team", f.bob, f.carol)
	f.alice.Post(f.conv, "before")
	for _, m := range f.all()[1:] {
		sees(t, m.s, m.u, f.conv, "before")
	}
	return f
}

type member struct {
	s *testenv.Server
	u *testenv.User
}

func (f *trio) all() []member { return []member{{f.a, f.alice}, {f.b, f.bob}, {f.c, f.carol}} }

// move has alice move the group.
func (f *trio) move(to string) {
	f.alice.Do("POST", "/conversations/"+f.conv+"/hub", rest.MoveHub{ServerName: to}, nil)
}

// agree waits until all have the same log, with so many messages.
func (f *trio) agree(t *testing.T, messages int) {
	t.Helper()
	var want, got []frame.Event
	same := func(s *testenv.Server, u *testenv.User) {
		s.Until(fmt.Sprintf("%s has the log of alice with %d messages", u.ID, messages), func() bool {
			want, got = f.alice.History(f.conv), u.History(f.conv)
			if len(want) != len(got) || len(texts(u, f.conv)) != messages {
				return false
			}
			for i := range want {
				if want[i].MessageID != got[i].MessageID || want[i].Seq != got[i].Seq || want[i].Content != got[i].Content || want[i].SenderID != got[i].SenderID {
					return false
				}
			}
			return true
		})
	}
	same(f.b, f.bob)
	same(f.c, f.carol)
}

func TestFederated_TheHubMovesWhileAllTalk(t *testing.T) {
	t.Parallel()
	f := meetThree(t)
	const each = 30
	var wg sync.WaitGroup
	for _, m := range f.all() {
		wg.Go(func() {
			for i := range each {
				send := testenv.Text(f.conv, fmt.Sprintf("%s %d", m.u.ID, i))
				send.TempID = fmt.Sprintf("t-%d", i)
				m.s.Until("it is taken", func() bool {
					var ack frame.Ack
					return m.u.CallContext(t.Context(), "POST", "/conversations/"+f.conv+"/messages", send, &ack) == nil
				})
			}
		})
	}
	f.move("b.test")
	wg.Wait()
	f.agree(t, 1+3*each)
	for _, e := range f.alice.History(f.conv) {
		if e.Type == "hub_transfer" && (e.Change == nil || e.Change.Hub != "b.test") {
			t.Errorf("the move is told as %+v", e.Change)
		}
	}
	f.a.Stop() // It is needed no more.
	if ack := f.bob.Post(f.conv, "without a"); ack.Status != frame.Sent {
		t.Errorf("at the new hub: %+v", ack)
	}
	f.c.Until("carol reads on", func() bool { return len(texts(f.carol, f.conv)) == 2+3*each })
	f.carol.Post(f.conv, "from c")
	f.b.Until("bob reads on", func() bool { return len(texts(f.bob, f.conv)) == 3+3*each })
	f.a.Restart()
	f.agree(t, 3+3*each)
}

func TestFederated_TheHubMovesThereAndBack(t *testing.T) {
	t.Parallel()
	f := meetThree(t)
	f.move("b.test")
	head := f.alice.Get(f.conv).HeadSeq
	if got := transcript(t, f.federated, f.a, f.conv, head); got.Moves != 1 || got.Hub != "a.test" { // It hands over by its last entry.
		t.Errorf("after the move %+v", got)
	}
	f.carol.Post(f.conv, "1")
	f.agree(t, 2)
	for _, m := range f.all() {
		if got := transcript(t, f.federated, m.s, f.conv, head+1); got.Moves != 1 || got.Hub != "b.test" {
			t.Errorf("in the new term %+v", got)
		}
	}
	f.move("c.test")
	f.bob.Post(f.conv, "2")
	f.agree(t, 3)
	f.move("a.test")
	f.bob.Post(f.conv, "3")
	f.carol.Post(f.conv, "4")
	f.agree(t, 5)
	f.alice.Do("PATCH", "/conversations/"+f.conv, rest.EditConversation{Name: new("Moved")}, nil)
	for _, m := range f.all() {
		m.s.Until("the name is there", func() bool { return m.u.Get(f.conv).Name == "Moved" })
	}
}

func TestFederated_WhoComesAfterTheMoveIsShownIt(t *testing.T) {
	t.Parallel()
	f := meetThree(t)
	f.move("b.test")
	f.agree(t, 1)
	d := f.net.Start("d.test")
	dave := d.User(t, "dave")
	f.alice.Do("POST", "/conversations/"+f.conv+"/members", rest.AddMembers{UserIDs: []string{dave.ID}}, nil)
	f.alice.Post(f.conv, "hello dave")
	sees(t, d, dave, f.conv, "hello dave")
	dave.Post(f.conv, "hello all")
	f.agree(t, 3)
	f.alice.Refused(fault.HubRefused, "POST", "/conversations/"+f.conv+"/hub", rest.MoveHub{ServerName: "d.test"}) // It lacks the beginning.
}

func TestFederated_TheFollowerWasAwayWhenTheHubMoved(t *testing.T) {
	t.Parallel()
	f := meetThree(t)
	f.c.Stop()
	for i := range 20 {
		f.alice.Post(f.conv, fmt.Sprint(i))
	}
	f.move("b.test")
	f.alice.Post(f.conv, "in the new term")
	f.b.Until("b orders", func() bool { return len(texts(f.bob, f.conv)) == 22 })
	f.a.Stop() // It handed nothing to c.
	f.c.Restart()
	f.c.Until("carol has all", func() bool { return len(texts(f.carol, f.conv)) == 22 })
	f.carol.Post(f.conv, "here I am")
	f.b.Until("bob reads it", func() bool { return len(texts(f.bob, f.conv)) == 23 })
	f.a.Restart()
	f.agree(t, 23)
}

func TestFederated_WhoMayMoveTheHub(t *testing.T) {
	t.Parallel()
	f := meetThree(t)
	path := "/conversations/" + f.conv + "/hub"
	f.bob.Refused(fault.InsufficientRole, "POST", path, rest.MoveHub{ServerName: "b.test"})
	f.alice.Refused(fault.InvalidField, "POST", path, rest.MoveHub{ServerName: "d.test"})
	f.alice.Refused(fault.InvalidField, "POST", path, rest.MoveHub{ServerName: "no server"})
	f.b.Stop()
	f.alice.Refused(fault.ServerUnreachable, "POST", path, rest.MoveHub{ServerName: "b.test"})
	f.alice.Post(f.conv, "all is as it was")
	f.c.Until("carol reads it", func() bool { return len(texts(f.carol, f.conv)) == 2 })
}

func TestFederated_EitherServerStopsAroundTheMove(t *testing.T) {
	t.Parallel()
	f := meetThree(t)
	f.move("b.test")
	f.a.Stop() // It may not have told anybody.
	f.a.Restart()
	f.alice.Post(f.conv, "1")
	f.agree(t, 2)
	f.move("c.test")
	f.c.Stop() // It may not have heard of it.
	f.alice.Do("POST", "/conversations/"+f.conv+"/messages", testenv.Text(f.conv, "2"), nil)
	f.c.Restart()
	f.agree(t, 3)
	f.carol.Post(f.conv, "3")
	f.agree(t, 4)
}
