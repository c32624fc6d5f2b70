// SPDX-License-Identifier: Apache-2.0

package account_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/core/account"
	"parley.chat/core/account/accounttest"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

var errAway = errors.New("database away")

// spy counts reads, and lets a test step in or break things.
type spy struct {
	*accounttest.Memory
	reads      atomic.Int32
	sweeps     atomic.Int32
	touched    atomic.Int32
	found      func()
	insertUser func() error
	touch      error
}

func newSpy() *spy { return &spy{Memory: accounttest.NewMemory()} }

func (s *spy) FindAccess(ctx context.Context, n id.Shard, h account.Hash) (account.Holder, error) {
	s.reads.Add(1)
	holder, err := s.Memory.FindAccess(ctx, n, h)
	if s.found != nil {
		s.found()
	}
	return holder, err
}

func (s *spy) InsertUser(ctx context.Context, u account.User, d account.Device, t account.Tokens) error {
	if s.insertUser != nil {
		if err := s.insertUser(); err != nil {
			return err
		}
	}
	return s.Memory.InsertUser(ctx, u, d, t)
}

func (s *spy) TouchDevices(ctx context.Context, seen map[account.Caller]int64) error {
	s.touched.Add(int32(len(seen)))
	return errors.Join(s.touch, s.Memory.TouchDevices(ctx, seen))
}

func (s *spy) Sweep(ctx context.Context, now int64) error {
	s.sweeps.Add(1)
	return s.Memory.Sweep(ctx, now)
}

func authenticate(t *testing.T, r *accounttest.Room, s account.Session) error {
	t.Helper()
	c, err := r.Authenticate(t.Context(), s.Access)
	if err == nil && c != s.Caller {
		t.Errorf("%v, want %v", c, s.Caller)
	}
	return err
}

func TestAuthenticate_ReadsTheStoreOnceAMinute(t *testing.T) {
	store := newSpy()
	r := accounttest.NewRoom(store, nil)
	s := r.Register(t, "alice")
	for i, want := range []int32{1, 1, 2, 2} {
		for range 10 {
			if err := authenticate(t, r, s); err != nil {
				t.Fatal(err)
			}
		}
		if n := store.reads.Load(); n != want {
			t.Errorf("step %d: %d reads, want %d", i, n, want)
		}
		r.Clock.Advance(30 * time.Second)
	}
	r.Clock.Advance(8 * time.Minute)
	if err := authenticate(t, r, s); !fault.Is(err, fault.TokenExpired) {
		t.Errorf("the memory outlived the token: %v", err)
	}
}

func TestAuthenticate_MemoryEndsWithTheToken(t *testing.T) {
	r := accounttest.NewRoom(newSpy(), nil)
	s := r.Register(t, "alice")
	r.Clock.Advance(10*time.Minute - time.Second)
	if err := authenticate(t, r, s); err != nil {
		t.Fatal(err)
	}
	r.Clock.Advance(time.Second)
	if err := authenticate(t, r, s); !fault.Is(err, fault.TokenExpired) {
		t.Errorf("got %v", err)
	}
}

func TestAuthenticate_RevocationDuringTheReadIsNotForgotten(t *testing.T) {
	store := newSpy()
	r := accounttest.NewRoom(store, nil)
	s := r.Register(t, "alice")
	store.found = func() { // The row was read; the answer is on its way.
		store.found = nil
		if err := r.Logout(t.Context(), s.Caller); err != nil {
			t.Error(err)
		}
	}
	_ = authenticate(t, r, s) // This one was before the logout.
	if err := authenticate(t, r, s); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("after the logout: %v", err)
	}
}

func TestForget_MakesAnotherNodesRevocationFelt(t *testing.T) {
	store := newSpy()
	here, there := accounttest.NewRoom(store, nil), accounttest.NewRoom(store, nil)
	s := here.Register(t, "alice")
	if err := authenticate(t, there, s); err != nil {
		t.Fatal(err)
	}
	if err := here.Logout(t.Context(), s.Caller); err != nil {
		t.Fatal(err)
	}
	there.Forget(s.User, s.Device)
	if err := authenticate(t, there, s); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("got %v", err)
	}
	if n := there.Revocations.Rest(); n != 0 {
		t.Error("a note of another node was told again")
	}
}

