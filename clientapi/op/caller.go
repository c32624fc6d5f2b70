// SPDX-License-Identifier: Apache-2.0

package op

import "parley.chat/protocol/id"

// Caller is who asks: an authenticated user on one of their devices.
type Caller struct {
	User   id.User
	Device id.Device
}
