// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// said is a message as the model has it.
type said struct {
	id, sender, text string
	seq              int64
	edited           bool
	deletedBy        string
	mentions         []string
	reactions        [][2]string // emoji and user, in the order of adding
}

// chatter is a group and what the words of the spec make of what was done in it.
type chatter struct {
	t        *rapid.T
	srv      *testenv.Server
	users    []*talker // the first is owner, the last joins late
	conv     string
	head     int64
	messages []*said
	n        int
}

// talker is a user with a device on a socket and one that polls.
type talker struct {
	*testenv.User
	sock   *testenv.Socket
	poll   *testenv.User
	book   *testenv.Book
	joined int64 // -1 while not
	read   int64
}

func (c *chatter) path() string { return "/conversations/" + c.conv }

// did notes an entry that the user made.
func (c *chatter) did(u *talker) int64 {
	c.head++
	u.read = c.head
	return c.head
}

func (c *chatter) user() *talker {
	members := slices.DeleteFunc(slices.Clone(c.users), func(u *talker) bool { return u.joined < 0 })
	return rapid.SampledFrom(members).Draw(c.t, "user")
}

func (c *chatter) whom(u *talker) (out []string) {
	for _, other := range c.users {
		if other.joined >= 0 && rapid.IntRange(0, 3).Draw(c.t, "mention "+other.Name()) == 0 {
			out = append(out, other.ID)
		}
	}
	if u == c.users[0] && rapid.IntRange(0, 3).Draw(c.t, "mention all") == 0 {
		out = append(out, frame.MentionAll)
	}
	return out
}

func (c *chatter) send(*rapid.T) {
	u := c.user()
	c.n++
	m := testenv.Text("", fmt.Sprint("text ", c.n))
	m.Mentions = c.whom(u)
	var ack frame.Ack
	u.Do("POST", c.path()+"/messages", m, &ack)
	c.messages = append(c.messages, &said{id: ack.MessageID, sender: u.ID, text: m.Content, seq: c.did(u), mentions: m.Mentions})
}

// one draws a message that a member may read.
func (c *chatter) one(t *rapid.T) (*talker, *said) {
	u := c.user()
	all := slices.DeleteFunc(slices.Clone(c.messages), func(m *said) bool { return m.seq < u.joined })
	if len(all) == 0 {
		t.Skip("no message")
	}
	return u, rapid.SampledFrom(all).Draw(t, "message")
}

func (c *chatter) edit(t *rapid.T) {
	u, m := c.one(t)
	if m.sender != u.ID || m.deletedBy != "" {
		if err := u.Call("PATCH", on(c.conv, m.id), rest.EditMessage{Content: "x"}, nil); err == nil {
			t.Errorf("%s edits %+v", u.ID, m)
		}
		return
	}
	c.n++
	m.text, m.mentions, m.edited = fmt.Sprint("edit ", c.n), c.whom(u), true
	u.Do("PATCH", on(c.conv, m.id), rest.EditMessage{Content: m.text, Mentions: m.mentions}, nil)
	c.did(u)
}

func (c *chatter) react(t *rapid.T) {
	u, m := c.one(t)
	emoji := rapid.SampledFrom([]string{"x", "\U0001F44D"}).Draw(t, "emoji")
	add := rapid.Bool().Draw(t, "add")
	at := slices.Index(m.reactions, [2]string{emoji, u.ID})
	method := map[bool]string{true: "PUT", false: "DELETE"}[add]
	err := u.Call(method, with(c.conv, m.id, emoji), nil, nil)
	if refused := add && m.deletedBy != ""; (err != nil) != refused {
		t.Errorf("%s %s on %+v: %v", u.ID, method, m, err)
	}
	switch {
	case m.deletedBy != "", add == (at >= 0):
		return
	case add:
		m.reactions = append(m.reactions, [2]string{emoji, u.ID})
	default:
		m.reactions = slices.Delete(m.reactions, at, at+1)
	}
	c.did(u)
}

func (c *chatter) remove(t *rapid.T) {
	u, m := c.one(t)
	may := m.sender == u.ID || u == c.users[0]
	if err := u.Call("DELETE", on(c.conv, m.id), nil, nil); (err == nil) != may {
		t.Errorf("%s deletes %+v: %v", u.ID, m, err)
	}
	if may && m.deletedBy == "" {
		m.deletedBy, m.text, m.edited, m.mentions, m.reactions = u.ID, "", false, nil, nil
		c.did(u)
	}
}

func (c *chatter) acknowledge(t *rapid.T) {
	u, m := c.one(t)
	u.Do("POST", c.path()+"/receipts", rest.Acknowledge{MessageID: m.id, Status: "read"}, nil)
	u.read = max(u.read, m.seq)
}

