// SPDX-License-Identifier: Apache-2.0

package account

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"parley.chat/protocol/fault"
)

func TestLimiter_SaysWhenToTryAgain(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLimiter(Rate{Count: 2, Per: time.Minute}, Rate{})
	for range 2 {
		if err := l.take("a", now); err != nil {
			t.Fatal(err)
		}
	}
	err := l.take("a", now)
	if !fault.Is(err, fault.RateLimited) || fault.From(err).RetryAfter.Round(time.Second) != 30*time.Second {
		t.Errorf("%v after %s", err, fault.From(err).RetryAfter)
	}
	if err := l.take("b", now); err != nil {
		t.Errorf("another key: %v", err)
	}
	if err := l.take("a", now.Add(30*time.Second)); err != nil {
		t.Errorf("a refusal must cost nothing: %v", err)
	}
}

func TestLimiter_MemoryIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLimiter(Rate{}, Rate{Count: 1, Per: time.Hour})
	_ = l.take("first", now)
	for i := range limiterKeys {
		if i%1000 == 0 && l.take("first", now) == nil {
			t.Fatal("a key in use lost its count")
		}
		_ = l.take(fmt.Sprint(i), now)
	}
	if len(l.keys) != limiterKeys || l.order.Len() != limiterKeys {
		t.Errorf("%d keys, %d in order", len(l.keys), l.order.Len())
	}
}

func TestAddressKey_OneCustomerIsOneKey(t *testing.T) {
	for a, want := range map[string]string{"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::/64", "2001:db8::ffff:1": "2001:db8::/64", "2001:db8:0:1::1": "2001:db8:0:1::/64", "fe80::1%eth0": "fe80::/64"} {
		if got := addressKey(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
}
