// SPDX-License-Identifier: Apache-2.0

package follower

import (
	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// Near is how many entries a follower may be behind and still get them unasked. spec: FED-TXN-6
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

// Last is the last seq that the row is about, given the conversation's head.
func (r *Row) Last(head int64) int64 {
	if r.Until == None {
		return head
	}
	return min(r.Until, head)
}

// Next tells what the server is to get of the conversation, whose head is at the seq given.
func (r *Row) Next(head int64) Step {
	last, open := r.Last(head), r.Until == None
	switch {
	case r.Since > head:
		return Step{Kind: Done, To: head} // The row is newer than the head that is known.
	case open && r.Acked == None:
		return Step{Kind: Snapshot, To: last}
	case r.Acked == None: // Perhaps it has one nevertheless, and lacks the end.
		return Step{Kind: Tell, To: last}
	case r.Acked < last && last-r.Acked <= Near:
		return Step{Kind: Push, To: last}
	case r.Acked < last:
		return Step{Kind: Tell, To: last}
	case open || r.Until > head:
		return Step{Kind: Done, To: last}
	}
	return Step{Kind: Drop, To: last}
}

// Covers tells whether a member of the server was there at seq, for sure.
func (r *Row) Covers(seq int64) bool { return seq >= r.Since && (r.Until == None || seq <= r.Until) }

// Sight is what the members of a server may read, present and past ones, as far as the state tells: of somebody who came back it
// no longer knows the time before.
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

// Reach is the last seq up to which somebody who may read a seq may read on, less than seq if nobody may.
func (s Sight) Reach(seq int64) int64 {
	to := seq - 1
	for _, p := range s.spans {
		if p.from <= seq {
			to = max(to, p.to)
		}
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
