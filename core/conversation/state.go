// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"fmt"
	"maps"
	"slices"

	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Memberships and roles.
const (
	Joined  = "joined"
	Left    = "left"
	Removed = "removed"
	Banned  = "banned"

	Owner  = "owner"
	Admin  = "admin"
	Simple = "member"
)

// Member is one member, past or present.
type Member struct {
	Role       string
	Membership string
	JoinedSeq  int64 // the entry of joining, where the pointers start
	FromSeq    int64 // first entry the member may read: JoinedSeq, or before it where the history is shared
	JoinedAt   int64 // hub time
	LeftSeq    int64 // last entry a past member may read, -1 while joined

	// What a past member still sees of the conversation: as it was then.
	LeftName  string
	LeftCount int
}

// State is the fold of a conversation's log. It is immutable: Apply makes the next one.
type State struct {
	ID      id.Conversation
	Create  event.Create
	Name    string
	Seq     int64 // seq of the last state change
	Created int64 // hub time of the create event
	Members map[id.User]Member
	Joined  int // members with membership joined
	Info    Info

	servers *servers // nil if they are to be found each time
}

// Member looks a user up; ok is false for those who never were members.
func (s *State) Member(u id.User) (m Member, ok bool) {
	if s == nil {
		return Member{}, false
	}
	m, ok = s.Members[u]
	return m, ok
}

// Type is direct, group or channel.
func (s *State) Type() string { return s.Create.Type }

// Peer is the other member of a direct conversation, empty otherwise and for those who are no members.
func (s *State) Peer(u id.User) id.User {
	if _, ok := s.Member(u); !ok || s.Type() != event.Direct {
		return ""
	}
	for other := range s.Members {
		if other != u {
			return other
		}
	}
	return ""
}

// owners counts the joined owners.
func (s *State) owners() int {
	n := 0
	for _, m := range s.Members {
		if m.Membership == Joined && m.Role == Owner {
			n++
		}
	}
	return n
}

// Visible tells the range of seq a user may read, given the head. ok is false for those who never were members; the hub, which
// deletes for its moderators, reads everything.
func (s *State) Visible(u id.User, head int64) (from, to int64, ok bool) {
	if s != nil && u == ServerUser(s.Hub()) {
		return 0, head, true
	}
	m, ok := s.Member(u)
	if !ok {
		return 0, -1, false
	}
	if m.Membership != Joined {
		return m.FromSeq, min(m.LeftSeq, head), true
	}
	return m.FromSeq, head, true
}

// Apply folds one event into the state; s is nil before create. Events that change nothing return s itself. It does
// not decide: an event that stands in the log is folded whoever sent it, but one that cannot stand there is an error.
func Apply(s *State, e *Event) (*State, error) {
	if !ChangesState(e.Type) && e.Seq > 0 {
		return s, nil
	}
	if (e.Type == frame.TypeCreate) != (s == nil) || (e.Type == frame.TypeCreate) != (e.Seq == 0) {
		return nil, fmt.Errorf("apply %s at seq %d: a log has one create event, the first", e.Type, e.Seq)
	}
	if e.Type == frame.TypeCreate {
		return applyCreate(e)
	}
	if e.ConversationID != s.ID {
		return nil, fmt.Errorf("apply %s at seq %d: of another conversation", e.Type, e.Seq)
	}
	change, err := event.ParseChange(e.Type, e.Content)
	if err != nil {
		return nil, fmt.Errorf("apply %s at seq %d: %w", e.Type, e.Seq, err)
	}
	next := *s
	next.Seq = e.Seq
	next.Members, next.servers = maps.Clone(s.Members), &servers{}
	next.apply(e, change)
	return &next, nil
}

func (s *State) apply(e *Event, c frame.Change) {
	switch e.Type {
	case frame.TypeRename:
		s.Name = c.Name
	case frame.TypeMemberLeave:
		s.part(e.Sender, Left, e.Seq)
	case frame.TypeMemberJoin:
		s.Info.editLink(c.LinkID, func(l *Link) { l.Uses++ })
		s.join(e.Sender, Simple, e)
	default:
		s.applyInfo(e, c)
		for _, u := range c.UserIDs {
			s.applyTo(id.User(u), e, c)
		}
	}
	s.promote()
}

