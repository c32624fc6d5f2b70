// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"crypto/subtle"
	"slices"
	"strings"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// LinkIDSize and LinkSecretSize are the bytes of a link's id and secret; in the log both id and hash are base64url.
const (
	LinkIDSize     = 12
	LinkSecretSize = 16
)

// SecretHash is what the log knows of the secret of an invite link. spec: CONV-LINK-2
func SecretHash(secret []byte) string {
	sum := canonical.Hash("link", secret)
	return canonical.EncodeBase64(sum[:])
}

// alive tells whether the link lets somebody in at a time.
func (l Link) alive(at int64) error {
	switch {
	case l.Revoked:
		return fault.New(fault.LinkRevoked, "the invite link was revoked")
	case l.ExpiresAt != 0 && l.ExpiresAt <= at:
		return fault.New(fault.LinkExpired, "the invite link is expired")
	case l.MaxUses != 0 && l.Uses >= l.MaxUses:
		return fault.New(fault.LinkUsedUp, "the invite link was used as often as it may be")
	}
	return nil
}

// FindLink finds the link of a secret's hash, dead or alive. Whoever does not hold the secret gets link_invalid, whatever is
// there; so do those who ask of a conversation that does not exist (s is nil). spec: CONV-LINK-3
func (s *State) FindLink(linkID, secretHash string) (Link, error) {
	var l Link
	if s != nil && s.Type() != event.Direct {
		l, _ = s.Info.link(linkID)
	}
	if subtle.ConstantTimeCompare([]byte(l.SecretHash), []byte(secretHash)) != 1 || l.ID == "" {
		return Link{}, fault.New(fault.LinkInvalid, "this is not an invite link")
	}
	return l, nil
}

// TryLink says whether the user may join by the link now, or ask to: nil, or link_revoked, link_expired, link_used_up, banned
// or already_member.
func (s *State) TryLink(l Link, u id.User, at int64) error {
	if s.Info.Banned(u) {
		return banned(u)
	}
	if m, ok := s.Member(u); ok && m.Membership == Joined {
		return fault.New(fault.AlreadyMember, "you are a member already")
	}
	return l.alive(at)
}

// decideJoin judges those who are no members and want to be.
func decideJoin(s *State, p Proposal, l Limits) error {
	link, err := s.FindLink(p.Change.LinkID, p.SecretHash)
	if err != nil {
		return err
	}
	if s.Type() == event.Channel {
		return fault.New(fault.InsufficientRole, "an invite link of a channel makes no members")
	}
	if p.Type == frame.TypeJoinRequest && s.Info.Requested(p.Sender) && !s.Info.Banned(p.Sender) {
		return unchanged("linkId")
	}
	if err := s.TryLink(link, p.Sender, p.At); err != nil {
		return err
	}
	if err := s.expected(p); err != nil {
		return err
	}
	if link.NeedsApproval != (p.Type == frame.TypeJoinRequest) {
		return fault.Invalid("type", "the link lets in %s only", map[bool]string{true: "on request", false: "at once"}[link.NeedsApproval])
	}
	if p.Type == frame.TypeMemberJoin {
		return s.room(1, l)
	}
	if len(s.Info.Requests) >= MaxRequests {
		return full("requests", MaxRequests)
	}
	return s.fits(p)
}

func decideLinkCreate(s *State, m Member, p Proposal, _ Limits) error {
	if err := s.need(m, CanManageLinks); err != nil {
		return err
	}
	c := p.Change
	if raw, err := canonical.DecodeBase64(c.LinkID); err != nil || len(raw) != LinkIDSize || s.Info.linkAt(c.LinkID) >= 0 {
		return fault.Invalid("linkId", "must be %d fresh bytes in base64url", LinkIDSize)
	}
	if raw, err := canonical.DecodeBase64(c.SecretHash); err != nil || len(raw) != 32 {
		return fault.Invalid("secretHash", "must be the hash of a secret")
	}
	if c.ExpiresAt < 0 || c.ExpiresAt != 0 && c.ExpiresAt <= p.At {
		return fault.Invalid("expiresAt", "must be in the future")
	}
	if c.MaxUses < 0 || c.MaxUses > MaxUses {
		return fault.Invalid("maxUses", "must be 1 to %d, or 0 for no limit", MaxUses)
	}
	if living := len(without(s.Info.Links, func(l Link) bool { return l.alive(p.At) != nil })); living >= MaxLinks {
		return full("links", MaxLinks)
	}
	return s.fits(p)
}

