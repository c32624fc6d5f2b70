// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func registerLogsIn(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	s, err := r.Accounts.Register(t.Context(), Nowhere, account.Registration{
		Username: "Alice", Password: Password, DisplayName: "Alice A.", DeviceName: "phone", Phone: "+1 650-253-0000",
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.User != "alice@localhost" || s.ExpiresIn != 600 || !strings.HasPrefix(s.Access, "pa_") || !strings.HasPrefix(s.Refresh, "pr_") {
		t.Errorf("session %+v", s)
	}
	r.wantCaller(t, s)
	got, err := r.Profile(t.Context(), s.User)
	now := r.Clock.Now().UnixMilli()
	want := account.User{ID: "alice@localhost", DisplayName: "Alice A.", Phone: "+16502530000", CreatedAt: now, Active: true}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	list, err := r.Devices(t.Context(), s.User)
	if diff := cmp.Diff([]account.Device{{ID: s.Device, Name: "phone", CreatedAt: now, LastSeenAt: now}}, list); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func registerRefuses(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	r.Register(t, "alice")
	try := func(name, password, phone string) error {
		_, err := r.Accounts.Register(t.Context(), Nowhere, account.Registration{Username: name, Password: password, Phone: phone})
		return err
	}
	for _, name := range []string{"", "a b", "ä", "a@localhost", strings.Repeat("a", 65), "a\x00"} {
		wantField(t, try(name, Password, ""), "username")
	}
	for _, name := range []string{"admin", "ROOT", "postmaster", "parley", "me", "null", "..", ".", "_-_", "everyone", "undefined"} {
		wantFault(t, try(name, Password, ""), fault.UsernameReserved)
	}
	wantFault(t, try("alice", Password, ""), fault.UsernameTaken)
	wantFault(t, try("ALICE", Password, ""), fault.UsernameTaken)
	wantField(t, try("bob", "1234567", ""), "password")
	wantField(t, try("bob", strings.Repeat("x", 257), ""), "password")
	for _, phone := range []string{"x", "016502530000", "+", "+1", "+999999999999999", "+1650253000012345", strings.Repeat("+", 40)} {
		wantField(t, try("bob", Password, phone), "phoneNumber")
	}
	if err := try(strings.Repeat("b", 64), strings.Repeat("x", 256), ""); err != nil {
		t.Errorf("the longest name and password: %v", err)
	}
}

func registerPhone(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	for i := range 8 { // In enough shards.
		number := fmt.Sprintf("+1650253000%d", i)
		try := func(name, number string) error {
			_, err := r.Accounts.Register(t.Context(), Nowhere, account.Registration{Username: fmt.Sprint(name, i), Password: Password, Phone: number})
			return err
		}
		if err := try("alice", number); err != nil {
			t.Fatal(err)
		}
		wantFault(t, try("bob", "+1 (650) 253-000"+fmt.Sprint(i)), fault.PhoneNumberTaken)
		if err := try("bob", ""); err != nil {
			t.Errorf("the refused name stays free: %v", err)
		}
	}
}

func registerRace(t *testing.T, open Open) {
	r := NewRoom(open(t), func(c *account.Config) { c.Mode = account.Token })
	const n = 6
	token, err := r.NewRegistrationToken(t.Context(), n, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	number := func(i int) string { return fmt.Sprintf("+1650253000%d", i) }
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			_, errs[i] = r.Accounts.Register(t.Context(), Nowhere, account.Registration{Username: "alice", Password: Password, Phone: number(i), RegistrationToken: token})
		})
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantFault(t, err, fault.UsernameTaken)
		in := account.Registration{Username: fmt.Sprint("loser", i), Password: Password, Phone: number(i), RegistrationToken: token}
		if _, err := r.Accounts.Register(t.Context(), Nowhere, in); err != nil {
			t.Errorf("number and use of a loser were not given back: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d got the name", won)
	}
}

func registerOrphan(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	const number = "+16502530000"
	if err := r.Store.ClaimPhone(t.Context(), number, "ghost@localhost", r.Clock.Now().UnixMilli()); err != nil {
		t.Fatal(err)
	}
	in := account.Registration{Username: "alice", Password: Password, Phone: number}
	_, err := r.Accounts.Register(t.Context(), Nowhere, in)
	wantFault(t, err, fault.PhoneNumberTaken) // Its user may be on the way.
	r.Clock.Advance(2 * time.Minute)
	s, err := r.Accounts.Register(t.Context(), Nowhere, in)
	if err != nil {
		t.Fatal(err)
	}
	r.Clock.Advance(2 * time.Minute)
	in.Username = "bob"
	_, err = r.Accounts.Register(t.Context(), Nowhere, in)
	wantFault(t, err, fault.PhoneNumberTaken) // A claim with its user never grows old.
	if owner, _, err := r.Store.FindPhone(t.Context(), number); err != nil || owner != s.User {
		t.Errorf("the number belongs to %s, %v", owner, err)
	}
}

func registerModes(t *testing.T, open Open) {
	store := open(t)
	for _, mode := range []account.Mode{account.Closed, "", "nonsense"} {
		r := NewRoom(store, func(c *account.Config) { c.Mode = mode })
		_, err := r.Accounts.Register(t.Context(), Nowhere, account.Registration{Username: "alice", Password: Password})
		wantFault(t, err, fault.RegistrationClosed)
	}
	r := NewRoom(store, func(c *account.Config) { c.Mode = account.Token })
	token, err := r.NewRegistrationToken(t.Context(), 2, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	try := func(name, token string) error {
		_, err := r.Accounts.Register(t.Context(), Nowhere, account.Registration{Username: name, Password: Password, RegistrationToken: token})
		return err
	}
	wantFault(t, try("alice", ""), fault.RegistrationTokenInvalid)
	wantFault(t, try("alice", token+"x"), fault.RegistrationTokenInvalid)
	if err := try("alice", token); err != nil {
		t.Fatal(err)
	}
	wantFault(t, try("alice", token), fault.UsernameTaken)
	if err := try("bob", token); err != nil {
		t.Errorf("a refused registration took a use: %v", err)
	}
	wantFault(t, try("carol", token), fault.RegistrationTokenInvalid)
	if token, err = r.NewRegistrationToken(t.Context(), 9, time.Hour); err != nil {
		t.Fatal(err)
	}
	r.Clock.Advance(time.Hour)
	wantFault(t, try("carol", token), fault.RegistrationTokenInvalid)
}

func registerLimit(t *testing.T, open Open) {
	r := NewRoom(open(t), func(c *account.Config) { c.Limits.RegisterPerAddress = account.Rate{Count: 2, Per: time.Hour} })
	n := 0
	from := func(addr string) error {
		n++
		_, err := r.Accounts.Register(t.Context(), netip.MustParseAddr(addr), account.Registration{Username: fmt.Sprint("u", n), Password: Password})
		return err
	}
	for _, addr := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "127.0.0.1", "127.0.0.1", "127.0.0.1", "::1"} {
		if err := from(addr); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	err := from("192.0.2.1")
	wantFault(t, err, fault.RateLimited)
	if after := fault.From(err).RetryAfter; after <= 0 || after > time.Hour {
		t.Errorf("retry after %s", after)
	}
	wantFault(t, from("2001:db8::3"), fault.RateLimited) // The same customer.
	r.Clock.Advance(31 * time.Minute)
	if err := from("192.0.2.1"); err != nil {
		t.Errorf("after a while: %v", err)
	}
	if _, err := r.Store.FindUser(t.Context(), id.User("u10@localhost")); err == nil {
		t.Error("a limited registration made an account")
	}
}