// applyTo folds an event that is about a user.
func (s *State) applyTo(u id.User, e *Event, c frame.Change) {
	switch e.Type {
	case frame.TypeMemberAdd:
		s.join(u, Simple, e)
	case frame.TypeMemberRemove:
		s.part(u, Removed, e.Seq)
	case frame.TypeMemberRole:
		s.setRole(u, c.Role)
	case frame.TypeOwnerTransfer:
		if m := s.Members[u]; m.Membership == Joined && u != e.Sender {
			s.setRole(e.Sender, Admin)
			s.setRole(u, Owner)
		}
	case frame.TypeMemberBan:
		s.ban(u, e)
	case frame.TypeMemberUnban:
		s.Info.unban(u)
	case frame.TypeJoinDecline:
		s.Info.dropRequest(u)
	}
}

// applyInfo folds an event that is about no user.
func (s *State) applyInfo(e *Event, c frame.Change) {
	switch e.Type {
	case frame.TypeSettings:
		s.Info.set(c, e.Seq)
	case frame.TypeLinkCreate:
		s.Info.addLink(e, c)
	case frame.TypeLinkRevoke:
		s.Info.editLink(c.LinkID, func(l *Link) { l.Revoked = true })
	case frame.TypeJoinRequest:
		s.Info.addRequest(e, c.LinkID)
	case frame.TypePin:
		s.Info.pin(c.TargetMessageID)
	case frame.TypeUnpin:
		s.Info.unpin(c.TargetMessageID)
	case frame.TypeHubTransfer:
		s.move(c.Hub, e.Seq)
	}
}

func (s *State) join(u id.User, role string, e *Event) {
	if m, ok := s.Members[u]; ok && m.Membership == Joined {
		return
	}
	m := Member{Role: role, Membership: Joined, JoinedSeq: e.Seq, FromSeq: e.Seq, JoinedAt: e.HubTime, LeftSeq: -1}
	if s.Info.Shared {
		m.FromSeq = s.Info.SharedFrom
	}
	s.Members[u] = m
	s.Info.dropRequest(u)
	s.Joined++
}

func (s *State) part(u id.User, how string, seq int64) {
	m, ok := s.Members[u]
	if !ok || m.Membership != Joined {
		return
	}
	s.Joined--
	m.Membership, m.LeftSeq, m.Role = how, seq, Simple
	m.LeftName, m.LeftCount = s.Name, s.Joined
	s.Members[u] = m
}

func (s *State) setRole(u id.User, role string) {
	if m, ok := s.Members[u]; ok && m.Membership == Joined {
		m.Role = role
		s.Members[u] = m
	}
}

// promote keeps the rule that a group with members has an owner: the longest-standing admin, else member, follows; the
// smaller user id decides a tie. spec: CONV-OWNER-2
func (s *State) promote() {
	var heir id.User
	for u, m := range s.Members {
		if m.Membership != Joined {
			continue
		}
		if m.Role == Owner || s.Type() == event.Direct {
			return
		}
		if heir == "" || s.before(u, heir) {
			heir = u
		}
	}
	if heir != "" {
		s.setRole(heir, Owner)
	}
}

func (s *State) before(a, b id.User) bool {
	x, y := s.Members[a], s.Members[b]
	if (x.Role == Admin) != (y.Role == Admin) {
		return x.Role == Admin
	}
	if x.JoinedSeq != y.JoinedSeq {
		return x.JoinedSeq < y.JoinedSeq
	}
	return a < b
}

func applyCreate(e *Event) (*State, error) {
	c, err := event.ParseCreate(e.Content)
	if err != nil {
		return nil, fmt.Errorf("apply create: %w", err)
	}
	if e.ConversationID != event.ConversationID(e.Content) {
		return nil, fmt.Errorf("apply create: %s is not the id of its create event", e.ConversationID)
	}
	s := &State{ID: e.ConversationID, Create: c, Name: c.Name, Seq: e.Seq, Created: e.HubTime, Members: map[id.User]Member{}, servers: &servers{}}
	for _, u := range c.Members {
		role := Simple
		if c.Type != event.Direct && slices.Contains(c.Creators, u) {
			role = Owner
		}
		s.join(u, role, e)
	}
	return s, nil
}
