// SPDX-License-Identifier: Apache-2.0

package conversation

// decideMessage judges what does not change the state: messages, and events about messages.
func decideMessage(_ *State, _ Member, _ Proposal) error { return nil }
