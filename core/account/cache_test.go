// SPDX-License-Identifier: Apache-2.0

package account

import (
	"fmt"
	"testing"

	"parley.chat/protocol/id"
)

func TestCache_PurgesADeviceOrAUser(t *testing.T) {
	c := newCache(8)
	put := func(n byte, u id.User, d id.Device) { c.put(Hash{n}, remembered{Caller{u, d}, 100}, c.purged()) }
	has := func(n byte) bool { _, ok := c.get(Hash{n}, 50); return ok }
	put(1, "a", "x")
	put(2, "a", "x")
	put(3, "a", "y")
	put(4, "b", "x")
	c.purge("a", "x")
	if has(1) || has(2) || !has(3) || !has(4) {
		t.Error("not exactly the device was purged")
	}
	c.purge("a", "")
	if has(3) || !has(4) {
		t.Error("not exactly the user was purged")
	}
	if _, ok := c.get(Hash{4}, 100); ok || len(c.entries) != 0 || len(c.byUser) != 0 {
		t.Errorf("an entry outlived its time: %v %v", c.entries, c.byUser)
	}
}

func TestCache_ForgetsWhatWasReadBeforeAPurge(t *testing.T) {
	c := newCache(8)
	before := c.purged()
	c.purge("a", "x")
	c.put(Hash{1}, remembered{Caller{"a", "x"}, 100}, before)
	if _, ok := c.get(Hash{1}, 1); ok {
		t.Error("a revoked token is remembered")
	}
}

func TestCache_IsBounded(t *testing.T) {
	c := newCache(10)
	for i := range 100 {
		c.put(Hash{byte(i)}, remembered{Caller{id.User(fmt.Sprint(i)), "x"}, 100}, c.purged())
	}
	if len(c.entries) != 10 || len(c.byUser) != 10 {
		t.Errorf("%d entries of %d users", len(c.entries), len(c.byUser))
	}
}

func TestSeen_IsBoundedAndKeepsWhoIsInIt(t *testing.T) {
	s := newSeen(2)
	for i, u := range []id.User{"a", "b", "c", "a"} {
		s.note(Caller{u, "x"}, int64(i)*60_000+1)
	}
	got := s.take()
	if len(got) != 2 || got[Caller{"a", "x"}] != 180_000 || got[Caller{"b", "x"}] != 60_000 {
		t.Errorf("%v", got)
	}
	if len(s.take()) != 0 {
		t.Error("taken twice")
	}
}
