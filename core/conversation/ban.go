// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func banned(u id.User) error {
	return fault.New(fault.Banned, "%s is banned from this conversation", u)
}

// full refuses one more of what there are as many of as there may be.
func full(field string, limit int) error {
	out := fault.New(fault.LimitReached, "%s: a conversation has at most %d", field, limit)
	out.Field = field
	return out
}

// decideBan bans whoever is not of the same or a higher role: strangers too.
func decideBan(s *State, m Member, p Proposal, _ Limits) error {
	if err := s.need(m, CanBan); err != nil {
		return err
	}
	u, err := oneUser(p)
	if err != nil {
		return err
	}
	if target, ok := s.Member(u); u == p.Sender || ok && target.Membership == Joined && rank(target.Role) >= rank(m.Role) {
		return fault.New(fault.InsufficientRole, "you may ban members of a lower role only")
	}
	if s.Info.Banned(u) {
		return unchanged("userIds")
	}
	if len(s.Info.Bans) >= MaxBans {
		return full("bans", MaxBans)
	}
	return s.fits(p)
}

func decideUnban(s *State, m Member, p Proposal, _ Limits) error {
	if err := s.need(m, CanBan); err != nil {
		return err
	}
	u, err := oneUser(p)
	if err == nil && !s.Info.Banned(u) {
		err = unchanged("userIds")
	}
	return err
}

// ban takes a user off the members and the requests, and keeps out whom it took off or nobody knew.
func (s *State) ban(u id.User, e *Event) {
	s.part(u, Banned, e.Seq)
	s.Info.dropRequest(u)
	if !s.Info.Banned(u) && len(s.Info.Bans) < MaxBans {
		s.Info.Bans = with(s.Info.Bans, Ban{UserID: u, BannedBy: e.Sender, BannedAt: e.HubTime})
	}
}

func (i *Info) unban(u id.User) {
	i.Bans = without(i.Bans, func(b Ban) bool { return b.UserID == u })
}

// oneUser is the user a proposal is about, member or not.
func oneUser(p Proposal) (id.User, error) {
	if err := checkUsers(p.Change.UserIDs, 1); err != nil {
		return "", err
	}
	return id.User(p.Change.UserIDs[0]), nil
}
