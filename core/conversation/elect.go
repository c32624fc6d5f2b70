// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"errors"
	"fmt"
	"slices"

	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// Quorum is how many servers have to vote for a new hub: more than half of those with joined members. The hub counts among them and
// has no vote, so a conversation of two servers has no quorum.
func (s *State) Quorum() int { return len(s.Servers())/2 + 1 }

// Elects says why votes do not make a server the hub in place of one that is away; nil means that they do. s is the state at the head
// that is adopted, which must be the highest of those that the voters hold: what a quorum may have shown to people is not lost. Whose
// signatures the votes bear is looked at elsewhere. It is pure, so that everybody finds the same.
func Elects(s *State, head Head, votes []event.Vote) (id.Server, error) {
	if len(votes) == 0 {
		return "", errors.New("elect: nobody voted")
	}
	hub, seen, highest := votes[0].NewHub, map[id.Server]bool{}, votes[0]
	for _, v := range votes {
		if err := s.counts(v, hub); err != nil {
			return "", err
		}
		if seen[v.Server] {
			return "", fmt.Errorf("elect: %s votes twice", v.Server)
		}
		seen[v.Server] = true
		if v.LastTerm > highest.LastTerm || v.LastTerm == highest.LastTerm && v.Seq > highest.Seq {
			highest = v
		}
	}
	switch {
	case len(seen) < s.Quorum():
		return "", fmt.Errorf("elect: %d of %d servers voted, it takes %d", len(seen), len(s.Servers()), s.Quorum())
	case !head.Exists || highest.Seq != head.Seq || highest.Hash != head.Hash || highest.LastTerm != s.ReignAt(head.Seq).Term:
		return "", errors.New("elect: the head is not the highest of those who voted")
	}
	for _, v := range votes {
		if v.LastTerm == highest.LastTerm && v.Seq == highest.Seq && v.Hash != highest.Hash {
			return "", errors.New("elect: two histories")
		}
	}
	return hub, nil
}

// counts checks one vote by itself.
func (s *State) counts(v event.Vote, hub id.Server) error {
	servers := s.Servers()
	switch {
	case v.ConversationID != s.ID:
		return errors.New("elect: a vote about another conversation")
	case v.Term != s.Term()+1 || v.LastTerm >= v.Term || v.LastTerm < 0 || v.Seq < 0:
		return fmt.Errorf("elect: a vote of term %d for term %d", v.LastTerm, v.Term)
	case v.NewHub != hub:
		return errors.New("elect: votes for several servers")
	case hub == s.Hub() || !slices.Contains(servers, hub):
		return fmt.Errorf("elect: %s cannot be the hub", hub)
	case v.Server == s.Hub() || !slices.Contains(servers, v.Server):
		return fmt.Errorf("elect: %s has no vote", v.Server)
	}
	return nil
}
