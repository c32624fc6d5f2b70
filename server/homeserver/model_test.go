// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// model is a world of users with two devices each, and what the spec says that it must come to.
type model struct {
	t     *testing.T
	srv   *testenv.Server
	rng   *rand.Rand
	users []*person
	convs []string
	read  map[string]map[string]int64 // conversation, user: how far was read
}

type person struct {
	*testenv.User
	devices []*device
}

type device struct {
	*testenv.User
	book *testenv.Book
	sock *testenv.Socket // nil while away
}

func newModel(t *testing.T, seed uint64, opts ...testenv.Option) *model {
	m := &model{t: t, srv: testenv.Start(t, opts...), rng: rand.New(rand.NewPCG(seed, 0)), read: map[string]map[string]int64{}}
	for _, u := range m.srv.Users(t, "ann", "ben", "cem", "dot", "eve") {
		m.users = append(m.users, &person{User: u, devices: []*device{{User: u, book: testenv.NewBook()}, {User: u.Device(), book: testenv.NewBook()}}})
	}
	for i := range 4 { // Each group has one who founds it and never leaves: who can tell the whole log.
		var others []*testenv.User
		for _, j := range m.rng.Perm(5)[:m.rng.IntN(5)] {
			if j != i {
				others = append(others, m.users[j].User)
			}
		}
		m.found(m.users[i].Group(fmt.Sprint("g", i), others...))
	}
	m.found(m.users[4].Direct(m.users[0].User))
	return m
}

func (m *model) found(conv string) {
	m.convs = append(m.convs, conv)
	m.read[conv] = map[string]int64{}
}

func (m *model) founder(i int) *person { return m.users[i] }

// step does one random thing; what the server refuses is as good as done, because the log is the judge.
func (m *model) step(n int) {
	u := m.users[m.rng.IntN(5)]
	i := m.rng.IntN(len(m.convs))
	conv, other := m.convs[i], m.users[m.rng.IntN(5)]
	path := "/conversations/" + conv
	d := u.devices[m.rng.IntN(2)]
	switch k := m.rng.IntN(20); {
	case k < 7:
		_ = d.Call("POST", path+"/messages", testenv.Text("", fmt.Sprint(n)), nil)
	case k < 10 && d.sock != nil:
		msg := testenv.Text(conv, fmt.Sprint(n))
		d.sock.Send(frame.SendMessage, msg)
		d.sock.Answered(msg.TempID)
	case k < 12:
		m.acknowledge(u, d, conv)
	case k < 15:
		m.comeOrGo(d)
	case k == 15:
		_ = u.Call("POST", path+"/members", add(other.User), nil)
	case k == 16 && other != m.founder(i):
		_ = u.Call("DELETE", path+"/members/"+other.ID, nil, nil)
	case k == 17 && other != m.founder(i):
		_ = u.Call("PATCH", path+"/members/"+other.ID, rest.EditMember{Role: []string{"admin", "member"}[m.rng.IntN(2)]}, nil)
	case k == 18:
		_ = u.Call("PATCH", path, name(fmt.Sprint("n", n)), nil)
	case k == 19 && d.sock == nil:
		check(m.t, d.Pull(d.book))
	}
}

// acknowledge has a device read up to some message that it knows.
func (m *model) acknowledge(u *person, d *device, conv string) {
	events := d.book.Events(conv)
	if d.sock == nil || len(events) == 0 || u.Get(conv).Membership != "joined" {
		return
	}
	e := events[m.rng.IntN(len(events))]
	before := len(errors(d.sock))
	d.sock.Send(frame.DeliveryAck, frame.Delivery{ConversationID: conv, MessageID: e.MessageID, Status: "read"})
	end := testenv.Text("c", "barrier")
	d.sock.Send(frame.SendMessage, end)
	d.sock.Answered(end.TempID)
	if len(errors(d.sock)) == before+1 { // The barrier's own.
		m.read[conv][u.ID] = max(m.read[conv][u.ID], e.Seq)
	}
}

func errors(s *testenv.Socket) (out []testenv.Frame) {
	for _, f := range s.Frames() {
		if f.Type == frame.ErrorFrame {
			out = append(out, f)
		}
	}
	return out
}

func (m *model) comeOrGo(d *device) {
	if d.sock == nil {
		d.sock = d.Socket(d.book)
		return
	}
	d.sock.Drop()
	d.sock = nil
}

// stay is one membership, to is -1 while it lasts.
type stay struct{ from, to int64 }

// fold is what the log says of a conversation, by the words of the spec and nothing of the server's.
type fold struct {
	log    []frame.Event
	stays  map[string][]stay
	joined int
	name   string
}

