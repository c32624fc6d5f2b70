// SPDX-License-Identifier: Apache-2.0

package op_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/clientapi/op"
	"parley.chat/core/account"
	"parley.chat/core/account/accounttest"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

func newAccounts(store account.Store) *op.Accounts {
	return op.NewAccounts(accounttest.NewRoom(store, nil).Accounts)
}

func registered(t *testing.T, a *op.Accounts, name string) (op.Caller, rest.Session) {
	t.Helper()
	s, err := a.Register(t.Context(), accounttest.Nowhere, rest.Register{Username: name, Password: accounttest.Password})
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.Authenticate(t.Context(), s.AccessToken)
	if err != nil || string(c.User) != s.UserID || string(c.Device) != s.DeviceID {
		t.Fatalf("%+v, %v", c, err)
	}
	return c, s
}

func wantInvalid(t *testing.T, err error, field string) {
	t.Helper()
	if !fault.Is(err, fault.InvalidField) || fault.From(err).Field != field {
		t.Errorf("got %v, want invalid_field of %s", err, field)
	}
}

// badTexts are no single line of text of at most 256 bytes.
var badTexts = []string{strings.Repeat("x", 257), strings.Repeat("ä", 129), "a\x00", "a\nb", "\x1b[31m", "\u0085", "\xff"}

