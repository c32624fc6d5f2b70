// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"parley.chat/clientapi/op"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	wire "parley.chat/protocol/rest"
)

// messageRoutes serve what happens to one message.
func messageRoutes(o *op.Conversations) []Route {
	one := conversationPath + "/messages/{messageId}"
	react := func(action string) Handle {
		return func(c *Call) (any, error) {
			return c.accepted(o.React(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"), c.Param("emoji"), action))
		}
	}
	return []Route{
		{Method: "PATCH", Path: one, Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.EditMessage) (any, error) {
			out, isAccepted, err := o.EditMessage(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"), in)
			_, err = c.accepted(isAccepted, err)
			return out, err
		})},
		{Method: "DELETE", Path: one, Auth: true, Status: 204, Handle: func(c *Call) (any, error) { return c.accepted(deleteMessage(o, c)) }},
		{Method: "GET", Path: one + "/edits", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			q := c.Query()
			cursor, limit := q.String("cursor", maxCursor), q.Int("limit", 50, 1, 100)
			if err := q.Err(); err != nil {
				return nil, err
			}
			return o.Edits(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"), cursor, int(limit))
		}},
		{Method: "GET", Path: one + "/reactions", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			q := c.Query()
			emoji, cursor, limit := q.String("emoji", event.MaxEmoji), q.String("cursor", maxCursor), q.Int("limit", 50, 1, 100)
			if err := q.Err(); err != nil {
				return nil, err
			}
			return o.Reactions(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"), emoji, cursor, int(limit))
		}},
		{Method: "PUT", Path: one + "/reactions/{emoji}", Auth: true, Status: 204, Handle: react(frame.ActionAdd)},
		{Method: "DELETE", Path: one + "/reactions/{emoji}", Auth: true, Status: 204, Handle: react(frame.ActionRemove)},
	}
}

// deleteMessage deletes for those whom the parameter for names.
func deleteMessage(o *op.Conversations, c *Call) (isAccepted bool, err error) {
	q := c.Query()
	who := q.String("for", 16)
	if err := q.Err(); err != nil {
		return false, err
	}
	switch who {
	case "", "everyone":
	case "me":
		return false, o.HideMessage(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"))
	default:
		return false, fault.Invalid("for", "must be everyone or me")
	}
	return o.DeleteMessage(c.Context(), c.Caller, c.Param("conversationId"), c.Param("messageId"))
}
