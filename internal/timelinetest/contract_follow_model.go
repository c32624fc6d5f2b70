// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// life is what happens at random in a conversation of two servers.
type life struct {
	*pair
	t        *testing.T
	rnd      *rand.Rand
	users    []id.User
	messages []id.Message
	step     int
	accepted map[string]int
}

func newLife(t *testing.T, p *pair, seed uint64) *life {
	l := &life{pair: p, t: t, rnd: rand.New(rand.NewPCG(seed, 7)), accepted: map[string]int{}}
	l.users = []id.User{p.alice, User("anna"), p.bob, Far("bea"), Far("ben")}
	return l
}

func pick[T any](rnd *rand.Rand, list ...T) T { return list[rnd.IntN(len(list))] }

func (l *life) user() id.User { return pick(l.rnd, l.users...) }

// propose appends one random command to the hub, which may refuse it.
func (l *life) propose() {
	l.step++
	cmd := l.command()
	if cmd.Sender.Server() != Here {
		cmd = BySigned(cmd)
	}
	res, err := l.hub.Append(l.t.Context(), cmd)
	if err != nil {
		if fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Internal) {
			l.t.Fatalf("%s: %v", cmd.Type, err)
		}
		return
	}
	l.accepted[cmd.Type]++
	if cmd.Type == frame.TypeMessage {
		l.messages = append(l.messages, res.MessageID)
	}
}

func (l *life) command() timeline.Command {
	u := l.user()
	if kind := l.rnd.IntN(20); kind < 6 || len(l.messages) == 0 {
		return l.message(u)
	} else if kind < 14 {
		return l.about(u, l.messages[max(0, len(l.messages)-1-l.rnd.IntN(8))], kind)
	}
	return l.change(pick(l.rnd, u, l.alice, l.alice))
}

func (l *life) mentions() (out []string) {
	switch l.rnd.IntN(6) {
	case 0:
		out = []string{frame.MentionAll}
	case 1:
		out = []string{string(l.user())}
	}
	return out
}

func (l *life) message(u id.User) timeline.Command {
	text := fmt.Sprint("message ", l.step)
	cmd := Message(l.t, l.c, u, text, text)
	if cmd.Mentions = l.mentions(); cmd.Mentions != nil {
		var err error
		if cmd.Content, err = event.MessageContent(frame.Send{Content: text, ContentType: "text", Mentions: cmd.Mentions}); err != nil {
			l.t.Fatal(err)
		}
	}
	return cmd
}

func (l *life) about(u id.User, m id.Message, kind int) timeline.Command {
	switch kind {
	case 6, 7:
		return About(l.t, l.c, u, m, conversation.Proposal{Type: frame.TypeEdit, Mentions: l.mentions()}, fmt.Sprint("edit ", l.step))
	case 8:
		return remove(l.t, l.c, u, m)
	case 9:
		typ := pick(l.rnd, frame.TypePin, frame.TypeUnpin)
		cmd := Change(l.t, l.c, l.alice, typ, "", frame.Change{TargetMessageID: m.String()})
		if typ == frame.TypePin {
			cmd.About = m
		}
		return cmd
	}
	return react(l.t, l.c, u, m, pick(l.rnd, "x", "y", "z"), pick(l.rnd, frame.ActionAdd, frame.ActionAdd, frame.ActionRemove))
}

func (l *life) change(u id.User) timeline.Command {
	one := []string{string(pick(l.rnd, l.users[1:]...))}
	var c frame.Change
	typ := pick(l.rnd, frame.TypeMemberAdd, frame.TypeMemberAdd, frame.TypeMemberAdd, frame.TypeMemberRemove, frame.TypeMemberBan, frame.TypeMemberUnban,
		frame.TypeMemberRole, frame.TypeMemberLeave, frame.TypeRename, frame.TypeSettings, frame.TypeSettings, frame.TypeLinkCreate, frame.TypeMemberJoin)
	switch typ {
	case frame.TypeRename:
		c.Name = fmt.Sprint("name ", l.step)
	case frame.TypeMemberLeave:
		if u == l.alice {
			u = l.users[1]
		}
	case frame.TypeMemberRole:
		c.UserIDs, c.Role = one, pick(l.rnd, conversation.Admin, conversation.Simple)
	case frame.TypeSettings:
		c = l.settings()
	case frame.TypeLinkCreate, frame.TypeMemberJoin:
		return l.link(u, typ)
	default:
		c.UserIDs = one
	}
	return Change(l.t, l.c, u, typ, fmt.Sprint("change ", l.step), c)
}

