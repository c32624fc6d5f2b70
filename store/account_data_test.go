// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"parley.chat/core/account"
	"parley.chat/core/account/accounttest"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/store"
)

func set(t testing.TB, s *store.Store, u id.User, kind, key, value string) (account.Item, bool) {
	t.Helper()
	it, changed, err := s.EditItem(t.Context(), u, account.EditItem{Kind: kind, Key: key, Limit: 3, Edit: func([]byte) ([]byte, error) {
		if value == "" {
			return nil, nil
		}
		return []byte(value), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return it, changed
}

func TestAccountData_ChangesHaveVersionsWithoutHoles(t *testing.T) {
	s, _ := openAccounts(t)
	r := accounttest.NewRoom(s, nil)
	alice := r.Register(t, "alice").User
	for i, step := range []struct {
		key, value string
		changed    bool
	}{{"a", "1", true}, {"a", "1", false}, {"b", `{"x": 1}`, true}, {"a", "", true}, {"a", "", false}, {"a", "2", true}} {
		if _, changed := set(t, s, alice, account.KindData, step.key, step.value); changed != step.changed {
			t.Errorf("step %d: changed is %v", i, changed)
		}
	}
	items, reset, err := s.ItemsSince(t.Context(), alice, 1, 10)
	if err != nil || reset || len(items) != 2 || items[0].Key != "b" || items[0].Version != 2 || string(items[0].Value) != `{"x": 1}` || items[1].Version != 4 {
		t.Errorf("since 1: %+v %v %v", items, reset, err)
	}
	people, err := s.FindPersons(t.Context(), []id.User{alice, "nobody@example.org"})
	if err != nil || len(people) != 1 || people[alice].Version != 4 || !people[alice].Settings.ReadReceipts {
		t.Errorf("persons: %+v %v", people, err)
	}
	_, _, err = s.EditItem(t.Context(), "nobody@example.org", account.EditItem{Kind: account.KindData, Key: "a", Limit: 1, Edit: func([]byte) ([]byte, error) { return []byte("1"), nil }})
	if !errors.Is(err, account.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
}

func TestAccountData_IsBoundedAndAnEditMayRefuse(t *testing.T) {
	s, _ := openAccounts(t)
	r := accounttest.NewRoom(s, nil)
	alice := r.Register(t, "alice").User
	for i := range 3 {
		set(t, s, alice, account.KindStar, fmt.Sprint(i), "1")
	}
	one := func([]byte) ([]byte, error) { return []byte("1"), nil }
	_, _, err := s.EditItem(t.Context(), alice, account.EditItem{Kind: account.KindStar, Key: "more", Limit: 3, Edit: one})
	if !errors.Is(err, account.ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	set(t, s, alice, account.KindStar, "0", "")
	set(t, s, alice, account.KindStar, "more", "1")
	_, _, err = s.EditItem(t.Context(), alice, account.EditItem{Kind: account.KindData, Key: "x", Limit: 3, Edit: func([]byte) ([]byte, error) { return nil, fault.New(fault.UnknownKey, "no") }})
	if !fault.Is(err, fault.UnknownKey) {
		t.Errorf("refused by the edit: %v", err)
	}
	list, err := s.ListItems(t.Context(), alice, account.KindStar, "1", 1)
	if err != nil || len(list) != 1 || list[0].Key != "2" {
		t.Errorf("after 1: %+v %v", list, err)
	}
	found, err := s.FindItems(t.Context(), alice, account.KindStar, []string{"0", "1", "more", "none"})
	if err != nil || len(found) != 2 || !slices.ContainsFunc(found, func(it account.Item) bool { return it.Key == "more" }) {
		t.Errorf("found %+v %v", found, err)
	}
}

func TestAccountData_ForgetsOldDeletionsAndSaysSo(t *testing.T) {
	s, _ := openAccounts(t)
	r := accounttest.NewRoom(s, nil)
	alice := r.Register(t, "alice").User
	set(t, s, alice, account.KindData, "kept", "1")
	for i := range 1250 {
		set(t, s, alice, account.KindData, fmt.Sprint("k", i), "1")
		set(t, s, alice, account.KindData, fmt.Sprint("k", i), "")
	}
	items, reset, err := s.ItemsSince(t.Context(), alice, 1, 10)
	if err != nil || !reset || len(items) != 1 || items[0].Key != "kept" {
		t.Errorf("from long ago: %d items, reset %v, %v", len(items), reset, err)
	}
	items, reset, err = s.ItemsSince(t.Context(), alice, 2500, 10)
	if err != nil || reset || len(items) != 1 || items[0].Value != nil {
		t.Errorf("from a moment ago: %+v, reset %v, %v", items, reset, err)
	}
}
