// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"context"
	"testing"
	"time"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func devices(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	a := r.Register(t, "alice")
	r.Clock.Advance(time.Second)
	b := r.Login(t, "alice")
	r.Clock.Advance(time.Second)
	c := r.Login(t, "alice")
	bob := r.Register(t, "bob")
	for _, s := range []account.Session{a, b, c, bob} {
		r.wantCaller(t, s)
	}
	list, err := r.Devices(t.Context(), a.User)
	if err != nil || len(list) != 3 || list[0].ID != a.Device || list[1].ID != b.Device || list[2].ID != c.Device {
		t.Errorf("%v, %v", list, err)
	}
	if err := r.RemoveDevice(t.Context(), a.User, b.Device); err != nil || !r.Revocations.Told(a.User, b.Device) {
		t.Errorf("removal: %v", err)
	}
	r.wantNoCaller(t, b, fault.Unauthenticated) // At once, though it was remembered.
	r.wantNoRefresh(t, b)
	for _, d := range []id.Device{b.Device, bob.Device, id.NewDevice()} {
		wantFault(t, r.RemoveDevice(t.Context(), a.User, d), fault.UnknownDevice)
	}
	for range 2 {
		if err := r.Logout(t.Context(), c.Caller); err != nil {
			t.Errorf("logout: %v", err)
		}
	}
	r.wantNoCaller(t, c, fault.Unauthenticated)
	if !r.Revocations.Told(a.User, c.Device) || r.Revocations.Rest() != 0 {
		t.Error("revocations are not those of the two devices")
	}
	r.wantCaller(t, a)
	r.wantCaller(t, bob)
}

func lastSeen(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	r.Clock.Advance(20 * time.Second)
	a, b := r.Register(t, "alice"), r.Register(t, "bob")
	r.wantCaller(t, a)
	r.wantCaller(t, b)
	r.Clock.Advance(5*time.Minute + 17*time.Second)
	r.wantCaller(t, a)
	r.wantCaller(t, a)
	at := func(s account.Session) int64 {
		list, err := r.Devices(t.Context(), s.User)
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		return list[0].LastSeenAt - list[0].CreatedAt/60_000*60_000
	}
	if got := at(a); got != 0 {
		t.Errorf("written by the request: %d", got)
	}
	if err := r.RemoveDevice(t.Context(), b.User, b.Device); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil { // Writes what is left on its way out.
		t.Fatal(err)
	}
	if got := at(a); got != (5 * time.Minute).Milliseconds() {
		t.Errorf("seen after %d ms", got) // The whole minute before.
	}
	back := map[account.Caller]int64{a.Caller: 1, b.Caller: 1}
	if err := r.Store.TouchDevices(t.Context(), back); err != nil || at(a) < 0 {
		t.Errorf("last seen fell: %v", err)
	}
}

func sweep(t *testing.T, open Open) {
	const day = 24 * time.Hour
	r := NewRoom(open(t), nil)
	idle, busy := r.Register(t, "alice"), r.Register(t, "bob")
	r.Clock.Advance(100 * day)
	next := r.Refresh(t, busy.Refresh)
	r.wantCaller(t, next)
	waiting := r.Login(t, "bob")
	r.Clock.Advance(81 * day)
	unused := r.Refresh(t, waiting.Refresh)
	if err := r.Store.Sweep(t.Context(), r.Clock.Now().UnixMilli()); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[id.User]int{idle.User: 0, busy.User: 2} {
		if list, err := r.Devices(t.Context(), user); err != nil || len(list) != want {
			t.Errorf("%s has %v, %v", user, list, err)
		}
	}
	r.wantCaller(t, unused)
	r.wantNoRefresh(t, busy) // Long spent and forgotten: refused, and nobody is logged out by it.
	r.wantCaller(t, r.Refresh(t, next.Refresh))
}
