// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"parley.chat/clientapi/op"
	wire "parley.chat/protocol/rest"
)

const mePath = "/api/v1/users/me"

// PersonalRoutes is the part of the table that serves what belongs to one user.
func PersonalRoutes(o *op.Conversations) []Route {
	messagePath := conversationPath + "/messages/{messageId}"
	one, block := mePath+"/data/{key}", mePath+"/blocks/{userId}"
	return []Route{
		{Method: "PUT", Path: conversationPath + "/settings", Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.EditPrefs) (any, error) {
			return o.Prefer(c.Context(), c.Caller, c.Param("conversationId"), in)
		})},
		{Method: "POST", Path: conversationPath + "/accept", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return o.AcceptPeer(c.Context(), c.Caller, c.Param("conversationId"))
		}},
		{Method: "POST", Path: conversationPath + "/decline", Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.DeclinePeer(c.Context(), c.Caller, c.Param("conversationId"))
		}},
		{Method: "GET", Path: messagePath + "/receipts", Auth: true, Status: 200, Handle: page(func(c *Call, cursor string, limit int) (any, error) {
			return o.Receipts(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"), cursor, limit)
		})},
		{Method: "PUT", Path: messagePath + "/star", Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Star(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"))
		}},
		{Method: "DELETE", Path: messagePath + "/star", Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Unstar(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"))
		}},
		{Method: "GET", Path: mePath + "/starred", Auth: true, Status: 200, Handle: page(func(c *Call, cursor string, limit int) (any, error) {
			return o.Starred(c.Context(), c.Caller, cursor, limit)
		})},
		{Method: "GET", Path: mePath + "/settings", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return o.Settings(c.Context(), c.Caller)
		}},
		{Method: "PUT", Path: mePath + "/settings", Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.EditSettings) (any, error) {
			return o.EditSettings(c.Context(), c.Caller, in)
		})},
		{Method: "GET", Path: mePath + "/blocks", Auth: true, Status: 200, Handle: page(func(c *Call, cursor string, limit int) (any, error) {
			return o.Blocks(c.Context(), c.Caller, cursor, limit)
		})},
		{Method: "PUT", Path: block, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Block(c.Context(), c.Caller, c.Param("userId"))
		}},
		{Method: "DELETE", Path: block, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Unblock(c.Context(), c.Caller, c.Param("userId"))
		}},
		{Method: "GET", Path: mePath + "/data", Auth: true, Status: 200, Handle: page(func(c *Call, cursor string, limit int) (any, error) {
			return o.Data(c.Context(), c.Caller, cursor, limit)
		})},
		{Method: "GET", Path: one, Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return o.Datum(c.Context(), c.Caller, c.Param("key"))
		}},
		{Method: "PUT", Path: one, Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.Datum) (any, error) {
			return o.PutDatum(c.Context(), c.Caller, c.Param("key"), in)
		})},
		{Method: "DELETE", Path: one, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.DeleteDatum(c.Context(), c.Caller, c.Param("key"))
		}},
	}
}

// page reads the cursor and the limit of a list.
func page(f func(c *Call, cursor string, limit int) (any, error)) Handle {
	return func(c *Call) (any, error) {
		q := c.Query()
		cursor, limit := q.String("cursor", maxCursor), q.Int("limit", 50, 1, 100)
		if err := q.Err(); err != nil {
			return nil, err
		}
		return f(c, cursor, int(limit))
	}
}
