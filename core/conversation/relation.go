// SPDX-License-Identifier: Apache-2.0

package conversation

import "parley.chat/protocol/frame"

// decideMessage judges what does not change the state: messages, and events about messages.
func decideMessage(s *State, m Member, p Proposal) error {
	if p.Type == frame.TypeMessage {
		return decideSend(s, m, p)
	}
	return nil
}
