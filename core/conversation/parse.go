// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// ParseState reads what Canonical wrote of the conversation that create began; anything else is refused, and so is a state that no
// log folds to. What the text does not say is the caller's: Seq, when members joined (joinedAt, those who are not in it at 0), and
// what past members still see. The error is plain: it goes to operators.
func ParseState(raw []byte, create event.Create, joinedAt map[id.User]int64) (*State, error) {
	var w struct {
		ID      id.Conversation `json:"conversationId"`
		Info    json.RawMessage `json:"info"`
		Members []memberText    `json:"members"`
		Name    string          `json:"name"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("parse state: %w", err)
	}
	s := &State{ID: w.ID, Create: create, Name: w.Name, Members: make(map[id.User]Member, len(w.Members))}
	if err := s.named(); err != nil {
		return nil, fmt.Errorf("parse state: %w", err)
	}
	for _, m := range w.Members {
		if err := s.put(m, joinedAt[m.User]); err != nil {
			return nil, fmt.Errorf("parse state: %q: %w", m.User, err)
		}
	}
	s.Complete()
	s.Created = s.founded()
	if w.Info != nil {
		var err error
		if s.Info, err = ParseInfo(w.Info); err != nil {
			return nil, err
		}
	}
	if err := s.possible(); err != nil {
		return nil, fmt.Errorf("parse state: %w", err)
	}
	again, err := s.Canonical()
	if err == nil && !bytes.Equal(again, raw) {
		err = errors.New("parse state: it is not in canonical form")
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// memberText is a member as the canonical text has it.
type memberText struct {
	FromSeq    *int64  `json:"fromSeq"`
	JoinedSeq  int64   `json:"joinedSeq"`
	LeftSeq    int64   `json:"leftSeq"`
	Membership string  `json:"membership"`
	Role       string  `json:"role"`
	User       id.User `json:"userId"`
}

// named checks that the conversation is the one that create began.
func (s *State) named() error {
	created, err := s.Create.Canonical()
	if err != nil {
		return err
	}
	if s.ID != event.ConversationID(created) {
		return errors.New("of another conversation")
	}
	return event.CheckName(s.Name)
}

// put adds a member that may be one.
func (s *State) put(m memberText, joinedAt int64) error {
	if _, err := id.ParseUser(string(m.User)); err != nil {
		return err
	}
	from := m.JoinedSeq
	if m.FromSeq != nil {
		from = *m.FromSeq
	}
	switch m.Membership {
	case Joined:
		if m.LeftSeq != -1 {
			return errors.New("a member who left is no member")
		}
	case Left, Removed, Banned:
		if m.LeftSeq <= m.JoinedSeq || m.Role != Simple {
			return errors.New("a past member left after joining, and has no role")
		}
	default:
		return errors.New("unknown membership")
	}
	if m.JoinedSeq < 0 || from < 0 || from > m.JoinedSeq || m.LeftSeq > id.MaxSeq || rank(m.Role) < 0 {
		return errors.New("impossible numbers, or an unknown role")
	}
	s.Members[m.User] = Member{
		Role: m.Role, Membership: m.Membership, JoinedSeq: m.JoinedSeq, FromSeq: from, JoinedAt: max(joinedAt, 0), LeftSeq: m.LeftSeq,
	}
	return nil
}

// founded is when the first members joined, as far as is known.
func (s *State) founded() (at int64) {
	for _, m := range s.Members {
		if m.JoinedSeq == 0 && m.JoinedAt > 0 && (at == 0 || m.JoinedAt < at) {
			at = m.JoinedAt
		}
	}
	return at
}

// possible refuses what no fold comes to, as far as rules or readers count on it.
func (s *State) possible() error {
	i := &s.Info
	switch {
	case s.Joined > 0 && s.Type() != event.Direct && s.owners() == 0:
		return errors.New("members without an owner")
	case s.Type() == event.Direct && (s.Joined != 2 || len(s.Members) != 2 || s.Peer(s.Create.Members[0]) != s.Create.Members[1]):
		return errors.New("a direct conversation of others than its two members")
	case s.Joined > event.MaxMembers || len(i.Pins) > MaxPins || len(i.Links) > 2*MaxLinks || len(i.Requests) > MaxRequests || len(i.Bans) > MaxBans:
		return errors.New("more than there may be")
	case i.SharedFrom < 0 || !i.Shared && i.SharedFrom != 0:
		return errors.New("a history that is shared from nowhere")
	}
	if err := i.users(); err != nil {
		return err
	}
	if err := s.moved(); err != nil {
		return err
	}
	if !maps.Equal(i.Permissions, grant(nil, i.Permissions)) {
		return errors.New("permissions that say what is so anyway")
	}
	return checkSettings(frame.Change{
		Description: &i.Description, AvatarURL: &i.AvatarURL, Permissions: i.Permissions, EphemeralTimer: &i.EphemeralTimer, SlowMode: &i.SlowMode,
	})
}

// moved checks the moves of the hub: each is to another server, and after the one before.
func (s *State) moved() error {
	if len(s.Info.Moves) > MaxMoves || s.Info.Moves != nil && len(s.Info.Moves) == 0 {
		return errors.New("more moves of the hub than there may be")
	}
	hub, seq := s.Create.Hub, int64(0)
	for _, m := range s.Info.Moves {
		if _, err := id.ParseServer(string(m.Hub)); err != nil {
			return err
		}
		if m.Hub == hub || m.Seq <= seq || m.Seq > id.MaxSeq {
			return errors.New("a hub that was moved nowhere, or at an impossible time")
		}
		hub, seq = m.Hub, m.Seq
	}
	return nil
}

// users checks the ids of those who are no members.
func (i *Info) users() error {
	var all []id.User
	for _, l := range i.Links {
		all = append(all, l.CreatedBy)
	}
	for _, r := range i.Requests {
		all = append(all, r.UserID)
	}
	for _, b := range i.Bans {
		all = append(all, b.UserID, b.BannedBy)
	}
	for _, u := range all {
		if _, err := id.ParseUser(string(u)); err != nil {
			return err
		}
	}
	return nil
}

// Remember completes what the text of a state does not say: from what was known before (nil for nothing), or else as well as it can
// be told. It is for whoever made s, before anybody else sees it.
func (s *State) Remember(before *State) {
	for u, m := range s.Members {
		had, ok := before.Member(u)
		switch {
		case ok && had.JoinedSeq == m.JoinedSeq && had.LeftSeq == m.LeftSeq:
			m.JoinedAt, m.LeftName, m.LeftCount = had.JoinedAt, had.LeftName, had.LeftCount
		case m.Membership != Joined:
			m.LeftName, m.LeftCount = s.Name, s.Joined
		}
		s.Members[u] = m
	}
	if before != nil {
		s.Created = before.Created
	}
}
