// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"

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
	return o.People.Block(ctx, c.User, u)
}

// Unblock undoes Block for what comes from now on. It is idempotent. Faults: invalid_field, unavailable.
func (o *Conversations) Unblock(ctx context.Context, c Caller, userID string) error {
	u, err := blockable(c, userID)
	if err != nil {
		return err
	}
	return o.People.Unblock(ctx, c.User, u)
}

func blockable(c Caller, userID string) (id.User, error) {
	u, err := parseUser("userId", userID)
	if err == nil && u == c.User {
		err = fault.Invalid("userId", "nobody blocks themselves")
	}
	return u, err
}
