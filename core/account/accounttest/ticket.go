// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
)

const origin = "https://app.example"

func (r *Room) ticket(t *testing.T, s account.Session) string {
	t.Helper()
	ticket, life, err := r.NewTicket(t.Context(), s.Caller, origin)
	if err != nil || life != 30*time.Second {
		t.Fatalf("life %s, %v", life, err)
	}
	return ticket
}

func (r *Room) wantNoTicket(t *testing.T, ticket, from string) {
	t.Helper()
	_, err := r.RedeemTicket(t.Context(), ticket, from)
	wantFault(t, err, fault.TicketInvalid)
}

func ticket(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	a := r.Register(t, "alice")
	one, two := r.ticket(t, a), r.ticket(t, a)
	if c, err := r.RedeemTicket(t.Context(), one, origin); err != nil || c != a.Caller {
		t.Errorf("%v, %v", c, err)
	}
	r.wantNoTicket(t, one, origin)
	r.wantNoTicket(t, two, "https://evil.example")
	r.wantNoTicket(t, two, origin) // The wrong origin took it.
	for _, bad := range []string{"", "pk_", a.Access, a.Refresh, "pk_" + a.Refresh[3:], one + "x"} {
		r.wantNoTicket(t, bad, origin)
	}
	_, err := r.Accounts.Refresh(t.Context(), "pr_"+r.ticket(t, a)[3:])
	wantFault(t, err, fault.RefreshInvalid)
	r.wantCaller(t, a)
}

func ticketEnds(t *testing.T, open Open) {
	r := NewRoom(open(t), func(c *account.Config) { c.Limits.TicketsPerDevice = account.Rate{Count: 3, Per: time.Minute} })
	a, b := r.Register(t, "alice"), r.Login(t, "alice")
	late := r.ticket(t, a)
	r.Clock.Advance(30 * time.Second)
	r.wantNoTicket(t, late, origin)
	mine, other := r.ticket(t, a), r.ticket(t, b)
	if err := r.RemoveDevice(t.Context(), b.User, b.Device); err != nil {
		t.Fatal(err)
	}
	r.wantNoTicket(t, other, origin)
	r.Clock.Advance(29 * time.Second)
	if c, err := r.RedeemTicket(t.Context(), mine, origin); err != nil || c != a.Caller {
		t.Errorf("%v, %v", c, err)
	}
	for range 3 {
		late = r.ticket(t, a)
	}
	_, _, err := r.NewTicket(t.Context(), a.Caller, origin)
	wantFault(t, err, fault.RateLimited)
	r.Clock.Advance(time.Hour)
	if err := r.Store.Sweep(t.Context(), r.Clock.Now().UnixMilli()); err != nil {
		t.Fatal(err)
	}
	r.wantNoTicket(t, late, origin)
}

func ticketConcurrent(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	ticket := r.ticket(t, r.Register(t, "alice"))
	var good atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := r.RedeemTicket(t.Context(), ticket, origin); err == nil {
				good.Add(1)
			}
		})
	}
	wg.Wait()
	if n := good.Load(); n != 1 {
		t.Errorf("%d redeemed one ticket", n)
	}
}
