// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"fmt"
	"maps"

	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// Break is why an event does not continue a chain.
type Break string

// The reasons, in the order in which Verify looks for them.
const (
	BreakSeq       Break = "wrong_seq"        // not the seq after the head
	BreakCount     Break = "wrong_count"      // not the number of messages up to here
	BreakTime      Break = "time_falls"       // hub time before that of the head, or beyond what a message id carries
	BreakMessageID Break = "wrong_message_id" // not composed of hub time, seq and submission
	BreakHash      Break = "wrong_hash"       // another entry, content, state or predecessor than the one hashed
)

// Error names the reason.
func (b Break) Error() string { return "chain: " + string(b) }

// Verify checks that the complete event e continues the chain after head and state s (nil before create), and returns
// the state after it. The error is a Break, or says why the event cannot be folded. It does not decide: whether the
// sender had the right is Decide's. Of erased content ContentHash is believed. spec: LOG-CHAIN-2
func Verify(e *Event, head Head, s *State) (*State, error) {
	if err := follows(e, head); err != nil {
		return nil, err
	}
	after, err := Apply(s, e)
	if err != nil {
		return nil, err
	}
	entry, err := EntryOf(e, head.Hash, s.Term(), after)
	if err != nil {
		return nil, fmt.Errorf("verify seq %d: %w", e.Seq, err)
	}
	if err := sealed(e, entry); err != nil {
		return nil, err
	}
	return after, nil
}

// sealed checks that e has the place and the hash of the entry.
func sealed(e *Event, entry event.Entry) error {
	if entry.MessageID != e.MessageID {
		return BreakMessageID
	}
	hash, err := entry.Hash(nil)
	if err != nil {
		return fmt.Errorf("verify seq %d: %w", e.Seq, err)
	}
	if hash != e.Hash {
		return BreakHash
	}
	return nil
}

func follows(e *Event, head Head) error {
	seq, count := int64(0), head.Count
	if head.Exists {
		seq = head.Seq + 1
	}
	if Countable(e.Type) {
		count++
	}
	switch {
	case e.Seq != seq:
		return BreakSeq
	case e.Count != count:
		return BreakCount
	case e.HubTime < head.Time || e.HubTime > maxTime:
		return BreakTime
	}
	return nil
}

// VerifyAt checks that the complete event e, which changed the state, is the entry that commits to the state s after it, given the
// hash and the term it followed; what was before is believed to who signed it. It returns the state with its Seq. The error is a
// Break.
func VerifyAt(e *Event, prev event.Hash, term int64, s *State) (*State, error) {
	next := *s
	next.Seq, next.Members, next.servers = e.Seq, maps.Clone(s.Members), &servers{}
	for u, m := range s.Members {
		if m.JoinedSeq > e.Seq || m.LeftSeq > e.Seq {
			return nil, BreakSeq
		}
		if m.JoinedAt <= 0 || m.JoinedAt > e.HubTime || m.JoinedSeq == e.Seq {
			m.JoinedAt = e.HubTime
			next.Members[u] = m
		}
	}
	if n := len(s.Info.Moves); n > 0 && s.Info.Moves[n-1].Seq > e.Seq {
		return nil, BreakSeq
	}
	if next.Created <= 0 || next.Created > e.HubTime {
		next.Created = e.HubTime
	}
	switch {
	case e.Seq < 0 || e.Seq > id.MaxSeq:
		return nil, BreakSeq
	case e.Count < 0 || e.Count > e.Seq:
		return nil, BreakCount
	case e.HubTime < 0 || e.HubTime > maxTime:
		return nil, BreakTime
	case term != s.ReignAt(e.Seq).Term:
		return nil, BreakHash
	}
	entry, err := EntryOf(e, prev, term, &next)
	if err != nil {
		return nil, fmt.Errorf("verify seq %d: %w", e.Seq, err)
	}
	if err := sealed(e, entry); err != nil {
		return nil, err
	}
	return &next, nil
}
