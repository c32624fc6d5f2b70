// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"maps"
	"slices"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/text"
)

// Proposal is what a sender wants to become the next event. Decide checks its right, and of its form whatever would
// become state: a follower must refuse what the hub refuses. The text of messages is not looked at.
type Proposal struct {
	Type     string
	Sender   id.User
	Change   frame.Change // of state events
	Create   event.Create // of create
	At       int64        // hub time the event would have, Unix milliseconds
	Action   string       // of reaction: add, remove
	Emoji    string       // of reaction
	Mentions []string     // of message and edit: user ids, or all
	Target   *Target      // of events about a message: what the log has there; nil if nothing the sender may read

	SentAt     int64  // of messages and edits: hub time of the sender's last one of either, 0 if none is known
	SecretHash string // of those who join by a link: the hash of the secret they gave
	Unheld     bool   // the message it is about is not held here: whoever gave the order is believed as to it
	Expects    *int64 // the sender judged by the state as of this seq; nil to let it be
}

// Target is the message that a proposal is about.
type Target struct {
	Seq       int64
	Type      string
	Sender    id.User
	Time      int64           // hub time, Unix milliseconds
	Erased    bool            // its content is gone
	ExpiresAt int64           // hub time, 0 if never
	Edits     int             // so far
	Emojis    map[string]int  // reactions: by how many users each; read only
	Own       map[string]bool // reactions of the proposal's sender; read only
}

// Limits are the sizes a server may configure.
type Limits struct {
	MaxMembers int // of a group, at most 1024
}

// Members is how many members a conversation of the type may have: those of a channel are the few who write in it.
func (l Limits) Members(typ string) int {
	if typ == event.Channel {
		return event.MaxWriters
	}
	return l.MaxMembers
}

// Decide says whether the proposal may become the next event after state s (nil before create). A refusal is a
// *fault.Error. Events that would change nothing are refused too, so that the log holds changes only.
func Decide(s *State, p Proposal, l Limits) error {
	if p.Expects != nil && !ChangesState(p.Type) {
		return fault.Invalid("expects", "is of state changes only") // spec: LOG-SUBMISSION-3
	}
	if p.Type == frame.TypeCreate {
		return decideCreate(s, p, l)
	}
	if p.Type == frame.TypeMemberJoin || p.Type == frame.TypeJoinRequest {
		return decideJoin(s, p, l)
	}
	if IsServer(p.Sender) {
		return decideServer(s, p)
	}
	m, ok := s.Member(p.Sender)
	if !ok && s != nil && s.Create.Visibility == event.Public && !s.Info.Banned(p.Sender) {
		return fault.New(fault.InsufficientRole, "only members write in a channel") // Everybody may know that it exists.
	}
	if !ok {
		return fault.New(fault.UnknownConversation, "no such conversation")
	}
	if m.Membership != Joined {
		return fault.New(fault.NotMember, "you are no longer a member of this conversation")
	}
	if !ChangesState(p.Type) {
		return decideMessage(s, m, p)
	}
	if err := s.expected(p); err != nil {
		return err
	}
	if s.Type() == event.Direct && !slices.Contains([]string{frame.TypeSettings, frame.TypePin, frame.TypeUnpin}, p.Type) {
		return directFixed()
	}
	rule, ok := rules[p.Type]
	if !ok {
		return fault.Invalid("type", "no event of type %q can be proposed", p.Type)
	}
	return rule(s, m, p, l)
}

// expected refuses what was judged by an older state. spec: LOG-SUBMISSION-4
func (s *State) expected(p Proposal) error {
	if p.Expects != nil && s.Seq > *p.Expects {
		return fault.New(fault.StateChanged, "the conversation changed at seq %d", s.Seq)
	}
	return nil
}

var rules = map[string]func(*State, Member, Proposal, Limits) error{
	frame.TypeMemberLeave:  func(*State, Member, Proposal, Limits) error { return nil },
	frame.TypeRename:       decideRename,
	frame.TypeMemberAdd:    decideAdd,
	frame.TypeMemberRemove: decideRemove,
	frame.TypeMemberRole:   decideRole,

	frame.TypeSettings:      decideSettings,
	frame.TypeMemberBan:     decideBan,
	frame.TypeMemberUnban:   decideUnban,
	frame.TypeOwnerTransfer: decideTransfer,
	frame.TypeJoinDecline:   decideDecline,
	frame.TypeLinkCreate:    decideLinkCreate,
	frame.TypeLinkRevoke:    decideLinkRevoke,
	frame.TypePin:           decidePin,
	frame.TypeUnpin:         decidePin,
	frame.TypeHubTransfer:   decideHub,
}

func directFixed() error {
	return fault.New(fault.DirectFixed, "a direct conversation keeps its two members and has no name")
}

