// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"cmp"
	"context"
	"slices"
	"testing"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Suspend implements account.Standings.
func (m *Memory) Suspend(_ context.Context, u id.User, at int64) error {
	return m.edit(u, func(have *account.User) { have.SuspendedAt = at })
}

// SetModerator implements account.Standings.
func (m *Memory) SetModerator(_ context.Context, u id.User, is bool) error {
	return m.edit(u, func(have *account.User) { have.Moderator = is })
}

func (m *Memory) edit(u id.User, f func(*account.User)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	have := m.users[u]
	if !have.Active {
		return account.ErrNotFound
	}
	f(&have)
	m.users[u] = have
	return nil
}

// ListUsers implements account.Standings.
func (m *Memory) ListUsers(_ context.Context, after id.User, limit int) ([]account.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []account.User
	for _, u := range m.users {
		if u.ID > after {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b account.User) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(len(out), limit)], nil
}

// Erase implements account.Erasures; there is nothing but the account.
func (m *Memory) Erase(ctx context.Context, e account.Erasure, passwordHash string) error {
	return m.Deactivate(ctx, e.User, passwordHash)
}

// Announce implements account.Standings; there are no other nodes.
func (m *Memory) Announce(context.Context, id.User) error { return nil }

func suspension(t *testing.T, open Open) {
	ctx := t.Context()
	r := NewRoom(open(t), nil)
	s := r.Register(t, "alice")
	if err := r.Accounts.Suspend(ctx, s.User); err != nil {
		t.Fatal(err)
	}
	if !r.Revocations.Told(s.User, "suspended") {
		t.Error("the sessions were not ended")
	}
	wantCode := func(what string, err error) {
		t.Helper()
		if !fault.Is(err, fault.AccountSuspended) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := r.Accounts.Authenticate(ctx, s.Access)
	wantCode("a request", err)
	_, err = r.Accounts.Refresh(ctx, s.Refresh)
	wantCode("refresh", err)
	_, err = r.Accounts.Login(ctx, Nowhere, account.Credentials{Username: "alice", Password: Password})
	wantCode("login", err)
	wantCode("standing", r.Accounts.Stand(ctx, s.Caller))
	if _, err = r.Accounts.Login(ctx, Nowhere, account.Credentials{Username: "alice", Password: "wrong password"}); !fault.Is(err, fault.WrongCredentials) {
		t.Errorf("a wrong password tells: %v", err)
	}
	if _, err := r.Accounts.Profile(ctx, s.User); err != nil {
		t.Errorf("the profile is gone: %v", err)
	}
	if err := r.Accounts.Unsuspend(ctx, s.User); err != nil {
		t.Fatal(err)
	}
	if c, err := r.Accounts.Authenticate(ctx, s.Access); err != nil || c != s.Caller {
		t.Errorf("afterwards: %v, %v", c, err)
	}
	if err := r.Accounts.Stand(ctx, s.Caller); err != nil {
		t.Error(err)
	}
}

func passwordReset(t *testing.T, open Open) {
	ctx := t.Context()
	r := NewRoom(open(t), nil)
	s := r.Register(t, "alice")
	if err := r.Accounts.ResetPassword(ctx, s.User, "short"); !fault.Is(err, fault.InvalidField) {
		t.Errorf("a short one: %v", err)
	}
	if err := r.Accounts.ResetPassword(ctx, s.User, "another password"); err != nil {
		t.Fatal(err)
	}
	if !r.Revocations.Told(s.User, s.Device) {
		t.Error("the device was not ended")
	}
	if _, err := r.Accounts.Authenticate(ctx, s.Access); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("the old device acts: %v", err)
	}
	if _, err := r.Accounts.Login(ctx, Nowhere, account.Credentials{Username: "alice", Password: "another password"}); err != nil {
		t.Error(err)
	}
}

func usersListed(t *testing.T, open Open) {
	ctx := t.Context()
	r := NewRoom(open(t), nil)
	for _, name := range []string{"carol", "alice", "bob"} {
		r.Register(t, name)
	}
	if err := r.Accounts.SetModerator(ctx, "bob@localhost", true); err != nil {
		t.Fatal(err)
	}
	list, err := r.Accounts.ListUsers(ctx, "alice@localhost", 1)
	if err != nil || len(list) != 1 || list[0].ID != "bob@localhost" || !list[0].Moderator || list[0].PasswordHash != "" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, err := range []error{r.Accounts.SetModerator(ctx, "nobody@localhost", true), r.Accounts.Suspend(ctx, "nobody@localhost"), r.Accounts.ResetPassword(ctx, "nobody@localhost", "a password")} {
		if !fault.Is(err, fault.UnknownUser) {
			t.Errorf("nobody: %v", err)
		}
	}
}