func (l *life) settings() (c frame.Change) {
	switch l.rnd.IntN(5) {
	case 0:
		c.SlowMode = new(pick(l.rnd, int64(0), 1, 0))
	case 1:
		c.EphemeralTimer = new(pick(l.rnd, int64(0), 86400))
	case 2:
		c.HistoryVisibility = pick(l.rnd, conversation.VisibleJoined, conversation.VisibleShared)
	case 3:
		c.Permissions = map[string]string{conversation.CanDeleteOthers: pick(l.rnd, conversation.Simple, conversation.Admin)}
	case 4:
		c.Description = new(fmt.Sprint("about ", l.step))
	}
	return c
}

// link makes the one link there is, or joins by it.
func (l *life) link(u id.User, typ string) timeline.Command {
	const linkID = "AAAAAAAAAAAAAAAA"
	secret := conversation.SecretHash([]byte("secret of 16 bys"))
	c := frame.Change{LinkID: linkID}
	if typ == frame.TypeLinkCreate {
		c.SecretHash = secret
	}
	cmd := Change(l.t, l.c, u, typ, fmt.Sprint("link ", l.step), c)
	cmd.SecretHash = secret
	return cmd
}

// restart kills the replica, or stops it.
func (l *life) restart(how func(*Node)) {
	store := l.replica.Wire.Store
	how(l.replica)
	l.replica = Start(l.t, store, As(There), func(o *timeline.Options) { o.FlushEvery = time.Duration(1+l.rnd.IntN(100)) * time.Millisecond })
}

// followModel has a replica that holds everything from the start: it must say what the hub says.
func followModel(t *testing.T, open Open) {
	accepted := map[string]int{}
	for seed := range uint64(2) {
		p := newPair(t, open)
		l := newLife(t, p, seed)
		p.replica.MustBegin(t, p.log(t), 0)
		for range 12 {
			for range 25 {
				l.propose()
			}
			p.replica.Copy(t, p.log(t), l.rnd)
			if l.rnd.IntN(3) == 0 {
				l.restart((*Node).Kill)
			}
		}
		for _, again := range []bool{false, true} {
			if again {
				l.restart((*Node).Kill)
			}
			sameViews(t, p)
			samePages(t, p, l.users, 0)
			samePointers(t, p)
		}
		Verify(t, p.replica.Wire, p.c)
		VerifyShards(t, p.replica.Wire, []id.Conversation{p.c})
		for typ, n := range l.accepted {
			accepted[typ] += n
		}
	}
	for _, typ := range []string{frame.TypeEdit, frame.TypeReaction, frame.TypeDelete, frame.TypeMemberJoin, frame.TypePin, frame.TypeMemberLeave} {
		if accepted[typ] == 0 {
			t.Errorf("no %s was tested: %v", typ, accepted)
		}
	}
}

func sameViews(t *testing.T, p *pair) {
	t.Helper()
	look := func(n *Node) timeline.View {
		v, err := n.View(t.Context(), p.c)
		if err != nil {
			t.Fatal(err)
		}
		v.Shard, v.Conv, v.Head.Pos, v.Base, v.Mark = 0, 0, 0, 0, 0
		if v.Last != nil {
			last := *v.Last
			last.Shard, last.Pos, last.Conv = 0, 0, 0
			if last.Content == nil { // What is left of a message in memory, and in the store.
				last.Facts = nil
			}
			v.Last = &last
		}
		return v
	}
	if diff := cmp.Diff(look(p.hub), look(p.replica), Comparable); diff != "" {
		t.Errorf("the replica is not as the hub (-hub +replica):\n%s", diff)
	}
}

// samePages compares what members read, from a seq on.
func samePages(t *testing.T, p *pair, users []id.User, from int64) {
	t.Helper()
	for _, u := range users {
		page := func(n *Node) []*conversation.Event {
			v, err := n.View(t.Context(), p.c)
			if err != nil {
				t.Fatal(err)
			}
			at, err := n.Pointer(t.Context(), p.c, u)
			if err != nil {
				t.Fatal(err)
			}
			r := timeline.Sight(v, u, at)
			r.From, r.Limit = max(r.From, from), 1<<20
			events, err := n.Wire.Events(t.Context(), v.Shard, v.Conv, r)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				e.Shard, e.Pos, e.Conv, e.Expects = 0, 0, 0, nil
				if _, m, _ := conversation.ProposalOf(e); e.Type == frame.TypeEdit && m.Seq() < max(from, 1) {
					e.ExpiresAt = 0 // The message is not held, nor the timer of its time; or it came erased, and is not known.
				}
				if e.Content == nil && e.Facts != nil { // An edit that came erased is not known to be about it.
					e.Facts.Edits, e.Facts.EditedAt = 0, 0
				}
			}
			return events
		}
		if diff := cmp.Diff(page(p.hub), page(p.replica)); diff != "" {
			t.Errorf("%s reads something else in the replica (-hub +replica):\n%s", u, diff)
		}
	}
}

