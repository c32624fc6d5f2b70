// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"context"

	"parley.chat/core/account"
	"parley.chat/protocol/id"
)

// FindAccess implements account.TokenStore.
func (m *Memory) FindAccess(_ context.Context, _ id.Shard, h account.Hash) (account.Holder, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, d := range m.devices {
		if d.tokens.Current.Access == h || d.tokens.Next.Access == h {
			return account.Holder{Caller: c, Tokens: d.tokens, Barred: m.users[c.User].SuspendedAt > 0}, nil
		}
	}
	return account.Holder{}, account.ErrNotFound
}

// ChangeTokens implements account.TokenStore.
func (m *Memory) ChangeTokens(_ context.Context, _ id.Shard, h account.Hash, change func(account.Holder) (account.Change, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	holder, ok := m.holder(h)
	if !ok {
		return account.ErrNotFound
	}
	c, err := change(holder)
	if err != nil {
		return err
	}
	if c.Remove {
		m.end(holder.Caller)
		return nil
	}
	d := m.devices[holder.Caller]
	d.tokens = c.Tokens
	m.devices[holder.Caller] = d
	if c.Spend != (account.Hash{}) {
		m.spent[c.Spend] = spent{holder.Caller, c.SpendUntil}
	}
	return nil
}

func (m *Memory) holder(h account.Hash) (account.Holder, bool) {
	for c, d := range m.devices {
		t := d.tokens
		switch h {
		case t.Current.Access, t.Current.Refresh, t.Next.Access, t.Next.Refresh:
			return account.Holder{Caller: c, Tokens: t, Barred: m.users[c.User].SuspendedAt > 0}, true
		}
	}
	s, ok := m.spent[h]
	return account.Holder{Caller: s.Caller, Spent: true}, ok
}

// PutTicket implements account.TicketStore.
func (m *Memory) PutTicket(_ context.Context, h account.Hash, t account.Ticket) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tickets[h] = t
	return nil
}

// TakeTicket implements account.TicketStore.
func (m *Memory) TakeTicket(_ context.Context, _ id.Shard, h account.Hash) (account.Ticket, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.tickets[h]
	delete(m.tickets, h)
	if !ok {
		return t, account.ErrNotFound
	}
	return t, nil
}

// ClaimPhone implements account.Phones.
func (m *Memory) ClaimPhone(_ context.Context, number string, u id.User, at int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.phones[number]; ok {
		return account.ErrExists
	}
	m.phones[number] = claim{u, at}
	return nil
}

// FindPhone implements account.Phones.
func (m *Memory) FindPhone(_ context.Context, number string) (id.User, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.phones[number]
	if !ok {
		return "", 0, account.ErrNotFound
	}
	return c.user, c.at, nil
}

// ReleasePhone implements account.Phones.
func (m *Memory) ReleasePhone(_ context.Context, number string, u id.User, at int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.phones[number]; c.user == u && (at == 0 || at == c.at) {
		delete(m.phones, number)
	}
	return nil
}

// PutRegistrationToken implements account.RegistrationTokens.
func (m *Memory) PutRegistrationToken(_ context.Context, h account.Hash, uses int, until int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tokens[h] = &registration{uses, until}
	return nil
}

// UseRegistrationToken implements account.RegistrationTokens.
func (m *Memory) UseRegistrationToken(_ context.Context, h account.Hash, now int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.tokens[h]
	if r == nil || r.uses <= 0 || r.until <= now {
		return account.ErrNotFound
	}
	r.uses--
	return nil
}

// ReturnRegistrationToken implements account.RegistrationTokens.
func (m *Memory) ReturnRegistrationToken(_ context.Context, h account.Hash) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.tokens[h]; r != nil {
		r.uses++
	}
	return nil
}
