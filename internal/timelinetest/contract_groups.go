// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// crowd draws changes of every kind in one conversation.
type crowd struct {
	t    *testing.T
	rng  *rand.Rand
	conv id.Conversation
	n    int
	done map[string]int // accepted ones, by type
}

func (c *crowd) user() id.User { return User(fmt.Sprint("u", c.rng.IntN(8))) }

func (c *crowd) linkID() string {
	return canonical.EncodeBase64(fmt.Append(nil, "link-", 1000000+c.rng.IntN(40)))
}

var crowdTypes = []string{
	frame.TypeSettings, frame.TypeSettings, frame.TypeMemberAdd, frame.TypeMemberAdd, frame.TypeMemberRemove, frame.TypeMemberLeave,
	frame.TypeMemberRole, frame.TypeMemberBan, frame.TypeMemberUnban, frame.TypeOwnerTransfer, frame.TypeLinkCreate, frame.TypeLinkCreate,
	frame.TypeLinkRevoke, frame.TypeMemberJoin, frame.TypeMemberJoin, frame.TypeJoinRequest, frame.TypeJoinRequest, frame.TypeJoinDecline,
	frame.TypePin, frame.TypePin, frame.TypeUnpin, frame.TypeMessage,
}

// command draws a command; its sender is mostly one who may.
func (c *crowd) command(s *conversation.State, head id.Message) timeline.Command {
	c.n++
	typ, by := crowdTypes[c.rng.IntN(len(crowdTypes))], c.user()
	for u, m := range s.Members {
		if m.Role == conversation.Owner && c.rng.IntN(3) > 0 {
			by = u
		}
	}
	if typ == frame.TypeMemberLeave && s.Joined < 4 {
		typ = frame.TypeMessage // A group without members would stay so.
	}
	change := frame.Change{UserIDs: []string{string(c.user())}}
	switch typ {
	case frame.TypeMessage:
		return Message(c.t, c.conv, by, fmt.Sprint("c", c.n), "hello")
	case frame.TypeSettings:
		change = c.settings()
	case frame.TypeMemberRole:
		change.Role = []string{conversation.Owner, conversation.Admin, conversation.Simple}[c.rng.IntN(3)]
	case frame.TypeMemberLeave:
		change = frame.Change{}
	case frame.TypeLinkCreate:
		change = frame.Change{LinkID: c.linkID(), SecretHash: conversation.SecretHash([]byte("s")), NeedsApproval: c.rng.IntN(2) == 0, MaxUses: int64(c.rng.IntN(4))}
	case frame.TypeLinkRevoke, frame.TypeMemberJoin, frame.TypeJoinRequest:
		change = frame.Change{LinkID: c.linkID()}
		if n := len(s.Info.Links); n > 0 {
			change.LinkID = s.Info.Links[c.rng.IntN(n)].ID
		}
		if typ != frame.TypeLinkRevoke {
			by = c.user()
		}
	case frame.TypePin, frame.TypeUnpin:
		change = frame.Change{TargetMessageID: head.String()}
	}
	cmd := Change(c.t, c.conv, by, typ, fmt.Sprint("c", c.n), change)
	cmd.SecretHash, cmd.Target = conversation.SecretHash([]byte("s")), &conversation.Target{Type: frame.TypeMessage}
	return cmd
}

func (c *crowd) settings() (out frame.Change) {
	text := strings.Repeat("é\n", c.rng.IntN(100))
	timer, yes := []int64{0, 86400, 604800, 7776000}[c.rng.IntN(4)], c.rng.IntN(2) == 0
	switch c.rng.IntN(5) {
	case 0:
		out.Description, out.AvatarURL = &text, new(string)
	case 1:
		out.EphemeralTimer = &timer
	case 2:
		out.HistoryVisibility = []string{"joined", "shared"}[c.rng.IntN(2)]
	case 3:
		out.ServerSearch = &yes
	case 4:
		out.Permissions = map[string]string{
			conversation.CanPin:  []string{conversation.Simple, conversation.Admin}[c.rng.IntN(2)],
			conversation.CanSend: []string{conversation.Simple, conversation.Admin}[c.rng.IntN(2)],
		}
	}
	return out
}

