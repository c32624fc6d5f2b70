// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"parley.chat/clientapi/op"
	wire "parley.chat/protocol/rest"
)

// PresenceRoutes is the part of the table that serves presence to clients without a socket.
func PresenceRoutes(o *op.Presence) []Route {
	return []Route{
		{Method: "POST", Path: "/api/v1/users/me/presence", Auth: true, Status: 204, Handle: Body(func(c *Call, in wire.SetPresence) (any, error) {
			return nil, o.Set(c.Caller, in)
		})},
		{Method: "GET", Path: "/api/v1/users/{userId}/presence", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return o.Get(c.Context(), c.Caller, c.Param("userId"))
		}},
	}
}