func foldLog(log []frame.Event) fold {
	f := fold{log: log, stays: map[string][]stay{}}
	leave := func(u string, seq int64) {
		s := f.stays[u]
		s[len(s)-1].to = seq
		f.joined--
	}
	for _, e := range log {
		switch e.Type {
		case frame.TypeCreate, frame.TypeMemberAdd:
			for _, u := range e.Change.UserIDs {
				f.stays[u] = append(f.stays[u], stay{e.Seq, -1})
				f.joined++
			}
			if e.Type == frame.TypeCreate {
				f.name = e.Change.Name
			}
		case frame.TypeMemberRemove:
			leave(e.Change.UserIDs[0], e.Seq)
		case frame.TypeMemberLeave:
			leave(e.SenderID, e.Seq)
		case frame.TypeRename:
			f.name = e.Change.Name
		}
	}
	return f
}

// unread counts the messages of others after what u read in the last stay.
func (f fold) unread(u string, read int64) (n int64) {
	last := f.stays[u][len(f.stays[u])-1]
	read = max(read, last.from)
	for _, e := range f.log {
		if e.SenderID == u {
			read = max(read, e.Seq) // Who speaks has read.
		}
	}
	for _, e := range f.log {
		if e.Type == frame.TypeMessage && e.SenderID != u && e.Seq > read {
			n++
		}
	}
	return n
}

func (m *model) judge() {
	for _, u := range m.users {
		for _, d := range u.devices {
			if d.sock == nil {
				d.sock = d.Socket(d.book)
			}
		}
	}
	total := 0
	for i, conv := range m.convs {
		f := foldLog(m.founder(i).History(conv))
		total += len(f.log)
		for _, u := range m.users {
			stays := f.stays[u.ID]
			if len(stays) == 0 {
				u.Refused("unknown_conversation", "GET", "/conversations/"+conv, nil)
				continue
			}
			m.judgeSummary(u, conv, f)
			for _, d := range u.devices {
				m.judgeDevice(d, conv, f)
			}
		}
	}
	if total < 60 {
		m.t.Errorf("the logs have %d events only", total)
	}
}

func (m *model) judgeSummary(u *person, conv string, f fold) {
	last := f.stays[u.ID][len(f.stays[u.ID])-1]
	c := u.Get(conv)
	if last.to >= 0 {
		if c.Membership == "joined" || c.HeadSeq != last.to || c.UnreadCount != 0 {
			m.t.Errorf("%s left %s at %d and sees %+v", u.ID, conv, last.to, c)
		}
		return
	}
	want := f.unread(u.ID, m.read[conv][u.ID])
	if c.Membership != "joined" || c.HeadSeq != int64(len(f.log)-1) || c.UnreadCount != want || c.MemberCount != f.joined || c.Name != f.name {
		m.t.Errorf("%s in %s: %+v; the log says head %d, unread %d, %d members, name %q", u.ID, conv, c, len(f.log)-1, want, f.joined, f.name)
	}
}

// judgeDevice checks that a device knows all of the last stay, and nothing outside of any.
func (m *model) judgeDevice(d *device, conv string, f fold) {
	stays := f.stays[d.ID]
	last := stays[len(stays)-1]
	if last.to < 0 {
		last.to = int64(len(f.log) - 1)
	}
	d.sock.Holds(conv, last.to)
	_ = d.Fill(d.book) // A gap in an earlier stay cannot be filled any more; what must be known follows.
	for seq := last.from; seq <= last.to; seq++ {
		if !d.book.Has(conv, seq) {
			m.t.Errorf("a device of %s lacks seq %d of %s, %+v", d.ID, seq, conv, stays)
		}
	}
	for _, e := range d.book.Events(conv) {
		ok := false
		for _, s := range stays {
			ok = ok || e.Seq >= s.from && (s.to < 0 || e.Seq <= s.to)
		}
		if !ok || f.log[e.Seq].MessageID != e.MessageID {
			m.t.Errorf("a device of %s knows %+v of %s, outside of %+v", d.ID, e, conv, stays)
		}
	}
}

func TestModel_RandomOperationsEndAsTheLogSays(t *testing.T) {
	t.Parallel()
	for seed, opts := range [][]testenv.Option{nil, {testenv.TwoDatabases}, nil} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, uint64(seed), opts...)
			for n := range 500 {
				m.step(n)
				if seed == 2 && n%150 == 149 {
					m.restart()
				}
			}
			m.judge()
		})
	}
}

// restart takes the sockets along.
func (m *model) restart() {
	m.srv.Restart()
	for _, u := range m.users {
		for _, d := range u.devices {
			if d.sock != nil {
				d.sock.Drop()
				d.sock = nil
			}
		}
	}
}