func (c *chatter) join(t *rapid.T) {
	late := c.users[len(c.users)-1]
	if late.joined >= 0 {
		t.Skip("has joined")
	}
	c.users[0].Do("POST", c.path()+"/members", add(late.User), nil)
	late.joined = c.did(c.users[0])
	late.read = late.joined
}

// want is a message as u must see it.
func (m *said) want(u *talker) frame.Event {
	out := frame.Event{MessageID: m.id, Seq: m.seq, SenderID: m.sender, Content: m.text, Mentions: m.mentions, DeletedBy: m.deletedBy}
	for _, r := range m.reactions {
		i := slices.IndexFunc(out.Reactions, func(have frame.Reaction) bool { return have.Emoji == r[0] })
		if i < 0 {
			out.Reactions, i = append(out.Reactions, frame.Reaction{Emoji: r[0]}), len(out.Reactions)
		}
		have := &out.Reactions[i]
		have.Count++
		have.UserIDs = append(have.UserIDs, r[1])
		have.IsOwn = have.IsOwn || r[1] == u.ID
	}
	return out
}

// seen is what the model speaks of.
func seen(e frame.Event) frame.Event {
	return frame.Event{
		MessageID: e.MessageID, Seq: e.Seq, SenderID: e.SenderID, Content: e.Content, Mentions: e.Mentions, DeletedBy: e.DeletedBy, Reactions: e.Reactions,
	}
}

// check lets every device of every member tell what it knows.
func (c *chatter) check(t *rapid.T) {
	for _, u := range c.users {
		if u.joined < 0 {
			continue
		}
		byID := map[string]frame.Event{}
		for _, e := range u.History(c.conv) {
			byID[e.MessageID] = e
		}
		u.sock.Holds(c.conv, c.head)
		if err := u.poll.Pull(u.book); err != nil {
			t.Fatal(err)
		}
		var unread, mentioned int64
		var last *said
		for _, m := range c.messages {
			if m.seq < u.joined {
				continue
			}
			last = m
			if m.seq > u.read && m.sender != u.ID {
				unread++
				if slices.Contains(m.mentions, u.ID) || slices.Contains(m.mentions, frame.MentionAll) {
					mentioned++
				}
			}
			e := byID[m.id]
			if (e.EditedAt != 0) != m.edited || (e.DeletedAt != 0) != (m.deletedBy != "") {
				t.Errorf("%s reads %+v, want %+v", u.ID, e, m)
			}
			for what, have := range map[string]frame.Event{"page": e, "live": u.sock.Book.Now(c.conv, m.seq, u.ID), "sync": u.book.Now(c.conv, m.seq, u.ID)} {
				if d := cmp.Diff(m.want(u), seen(have), cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b frame.Reaction) bool { return a.Emoji < b.Emoji })); d != "" {
					t.Errorf("%s, %s, seq %d: (-want +got)\n%s", u.ID, what, m.seq, d)
				}
			}
		}
		got := u.Get(c.conv)
		if got.UnreadCount != unread || got.MentionCount != mentioned || got.HeadSeq != c.head {
			t.Errorf("%s: %d unread, %d mentions, head %d; want %d, %d, %d", u.ID, got.UnreadCount, got.MentionCount, got.HeadSeq, unread, mentioned, c.head)
		}
		if last == nil {
			continue
		}
		if p := got.LastMessage; p == nil || p.MessageID != last.id || p.Content != last.text || p.DeletedBy != last.deletedBy || p.Reactions != nil {
			t.Errorf("%s: the preview is %+v, want %+v", u.ID, p, last)
		}
	}
}

// conversations is how many random ones there are.
const conversations = 10

func TestModel_EveryDeviceAgreesOnEveryMessage(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	var people []*talker
	for _, u := range srv.Users(t, "alice", "bob", "carol") {
		people = append(people, &talker{User: u, poll: u.Device(), sock: u.Socket(nil), book: testenv.NewBook()})
	}
	ran, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		defer func() { failed = failed || rt.Failed() }()
		if ran++; ran > conversations && !failed {
			return // A failure is run again, to make it smaller.
		}
		c := &chatter{t: rt, srv: srv, users: people, conv: people[0].Group("Team", people[1].User)}
		for i, u := range people {
			u.joined, u.read = 0, 0
			if i == 2 {
				u.joined = -1
			}
		}
		actions := map[string]func(*rapid.T){
			"send": c.send, "edit": c.edit, "react": c.react, "delete": c.remove, "read": c.acknowledge, "join": c.join, "": c.check,
		}
		if testing.Short() {
			c.send(rt)
			c.check(rt)
			return
		}
		rt.Repeat(actions)
	})
}