func TestAccounts_TextsAreOneLineOfUTF8(t *testing.T) {
	a := newAccounts(accounttest.NewMemory())
	c, _ := registered(t, a, "alice")
	for _, bad := range badTexts {
		_, err := a.Register(t.Context(), accounttest.Nowhere, rest.Register{Username: "bob", Password: accounttest.Password, DisplayName: bad})
		wantInvalid(t, err, "displayName")
		_, err = a.Register(t.Context(), accounttest.Nowhere, rest.Register{Username: "bob", Password: accounttest.Password, DeviceName: bad})
		wantInvalid(t, err, "deviceName")
		_, err = a.Login(t.Context(), accounttest.Nowhere, rest.Login{Username: "alice", Password: accounttest.Password, DeviceName: bad})
		wantInvalid(t, err, "deviceName")
		_, err = a.EditMe(t.Context(), c, rest.EditProfile{DisplayName: &bad})
		wantInvalid(t, err, "displayName")
	}
	for _, bad := range []string{strings.Repeat("x", 513), "a\x00", "\xff"} {
		_, err := a.Ticket(t.Context(), c, bad)
		wantInvalid(t, err, "origin")
	}
	longest := strings.Repeat("ä", 128)
	if p, err := a.EditMe(t.Context(), c, rest.EditProfile{DisplayName: &longest}); err != nil || p.DisplayName != longest {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAccounts_AvatarIsAWebAddressOrAPath(t *testing.T) {
	a := newAccounts(accounttest.NewMemory())
	c, _ := registered(t, a, "alice")
	for _, good := range []string{"https://cdn.example/a.png?x=1#y", "http://localhost:8080/a", "/api/v1/media/1", ""} {
		if p, err := a.EditMe(t.Context(), c, rest.EditProfile{AvatarURL: &good}); err != nil || p.AvatarURL != good {
			t.Errorf("%s: %+v, %v", good, p, err)
		}
	}
	for _, bad := range []string{
		"javascript:alert(1)", "data:text/html,x", "ftp://x/", "//evil.example", `/\evil.example`, "a.png", "https://", "https://u:p@x/", "https://x/\n", "http://[::1",
		"https://x/" + strings.Repeat("x", 2048),
	} {
		_, err := a.EditMe(t.Context(), c, rest.EditProfile{AvatarURL: &bad})
		wantInvalid(t, err, "avatarUrl")
	}
}

func TestAccounts_IdsAreChecked(t *testing.T) {
	a := newAccounts(accounttest.NewMemory())
	c, _ := registered(t, a, "alice")
	for _, bad := range []string{"x", "01arz3ndektsv4rrffq69g5fav", strings.Repeat("0", 27)} {
		_, err := a.Login(t.Context(), accounttest.Nowhere, rest.Login{Username: "alice", Password: accounttest.Password, DeviceID: bad})
		wantInvalid(t, err, "deviceId")
		wantInvalid(t, a.RemoveDevice(t.Context(), c, bad), "deviceId")
	}
	for _, bad := range []string{"", "alice", "alice@", "@localhost", "Alice@localhost", "alice@localhost@x"} {
		_, err := a.User(t.Context(), op.Caller{}, bad)
		wantInvalid(t, err, "userId")
	}
	_, err := a.Refresh(t.Context(), rest.Refresh{})
	wantInvalid(t, err, "refreshToken")
}

func TestAccounts_OthersDoNotSeeThePhoneNumber(t *testing.T) {
	a := newAccounts(accounttest.NewMemory())
	c, _ := registered(t, a, "alice")
	number := "+16502530000"
	mine, err := a.EditMe(t.Context(), c, rest.EditProfile{PhoneNumber: &number})
	if err != nil || mine.PhoneNumber != number {
		t.Fatalf("%+v, %v", mine, err)
	}
	seen, err := a.User(t.Context(), op.Caller{User: "bob@localhost"}, "alice@localhost")
	mine.PhoneNumber = ""
	if diff := cmp.Diff(mine, seen); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestAccounts_AWalkThroughALife(t *testing.T) {
	a := newAccounts(accounttest.NewMemory())
	c, first := registered(t, a, "alice")
	second, err := a.Refresh(t.Context(), rest.Refresh{RefreshToken: first.RefreshToken})
	if err != nil || second.UserID != first.UserID || second.DeviceID != first.DeviceID || second.ExpiresIn != 600 {
		t.Errorf("%+v, %v", second, err)
	}
	ticket, err := a.Ticket(t.Context(), c, "https://app.example")
	if err != nil || ticket.ExpiresIn != 30 {
		t.Errorf("%+v, %v", ticket, err)
	}
	if got, err := a.RedeemTicket(t.Context(), ticket.Ticket, "https://app.example"); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	other, err := a.Login(t.Context(), accounttest.Nowhere, rest.Login{Username: "alice", Password: accounttest.Password})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := a.Devices(t.Context(), c); err != nil || len(list.Devices) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	if err := a.RemoveDevice(t.Context(), c, other.DeviceID); err != nil {
		t.Error(err)
	}
	if err := a.ChangePassword(t.Context(), c, rest.ChangePassword{CurrentPassword: accounttest.Password, NewPassword: "second password"}); err != nil {
		t.Error(err)
	}
	if err := a.Deactivate(t.Context(), c, rest.Deactivate{Password: "second password"}); err != nil {
		t.Error(err)
	}
	if err := a.Logout(t.Context(), c); err != nil {
		t.Errorf("logout of what has ended: %v", err)
	}
	if _, err := a.Me(t.Context(), c); !fault.Is(err, fault.UnknownUser) {
		t.Errorf("got %v", err)
	}
}

type broken struct{ *accounttest.Memory }

var errAway = errors.New("database away")

func (broken) FindUser(context.Context, id.User) (account.User, error) {
	return account.User{}, errAway
}

func TestAccounts_ErrorsPassThrough(t *testing.T) {
	a := newAccounts(broken{accounttest.NewMemory()})
	s, err := a.Register(t.Context(), accounttest.Nowhere, rest.Register{Username: "alice", Password: accounttest.Password})
	if !errors.Is(err, errAway) || s != (rest.Session{}) {
		t.Errorf("%+v, %v", s, err)
	}
	if p, err := a.User(t.Context(), op.Caller{User: "bob@localhost"}, "alice@localhost"); !errors.Is(err, errAway) || p != (rest.Profile{}) {
		t.Errorf("%+v, %v", p, err)
	}
}
