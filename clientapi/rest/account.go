// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"parley.chat/clientapi/op"
	wire "parley.chat/protocol/rest"
)

// AccountRoutes is the part of the table that serves accounts and devices.
func AccountRoutes(a *op.Accounts) []Route {
	return []Route{
		{Method: "POST", Path: "/api/v1/register", Status: 201, Handle: Body(func(c *Call, in wire.Register) (any, error) {
			return a.Register(c.Context(), c.Client, in)
		})},
		{Method: "POST", Path: "/api/v1/login", Status: 200, Handle: Body(func(c *Call, in wire.Login) (any, error) {
			return a.Login(c.Context(), c.Client, in)
		})},
		{Method: "POST", Path: "/api/v1/refresh", Status: 200, Handle: Body(func(c *Call, in wire.Refresh) (any, error) {
			return a.Refresh(c.Context(), in)
		})},
		{Method: "POST", Path: "/api/v1/logout", Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, a.Logout(c.Context(), c.Caller)
		}},
		{Method: "GET", Path: "/api/v1/devices", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return a.Devices(c.Context(), c.Caller)
		}},
		{Method: "DELETE", Path: "/api/v1/devices/{deviceId}", Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, a.RemoveDevice(c.Context(), c.Caller, c.Param("deviceId"))
		}},
		{Method: "GET", Path: "/api/v1/users/me", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return a.Me(c.Context(), c.Caller)
		}},
		{Method: "PUT", Path: "/api/v1/users/me", Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.EditProfile) (any, error) {
			return a.EditMe(c.Context(), c.Caller, in)
		})},
		{Method: "POST", Path: "/api/v1/users/me/password", Auth: true, Status: 204, Handle: Body(func(c *Call, in wire.ChangePassword) (any, error) {
			return nil, a.ChangePassword(c.Context(), c.Caller, in)
		})},
		{Method: "POST", Path: "/api/v1/users/me/deactivate", Auth: true, Status: 204, Handle: Body(func(c *Call, in wire.Deactivate) (any, error) {
			return nil, a.Deactivate(c.Context(), c.Caller, in)
		})},
		{Method: "GET", Path: "/api/v1/users/{userId}", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return a.User(c.Context(), c.Caller, c.Param("userId"))
		}},
		{Method: "POST", Path: "/api/v1/ws/ticket", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return a.Ticket(c.Context(), c.Caller, c.Header("Origin"))
		}},
	}
}
