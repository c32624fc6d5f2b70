// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"

	"parley.chat/clientapi/op"
	"parley.chat/core/ephemeral"
	"parley.chat/protocol/frame"
)

// moment is the connection's part of what is of the moment, made at the first frame that needs it: most connections are idle.
func (s *conn) moment() *ephemeral.Connection {
	if s.ephemeral == nil {
		s.ephemeral = s.door.Presence.Connect(s.caller, s.id)
	}
	return s.ephemeral
}

func (s *conn) onPresence(data []byte) error {
	var in frame.PresenceRequest
	if err := op.Decode(data, &in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, frameTime)
	defer cancel()
	return s.door.Presence.Update(ctx, s.caller, s.moment(), in)
}

func (s *conn) onTyping(data []byte) error {
	var in frame.TypingRequest
	if err := op.Decode(data, &in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, frameTime)
	defer cancel()
	return s.door.Presence.Typing(ctx, s.caller, s.moment(), in)
}
