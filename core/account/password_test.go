// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/protocol/fault"
)

var cheap = Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}

func TestArgon2_HashAndVerify(t *testing.T) {
	a := NewArgon2(cheap, 1, 0)
	phc, err := a.Hash(t.Context(), "a password\x00of bytes")
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("%s, %v", phc, err)
	}
	if again, _ := a.Hash(t.Context(), "a password\x00of bytes"); again == phc {
		t.Error("the salt is not fresh")
	}
	for password, want := range map[string]bool{"a password\x00of bytes": true, "a password": false, "": false} {
		if ok, stale, err := a.Verify(t.Context(), phc, password); ok != want || stale || err != nil {
			t.Errorf("%q: %v, %v, %v", password, ok, stale, err)
		}
	}
	dearer := NewArgon2(Cost{MemoryKiB: 128, Passes: 1, Lanes: 1}, 1, 0)
	if ok, stale, err := dearer.Verify(t.Context(), phc, "a password\x00of bytes"); !ok || !stale || err != nil {
		t.Errorf("an old hash: %v, %v, %v", ok, stale, err)
	}
	if ok, _, err := a.Verify(t.Context(), "", ""); ok || err != nil {
		t.Errorf("no hash: %v, %v", ok, err)
	}
}

func TestArgon2_KnownAnswer(t *testing.T) {
	// Made by the reference program: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32 -e (its README's example).
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, stale, err := NewArgon2(Cost{}, 1, time.Minute).Verify(t.Context(), phc, "password"); !ok || !stale || err != nil {
		t.Errorf("%v, %v, %v", ok, stale, err)
	}
}

func TestArgon2_DefaultIsTheFloor(t *testing.T) {
	phc, err := NewArgon2(Cost{}, 0, time.Minute).Hash(t.Context(), "a password")
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s, %v", phc, err)
	}
}

func TestArgon2_RefusesADamagedHash(t *testing.T) {
	a := NewArgon2(cheap, 1, 0)
	good, _ := a.Hash(t.Context(), "a password")
	for _, bad := range []string{
		"plain", "$argon2i$" + good[10:], strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "m=64", "m=99999999", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "t=1", "t=65", 1), strings.Replace(good, "p=1", "p=0", 1),
		strings.Replace(good, "p=1", "p=256", 1), good[:len(good)-4], good + "$x", strings.Replace(good, "m=64", "m=x", 1),
	} {
		if ok, _, err := a.Verify(t.Context(), bad, "a password"); ok || err == nil || fault.From(err).Code != fault.Internal {
			t.Errorf("%s: %v, %v", bad, ok, err)
		}
	}
}

func TestArgon2_BurstIsBoundedAndRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, burst = 4, 50
		a := NewArgon2(cheap, slots, 100*time.Millisecond)
		for range slots { // All are busy for longer than anyone waits.
			if err := a.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var refused atomic.Int32
		var wg sync.WaitGroup
		for range burst {
			wg.Go(func() {
				_, err := a.Hash(t.Context(), "a password")
				if fault.Is(err, fault.RateLimited) && fault.From(err).RetryAfter > 0 {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if n := refused.Load(); n != burst {
			t.Errorf("%d of %d refused", n, burst)
		}
		wg.Go(func() {
			if _, err := a.Hash(t.Context(), "a password"); err != nil {
				t.Errorf("one that waited: %v", err)
			}
		})
		time.Sleep(50 * time.Millisecond) // Virtual time.
		a.leave()
		wg.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		if err := a.enter(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, _, err := a.Verify(ctx, "", "x"); err != context.Canceled {
			t.Errorf("a caller who left: %v", err)
		}
	})
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=,t=,p=$$")
	f.Fuzz(func(t *testing.T, phc string) {
		c, salt, key, err := parsePHC(phc)
		if err == nil && (c.Passes == 0 || c.Lanes == 0 || c.MemoryKiB > maxMemoryKiB || len(salt) < 8 || len(key) != keyBytes) {
			t.Errorf("took %q: %+v", phc, c)
		}
	})
}
