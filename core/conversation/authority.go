// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// serverName is a username that nobody can have.
const serverName = "server"

// ServerUser is in whose name a server makes entries by itself. It is no account and no member. spec: ABUSE-MOD-6
func ServerUser(s id.Server) id.User { return id.NewUser(serverName, s) }

// IsServer tells whether u is the name of a server.
func IsServer(u id.User) bool { return u.Username() == serverName }

// decideServer lets the hub delete a message, and do nothing else; other servers are strangers. spec: ABUSE-MOD-4
func decideServer(s *State, p Proposal) error {
	switch {
	case s == nil, p.Sender != ServerUser(s.Hub()):
		return fault.New(fault.UnknownConversation, "no such conversation")
	case p.Type != frame.TypeDelete:
		return fault.New(fault.Forbidden, "a server deletes messages and does nothing else")
	case p.Unheld:
		return nil
	case p.Target == nil || p.Target.Type != frame.TypeMessage:
		return fault.New(fault.UnknownMessage, "no such message")
	case p.Target.gone(p.At):
		return unchanged("messageId")
	}
	return nil
}
