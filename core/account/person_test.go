// SPDX-License-Identifier: Apache-2.0

package account_test

import (
	"context"
	"errors"
	"testing"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// fakeData keeps items in a map; a full one refuses new items, a broken one everything.
type fakeData struct {
	account.DataStore
	items  map[string][]byte
	reads  int
	full   bool
	broken error
	during func() // called within FindPersons, to race with it
}

func (f *fakeData) EditItem(_ context.Context, u id.User, e account.EditItem) (account.Item, bool, error) {
	key := string(u) + e.Kind + e.Key
	old := f.items[key]
	if f.full && old == nil {
		return account.Item{}, false, account.ErrFull
	}
	value, err := e.Edit(old)
	if err != nil || f.broken != nil {
		return account.Item{}, false, errors.Join(err, f.broken)
	}
	f.items[key] = value
	return account.Item{Kind: e.Kind, Key: e.Key, Value: value, Version: 1}, string(old) != string(value), nil
}

func (f *fakeData) FindPersons(_ context.Context, users []id.User) (map[id.User]*account.Person, error) {
	f.reads++
	out := map[id.User]*account.Person{}
	for _, u := range users {
		s, err := account.ParseSettings(f.items[string(u)+account.KindSettings])
		if err != nil {
			return nil, err
		}
		one := &account.Person{Settings: s, Blocked: map[id.User]struct{}{}}
		for _, other := range []id.User{"alice@x", "bob@x"} {
			if f.items[string(u)+account.KindBlock+string(other)] != nil {
				one.Blocked[other] = struct{}{}
			}
		}
		out[u] = one
	}
	if f.during != nil {
		f.during()
	}
	return out, f.broken
}

type friends map[id.User]bool

func (f friends) Contact(_ context.Context, _, other id.User) (bool, error) { return f[other], nil }

type noted struct{ items []account.Item }

func (n *noted) Changed(_ id.User, it account.Item) { n.items = append(n.items, it) }

func people(contacts friends) (*account.People, *fakeData, *noted) {
	f, n := &fakeData{items: map[string][]byte{}}, &noted{}
	return account.NewPeople(f, contacts, n, nil), f, n
}

func audience(s string) *string { return &s }

func TestPeople_AreRememberedUntilTheyChange(t *testing.T) {
	p, f, n := people(nil)
	ctx := t.Context()
	for range 3 {
		if hides, err := p.HidesReads(ctx, "alice@x"); hides || err != nil {
			t.Errorf("by default: %v %v", hides, err)
		}
	}
	if f.reads != 1 {
		t.Errorf("%d reads", f.reads)
	}
	off := false
	if _, err := p.EditSettings(ctx, "alice@x", account.EditSettings{ReadReceipts: &off}); err != nil {
		t.Fatal(err)
	}
	if hides, err := p.HidesReads(ctx, "alice@x"); !hides || err != nil || f.reads != 2 || len(n.items) != 1 {
		t.Errorf("after a change: %v %v, %d reads, told %d", hides, err, f.reads, len(n.items))
	}
}

func TestPeople_WhatWasReadAcrossAChangeIsNotRemembered(t *testing.T) {
	p, f, _ := people(nil)
	ctx := t.Context()
	f.during = func() {
		f.during = nil
		if err := p.Block(ctx, "alice@x", "bob@x"); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Blocks(ctx, "alice@x", "bob@x"); err != nil {
		t.Fatal(err)
	}
	if blocked, err := p.Blocks(ctx, "alice@x", "bob@x"); !blocked || err != nil {
		t.Errorf("after the block: %v %v", blocked, err)
	}
}

func TestPeople_SameEndsWithAChange(t *testing.T) {
	p, f, _ := people(nil)
	one, err := p.Person(t.Context(), "alice@x")
	if err != nil || !p.Same("alice@x", one) {
		t.Fatal("not the same at once", err)
	}
	f.broken = errors.New("the outcome is unknown")
	if err := p.Block(t.Context(), "alice@x", "bob@x"); err == nil {
		t.Error("an unknown outcome is no error")
	}
	if p.Same("alice@x", one) {
		t.Error("after an unknown outcome it is taken for the same")
	}
}

func TestPeople_AudiencesAndBlocksDecide(t *testing.T) {
	p, _, _ := people(friends{"friend@x": true})
	ctx := t.Context()
	for _, step := range []struct {
		audience                       string
		friend, stranger               bool
		friendWelcome, strangerWelcome bool
	}{{"everyone", true, true, true, true}, {"contacts", true, false, true, false}, {"nobody", false, false, true, false}} {
		a := audience(step.audience)
		if _, err := p.EditSettings(ctx, "alice@x", account.EditSettings{WhoMayAdd: a, WhoMayMessage: a, Online: a, LastSeen: a}); err != nil {
			t.Fatal(err)
		}
		for who, want := range map[id.User][2]bool{"friend@x": {step.friend, step.friendWelcome}, "bob@x": {step.stranger, step.strangerWelcome}} {
			add, _ := p.MayAdd(ctx, "alice@x", who)
			online, _ := p.ShowsOnline(ctx, "alice@x", who)
			seen, _ := p.ShowsLastSeen(ctx, "alice@x", who)
			welcome, _ := p.Welcomes(ctx, "alice@x", who)
			if add != want[0] || online != want[0] || seen != want[0] || welcome != want[1] {
				t.Errorf("%s, %s: add %v online %v seen %v welcome %v, want %v", step.audience, who, add, online, seen, welcome, want)
			}
		}
	}
	if _, err := p.EditSettings(ctx, "alice@x", account.EditSettings{WhoMayAdd: audience("everyone"), Online: audience("everyone")}); err != nil {
		t.Fatal(err)
	}
	if err := p.Block(ctx, "alice@x", "bob@x"); err != nil {
		t.Fatal(err)
	}
	add, _ := p.MayAdd(ctx, "alice@x", "bob@x")
	online, _ := p.ShowsOnline(ctx, "alice@x", "bob@x")
	back, _ := p.ShowsOnline(ctx, "bob@x", "alice@x")
	if add || online || back {
		t.Errorf("across a block: add %v, online %v and back %v", add, online, back)
	}
}

func TestPeople_RefuseWhatIsWrongOrTooMuch(t *testing.T) {
	p, f, _ := people(nil)
	ctx := t.Context()
	if _, err := p.EditSettings(ctx, "alice@x", account.EditSettings{Online: audience("friends")}); !fault.Is(err, fault.InvalidField) {
		t.Errorf("an unknown audience: %v", err)
	}
	if err := p.Block(ctx, "alice@x", "alice@x"); !fault.Is(err, fault.InvalidField) {
		t.Errorf("blocking oneself: %v", err)
	}
	f.full = true
	if err := p.SetData(ctx, "alice@x", "k", []byte("1")); !fault.Is(err, fault.QuotaExceeded) {
		t.Errorf("one too many: %v", err)
	}
	if err := p.DeleteData(ctx, "alice@x", "k"); !fault.Is(err, fault.QuotaExceeded) && !fault.Is(err, fault.UnknownKey) {
		t.Errorf("deleting nothing: %v", err)
	}
}
