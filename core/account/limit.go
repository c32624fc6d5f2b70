// SPDX-License-Identifier: Apache-2.0

package account

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"parley.chat/protocol/fault"
)

// Rate allows Count in a time, all at once if need be. The zero value means the default, a negative Count no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// Limits bounds attempts that cost much or guess.
type Limits struct {
	LoginPerAccount    Rate // 10 a minute from one address, so that a stranger elsewhere cannot lock a user out
	LoginEverywhere    Rate // 100 a minute for one account from all addresses
	LoginPerAddress    Rate // 30 a minute
	RegisterPerAddress Rate // 20 an hour; loopback is exempt
	TicketsPerDevice   Rate // 60 a minute
	PhonesPerAccount   Rate // 5 a day: other people's numbers cannot be tried out, nor many kept
}

type limiters struct{ account, everywhere, address, register, tickets, phones *limiter }

func newLimiters(l Limits) limiters {
	return limiters{
		account:    newLimiter(l.LoginPerAccount, Rate{10, time.Minute}),
		everywhere: newLimiter(l.LoginEverywhere, Rate{100, time.Minute}),
		address:    newLimiter(l.LoginPerAddress, Rate{30, time.Minute}),
		register:   newLimiter(l.RegisterPerAddress, Rate{20, time.Hour}),
		tickets:    newLimiter(l.TicketsPerDevice, Rate{60, time.Minute}),
		phones:     newLimiter(l.PhonesPerAccount, Rate{5, 24 * time.Hour}),
	}
}

// limiterKeys bounds the memory of one limiter; the key that rested longest makes room.
const limiterKeys = 1 << 15

// limiter holds one bucket a key.
type limiter struct {
	rate  Rate
	mu    sync.Mutex
	keys  map[string]*list.Element
	order *list.List // of *bucket, last used first
}

type bucket struct {
	key   string
	limit *rate.Limiter
}

func newLimiter(r, otherwise Rate) *limiter {
	if r == (Rate{}) {
		r = otherwise
	}
	return &limiter{rate: r, keys: map[string]*list.Element{}, order: list.New()}
}

// take spends one of the key's allowance, or answers rate_limited with the time until there is one again.
func (l *limiter) take(key string, now time.Time) error {
	if l.rate.Count < 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.bucket(key).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	r.CancelAt(now)
	return fault.Retry(fault.RateLimited, wait, "too many attempts")
}

func (l *limiter) bucket(key string) *rate.Limiter {
	if e, ok := l.keys[key]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*bucket).limit
	}
	if len(l.keys) >= limiterKeys {
		last := l.order.Back()
		l.order.Remove(last)
		delete(l.keys, last.Value.(*bucket).key)
	}
	every := rate.Every(l.rate.Per / time.Duration(max(l.rate.Count, 1)))
	b := &bucket{key: key, limit: rate.NewLimiter(every, max(l.rate.Count, 1))}
	l.keys[key] = l.order.PushFront(b)
	return b.limit
}

// addressKey treats the addresses a single customer gets as one.
func addressKey(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// allowLogin counts a password check. The zero address is a unix socket: only the account counts.
func (a *Accounts) allowLogin(from netip.Addr, account string) error {
	if from.IsValid() {
		if err := a.limits.address.take(addressKey(from), a.cfg.Now()); err != nil {
			return err
		}
	}
	if err := a.limits.account.take(account+" "+addressKey(from), a.cfg.Now()); err != nil {
		return err
	}
	return a.limits.everywhere.take(account, a.cfg.Now())
}

func (a *Accounts) allowRegister(from netip.Addr) error {
	if !from.IsValid() || from.IsLoopback() {
		return nil
	}
	return a.limits.register.take(addressKey(from), a.cfg.Now())
}
