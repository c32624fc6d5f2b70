// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"fmt"

	"parley.chat/core/conversation"
	"parley.chat/core/ephemeral"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Presence holds the operations on what is of the moment: who is online, who types.
type Presence struct {
	Presence      *ephemeral.Presence
	Conversations *Conversations
}

// Connect makes the caller's part of a session with this id.
func (o *Presence) Connect(c Caller, sessionID string) *ephemeral.Connection {
	return o.Presence.Connect(sessionID, c.User)
}

// Update takes a client's presence frame: all of it or nothing. Faults: invalid_field, unknown_user, too_many_subscriptions,
// rate_limited, unavailable. spec: PRES-STATE-1 PRES-WATCH-1
func (o *Presence) Update(ctx context.Context, caller Caller, c *ephemeral.Connection, in frame.PresenceRequest) error {
	if in.Status != "" {
		if err := checkStatus(in.Status); err != nil {
			return err
		}
	}
	off, err := users("unsubscribe", in.Unsubscribe)
	if err != nil {
		return err
	}
	on, err := users("subscribe", in.Subscribe)
	if err != nil {
		return err
	}
	say := c.Sign
	if in.Status != "" || in.Heartbeat {
		say = func() { c.Set(in.Status != ephemeral.Offline) }
	}
	if len(on) > 0 {
		done, err := o.Conversations.Lookups.begin(caller, len(on))
		if err != nil {
			return err
		}
		err = c.Watch(ctx, on, off, say)
		done(err)
		return err
	}
	c.Unwatch(off)
	say()
	return nil
}

func checkStatus(s string) error {
	if s != ephemeral.Online && s != ephemeral.Offline {
		return fault.Invalid("status", "must be %s or %s", ephemeral.Online, ephemeral.Offline)
	}
	return nil
}

// users reads a list of user ids of the size that subscriptions may have.
func users(field string, names []string) ([]id.User, error) {
	if len(names) > ephemeral.MaxSubscriptions {
		return nil, fault.New(fault.TooManySubscriptions, "a connection watches at most %d users at a time", ephemeral.MaxSubscriptions)
	}
	out := make([]id.User, len(names))
	for i, name := range names {
		u, err := parseUser(fmt.Sprintf("%s[%d]", field, i), name)
		if err != nil {
			return nil, err
		}
		out[i] = u
	}
	return out, nil
}

// Get answers what the caller may know of a user. Faults: invalid_field, unknown_user, unavailable. spec: PRES-REST-1
func (o *Presence) Get(ctx context.Context, c Caller, userID string) (frame.Presence, error) {
	u, err := id.ParseUser(userID)
	if err != nil {
		return frame.Presence{}, err
	}
	done, err := o.Conversations.Lookups.begin(c, 1)
	if err != nil {
		return frame.Presence{}, err
	}
	out, err := o.Presence.Get(ctx, c.User, u)
	done(err)
	return out, err
}

// Set notes what a device without a socket says. Faults: invalid_field. spec: PRES-REST-2
func (o *Presence) Set(c Caller, in rest.SetPresence) error {
	if err := checkStatus(in.Status); err != nil {
		return err
	}
	o.Presence.SetDevice(c.User, c.Device, in.Status == ephemeral.Online)
	return nil
}

// Typing passes on that the caller types, or no more. Faults: invalid_field, unknown_conversation, not_member, insufficient_role,
// unavailable. spec: TYPING-RIGHT-1
func (o *Presence) Typing(ctx context.Context, c Caller, conn *ephemeral.Connection, in frame.TypingRequest) error {
	if in.IsTyping == nil {
		return fault.Invalid("isTyping", "is required")
	}
	v, err := o.Conversations.writable(ctx, c, in.ConversationID)
	if err != nil {
		return err
	}
	if m, _ := v.State.Member(c.User); !v.State.May(m.Role, conversation.CanSend) {
		return fault.New(fault.InsufficientRole, "your role does not have the permission %s here", conversation.CanSend)
	}
	if v.Hushed {
		return nil
	}
	return conn.Typing(ctx, v.State.ID, *in.IsTyping, others(v, c.User))
}

// others lists the joined members but one, none if there are more than hear of typing.
func others(v timeline.View, me id.User) []id.User {
	if v.State.Joined > ephemeral.TypingMembers {
		return nil
	}
	out := make([]id.User, 0, v.State.Joined)
	for u, m := range v.State.Members {
		if u != me && m.Membership == conversation.Joined {
			out = append(out, u)
		}
	}
	return out
}
