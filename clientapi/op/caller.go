// SPDX-License-Identifier: Apache-2.0

package op

import (
	"net/netip"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

// Caller is who asks: an authenticated user on one of their devices.
type Caller struct {
	User   id.User
	Device id.Device
	From   netip.Addr // where the request, or the session, comes from; the zero address if unknown
}

func (c Caller) account() account.Caller { return account.Caller{User: c.User, Device: c.Device} }
