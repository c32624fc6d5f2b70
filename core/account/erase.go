// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"

	"parley.chat/protocol/id"
)

// Erasure is an account that is being erased: its memberships end one after the other, and its messages if Messages is set.
type Erasure struct {
	User     id.User
	Messages bool
	At       int64
	After    id.Conversation // done up to this one, "" before the first
	Erased   int64           // messages so far
}

// Erasures keeps them in the shard of the user.
type Erasures interface {
	// Erase deactivates the account, deletes everything that is kept of it but its name and what is in logs, and notes the
	// erasure: all or nothing. ErrChanged if the hash is not passwordHash.
	Erase(ctx context.Context, e Erasure, passwordHash string) error
}

// Erase ends the account for good, as Deactivate does, with everything the server keeps of it outside of logs. What is in
// logs follows later: see Erasure. Faults: invalid_field, wrong_credentials, rate_limited, unavailable.
func (a *Accounts) Erase(ctx context.Context, c Caller, password string, messages bool) error {
	u, err := a.proveCaller(ctx, c, "password", password)
	if err != nil {
		return err
	}
	if err := a.store.Erase(ctx, Erasure{User: c.User, Messages: messages, At: a.now()}, u.PasswordHash); err != nil {
		return changed(err)
	}
	a.ended(c.User, "")
	a.releasePhone(ctx, u.Phone, c.User)
	return nil
}
