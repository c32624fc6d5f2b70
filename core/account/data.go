// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// The kinds of account data.
const (
	KindSettings = "settings" // one item, without a key
	KindBlock    = "block"    // key: the user who is blocked
	KindData     = "data"     // key and value: whatever a client keeps
	KindStar     = "star"     // key: conversationId/messageId
	KindHidden   = "hidden"   // key: conversationId/messageId, deleted for this user alone
)

// limits bound the items of a kind.
var limits = map[string]int{KindSettings: 1, KindBlock: 1000, KindData: 256, KindStar: 1000, KindHidden: 10_000}

// Item is one item of a user's account data. A nil Value says that it is gone.
type Item struct {
	Kind, Key string
	Value     []byte // JSON
	Version   int64  // of the account data after the change
}

// Change of an item: what edit makes of the value, within the limit of items of the kind. edit gets nil if there is none, and
// returns nil to delete; an error of it changes nothing.
type EditItem struct {
	Kind, Key string
	Limit     int
	Edit      func(value []byte) ([]byte, error)
}

// ErrFull says that there are as many items as there may be.
var ErrFull = errors.New("full")

// DataStore keeps account data in the shard of the user.
type DataStore interface {
	// EditItem changes an item, one change of a user at a time, and returns it with its version. changed is false if the value
	// stays as it is. ErrNotFound without an active account, ErrFull past the limit.
	EditItem(ctx context.Context, u id.User, e EditItem) (it Item, changed bool, err error)
	// FindItems reads the items of a kind with the keys that exist.
	FindItems(ctx context.Context, u id.User, kind string, keys []string) ([]Item, error)
	// ListItems reads the items of a kind after a key, in order of key.
	ListItems(ctx context.Context, u id.User, kind, after string, limit int) ([]Item, error)
	// ItemsSince reads what changed after a version, in order of version. reset tells
	// that it begins anew because deletions since then were forgotten; then, and from version 0, deleted items are left out.
	ItemsSince(ctx context.Context, u id.User, since int64, limit int) (items []Item, reset bool, err error)
	// FindPersons reads what the oracle needs of users; those without an account are left out.
	FindPersons(ctx context.Context, users []id.User) (map[id.User]*Person, error)
}

// Data reads one of the client's own values. Faults: unknown_key.
func (p *People) Data(ctx context.Context, u id.User, key string) ([]byte, error) {
	items, err := p.store.FindItems(ctx, u, KindData, []string{key})
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, unknownKey()
	}
	return items[0].Value, nil
}

// SetData keeps a value of the client's own. Faults: quota_exceeded.
func (p *People) SetData(ctx context.Context, u id.User, key string, value []byte) error {
	_, err := p.edit(ctx, u, KindData, key, func([]byte) ([]byte, error) { return value, nil })
	return err
}

// DeleteData forgets a value of the client's own. Faults: unknown_key.
func (p *People) DeleteData(ctx context.Context, u id.User, key string) error {
	_, err := p.edit(ctx, u, KindData, key, func(old []byte) ([]byte, error) {
		if old == nil {
			return nil, unknownKey()
		}
		return nil, nil
	})
	return err
}

func unknownKey() error { return fault.New(fault.UnknownKey, "no value is kept under this key") }

// Put keeps an item of a kind as it is given; nil deletes. Faults: quota_exceeded.
func (p *People) Put(ctx context.Context, u id.User, kind, key string, value []byte) error {
	_, err := p.edit(ctx, u, kind, key, func(old []byte) ([]byte, error) {
		if old != nil && value != nil {
			return old, nil
		}
		return value, nil
	})
	return err
}

// List reads a page of a kind in order of key.
func (p *People) List(ctx context.Context, u id.User, kind, after string, limit int) ([]Item, error) {
	return p.store.ListItems(ctx, u, kind, after, limit)
}

// Find reads those of the keys that exist.
func (p *People) Find(ctx context.Context, u id.User, kind string, keys []string) ([]Item, error) {
	return p.store.FindItems(ctx, u, kind, keys)
}

// edit changes an item, forgets what this node remembers of the user, and tells the user's sessions.
func (p *People) edit(ctx context.Context, u id.User, kind, key string, f func([]byte) ([]byte, error)) (Item, error) {
	it, changed, err := p.store.EditItem(ctx, u, EditItem{Kind: kind, Key: key, Limit: limits[kind], Edit: f})
	switch {
	case errors.Is(err, ErrFull):
		err = fault.New(fault.QuotaExceeded, "there are %d of these already, as many as there may be", limits[kind]).Because(err)
	case errors.Is(err, ErrNotFound):
		err = fault.New(fault.UnknownUser, "no such user").Because(err)
	}
	if changed || err != nil { // An error may hide a commit.
		p.forget(u)
	}
	if err != nil {
		return Item{}, err
	}
	if changed {
		p.told.Changed(u, it)
	}
	return it, nil
}
