// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"math"

	"parley.chat/clientapi/op"
	"parley.chat/core/search"
)

// SearchRoutes is the part of the table that serves search.
func SearchRoutes(o *op.Conversations) []Route {
	return []Route{
		{Method: "GET", Path: "/api/v1/search", Auth: true, Status: 200, Handle: func(c *Call) (any, error) {
			q := c.Query()
			in := op.Search{
				Text:           q.String("q", search.MaxText),
				SenderID:       q.String("senderId", maxName),
				ConversationID: q.String("conversationId", maxName),
				ContentType:    q.String("contentType", maxName),
				From:           q.Int("from", 0, 0, maxTime),
				To:             q.Int("to", math.MaxInt64, 1, maxTime),
				Cursor:         q.String("cursor", maxCursor),
				Limit:          int(q.Int("limit", 50, 1, 100)),
			}
			if err := q.Err(); err != nil {
				return nil, err
			}
			return o.Search(c.Context(), c.Caller, in)
		}},
	}
}

// maxName bounds names and ids in query parameters, before they are parsed.
const maxName = 512

// maxTime is the latest hub time there can be: 48 bits of milliseconds.
const maxTime = 1<<48 - 1
