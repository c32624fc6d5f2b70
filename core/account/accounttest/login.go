// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func (r *Room) login(t *testing.T, name, password string) error {
	_, err := r.Accounts.Login(t.Context(), Nowhere, account.Credentials{Username: name, Password: password})
	return err
}

func loginNames(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	registered := r.Register(t, "alice")
	for _, name := range []string{"alice", "ALICE", "alice@localhost", "Alice@LocalHost"} {
		s := r.Login(t, name)
		if s.User != registered.User || s.Device == registered.Device {
			t.Errorf("%s: %+v", name, s.Caller)
		}
		r.wantCaller(t, s)
	}
	r.wantCaller(t, registered)
	wantFault(t, r.login(t, "alice@elsewhere.example", Password), fault.WrongCredentials)
	wantFault(t, r.login(t, "alice", Password+"x"), fault.WrongCredentials)
	wantFault(t, r.login(t, "alice", ""), fault.WrongCredentials)
	wantField(t, r.login(t, "alice", strings.Repeat("x", 257)), "password")
	wantField(t, r.login(t, "", Password), "username")
	if n := r.Revocations.Rest(); n != 0 {
		t.Errorf("%d revocations", n)
	}
}

func loginConstantWork(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	alice := r.Register(t, "alice")
	gone := r.Register(t, "gone")
	if err := r.Deactivate(t.Context(), gone.Caller, Password); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "nobody-there", "gone"} {
		before := r.Hashes.Work()
		wantFault(t, r.login(t, name, "wrong password"), fault.WrongCredentials)
		if work := r.Hashes.Work() - before; work != 1 {
			t.Errorf("%s: %d hashes", name, work)
		}
	}
	r.wantCaller(t, alice)
}

func loginKnownDevice(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	alice, bob := r.Register(t, "alice"), r.Register(t, "bob")
	used := r.Refresh(t, alice.Refresh)
	r.wantCaller(t, used)
	r.Clock.Advance(time.Hour)
	again, err := r.Accounts.Login(t.Context(), Nowhere, account.Credentials{Username: "alice", Password: Password, Device: alice.Device, DeviceName: "renamed"})
	if err != nil || again.Caller != alice.Caller {
		t.Fatalf("%+v, %v", again.Caller, err)
	}
	if !r.Revocations.Told(alice.User, alice.Device) {
		t.Error("sockets of the old tokens stay open")
	}
	r.wantNoCaller(t, used, fault.Unauthenticated)
	for _, old := range []account.Session{alice, used} {
		_, err = r.Accounts.Refresh(t.Context(), old.Refresh)
		wantFault(t, err, fault.RefreshInvalid)
	}
	r.wantCaller(t, again) // An old token does not end the new login.
	list, err := r.Devices(t.Context(), alice.User)
	if err != nil || len(list) != 1 || list[0].Name != "renamed" || list[0].CreatedAt >= list[0].LastSeenAt {
		t.Errorf("%+v, %v", list, err)
	}
	for _, unknown := range []id.Device{id.NewDevice(), bob.Device} {
		fresh, err := r.Accounts.Login(t.Context(), Nowhere, account.Credentials{Username: "alice", Password: Password, Device: unknown})
		if err != nil || fresh.Device == unknown || fresh.Device == alice.Device {
			t.Errorf("a device the user has not: %+v, %v", fresh.Caller, err)
		}
	}
	r.wantCaller(t, r.Login(t, "bob"))
}

func loginLimit(t *testing.T, open Open) {
	r := NewRoom(open(t), func(c *account.Config) {
		c.Limits = account.Limits{LoginPerAccount: account.Rate{Count: 3, Per: time.Minute}, LoginPerAddress: account.Rate{Count: 5, Per: time.Minute}}
	})
	r.Register(t, "alice")
	r.Register(t, "bob")
	from := func(addr, name string) error {
		_, err := r.Accounts.Login(t.Context(), netip.MustParseAddr(addr), account.Credentials{Username: name, Password: "guess, guess"})
		return err
	}
	for range 3 {
		wantFault(t, from("192.0.2.1", "alice"), fault.WrongCredentials)
	}
	work := r.Hashes.Work()
	wantFault(t, from("192.0.2.1", "ALICE@localhost"), fault.RateLimited) // Per account, however it is spelt.
	if r.Hashes.Work() != work {
		t.Error("a limited login was hashed")
	}
	wantFault(t, from("192.0.2.2", "alice"), fault.WrongCredentials) // A stranger's address does not lock the user out.
	wantFault(t, from("192.0.2.1", "bob"), fault.WrongCredentials)
	wantFault(t, from("192.0.2.1", "carol"), fault.RateLimited) // Per address.
	wantFault(t, from("192.0.2.3", "carol"), fault.WrongCredentials)
	r.Clock.Advance(21 * time.Second)
	if err := r.login(t, "alice", Password); err != nil {
		t.Errorf("after a while: %v", err)
	}

	wide := NewRoom(r.Store, func(c *account.Config) {
		c.Limits = account.Limits{LoginEverywhere: account.Rate{Count: 2, Per: time.Minute}}
	})
	for i, want := range []fault.Code{fault.WrongCredentials, fault.WrongCredentials, fault.RateLimited} {
		from := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		_, err := wide.Accounts.Login(t.Context(), from, account.Credentials{Username: "alice", Password: "guess, guess"})
		wantFault(t, err, want) // From everywhere together.
	}

	off := NewRoom(r.Store, func(c *account.Config) {
		c.Limits = account.Limits{LoginPerAccount: account.Rate{Count: -1}, LoginEverywhere: account.Rate{Count: -1}, LoginPerAddress: account.Rate{Count: -1}}
	})
	for range 40 {
		_, err := off.Accounts.Login(t.Context(), netip.MustParseAddr("192.0.2.1"), account.Credentials{Username: "alice", Password: "guess, guess"})
		wantFault(t, err, fault.WrongCredentials)
	}
}

func loginUpgrade(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	alice := r.Register(t, "alice")
	before, err := r.Store.FindUser(t.Context(), alice.User)
	if err != nil {
		t.Fatal(err)
	}
	r.Hashes.Stale = true
	r.Login(t, "alice")
	after, err := r.Store.FindUser(t.Context(), alice.User)
	if err != nil || after.PasswordHash == before.PasswordHash {
		t.Errorf("hash %s, then %s, %v", before.PasswordHash, after.PasswordHash, err)
	}
	r.Hashes.Stale = false
	r.Login(t, "alice")
	r.wantCaller(t, alice)
}

func loginRace(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	alice := r.Register(t, "alice")
	r.Hashes.Verify = func() { // While the login hashes.
		if err := r.ChangePassword(t.Context(), alice.Caller, Password, "another password", false); err != nil {
			t.Error(err)
		}
	}
	wantFault(t, r.login(t, "alice", Password), fault.Unavailable)
	wantFault(t, r.login(t, "alice", Password), fault.WrongCredentials)
	if list, err := r.Devices(t.Context(), alice.User); err != nil || len(list) != 1 {
		t.Errorf("the old password still logged in: %v, %v", list, err)
	}
}