// samePointers compares what members have read and what mentions them.
func samePointers(t *testing.T, p *pair) {
	t.Helper()
	look := func(n *Node) map[id.User]timeline.Pointer {
		out, err := n.Pointers(t.Context(), p.c)
		if err != nil {
			t.Fatal(err)
		}
		l, _ := Log(t, n.Wire, p.c)
		for u, at := range out {
			at.Mark, at.DeliveredMark, at.PrefsMark = 0, 0, 0
			at.Mentioned = l.Pointers[u].Mentioned // In memory it may be too high.
			out[u] = at
		}
		return out
	}
	if diff := cmp.Diff(look(p.hub), look(p.replica)); diff != "" {
		t.Errorf("pointers differ (-hub +replica):\n%s", diff)
	}
}

// followLate has replicas that begin in the middle of the log, whenever a user of theirs comes.
func followLate(t *testing.T, open Open) {
	for seed := range uint64(2) {
		p := newPair(t, open)
		p.hub.MustAppend(t, Change(t, p.c, p.alice, frame.TypeMemberRemove, "out", frame.Change{UserIDs: []string{string(p.bob)}}))
		l := newLife(t, p, 100+seed)
		begun := 0
		for range 20 {
			for range 15 {
				l.propose()
			}
			begun += l.catchUp()
			if l.rnd.IntN(3) == 0 {
				l.restart(pick(l.rnd, (*Node).Kill, (*Node).Stop))
			}
		}
		again := Change(t, p.c, p.alice, frame.TypeMemberUnban, "again", frame.Change{UserIDs: []string{string(p.bob)}})
		_, _ = p.hub.Append(t.Context(), again) // Refused if there is no ban.
		again = Change(t, p.c, p.alice, frame.TypeMemberAdd, "and again", frame.Change{UserIDs: []string{string(p.bob)}})
		_, _ = p.hub.Append(t.Context(), again) // Refused if bob is a member.
		begun += l.catchUp()
		v, err := p.replica.View(t.Context(), p.c)
		if err != nil || begun == 0 || v.Base == 0 {
			t.Fatalf("seed %d: %d replicas began, the last at %d: %v", seed, begun, v.Base, err)
		}
		for range 2 {
			var here []id.User
			for _, u := range l.users {
				if m, _ := v.State.Member(u); u.Server() == There && m.Membership == conversation.Joined {
					here = append(here, u)
				}
			}
			samePages(t, p, here, v.Base)
			whole, held := p.log(t), Records(t, p.replica.Wire, p.c, v.Base, id.MaxSeq)
			for i, e := range held {
				if w := whole[v.Base+int64(i)]; e.Hash != w.Hash || e.Prev != w.Prev {
					t.Errorf("entry %d is not the hub's", e.Seq)
				}
			}
			want, _ := SnapshotAt(t, whole, v.State.Seq).State.Hash()
			if got, err := v.State.Hash(); err != nil || got != want {
				t.Errorf("the state at %d is another", v.State.Seq)
			}
			l.restart((*Node).Kill)
		}
	}
}

// catchUp copies as a follower does: while a user of its own is a member, and by a snapshot where it has nothing to go on from.
// It returns how often the replica began.
func (l *life) catchUp() (begun int) {
	l.t.Helper()
	log := l.log(l.t)
	for at := int64(0); at < int64(len(log)); at++ {
		v, err := l.replica.View(l.t.Context(), l.c)
		switch {
		case err == nil && at <= v.Head.Seq:
		case err == nil && hasFar(v.State):
			l.replica.MustFollow(l.t, log[at:min(at+1+l.rnd.Int64N(5), int64(len(log)))])
		case at > 1 && conversation.ChangesState(log[at].Type):
			if s := SnapshotAt(l.t, log, at); hasFar(s.State) {
				l.replica.MustBegin(l.t, log, at)
				begun++
			}
		}
	}
	return begun
}

func hasFar(s *conversation.State) bool {
	for _, name := range s.Servers() {
		if name == There {
			return true
		}
	}
	return false
}
