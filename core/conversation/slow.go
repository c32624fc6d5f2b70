// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Slowed tells in milliseconds how long a member must wait between two messages; 0 for those who need not. spec: CONV-SLOW-1
func (s *State) Slowed(u id.User) int64 {
	m, ok := s.Member(u)
	if !ok || s.Info.SlowMode == 0 || m.Role != Simple || s.May(m.Role, CanDeleteOthers) {
		return 0
	}
	return s.Info.SlowMode * 1000
}

// decideSend judges a message: the right to send, and slow mode.
func decideSend(s *State, m Member, p Proposal) error {
	if err := s.need(m, CanSend); err != nil {
		return err
	}
	if wait := p.SentAt + s.Slowed(p.Sender) - p.At; p.SentAt > 0 && wait > 0 && s.Slowed(p.Sender) > 0 {
		return fault.Retry(fault.RateLimited, time.Duration(wait)*time.Millisecond, "slow mode: send again later")
	}
	return nil
}
