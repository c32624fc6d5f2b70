// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"slices"

	"parley.chat/clientapi/op"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/rest"
)

const conversationPath = "/api/v1/conversations/{conversationId}"

// maxCursor bounds a cursor in bytes. spec: SYNC-CURSOR-2
const maxCursor = 4 << 10

// ConversationRoutes is the part of the table that serves conversations, members and messages.
func ConversationRoutes(o *op.Conversations) []Route {
	return append([]Route{
		{Method: "POST", Path: "/api/v1/conversations", Auth: true, Status: 201, Handle: Body(func(c *Call, in wire.CreateConversation) (any, error) {
			out, existed, err := o.Create(c.Context(), c.Caller, in)
			if existed {
				c.Status(http.StatusOK)
			}
			return out, err
		})},
		{Method: "GET", Path: "/api/v1/conversations", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			q := c.Query()
			cursor, hidden, limit := q.String("cursor", maxCursor), q.Bool("hidden"), q.Int("limit", 50, 1, 100)
			if err := q.Err(); err != nil {
				return nil, err
			}
			return o.List(c.Context(), c.Caller, cursor, hidden, int(limit))
		}},
		{Method: "GET", Path: conversationPath, Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return o.Get(c.Context(), c.Caller, c.Param("conversationId"))
		}},
		{Method: "PATCH", Path: conversationPath, Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.EditConversation) (any, error) {
			return o.Edit(c.Context(), c.Caller, c.Param("conversationId"), in)
		})},
		{Method: "GET", Path: conversationPath + "/checkpoint", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return o.Checkpoint(c.Context(), c.Caller, c.Param("conversationId"))
		}},
		{Method: "GET", Path: conversationPath + "/messages", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			return messages(o, c)
		}},
		{Method: "POST", Path: conversationPath + "/messages", Auth: true, Status: 201, Handle: Body(func(c *Call, in frame.Send) (any, error) {
			in.ConversationID = c.Param("conversationId")
			ack, err := o.Send(c.Context(), c.Caller, in)
			_, err = c.accepted(ack.Status == frame.Accepted, err)
			return ack, err
		})},
		{Method: "POST", Path: conversationPath + "/receipts", Auth: true, Status: 204, Handle: Body(func(c *Call, in wire.Acknowledge) (any, error) {
			return nil, o.Receive(c.Context(), c.Caller, frame.Delivery{
				ConversationID: c.Param("conversationId"), MessageID: in.MessageID, Status: in.Status,
			})
		})},
	}, slices.Concat(memberRoutes(o), groupRoutes(o), ChannelRoutes(o), messageRoutes(o))...)
}

func messages(o *op.Conversations, c *Call) (any, error) {
	q := c.Query()
	in := op.History{
		Cursor:    q.String("cursor", maxCursor),
		AfterSeq:  q.Int("afterSeq", op.NoBound, -1, id.MaxSeq),
		BeforeSeq: q.Int("beforeSeq", op.NoBound, 0, id.MaxSeq),
		Limit:     int(q.Int("limit", 50, 1, 200)),
	}
	if err := q.Err(); err != nil {
		return nil, err
	}
	return o.Messages(c.Context(), c.Caller, c.Param("conversationId"), in)
}

func memberRoutes(o *op.Conversations) []Route {
	one := conversationPath + "/members/{userId}"
	return []Route{
		{Method: "GET", Path: conversationPath + "/members", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			q := c.Query()
			cursor, limit := q.String("cursor", maxCursor), q.Int("limit", 50, 1, 100)
			if err := q.Err(); err != nil {
				return nil, err
			}
			return o.Members(c.Context(), c.Caller, c.Param("conversationId"), cursor, int(limit))
		}},
		{Method: "POST", Path: conversationPath + "/members", Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.AddMembers) (any, error) {
			return o.AddMembers(c.Context(), c.Caller, c.Param("conversationId"), in)
		})},
		{Method: "PATCH", Path: one, Auth: true, Status: 200, Handle: Body(func(c *Call, in wire.EditMember) (any, error) {
			return o.EditMember(c.Context(), c.Caller, c.Param("conversationId"), c.Param("userId"), in)
		})},
		{Method: "DELETE", Path: one, Auth: true, Status: 204, Handle: func(c *Call) (any, error) {
			return c.accepted(o.RemoveMember(c.Context(), c.Caller, c.Param("conversationId"), c.Param("userId")))
		}},
	}
}
