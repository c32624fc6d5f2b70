// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"parley.chat/clientapi/op"
	wire "parley.chat/protocol/rest"
)

// ModerationRoutes is the part of the table that serves reports and moderators.
func ModerationRoutes(m *op.Moderation) []Route {
	const reports, users = "/api/v1/moderation/reports", "/api/v1/moderation/users/{userId}"
	return []Route{
		{Method: "POST", Path: "/api/v1/reports", Auth: true, Status: 201, Handle: Body(func(c *Call, in wire.CreateReport) (any, error) {
			return m.Report(c.Context(), c.Caller, in)
		})},
		{Method: "GET", Path: reports, Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			q := c.Query()
			open, cursor, limit := q.Bool("open"), q.String("cursor", maxCursor), q.Int("limit", 50, 1, 100)
			if err := q.Err(); err != nil {
				return nil, err
			}
			return m.Reports(c.Context(), c.Caller, open, cursor, int(limit))
		}},
		{Method: "GET", Path: reports + "/{reportId}", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return m.ReadReport(c.Context(), c.Caller, c.Param("reportId"))
		}},
		{Method: "POST", Path: reports + "/{reportId}/resolve", Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.ResolveReport) (any, error) {
			return m.Resolve(c.Context(), c.Caller, c.Param("reportId"), in)
		})},
		{Method: "GET", Path: "/api/v1/moderation/actions", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			q := c.Query()
			cursor, limit := q.String("cursor", maxCursor), q.Int("limit", 50, 1, 100)
			if err := q.Err(); err != nil {
				return nil, err
			}
			return m.Actions(c.Context(), c.Caller, cursor, int(limit))
		}},
		{Method: "POST", Path: users + "/suspend", Auth: true, Status: 204, Handle: Body(func(c *Call, in wire.Standing) (any, error) {
			return nil, m.Suspend(c.Context(), c.Caller, c.Param("userId"), in)
		})},
		{Method: "POST", Path: users + "/unsuspend", Auth: true, Status: 204, Handle: Body(func(c *Call, in wire.Standing) (any, error) {
			return nil, m.Unsuspend(c.Context(), c.Caller, c.Param("userId"), in)
		})},
	}
}
