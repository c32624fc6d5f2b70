// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"crypto/sha256"
	"math"

	"parley.chat/protocol/fault"
)

// minInvitation keeps tokens an operator writes by hand from being guessed.
const minInvitation = 16

// AllowRegistrationToken makes a token the operator chose good for any number of registrations, for good. A shorter one than
// 16 bytes is refused. Doing it again changes nothing.
func (a *Accounts) AllowRegistrationToken(ctx context.Context, token string) error {
	if len(token) < minInvitation {
		return fault.Invalid("registrationToken", "has less than %d bytes", minInvitation)
	}
	return a.store.PutRegistrationToken(ctx, sha256.Sum256([]byte(token)), math.MaxInt32, math.MaxInt64)
}
