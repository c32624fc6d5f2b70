// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Mode says who may register.
type Mode string

// The modes. Anything else reads as closed.
const (
	Open   Mode = "open"
	Token  Mode = "token"
	Closed Mode = "closed"
)

// Config is what accounts are made of. Server, Shards and Mode are required; a zero elsewhere means the default.
type Config struct {
	Server      id.Server
	Shards      int
	Mode        Mode
	AccessLife  time.Duration // 10 minutes
	RefreshLife time.Duration // 180 days without a refresh
	Limits      Limits
	Now         func() time.Time
	Log         *slog.Logger
}

const ticketLife = 30 * time.Second

// Revocations is told after the commit that a device ended; an empty device means all devices of the user. It is called
// on the request's goroutine and must not block.
type Revocations interface {
	Revoked(user id.User, device id.Device)
	// Suspended is told that the account may not act any more.
	Suspended(user id.User)
}

// Accounts is the one object of this package. Make it with New, and Run it.
type Accounts struct {
	cfg     Config
	store   Store
	hasher  Hasher
	revoked Revocations
	cache   *cache
	seen    *seen
	limits  limiters
}

// New makes the accounts of a server.
func New(cfg Config, store Store, hasher Hasher, revoked Revocations) *Accounts {
	if cfg.AccessLife == 0 {
		cfg.AccessLife = 10 * time.Minute
	}
	if cfg.RefreshLife == 0 {
		cfg.RefreshLife = 180 * 24 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Accounts{
		cfg: cfg, store: store, hasher: hasher, revoked: revoked,
		cache: newCache(cacheSize), seen: newSeen(cacheSize), limits: newLimiters(cfg.Limits),
	}
}

const (
	flushEvery = 15 * time.Second
	sweepEvery = time.Hour
)

// Run writes last-seen times in batches and sweeps out what expired, until ctx ends.
func (a *Accounts) Run(ctx context.Context) error {
	flush, sweep := time.NewTicker(flushEvery), time.NewTicker(sweepEvery)
	defer flush.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-flush.C:
			a.flushSeen(ctx)
		case <-sweep.C:
			if err := a.store.Sweep(ctx, a.now()); err != nil {
				a.cfg.Log.Warn("expired tokens not swept", slog.Any("error", err))
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			a.flushSeen(last)
			return nil
		}
	}
}

// Forget drops what this node remembers of a device, or of all devices of the user: another node revoked it.
func (a *Accounts) Forget(u id.User, d id.Device) { a.cache.purge(u, d) }

// ended makes a committed revocation felt on this node.
func (a *Accounts) ended(u id.User, d id.Device) {
	a.cache.purge(u, d)
	a.revoked.Revoked(u, d)
}

func (a *Accounts) now() int64 { return a.cfg.Now().UnixMilli() }

// changed turns ErrChanged into a fault that asks to try again, and leaves all else.
func changed(err error) error {
	if errors.Is(err, ErrChanged) {
		return fault.Retry(fault.Unavailable, time.Second, "the account changed meanwhile").Because(err)
	}
	return err
}
