// SPDX-License-Identifier: Apache-2.0

package rest

// SetPresence is the body of POST /api/v1/users/me/presence (204): what a device without a socket says.
type SetPresence struct {
	Status string `json:"status"` // online, offline
}
