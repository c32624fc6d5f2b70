// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Slow tells whether events of the type begin the wait of slow mode, and have to wait: what puts new words before the others.
func Slow(typ string) bool { return typ == frame.TypeMessage || typ == frame.TypeEdit }

// Slowed tells in milliseconds how long a member must wait between two messages or edits; 0 for those who need not. spec: CONV-SLOW-1
func (s *State) Slowed(u id.User) int64 {
	m, ok := s.Member(u)
	if !ok || s.Info.SlowMode == 0 || m.Role != Simple || s.May(m.Role, CanDeleteOthers) {
		return 0
	}
	return s.Info.SlowMode * 1000
}

// decideWait refuses a message or an edit that comes too soon after the one before. spec: CONV-SLOW-1 MSG-EDIT-9
func decideWait(s *State, p Proposal) error {
	if wait := p.SentAt + s.Slowed(p.Sender) - p.At; p.SentAt > 0 && wait > 0 && s.Slowed(p.Sender) > 0 {
		return fault.Retry(fault.RateLimited, time.Duration(wait)*time.Millisecond, "slow mode: send again later")
	}
	return nil
}
