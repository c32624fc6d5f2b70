// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func changePassword(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	const second, third = "second password", "third password"
	a, b, c := r.Register(t, "alice"), r.Login(t, "alice"), r.Login(t, "alice")
	bob := r.Register(t, "bob")
	r.wantCaller(t, b)
	if err := r.ChangePassword(t.Context(), a.Caller, Password, second, false); err != nil {
		t.Fatal(err)
	}
	for _, s := range []account.Session{b, c} {
		r.wantNoCaller(t, s, fault.Unauthenticated)
		r.wantNoRefresh(t, s)
		if !r.Revocations.Told(s.User, s.Device) {
			t.Error("an ended device was not told")
		}
	}
	r.wantCaller(t, a)
	r.wantCaller(t, bob)
	wantFault(t, r.login(t, "alice", Password), fault.WrongCredentials)
	if err := r.login(t, "alice", second); err != nil {
		t.Error(err)
	}
	if err := r.ChangePassword(t.Context(), a.Caller, second, third, true); err != nil {
		t.Fatal(err)
	}
	if list, err := r.Devices(t.Context(), a.User); err != nil || len(list) != 2 || r.Revocations.Rest() != 0 {
		t.Errorf("keepDevices left %v, %v", list, err)
	}
}

func changePasswordProof(t *testing.T, open Open) {
	r := NewRoom(open(t), func(c *account.Config) { c.Limits.LoginPerAccount = account.Rate{Count: 4, Per: time.Minute} })
	a, b := r.Register(t, "alice"), r.Login(t, "alice")
	wantField(t, r.ChangePassword(t.Context(), a.Caller, Password, "short", false), "newPassword")
	for range 3 {
		wantFault(t, r.ChangePassword(t.Context(), a.Caller, "a wrong guess", "new password", false), fault.WrongCredentials)
	}
	wantFault(t, r.ChangePassword(t.Context(), a.Caller, Password, "new password", false), fault.RateLimited)
	wantFault(t, r.Deactivate(t.Context(), a.Caller, Password), fault.RateLimited)
	r.wantCaller(t, b)
}

func deactivate(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	in := account.Registration{Username: "alice", Password: Password, DisplayName: "Alice", Phone: "+16502530000"}
	a, err := r.Accounts.Register(t.Context(), Nowhere, in)
	if err != nil {
		t.Fatal(err)
	}
	b := r.Login(t, "alice")
	r.wantCaller(t, b)
	wantFault(t, r.Deactivate(t.Context(), a.Caller, "a wrong guess"), fault.WrongCredentials)
	if err := r.Deactivate(t.Context(), a.Caller, Password); err != nil {
		t.Fatal(err)
	}
	if !r.Revocations.Told(a.User, "") {
		t.Error("sockets stay open")
	}
	for _, s := range []account.Session{a, b} {
		r.wantNoCaller(t, s, fault.Unauthenticated)
		r.wantNoRefresh(t, s)
	}
	wantFault(t, r.login(t, "alice", Password), fault.WrongCredentials)
	wantFault(t, r.login(t, "alice", ""), fault.WrongCredentials)
	_, err = r.Profile(t.Context(), a.User)
	wantFault(t, err, fault.UnknownUser)
	if exists, err := r.Exists(t.Context(), a.User); exists || err != nil {
		t.Errorf("still exists: %v, %v", exists, err)
	}
	_, err = r.Accounts.Register(t.Context(), Nowhere, in)
	wantFault(t, err, fault.UsernameTaken)
	left, err := r.Store.FindUser(t.Context(), a.User)
	if diff := cmp.Diff(account.User{ID: a.User, CreatedAt: left.CreatedAt}, left); err != nil || diff != "" {
		t.Errorf("what is left of the account: %v %s", err, diff)
	}
	in.Username = "bob"
	if _, err := r.Accounts.Register(t.Context(), Nowhere, in); err != nil {
		t.Errorf("the phone number is not free: %v", err)
	}
}

func ptr(s string) *string { return &s }

func profile(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	a := r.Register(t, "alice")
	r.Register(t, "bob")
	edit := func(e account.Edit, name, avatar string) {
		t.Helper()
		got, err := r.EditProfile(t.Context(), a.User, e)
		if err != nil || got.DisplayName != name || got.AvatarURL != avatar || got.PasswordHash != "" {
			t.Errorf("%+v, %v, want %q %q", got, err, name, avatar)
		}
	}
	edit(account.Edit{DisplayName: ptr("Alice ☃")}, "Alice ☃", "")
	edit(account.Edit{AvatarURL: ptr("/m/1")}, "Alice ☃", "/m/1")
	edit(account.Edit{}, "Alice ☃", "/m/1")
	edit(account.Edit{DisplayName: ptr("")}, "", "/m/1")
	if bob, err := r.Profile(t.Context(), "bob@localhost"); err != nil || bob.DisplayName != "" || bob.AvatarURL != "" {
		t.Errorf("bob changed too: %+v, %v", bob, err)
	}
	for user, want := range map[id.User]bool{"alice@localhost": true, "carol@localhost": false, "alice@elsewhere.example": false} {
		if exists, err := r.Exists(t.Context(), user); exists != want || err != nil {
			t.Errorf("%s exists: %v, %v", user, exists, err)
		}
	}
	_, err := r.Profile(t.Context(), "alice@elsewhere.example")
	wantFault(t, err, fault.UnknownUser)
	_, err = r.EditProfile(t.Context(), "carol@localhost", account.Edit{})
	wantFault(t, err, fault.UnknownUser)
	r.Login(t, "alice")
}

func profilePhone(t *testing.T, open Open) {
	r := NewRoom(open(t), nil)
	a, b := r.Register(t, "alice"), r.Register(t, "bob")
	const one, two = "+16502530001", "+16502530002"
	set := func(s account.Session, number, want string) {
		t.Helper()
		if got, err := r.EditProfile(t.Context(), s.User, account.Edit{Phone: &number}); err != nil || got.Phone != want {
			t.Errorf("%+v, %v, want %s", got, err, want)
		}
	}
	set(a, "+1 650 253 0001", one)
	set(a, one, one)
	_, err := r.EditProfile(t.Context(), b.User, account.Edit{Phone: ptr(one)})
	wantFault(t, err, fault.PhoneNumberTaken)
	_, err = r.EditProfile(t.Context(), b.User, account.Edit{Phone: ptr("12")})
	wantField(t, err, "phoneNumber")
	set(a, two, two)
	set(b, one, one) // The old number is free.
	set(a, "", "")
	set(b, two, two)
	if _, _, err := r.Store.FindPhone(t.Context(), one); err != account.ErrNotFound {
		t.Errorf("a number without owner: %v", err)
	}
}

func profilePhones(t *testing.T, open Open) {
	r := NewRoom(open(t), func(c *account.Config) { c.Limits.PhonesPerAccount = account.Rate{Count: 2, Per: 24 * time.Hour} })
	a := r.Register(t, "alice")
	try := func(number string) error {
		_, err := r.EditProfile(t.Context(), a.User, account.Edit{Phone: &number})
		return err
	}
	for _, number := range []string{"+16502530000", "+16502530000", "+16502530001"} {
		if err := try(number); err != nil { // The number that is set already is no other one.
			t.Errorf("%s: %v", number, err)
		}
	}
	wantFault(t, try("+16502530002"), fault.RateLimited)
	if err := try(""); err != nil {
		t.Errorf("without a number: %v", err)
	}
	r.Clock.Advance(13 * time.Hour)
	if err := try("+16502530003"); err != nil {
		t.Errorf("half a day later: %v", err)
	}
}
