// SPDX-License-Identifier: Apache-2.0

package accounttest

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Clock stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that stands at a whole minute.
func NewClock() *Clock { return &Clock{now: time.UnixMilli(1_800_000_000_000).Truncate(time.Minute)} }

// Now is where the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Hashes is a cheap hasher that counts its work.
type Hashes struct {
	mu     sync.Mutex
	work   int
	Stale  bool   // every verified hash is reported stale
	Verify func() // runs within Verify, to let something happen meanwhile
}

type hasher struct{ *Hashes }

// Work is how many hashes were computed.
func (h *Hashes) Work() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.work
}

func (h hasher) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.work++
	return h.work
}

func (h hasher) Hash(_ context.Context, password string) (string, error) {
	return password + "#" + string(rune('a'+h.count()%26)), nil
}

func (h hasher) Verify(_ context.Context, phc, password string) (ok, stale bool, err error) {
	h.count()
	if f := h.Hashes.Verify; f != nil {
		h.Hashes.Verify = nil
		f()
	}
	of, _, salted := strings.Cut(phc, "#")
	return salted && of == password, h.Stale, nil
}

// Revocations remembers what it was told.
type Revocations struct {
	mu   sync.Mutex
	told []account.Caller
}

// Revoked implements account.Revocations.
func (r *Revocations) Revoked(u id.User, d id.Device) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, account.Caller{User: u, Device: d})
}

// Suspended implements account.Revocations.
func (r *Revocations) Suspended(u id.User) { r.Revoked(u, "suspended") }

// Told tells whether the device, or all devices of its user if it is empty, were revoked, and forgets it.
func (r *Revocations) Told(u id.User, d id.Device) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.told, account.Caller{User: u, Device: d})
	if i >= 0 {
		r.told = slices.Delete(r.told, i, i+1)
	}
	return i >= 0
}

// Rest is how many revocations nobody asked for.
func (r *Revocations) Rest() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.told)
}

// Shards is the number of logical shards the stores of the contract have.
const Shards = 4

// Password is the password of every user that Room.Register makes.
const Password = "correct horse"

// Nowhere is the address of a unix socket, on which only accounts are limited.
var Nowhere netip.Addr

// Room is accounts on a store, with a clock, a hasher and ears.
type Room struct {
	*account.Accounts
	Store       account.Store
	Clock       *Clock
	Hashes      *Hashes
	Revocations *Revocations
}

// NewRoom makes open accounts for localhost; edit may change the configuration.
func NewRoom(store account.Store, edit func(*account.Config)) *Room {
	r := &Room{Store: store, Clock: NewClock(), Hashes: &Hashes{}, Revocations: &Revocations{}}
	cfg := account.Config{Server: "localhost", Shards: Shards, Mode: account.Open, Now: r.Clock.Now}
	if edit != nil {
		edit(&cfg)
	}
	r.Accounts = account.New(cfg, store, hasher{r.Hashes}, r.Revocations)
	return r
}

// Register makes a user with Password.
func (r *Room) Register(t testing.TB, name string) account.Session {
	t.Helper()
	s, err := r.Accounts.Register(t.Context(), Nowhere, account.Registration{Username: name, Password: Password})
	if err != nil {
		t.Fatalf("register %s: %v", name, err)
	}
	return s
}

// Login logs a user in with Password on a new device.
func (r *Room) Login(t testing.TB, name string) account.Session {
	t.Helper()
	s, err := r.Accounts.Login(t.Context(), Nowhere, account.Credentials{Username: name, Password: Password})
	if err != nil {
		t.Fatalf("log in %s: %v", name, err)
	}
	return s
}

// Refresh changes a refresh token.
func (r *Room) Refresh(t testing.TB, token string) account.Session {
	t.Helper()
	s, err := r.Accounts.Refresh(t.Context(), token)
	if err != nil {
		t.Fatalf("refresh: %v", err)
	}
	return s
}

func (r *Room) wantCaller(t testing.TB, s account.Session) {
	t.Helper()
	if c, err := r.Authenticate(t.Context(), s.Access); err != nil || c != s.Caller {
		t.Errorf("authenticate: %v, %v, want %v", c, err, s.Caller)
	}
}

func (r *Room) wantNoCaller(t testing.TB, s account.Session, code fault.Code) {
	t.Helper()
	_, err := r.Authenticate(t.Context(), s.Access)
	wantFault(t, err, code)
}

func wantFault(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("got %v, want %s", err, code)
	}
}

func wantField(t testing.TB, err error, field string) {
	t.Helper()
	if !fault.Is(err, fault.InvalidField) || fault.From(err).Field != field {
		t.Errorf("got %v, want invalid_field of %s", err, field)
	}
}
