// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"

	"parley.chat/core/feed"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Block makes the caller deaf to a user. It is idempotent and answers alike whether the user exists. Faults: invalid_field,
// quota_exceeded, unavailable. spec: BLOCK-PUT-1
func (o *Conversations) Block(ctx context.Context, c Caller, userID string) error {
	u, err := blockable(c, userID)
	if err != nil {
		return err
	}
	if err := o.People.Block(ctx, c.User, u); err != nil {
		return err
	}
	return o.keepOut(ctx, c, u, true)
}

// Unblock undoes Block for what comes from now on. It is idempotent. Faults: invalid_field, unavailable.
func (o *Conversations) Unblock(ctx context.Context, c Caller, userID string) error {
	u, err := blockable(c, userID)
	if err != nil {
		return err
	}
	if err := o.People.Unblock(ctx, c.User, u); err != nil {
		return err
	}
	return o.keepOut(ctx, c, u, false)
}

func blockable(c Caller, userID string) (id.User, error) {
	u, err := parseUser("userId", userID)
	if err == nil && u == c.User {
		err = fault.Invalid("userId", "nobody blocks themselves")
	}
	return u, err
}

// keepOut makes the direct conversation of the two follow the block. One that is being made sees the block, or is made before
// this is decided: see consent.
func (o *Conversations) keepOut(ctx context.Context, c Caller, u id.User, blocked bool) error {
	conv, err := feed.Direct(c.User, u)
	if err != nil {
		return err
	}
	err = o.setPrefs(ctx, c, conv, func(_ timeline.View, p *timeline.Prefs) (bool, error) {
		was := p.Blocked
		p.Blocked = blocked
		return was != blocked, nil
	})
	if fault.Is(err, fault.UnknownConversation) {
		return nil
	}
	return err
}
