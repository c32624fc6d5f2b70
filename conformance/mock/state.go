// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"slices"
	"strings"
)

// State is the part of a conversation's state that conversations of the suite's homeservers have: members and roles.
type State struct {
	ID, Name, Type string
	Members        []Member // in order of user id
}

// Member is one, present or past.
type Member struct {
	User, Role         string
	Membership         string // joined, left or removed
	JoinedSeq, LeftSeq int64
}

// Fold applies a record and tells whether it changes the state. Rights are not judged.
func (s *State) Fold(r Record) bool {
	seq := r.Seq()
	content, _ := Parse([]byte(r.Content))
	switch r.Submission["type"] {
	case "create":
		s.Type, _ = content["type"].(string)
		s.Name, _ = content["name"].(string)
		creators := texts(content["creators"])
		for _, user := range texts(content["members"]) {
			role := "member"
			if s.Type != "direct" && slices.Contains(creators, user) {
				role = "owner"
			}
			s.set(Member{User: user, Role: role, Membership: "joined", JoinedSeq: seq, LeftSeq: -1})
		}
	case "member_add":
		for _, user := range texts(content["userIds"]) {
			s.set(Member{User: user, Role: "member", Membership: "joined", JoinedSeq: seq, LeftSeq: -1})
		}
	case "member_remove":
		for _, user := range texts(content["userIds"]) {
			s.part(user, "removed", seq)
		}
	case "member_leave":
		sender, _ := r.Submission["sender"].(string)
		s.part(sender, "left", seq)
	case "member_role":
		role, _ := content["role"].(string)
		for i := range s.Members {
			if slices.Contains(texts(content["userIds"]), s.Members[i].User) {
				s.Members[i].Role = role
			}
		}
	case "rename":
		s.Name, _ = content["name"].(string)
	default:
		return false
	}
	return true
}

func (s *State) set(m Member) {
	i, found := slices.BinarySearchFunc(s.Members, m.User, func(m Member, user string) int { return strings.Compare(m.User, user) })
	if found {
		s.Members[i] = m
		return
	}
	s.Members = slices.Insert(s.Members, i, m)
}

// part ends a membership; a group that has no owner left then makes one.
func (s *State) part(user, how string, seq int64) {
	for i := range s.Members {
		if s.Members[i].User == user {
			s.Members[i].LeftSeq, s.Members[i].Membership, s.Members[i].Role = seq, how, "member"
		}
	}
	if s.Type != "group" {
		return
	}
	next := -1
	for i, m := range s.Members {
		if m.Membership != "joined" {
			continue
		}
		if m.Role == "owner" {
			return
		}
		if next < 0 || before(m, s.Members[next]) {
			next = i
		}
	}
	if next >= 0 {
		s.Members[next].Role = "owner"
	}
}

// before orders who becomes owner: an admin before a member, then who joined first.
func before(a, b Member) bool {
	if a.Role != b.Role {
		return a.Role == "admin"
	}
	return a.JoinedSeq < b.JoinedSeq
}

// Text is what the hash of the state is of.
func (s *State) Text() string {
	members := []any{}
	for _, m := range s.Members {
		members = append(members, Object{"joinedSeq": m.JoinedSeq, "leftSeq": m.LeftSeq, "membership": m.Membership, "role": m.Role, "userId": m.User})
	}
	return Encode(Object{"conversationId": s.ID, "members": members, "name": s.Name, "type": s.Type, "v": int64(1)})
}

// Hash commits to the state.
func (s *State) Hash() string { return HashText("state", s.Text()) }

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		s, _ := e.(string)
		out = append(out, s)
	}
	return out
}
