// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

// Memory is a store in memory. Make it with NewMemory.
type Memory struct {
	mu      sync.Mutex
	users   map[id.User]account.User
	devices map[account.Caller]device
	spent   map[account.Hash]spent
	tickets map[account.Hash]account.Ticket
	phones  map[string]claim
	tokens  map[account.Hash]*registration
}

type device struct {
	account.Device
	tokens account.Tokens
}

type spent struct {
	account.Caller
	until int64
}

type claim struct {
	user id.User
	at   int64
}

type registration struct {
	uses  int
	until int64
}

// NewMemory makes an empty store.
func NewMemory() *Memory {
	return &Memory{
		users: map[id.User]account.User{}, devices: map[account.Caller]device{}, spent: map[account.Hash]spent{},
		tickets: map[account.Hash]account.Ticket{}, phones: map[string]claim{}, tokens: map[account.Hash]*registration{},
	}
}

// InsertUser implements account.Users.
func (m *Memory) InsertUser(_ context.Context, u account.User, d account.Device, t account.Tokens) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.users[u.ID]; ok {
		return account.ErrExists
	}
	m.users[u.ID] = u
	m.devices[account.Caller{User: u.ID, Device: d.ID}] = device{d, t}
	return nil
}

// FindUser implements account.Users.
func (m *Memory) FindUser(_ context.Context, u id.User) (account.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.users[u]
	if !ok {
		return got, account.ErrNotFound
	}
	return got, nil
}

// UpdateProfile implements account.Users.
func (m *Memory) UpdateProfile(_ context.Context, u id.User, e account.Edit) (account.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.users[u]
	if !before.Active {
		return before, account.ErrNotFound
	}
	after := before
	for to, from := range map[*string]*string{&after.DisplayName: e.DisplayName, &after.AvatarURL: e.AvatarURL, &after.Phone: e.Phone} {
		if from != nil {
			*to = *from
		}
	}
	m.users[u] = after
	return before, nil
}

// SetPassword implements account.Users.
func (m *Memory) SetPassword(_ context.Context, p account.NewPassword) ([]id.Device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.users[p.User]
	if !u.Active || u.PasswordHash != p.Old {
		return nil, account.ErrChanged
	}
	u.PasswordHash = p.New
	m.users[p.User] = u
	if p.Keep == "" {
		return nil, nil
	}
	return m.endAllBut(p.User, p.Keep), nil
}

// Deactivate implements account.Users.
func (m *Memory) Deactivate(_ context.Context, u id.User, passwordHash string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.users[u]
	if !was.Active || was.PasswordHash != passwordHash {
		return account.ErrChanged
	}
	m.users[u] = account.User{ID: u, CreatedAt: was.CreatedAt}
	m.endAllBut(u, "")
	return nil
}

func (m *Memory) endAllBut(u id.User, keep id.Device) (ended []id.Device) {
	for c := range m.devices {
		if c.User == u && c.Device != keep {
			m.end(c)
			ended = append(ended, c.Device)
		}
	}
	return ended
}

func (m *Memory) end(c account.Caller) {
	delete(m.devices, c)
	m.forgetTokens(c)
}

func (m *Memory) forgetTokens(c account.Caller) {
	for h, s := range m.spent {
		if s.Caller == c {
			delete(m.spent, h)
		}
	}
	for h, t := range m.tickets {
		if t.Caller == c {
			delete(m.tickets, h)
		}
	}
}

// PutLogin implements account.Devices.
func (m *Memory) PutLogin(_ context.Context, l account.NewLogin) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.users[l.User]; !u.Active || u.PasswordHash != l.PasswordHash {
		return account.ErrChanged
	}
	c := account.Caller{User: l.User, Device: l.Device.ID}
	if l.Known {
		old, ok := m.devices[c]
		if !ok {
			return account.ErrNotFound
		}
		l.Device.Name = cmp.Or(l.Device.Name, old.Name)
		l.Device.CreatedAt = min(l.Device.CreatedAt, old.CreatedAt)
		l.Device.LastSeenAt = max(l.Device.LastSeenAt, old.LastSeenAt)
		m.forgetTokens(c)
	}
	m.devices[c] = device{l.Device, l.Tokens}
	return nil
}

// ListDevices implements account.Devices.
func (m *Memory) ListDevices(_ context.Context, u id.User) (out []account.Device, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, d := range m.devices {
		if c.User == u {
			out = append(out, d.Device)
		}
	}
	slices.SortFunc(out, func(a, b account.Device) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// DeleteDevice implements account.Devices.
func (m *Memory) DeleteDevice(_ context.Context, u id.User, d id.Device) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := account.Caller{User: u, Device: d}
	if _, ok := m.devices[c]; !ok {
		return account.ErrNotFound
	}
	m.end(c)
	return nil
}

// TouchDevices implements account.Devices.
func (m *Memory) TouchDevices(_ context.Context, seen map[account.Caller]int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, at := range seen {
		if d, ok := m.devices[c]; ok {
			d.LastSeenAt = max(d.LastSeenAt, at)
			m.devices[c] = d
		}
	}
	return nil
}

// Sweep implements account.Devices.
func (m *Memory) Sweep(_ context.Context, now int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for h, s := range m.spent {
		if s.until < now {
			delete(m.spent, h)
		}
	}
	for h, t := range m.tickets {
		if t.Until < now {
			delete(m.tickets, h)
		}
	}
	for h, r := range m.tokens {
		if r.until < now {
			delete(m.tokens, h)
		}
	}
	for c, d := range m.devices {
		if max(d.tokens.Current.RefreshUntil, d.tokens.Next.RefreshUntil) < now {
			m.end(c)
		}
	}
	return nil
}
