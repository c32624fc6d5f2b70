// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/id"
	"parley.chat/server/privatepg/pgtest"
	"parley.chat/store"
)

// split is a store over two databases, and a second node of it.
func split(t *testing.T) (first, second *store.Store) {
	t.Helper()
	list := []store.Database{{DSN: pgtest.New(t), Shards: []id.Shard{0, 1}}, {DSN: pgtest.New(t), Shards: []id.Shard{2, 3}}}
	first, second = open(t, list...), open(t, list...)
	if err := first.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return first, second
}

func TestClaimNonce_CountsOnceForAllNodes(t *testing.T) {
	one, two := split(t)
	until := time.Now().Add(time.Minute)
	for _, origin := range []id.Server{"a.test", "b.test", "c.test:8448", "d.test"} { // In both databases.
		var firsts atomic.Int64
		var group sync.WaitGroup
		for i := range 16 {
			node := []*store.Store{one, two}[i%2]
			group.Go(func() {
				first, err := node.ClaimNonce(t.Context(), origin, [16]byte{1}, until)
				if err != nil {
					t.Error(err)
				}
				if first {
					firsts.Add(1)
				}
			})
		}
		group.Wait()
		if firsts.Load() != 1 {
			t.Errorf("%s: the nonce was new %d times", origin, firsts.Load())
		}
	}
	if first, err := one.ClaimNonce(t.Context(), "a.test", [16]byte{2}, until); err != nil || !first {
		t.Errorf("another nonce: %t, %v", first, err)
	}
}

func TestSweepNonces_KeepsThoseThatCouldStillBeUsed(t *testing.T) {
	s, _ := split(t)
	now := time.Now()
	for i, until := range []time.Time{now.Add(-time.Hour), now.Add(-3 * time.Minute), now.Add(-time.Minute), now.Add(time.Minute)} {
		if _, err := s.ClaimNonce(t.Context(), "a.test", [16]byte{byte(i)}, until); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.SweepNonces(t.Context(), now); err != nil || n != 2 {
		t.Errorf("swept %d, %v; want the two whose margin is over", n, err)
	}
	if first, err := s.ClaimNonce(t.Context(), "a.test", [16]byte{2}, now); err != nil || first {
		t.Errorf("one within the margin of clocks was forgotten: %t, %v", first, err)
	}
}

func TestServerKeys_EndOnceAndOnlySooner(t *testing.T) {
	s, _ := split(t)
	a, b := store.ServerKey{ID: "ed25519:a", Public: []byte("A")}, store.ServerKey{ID: "ed25519:b", Public: []byte("B"), From: 5}
	for range 2 {
		for _, k := range []store.ServerKey{a, b} {
			if err := s.AddServerKey(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := func(keyID string, until int64, revoke bool, want error) {
		t.Helper()
		if err := s.EndServerKey(t.Context(), keyID, until, revoke); !errors.Is(err, want) {
			t.Errorf("end %s at %d: %v, want %v", keyID, until, err, want)
		}
	}
	end("ed25519:a", 100, false, nil)
	end("ed25519:a", 200, false, store.ErrNoServerKey)
	end("ed25519:a", 50, false, nil)
	end("ed25519:a", 40, true, nil)
	end("ed25519:c", 40, true, store.ErrNoServerKey)
	got, err := s.ServerKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.Until, a.IsRevoked = 40, true
	if diff := cmp.Diff([]store.ServerKey{b, a}, got); diff != "" {
		t.Error(diff)
	}
}