func decideCreate(s *State, p Proposal, l Limits) error {
	if s != nil {
		return fault.New(fault.AlreadyMember, "the conversation exists already")
	}
	c := p.Create
	if !slices.Contains(c.Creators, p.Sender) {
		return fault.New(fault.Forbidden, "only a creator can create the conversation")
	}
	if limit := l.Members(c.Type); c.Type != event.Direct && len(c.Members) > limit {
		return fault.New(fault.GroupFull, "a %s has at most %d members", c.Type, limit)
	}
	if err := c.Validate(); err != nil {
		return err
	}
	return CheckName(c.Name)
}

// CheckName checks a name that somebody wants to give a conversation; the empty one stands for none. The error is a
// *fault.Error. spec: CONV-NAME-1
func CheckName(name string) error {
	if !text.IsName(name, event.MaxName) {
		return fault.Invalid("name", "must be at most %d bytes of something to see, without control characters", event.MaxName)
	}
	return nil
}

func decideRename(s *State, m Member, p Proposal, _ Limits) error {
	if err := s.need(m, CanEditInfo); err != nil {
		return err
	}
	if p.Change.Name == s.Name {
		return unchanged("name")
	}
	return CheckName(p.Change.Name)
}

func decideAdd(s *State, m Member, p Proposal, l Limits) error {
	if err := s.need(m, CanInvite); err != nil {
		return err
	}
	if p.Change.Role != "" && p.Change.Role != Simple {
		return fault.Invalid("role", "new members have the role %s", Simple)
	}
	if err := checkUsers(p.Change.UserIDs, event.MaxMembers); err != nil {
		return err
	}
	for _, u := range p.Change.UserIDs {
		if have, ok := s.Member(id.User(u)); ok && have.Membership == Joined {
			return fault.New(fault.AlreadyMember, "%s is a member already", u)
		}
		if s.Info.Banned(id.User(u)) {
			return banned(id.User(u))
		}
	}
	return s.room(len(p.Change.UserIDs), l)
}

// room refuses more members than there may be.
func (s *State) room(more int, l Limits) error {
	if limit := l.Members(s.Type()); s.Joined+more > limit {
		return fault.New(fault.GroupFull, "a %s has at most %d members", s.Type(), limit)
	}
	return nil
}

func decideRemove(s *State, m Member, p Proposal, _ Limits) error {
	_, target, err := oneTarget(s, p)
	if err != nil {
		return err
	}
	if !s.May(m.Role, CanRemove) || rank(target.Role) >= rank(m.Role) {
		return fault.New(fault.InsufficientRole, "you may remove members of a lower role only")
	}
	return nil
}

func decideRole(s *State, m Member, p Proposal, _ Limits) error {
	_, target, err := oneTarget(s, p)
	if err != nil {
		return err
	}
	if m.Role != Owner {
		return fault.New(fault.InsufficientRole, "only an owner changes roles")
	}
	if rank(p.Change.Role) < 0 {
		return fault.Invalid("role", "must be %s, %s or %s", Owner, Admin, Simple)
	}
	if target.Role == p.Change.Role {
		return unchanged("role")
	}
	if target.Role == Owner && s.owners() == 1 {
		return fault.Invalid("role", "there is no other owner: make another member an owner first")
	}
	return nil
}

// decideTransfer lets an owner make another the owner and become admin.
func decideTransfer(s *State, m Member, p Proposal, _ Limits) error {
	_, target, err := oneTarget(s, p)
	if err != nil {
		return err
	}
	if m.Role != Owner {
		return fault.New(fault.InsufficientRole, "only an owner hands the group over")
	}
	if target.Role == Owner {
		return fault.Invalid("userIds", "is an owner already")
	}
	return nil
}

// fits refuses what would make the info of the state too large.
func (s *State) fits(p Proposal) error {
	next := *s
	next.Members = maps.Clone(s.Members)
	next.apply(&Event{Seq: id.MaxSeq, HubTime: p.At, Type: p.Type, Sender: p.Sender}, p.Change)
	raw, err := next.Info.Canonical()
	if err != nil || len(raw) > maxInfo {
		return full("info", maxInfo)
	}
	return nil
}

// oneTarget is the joined member a proposal is about.
func oneTarget(s *State, p Proposal) (id.User, Member, error) {
	if err := checkUsers(p.Change.UserIDs, 1); err != nil {
		return "", Member{}, err
	}
	u := id.User(p.Change.UserIDs[0])
	target, ok := s.Member(u)
	if !ok || target.Membership != Joined {
		return "", Member{}, fault.New(fault.UnknownUser, "%s is not a member", u)
	}
	return u, target, nil
}

// checkUsers wants one to limit different user ids.
func checkUsers(users []string, limit int) error {
	if len(users) == 0 || len(users) > limit {
		return fault.Invalid("userIds", "must be 1 to %d users", limit)
	}
	seen := make(map[string]bool, len(users))
	for _, u := range users {
		if _, err := id.ParseUser(u); err != nil {
			return fault.Invalid("userIds", "%q is not a user id", u).Because(err)
		}
		if seen[u] {
			return fault.Invalid("userIds", "%s stands twice", u)
		}
		seen[u] = true
	}
	return nil
}

// rank orders the roles; it is -1 for what is no role.
func rank(role string) int {
	return slices.Index([]string{Simple, Admin, Owner}, role)
}
