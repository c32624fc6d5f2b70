// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"sync"
	"testing"
	"time"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
)

func (r *Room) wantNoRefresh(t *testing.T, s account.Session) {
	t.Helper()
	_, err := r.Accounts.Refresh(t.Context(), s.Refresh)
	wantFault(t, err, fault.RefreshInvalid)
}

func refreshGrace(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	first := r.Register(t, "alice")
	second := r.Refresh(t, first.Refresh)
	if second.Caller != first.Caller || second.Access == first.Access || second.Refresh == first.Refresh {
		t.Errorf("%+v after %+v", second, first)
	}
	r.wantCaller(t, first) // The answer may have been lost.
	r.wantCaller(t, second)
	r.wantNoCaller(t, first, fault.Unauthenticated)
	r.wantCaller(t, second)
	if n := r.Revocations.Rest(); n != 0 {
		t.Errorf("%d revocations by a plain refresh", n)
	}
}

func refreshRepeat(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	first := r.Register(t, "alice")
	lost := r.Refresh(t, first.Refresh)
	second := r.Refresh(t, first.Refresh)
	r.wantNoCaller(t, lost, fault.Unauthenticated)
	r.wantNoRefresh(t, lost)
	r.wantCaller(t, second) // A void pair is no reuse.
	if n := r.Revocations.Rest(); n != 0 {
		t.Errorf("%d revocations", n)
	}
}

func refreshReuse(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	first, other := r.Register(t, "alice"), r.Login(t, "alice")
	second := r.Refresh(t, first.Refresh)
	r.wantCaller(t, second)
	r.wantNoRefresh(t, first)
	if !r.Revocations.Told(first.User, first.Device) {
		t.Error("the sockets of the family stay open")
	}
	r.wantNoCaller(t, second, fault.Unauthenticated)
	r.wantNoRefresh(t, second)
	r.wantNoRefresh(t, first)
	r.wantCaller(t, other)
	list, err := r.Devices(t.Context(), first.User)
	if err != nil || len(list) != 1 || r.Revocations.Rest() != 0 {
		t.Errorf("devices %v, %v, %d more revocations", list, err, r.Revocations.Rest())
	}
}

func refreshChain(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	first := r.Register(t, "alice")
	second := r.Refresh(t, first.Refresh)
	third := r.Refresh(t, second.Refresh) // The first use of the second pair.
	r.wantNoCaller(t, first, fault.Unauthenticated)
	r.wantCaller(t, second)
	r.wantCaller(t, third)
	r.wantNoCaller(t, second, fault.Unauthenticated)
	r.wantNoRefresh(t, first)
	r.wantNoCaller(t, third, fault.Unauthenticated)
}

func refreshExpires(t *testing.T, open Open) {
	const day = 24 * time.Hour
	r := NewRoom(open(t), nil)
	s := r.Register(t, "alice")
	for range 3 { // Each refresh starts the idle time again.
		r.Clock.Advance(179 * day)
		s = r.Refresh(t, s.Refresh)
	}
	r.Clock.Advance(180 * day)
	r.wantNoRefresh(t, s)

	short := NewRoom(r.Store, func(c *account.Config) { c.AccessLife, c.RefreshLife = time.Second, time.Minute })
	s = short.Register(t, "bob")
	if s.ExpiresIn != 1 {
		t.Errorf("expires in %d s", s.ExpiresIn)
	}
	next := short.Refresh(t, s.Refresh)
	short.Clock.Advance(time.Minute)
	short.wantNoRefresh(t, s)
	short.wantNoRefresh(t, next)
}

func refreshConcurrent(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	first := r.Register(t, "alice")
	out := make([]account.Session, 8)
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() { out[i] = r.Refresh(t, first.Refresh) })
	}
	wg.Wait()
	good := 0
	for _, s := range out {
		if _, err := r.Authenticate(t.Context(), s.Access); err == nil {
			good++
		} else {
			wantFault(t, err, fault.Unauthenticated)
		}
	}
	if good != 1 || r.Revocations.Rest() != 0 {
		t.Errorf("%d good pairs, %d revocations", good, r.Revocations.Rest())
	}
	r.wantNoRefresh(t, first)
	if !r.Revocations.Told(first.User, first.Device) {
		t.Error("the reuse was not found out")
	}
}

func refreshForeign(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	s := r.Register(t, "alice")
	other := NewRoom(NewMemory(), nil).Register(t, "alice")
	for _, token := range []string{"", "pr_", s.Access, s.Refresh + "A", s.Refresh[:len(s.Refresh)-1], "pr_" + s.Access[3:], other.Refresh, s.Refresh[:20] + "\n" + s.Refresh[20:]} {
		_, err := r.Accounts.Refresh(t.Context(), token)
		wantFault(t, err, fault.RefreshInvalid)
	}
	for _, token := range []string{"", "pa_", s.Refresh, "pa_" + s.Refresh[3:], other.Access, "pa_////////////////////////////////////////////////"} {
		_, err := r.Authenticate(t.Context(), token)
		wantFault(t, err, fault.Unauthenticated)
	}
	r.wantCaller(t, s)
}

func authenticateFaults(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	s := r.Register(t, "alice")
	r.Clock.Advance(10*time.Minute - time.Second)
	r.wantCaller(t, s)
	r.Clock.Advance(time.Second)
	r.wantNoCaller(t, s, fault.TokenExpired)
	next := r.Refresh(t, s.Refresh)
	r.Clock.Advance(10 * time.Minute)
	r.wantNoCaller(t, next, fault.TokenExpired)
	r.wantCaller(t, r.Refresh(t, next.Refresh)) // An expired pair was not used; its refresh token is good.
}

func authenticateConcurrent(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	first := r.Register(t, "alice")
	second := r.Refresh(t, first.Refresh)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { r.wantCaller(t, second) })
	}
	wg.Wait()
	r.wantNoCaller(t, first, fault.Unauthenticated)
	third := r.Refresh(t, second.Refresh)
	r.wantCaller(t, third)
}
