// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"time"

	"parley.chat/protocol/fault"
)

// Tickets lets a browser open a socket without a token in the URL. *Accounts is one.
type Tickets interface {
	// NewTicket makes a ticket for the caller's device and origin.
	NewTicket(ctx context.Context, c Caller, origin string) (ticket string, life time.Duration, err error)
	// RedeemTicket takes the ticket, whatever comes of it. Faults: ticket_invalid.
	RedeemTicket(ctx context.Context, ticket, origin string) (Caller, error)
}

var _ Tickets = (*Accounts)(nil)

// NewTicket makes a ticket of 256 bits that is good once, within 30 seconds, on any node. Faults: rate_limited.
func (a *Accounts) NewTicket(ctx context.Context, c Caller, origin string) (string, time.Duration, error) {
	if err := a.limits.tickets.take(string(c.User)+" "+string(c.Device), a.cfg.Now()); err != nil {
		return "", 0, err
	}
	ticket, h := newToken(ticketPrefix, c.User.Shard(a.cfg.Shards))
	t := Ticket{Caller: c, Origin: origin, Until: a.now() + ticketLife.Milliseconds()}
	return ticket, ticketLife, a.store.PutTicket(ctx, h, t)
}

// RedeemTicket takes the ticket: a second try fails, also after a wrong origin. Faults: ticket_invalid.
func (a *Accounts) RedeemTicket(ctx context.Context, ticket, origin string) (Caller, error) {
	invalid := fault.New(fault.TicketInvalid, "the ticket is unknown, used, expired, or made for another origin")
	s, h, ok := parseToken(ticketPrefix, ticket, a.cfg.Shards)
	if !ok {
		return Caller{}, invalid
	}
	t, err := a.store.TakeTicket(ctx, s, h)
	if errors.Is(err, ErrNotFound) {
		return Caller{}, invalid
	}
	if err != nil {
		return Caller{}, err
	}
	if t.Origin != origin || a.now() >= t.Until {
		return Caller{}, invalid
	}
	return t.Caller, nil
}
