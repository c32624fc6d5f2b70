// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"parley.chat/clientapi/op"
	wire "parley.chat/protocol/rest"
)

// ChannelRoutes is the part of the table that serves subscriptions.
func ChannelRoutes(o *op.Conversations) []Route {
	own, all := conversationPath+"/subscription", conversationPath+"/subscribers"
	return []Route{
		{Method: "POST", Path: own, Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return o.Subscribe(c.Context(), c.Caller, c.Param("conversationId"))
		}},
		{Method: "DELETE", Path: own, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return nil, o.Unsubscribe(c.Context(), c.Caller, c.Param("conversationId"))
		}},
		{Method: "GET", Path: all, Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			q := c.Query()
			cursor, banned, limit := q.String("cursor", maxCursor), q.Bool("banned"), q.Int("limit", 50, 1, 100)
			if err := q.Err(); err != nil {
				return nil, err
			}
			return o.Subscribers(c.Context(), c.Caller, c.Param("conversationId"), cursor, banned, int(limit))
		}},
		{Method: "POST", Path: all, Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.AddSubscribers) (any, error) {
			return o.AddSubscribers(c.Context(), c.Caller, c.Param("conversationId"), in)
		})},
		{Method: "DELETE", Path: all + "/{userId}", Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			q := c.Query()
			ban := q.Bool("ban")
			if err := q.Err(); err != nil {
				return nil, err
			}
			return nil, o.RemoveSubscriber(c.Context(), c.Caller, c.Param("conversationId"), c.Param("userId"), ban)
		}},
	}
}
