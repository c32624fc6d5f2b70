// SPDX-License-Identifier: Apache-2.0

package follower

import (
	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// Near is how many entries a follower may be behind and still get them unasked.
const Near = 50

// Kind is what to do next about one server and one conversation.
type Kind int

// The kinds of steps.
const (
	Done     Kind = iota // It has everything.
	Drop                 // It has everything that it may ever have: it follows no more.
	Push                 // It gets the entries up to To.
	Snapshot             // It gets a snapshot, and then the entries up to To.
	Tell                 // It is told of the entry at To, and pulls.
)

// Step is what to do next.
type Step struct {
	Kind Kind
	To   int64
}

// Next tells what a server that has everything up to acked is to get of a conversation, whose head is at the seq given.
func Next(s *conversation.State, head int64, server id.Server, acked int64) Step {
	last, joined := extent(s, server, head)
	switch {
	case !joined && (acked == None || acked >= last):
		return Step{Kind: Drop}
	case acked >= last:
		return Step{Kind: Done, To: last}
	case acked == None:
		return Step{Kind: Snapshot, To: last}
	}
	end := min(Covered(s, server, acked), last)
	switch {
	case end > acked && end-acked <= Near:
		return Step{Kind: Push, To: end}
	case end > acked:
		return Step{Kind: Tell, To: end}
	case joined:
		return Step{Kind: Snapshot, To: last}
	}
	return Step{Kind: Drop}
}

// extent is the highest seq the server may get, and whether it has a joined member. Without any member it is -1.
func extent(s *conversation.State, server id.Server, head int64) (last int64, joined bool) {
	last = -1
	for u, m := range s.Members {
		if u.Server() != server {
			continue
		}
		if m.Membership == conversation.Joined {
			return head, true
		}
		last = max(last, min(m.LeftSeq, head))
	}
	return last, false
}

// Covered is the end of the unbroken run of entries after a seq at each of which the server had a member, as far as the
// state tells: of somebody who came back it no longer knows the time before. It is after if there is no such run, and
// beyond every head if the run has no end.
func Covered(s *conversation.State, server id.Server, after int64) int64 {
	end := after
	for more := true; more; {
		more = false
		for u, m := range s.Members {
			if u.Server() != server || m.JoinedSeq > end+1 {
				continue
			}
			if m.Membership == conversation.Joined {
				return id.MaxSeq
			}
			if m.LeftSeq > end {
				end, more = m.LeftSeq, true
			}
		}
	}
	return end
}

// Sight is what the members of a server may read, present and past ones.
type Sight struct {
	spans []span
}

type span struct{ from, to int64 }

// SightOf is that of a server, given the head. ok is false if it never had a member.
func SightOf(s *conversation.State, server id.Server, head int64) (sight Sight, ok bool) {
	for u := range s.Members {
		if u.Server() != server {
			continue
		}
		if from, to, ok := s.Visible(u, head); ok {
			sight.spans = append(sight.spans, span{from, to})
		}
	}
	return sight, sight.spans != nil
}

// From is the first seq that any of them may read, To the last.
func (s Sight) From() int64 {
	from := int64(id.MaxSeq)
	for _, p := range s.spans {
		from = min(from, p.from)
	}
	return from
}

// To is the last seq that any of them may read, -1 if there is none.
func (s Sight) To() int64 {
	to := int64(-1)
	for _, p := range s.spans {
		to = max(to, p.to)
	}
	return to
}

// Shows tells whether one of them may read the content of e.
func (s Sight) Shows(e *conversation.Event) bool {
	for _, p := range s.spans {
		if p.from <= e.Seq && e.Seq <= p.to && !e.HiddenFrom(p.from) {
			return true
		}
	}
	return false
}
