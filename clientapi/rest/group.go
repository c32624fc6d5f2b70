// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"

	"parley.chat/clientapi/op"
	wire "parley.chat/protocol/rest"
)

// groupRoutes serve what governs a group: its owner, bans, invite links, requests and pins.
func groupRoutes(o *op.Conversations) []Route {
	ban, request, pin := conversationPath+"/bans/{userId}", conversationPath+"/requests/{userId}", conversationPath+"/messages/{messageId}/pin"
	return append([]Route{
		{Method: "POST", Path: conversationPath + "/owner", Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.TransferOwner) (any, error) {
			return o.TransferOwner(c.Context(), c.Caller, c.Param("conversationId"), in)
		})},
		{Method: "POST", Path: conversationPath + "/hub", Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.MoveHub) (any, error) {
			return o.MoveHub(c.Context(), c.Caller, c.Param("conversationId"), in)
		})},
		{Method: "GET", Path: conversationPath + "/bans", Auth: true, Status: 200, Handle: paged(100, func(c *Call, cursor string, limit int) (any, error) {
			return o.Bans(c.Context(), c.Caller, c.Param("conversationId"), cursor, limit)
		})},
		{Method: "PUT", Path: ban, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Ban(c.Context(), c.Caller, c.Param("conversationId"), c.Param("userId"))
		}},
		{Method: "DELETE", Path: ban, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Unban(c.Context(), c.Caller, c.Param("conversationId"), c.Param("userId"))
		}},
		{Method: "GET", Path: conversationPath + "/requests", Auth: true, Status: 200, Handle: paged(100, func(c *Call, cursor string, limit int) (any, error) {
			return o.Requests(c.Context(), c.Caller, c.Param("conversationId"), cursor, limit)
		})},
		{Method: "POST", Path: request, Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return o.Approve(c.Context(), c.Caller, c.Param("conversationId"), c.Param("userId"))
		}},
		{Method: "DELETE", Path: request, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Decline(c.Context(), c.Caller, c.Param("conversationId"), c.Param("userId"))
		}},
		{Method: "GET", Path: conversationPath + "/pins", Auth: true, Status: 200, Handle: paged(50, func(c *Call, cursor string, limit int) (any, error) {
			return o.Pins(c.Context(), c.Caller, c.Param("conversationId"), cursor, limit)
		})},
		{Method: "PUT", Path: pin, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Pin(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"))
		}},
		{Method: "DELETE", Path: pin, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Unpin(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"))
		}},
	}, linkRoutes(o)...)
}

func linkRoutes(o *op.Conversations) []Route {
	return []Route{
		{Method: "GET", Path: conversationPath + "/links", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return o.Links(c.Context(), c.Caller, c.Param("conversationId"))
		}},
		{Method: "POST", Path: conversationPath + "/links", Auth: true, Status: 201, Handle: Body(func(c *Call, in wire.CreateLink) (any, error) {
			return o.CreateLink(c.Context(), c.Caller, c.Param("conversationId"), in)
		})},
		{Method: "DELETE", Path: conversationPath + "/links/{linkId}", Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.RevokeLink(c.Context(), c.Caller, c.Param("conversationId"), c.Param("linkId"))
		}},
		{Method: "POST", Path: "/api/v1/links/preview", Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.LinkToken) (any, error) {
			return o.PreviewLink(c.Context(), c.Caller, in)
		})},
		{Method: "POST", Path: "/api/v1/links/join", Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.LinkToken) (any, error) {
			out, requested, err := o.JoinLink(c.Context(), c.Caller, in)
			if err == nil && requested {
				c.Status(http.StatusAccepted)
				return wire.JoinRequested{ConversationID: out.ConversationID, Status: "requested"}, nil
			}
			return out, err
		})},
	}
}

// paged makes a Handle of a list with pages of at most limit items.
func paged(limit int64, f func(c *Call, cursor string, limit int) (any, error)) Handle {
	return func(c *Call) (any, error) {
		q := c.Query()
		cursor, n := q.String("cursor", maxCursor), q.Int("limit", 50, 1, limit)
		if err := q.Err(); err != nil {
			return nil, err
		}
		return f(c, cursor, int(n))
	}
}
