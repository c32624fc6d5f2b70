// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"parley.chat/clientapi/op"
	wire "parley.chat/protocol/rest"
)

// EraseRoutes is the part of the table that serves the erasing of an account.
func EraseRoutes(e *op.Eraser) []Route {
	return []Route{
		{Method: "POST", Path: "/api/v1/users/me/erase", Auth: true, Status: 204, Handle: Body(func(c *Call, in wire.Erase) (any, error) {
			return nil, e.Erase(c.Context(), c.Caller, in)
		})},
	}
}
