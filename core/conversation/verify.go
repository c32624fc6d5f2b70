// SPDX-License-Identifier: Apache-2.0

package conversation

import "fmt"

// Break is why an event does not continue a chain.
type Break string

// The reasons, in the order in which Verify looks for them.
const (
	BreakSeq       Break = "wrong_seq"        // not the seq after the head
	BreakCount     Break = "wrong_count"      // not the number of messages up to here
	BreakTime      Break = "time_falls"       // hub time before that of the head
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
	entry, err := EntryOf(e, head.Hash, after)
	if err != nil {
		return nil, fmt.Errorf("verify seq %d: %w", e.Seq, err)
	}
	if entry.MessageID != e.MessageID {
		return nil, BreakMessageID
	}
	hash, err := entry.Hash(nil)
	if err != nil {
		return nil, fmt.Errorf("verify seq %d: %w", e.Seq, err)
	}
	if hash != e.Hash {
		return nil, BreakHash
	}
	return after, nil
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
	case e.HubTime < head.Time:
		return BreakTime
	}
	return nil
}