// groupsReload restarts the node again and again: all that the state holds must come back from the store.
func groupsReload(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s, never)
	first := Group(t, "crowd", User("u0"), User("u1"), User("u2"))
	n.MustAppend(t, first)
	c := &crowd{t: t, rng: rand.New(rand.NewPCG(4, 2)), conv: first.ConversationID, done: map[string]int{}}
	for range 8 {
		for range 60 {
			v, err := n.View(t.Context(), c.conv)
			if err != nil {
				t.Fatal(err)
			}
			message := id.NewMessage(1790000000000, int64(c.rng.IntN(20)), [32]byte{})
			cmd := c.command(v.State, message)
			switch _, err := n.Append(t.Context(), cmd); {
			case err == nil:
				c.done[cmd.Type]++
			case fault.Is(err, fault.Internal) || fault.Is(err, fault.Unavailable):
				t.Fatalf("%s: %v", cmd.Type, err)
			}
		}
		before, err := n.View(t.Context(), c.conv)
		if err != nil {
			t.Fatal(err)
		}
		n.Kill()
		n = Start(t, s, never)
		after, err := n.View(t.Context(), c.conv)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before.State, after.State, Comparable); diff != "" {
			t.Fatalf("the state differs after the restart (-before +after):\n%s", diff)
		}
		hash, err1 := before.State.Hash()
		again, err2 := after.State.Hash()
		if hash != again || err1 != nil || err2 != nil {
			t.Fatalf("the hash of the state is %x, then %x (%v, %v)", hash, again, err1, err2)
		}
	}
	Verify(t, s, c.conv)
	for _, typ := range crowdTypes {
		if c.done[typ] == 0 {
			t.Errorf("no %s was accepted", typ)
		}
	}
}

// slowMode sends faster than is allowed, before and after a restart, and with more than memory holds in between.
func slowMode(t *testing.T, open Open) {
	s := open(t, one())
	var at atomic.Int64 // The node looks at it when it likes.
	at.Store(1790000000000)
	pass := func(d time.Duration) { at.Add(d.Milliseconds()) }
	clock := func(o *timeline.Options) {
		never(o)
		o.Clock = func() time.Time { return time.UnixMilli(at.Load()) }
	}
	n := Start(t, s, clock)
	group := Group(t, "slow", User("alice"), User("bob"), User("carol"))
	n.MustAppend(t, group)
	c, slow := group.ConversationID, int64(3600)
	n.MustAppend(t, Change(t, c, User("alice"), frame.TypeSettings, "slow", frame.Change{SlowMode: &slow}))
	said := 0
	say := func(who string) error {
		said++
		_, err := n.Append(t.Context(), Message(t, c, User(who), fmt.Sprint("s", said), "hello"))
		return err
	}
	limited := func(when string, wait time.Duration) {
		t.Helper()
		err := say("bob")
		if f := fault.From(err); err == nil || f.Code != fault.RateLimited || f.RetryAfter != wait {
			t.Errorf("%s: %v, want to wait %v", when, err, wait)
		}
	}
	must := func(who string) {
		t.Helper()
		if err := say(who); err != nil {
			t.Errorf("%s: %v", who, err)
		}
	}
	must("bob")
	pass(10 * time.Minute)
	limited("at once", 50*time.Minute)
	must("alice")
	must("alice") // The owner need not wait.
	must("carol")
	n.Kill()
	n = Start(t, s, clock)
	limited("after a restart", 50*time.Minute)
	for range 600 {
		must("alice")
	}
	pass(10 * time.Minute)
	n.Kill()
	n = Start(t, s, clock)
	limited("after a restart and many others", 40*time.Minute)
	pass(40*time.Minute - time.Millisecond)
	limited("a millisecond early", time.Millisecond)
	pass(time.Millisecond)
	must("bob")
	limited("again", time.Hour)
	if _, events := Log(t, s, c); events[1].Type != frame.TypeSettings || len(events) != 607 {
		t.Errorf("%d events", len(events))
	}
}