// MaxUses is the highest limit of uses.
const MaxUses = 100_000

func decideLinkRevoke(s *State, m Member, p Proposal, _ Limits) error {
	if err := s.need(m, CanManageLinks); err != nil {
		return err
	}
	l, ok := s.Info.link(p.Change.LinkID)
	if !ok {
		return fault.New(fault.LinkInvalid, "there is no such link")
	}
	if l.Revoked {
		return unchanged("linkId")
	}
	return nil
}

func decideDecline(s *State, m Member, p Proposal, _ Limits) error {
	if err := s.need(m, CanInvite); err != nil {
		return err
	}
	u, err := oneUser(p)
	if err == nil && !s.Info.Requested(u) {
		err = fault.New(fault.UnknownUser, "%s does not ask to join", u)
	}
	return err
}

// addLink puts the link of an event at the end. Dead links are remembered, so that whoever holds one learns why it does not
// work, but the oldest make room.
func (i *Info) addLink(e *Event, c frame.Change) {
	if i.linkAt(c.LinkID) >= 0 {
		return
	}
	links := with(i.Links, Link{
		ID: c.LinkID, SecretHash: c.SecretHash, CreatedBy: e.Sender, CreatedAt: e.HubTime,
		ExpiresAt: c.ExpiresAt, MaxUses: c.MaxUses, NeedsApproval: c.NeedsApproval,
	})
	for len(links) > 2*MaxLinks {
		at := max(0, slices.IndexFunc(links, func(l Link) bool { return l.alive(e.HubTime) != nil }))
		links = slices.Delete(links, at, at+1)
	}
	i.Links = links
}

// editLink changes a link in a copy of the list.
func (i *Info) editLink(linkID string, edit func(*Link)) {
	if at := i.linkAt(linkID); at >= 0 {
		i.Links = slices.Clone(i.Links)
		edit(&i.Links[at])
	}
}

func (i *Info) addRequest(e *Event, linkID string) {
	if i.Requested(e.Sender) || len(i.Requests) >= MaxRequests {
		return
	}
	i.editLink(linkID, func(l *Link) { l.Uses++ })
	i.Requests = with(i.Requests, Request{UserID: e.Sender, LinkID: linkID, RequestedAt: e.HubTime})
}

func (i *Info) dropRequest(u id.User) {
	if i.Requested(u) {
		i.Requests = without(i.Requests, func(r Request) bool { return r.UserID == u })
	}
}

// Token is what invites: the conversation, the link and its secret, for people to pass on, and the hub that knows them.
type Token struct {
	Conversation id.Conversation
	LinkID       string
	Secret       []byte
	Hub          id.Server // empty in a token of a server by itself
}

// String writes the token. spec: CONV-LINK-1
func (t Token) String() string {
	raw := t.Conversation.Bytes()
	out := tokenPrefix + canonical.EncodeBase64(raw[:]) + t.LinkID + canonical.EncodeBase64(t.Secret)
	if t.Hub != "" {
		out += "@" + string(t.Hub)
	}
	return out
}

const tokenPrefix = "pl_"

// ParseToken reads a token. ok is false for what is none.
func ParseToken(token string) (t Token, ok bool) {
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	rest, hub, named := strings.Cut(rest, "@")
	const conv, link = 43, LinkIDSize * 4 / 3
	if !ok || len(rest) < conv+link {
		return t, false
	}
	c, err := id.ParseConversation("c" + rest[:conv])
	if err != nil {
		return t, false
	}
	secret, err := canonical.DecodeBase64(rest[conv+link:])
	if err != nil || len(secret) != LinkSecretSize {
		return t, false
	}
	if named {
		if t.Hub, err = id.ParseServer(hub); err != nil {
			return Token{}, false
		}
	}
	t.Conversation, t.LinkID, t.Secret = c, rest[conv:conv+link], secret
	return t, true
}
