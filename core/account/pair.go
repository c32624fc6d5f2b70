// SPDX-License-Identifier: Apache-2.0

package account

import (
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Pair is an access and a refresh token. Times are Unix milliseconds.
type Pair struct {
	Access, Refresh           Hash
	AccessUntil, RefreshUntil int64
}

// Tokens is what a device holds. Next is zero unless a refreshed pair waits for its first use.
type Tokens struct{ Current, Next Pair }

// spentLife bounds how long a spent refresh token is remembered, in milliseconds. A device that refreshes every ten
// minutes leaves thousands of them; a copy that turns up later is refused all the same, only its family lives on.
const spentLife = 30 * 24 * 3600 * 1000

var errRefresh = fault.New(fault.RefreshInvalid, "the refresh token is unknown, expired or was used before")

// use makes the next pair the current one. The old refresh token is spent from then on.
func (t Tokens) use(now int64) Change {
	until := min(t.Current.RefreshUntil, now+spentLife)
	return Change{Tokens: Tokens{Current: t.Next}, Spend: t.Current.Refresh, SpendUntil: until}
}

// refresh decides what a refresh token brings at that time. A spent one ends the device.
func (h Holder) refresh(token Hash, fresh Pair, now int64) (Change, error) {
	switch token {
	case h.Tokens.Current.Refresh:
		if now >= h.Tokens.Current.RefreshUntil {
			return Change{}, errRefresh
		}
		return Change{Tokens: Tokens{Current: h.Tokens.Current, Next: fresh}}, nil
	case h.Tokens.Next.Refresh:
		if now >= h.Tokens.Next.RefreshUntil {
			return Change{}, errRefresh
		}
		c := h.Tokens.use(now)
		c.Tokens.Next = fresh
		return c, nil
	}
	if h.Spent {
		return Change{Remove: true}, nil
	}
	return Change{}, errRefresh
}

// Session is a login: tokens for a device. It is the only place where tokens are in clear.
type Session struct {
	Caller
	Access, Refresh string
	ExpiresIn       int // seconds the access token lives
}

// issue makes a pair of tokens, for the store and for the client.
func (a *Accounts) issue(s id.Shard) (Pair, Session) {
	var p Pair
	var out Session
	out.Access, p.Access = newToken(accessPrefix, s)
	out.Refresh, p.Refresh = newToken(refreshPrefix, s)
	out.ExpiresIn = int(a.cfg.AccessLife.Seconds())
	p.AccessUntil = a.now() + a.cfg.AccessLife.Milliseconds()
	p.RefreshUntil = a.now() + a.cfg.RefreshLife.Milliseconds()
	return p, out
}
