// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"parley.chat/clientapi/op"
	"parley.chat/clientapi/session"
	"parley.chat/core/feed"
)

// maxPoll is the longest a long poll may wait, in milliseconds. spec: SYNC-POLL-2
const maxPoll = 60_000

// Tickets redeems socket tickets. Faults: ticket_invalid.
type Tickets interface {
	RedeemTicket(ctx context.Context, ticket, origin string) (op.Caller, error)
}

// FeedRoutes is the part of the table that serves sync: long poll, event stream and the socket's upgrade.
func FeedRoutes(f *feed.Feed, reg feed.Registry, door *session.Door, auth Authenticator, tickets Tickets) []Route {
	return []Route{
		{Method: "GET", Path: "/api/v1/sync", Auth: true, Waits: true, Status: 200, Timeout: maxPoll*time.Millisecond + defaultTimeout, Handle: func(c *Call) (any, error) {
			q := c.Query()
			cursor, timeout := q.String("cursor", maxCursor), q.Int("timeout", 0, 0, maxPoll)
			if err := q.Err(); err != nil {
				return nil, err
			}
			page, err := f.Wait(c.Context(), reg, rand.Text(), c.Caller.User, c.Caller.Device, cursor, time.Duration(timeout)*time.Millisecond)
			if err != nil {
				return nil, err
			}
			return page.Sync, nil
		}},
		{Method: "GET", Path: "/api/v1/events", Auth: true, Waits: true, Stream: func(c *Call, w http.ResponseWriter) error {
			q := c.Query()
			cursor := q.String("cursor", maxCursor)
			if err := q.Err(); err != nil {
				return err
			}
			if last := c.Header("Last-Event-ID"); last != "" {
				cursor = last
			}
			return door.Events(c.Caller, w, c.Request(), cursor)
		}},
		{Method: "GET", Path: "/api/v1/ws", Stream: func(c *Call, w http.ResponseWriter) error {
			caller, err := socketCaller(c, auth, tickets)
			if err != nil {
				return err
			}
			caller.From = c.Client
			return door.Upgrade(caller, w, c.Request())
		}},
	}
}

// socketCaller authenticates an upgrade: by the Authorization header, or, as browsers cannot set one, by a one-time ticket
// among the subprotocols. spec: SOCKET-AUTH-1 SOCKET-AUTH-2
func socketCaller(c *Call, auth Authenticator, tickets Tickets) (op.Caller, error) {
	if ticket := session.Ticket(c.Request()); ticket != "" && c.Header("Authorization") == "" {
		return tickets.RedeemTicket(c.Context(), ticket, c.Header("Origin"))
	}
	token, err := bearer(c.Request().Header)
	if err != nil {
		return op.Caller{}, err
	}
	return auth.Authenticate(c.Context(), token)
}
