// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"context"
	"maps"
	"time"

	"parley.chat/core/fanout"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const maxTyping = 64 // conversations of a connection in which typing was noted within TypingTTL

// typed is when a connection last said that its user types, and whether that still stands.
type typed struct {
	at time.Duration
	on bool
}

// Typing tells the members that the connection's user types, or no more. What comes too often is dropped; who may hear is asked
// of the rules. spec: TYPING-SEND-1 TYPING-RATE-1 TYPING-SIZE-1
func (c *Connection) Typing(ctx context.Context, conv id.Conversation, on bool, members []id.User) error {
	if len(members)+1 > TypingMembers || !c.mark(conv, on) {
		return nil
	}
	to, err := c.p.opt.Rules.Hears(ctx, c.user, conv, members)
	if err != nil || len(to) == 0 {
		return err
	}
	f, err := encode(frame.TypingFrame, frame.Typing{ConversationID: string(conv), UserID: string(c.user), IsTyping: on})
	if err != nil {
		return err
	}
	here, far := c.p.far(to)
	if len(here) > 0 && c.p.opt.Out.Tell(fanout.Passing{Frame: f, To: here}) {
		c.p.count.typing.Add(1)
	}
	if len(far) > 0 {
		c.p.opt.Elsewhere.Typing(conv, c.user, on, far)
	}
	return nil
}

// mark notes what was said, and tells whether it is passed on.
func (c *Connection) mark(conv id.Conversation, on bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.p.now()
	before, ok := c.typing[conv]
	if !on {
		c.set(conv, typed{before.at, false}, ok)
		return ok && before.on && now-before.at < TypingTTL
	}
	if ok && now-before.at < TypingEvery {
		return false
	}
	if len(c.typing) >= maxTyping {
		maps.DeleteFunc(c.typing, func(_ id.Conversation, t typed) bool { return now-t.at >= TypingTTL })
	}
	return c.set(conv, typed{now, true}, ok || len(c.typing) < maxTyping)
}

func (c *Connection) set(conv id.Conversation, t typed, room bool) bool {
	if !room || c.closed {
		return false
	}
	if c.typing == nil {
		c.typing = map[id.Conversation]typed{}
	}
	c.typing[conv] = t
	return true
}