func TestRegister_UnknownOutcomeGivesNothingBack(t *testing.T) {
	const number = "+16502530000"
	for name, written := range map[string]bool{"written": true, "not written": false} {
		t.Run(name, func(t *testing.T) {
			store := newSpy()
			r := accounttest.NewRoom(store, nil)
			store.insertUser = func() error {
				if written {
					u := account.User{ID: "alice@localhost", Phone: number, PasswordHash: "x", Active: true}
					return errors.Join(errAway, store.Memory.InsertUser(t.Context(), u, account.Device{ID: id.NewDevice()}, account.Tokens{}))
				}
				return errAway
			}
			_, err := r.Accounts.Register(t.Context(), accounttest.Nowhere, account.Registration{Username: "alice", Password: accounttest.Password, Phone: number})
			if !errors.Is(err, errAway) {
				t.Errorf("got %v", err)
			}
			if _, _, err := store.FindPhone(t.Context(), number); (err == nil) != written {
				t.Errorf("the claim: %v", err)
			}
		})
	}
}

func TestLogin_BusyHasherLeavesAStaleHashForLater(t *testing.T) {
	store := newSpy()
	old := account.NewArgon2(account.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}, 1, 0)
	cfg := account.Config{Server: "localhost", Shards: 4, Mode: account.Open}
	in := account.Registration{Username: "alice", Password: accounttest.Password}
	if _, err := account.New(cfg, store, old, &accounttest.Revocations{}).Register(t.Context(), accounttest.Nowhere, in); err != nil {
		t.Fatal(err)
	}
	for _, busy := range []bool{true, false} {
		h := busyHasher{account.NewArgon2(account.Cost{MemoryKiB: 128, Passes: 1, Lanes: 1}, 1, 0), busy}
		a := account.New(cfg, store, h, &accounttest.Revocations{})
		if _, err := a.Login(t.Context(), accounttest.Nowhere, account.Credentials{Username: "alice", Password: accounttest.Password}); err != nil {
			t.Fatal(err)
		}
		u, err := store.FindUser(t.Context(), "alice@localhost")
		if err != nil || strings.Contains(u.PasswordHash, "m=64,") != busy {
			t.Errorf("busy %v: hash %s, %v", busy, u.PasswordHash, err)
		}
	}
}

type busyHasher struct {
	*account.Argon2
	busy bool
}

func (b busyHasher) Hash(ctx context.Context, password string) (string, error) {
	if b.busy {
		return "", fault.Retry(fault.RateLimited, time.Second, "busy")
	}
	return b.Argon2.Hash(ctx, password)
}

func TestRun_FlushesAndSweepsUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		var log bytes.Buffer
		a := account.New(account.Config{Server: "localhost", Shards: 4, Mode: account.Open, Log: slog.New(slog.NewTextHandler(&log, nil))},
			store, account.NewArgon2(account.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}, 1, 0), &accounttest.Revocations{})
		s, err := a.Register(t.Context(), accounttest.Nowhere, account.Registration{Username: "alice", Password: accounttest.Password})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		if _, err := a.Authenticate(ctx, s.Access); err != nil {
			t.Fatal(err)
		}
		time.Sleep(16 * time.Second) // Virtual time.
		if n := store.touched.Load(); n != 1 {
			t.Errorf("%d devices written after a quarter of a minute", n)
		}
		time.Sleep(time.Hour)
		if n := store.sweeps.Load(); n != 1 {
			t.Errorf("%d sweeps in an hour", n)
		}
		if n := store.touched.Load(); n != 1 {
			t.Errorf("%d devices written while nobody came", n)
		}
		store.touch = errAway
		s, err = a.Refresh(ctx, s.Refresh)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Authenticate(ctx, s.Access); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err != nil || store.touched.Load() != 2 || !strings.Contains(log.String(), "last seen times lost") {
			t.Errorf("end: %v, %d written, log %s", err, store.touched.Load(), &log)
		}
	})
}
