// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"encoding/json"
	"strings"

	"parley.chat/core/account"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Settings answers the caller's settings.
func (o *Conversations) Settings(ctx context.Context, c Caller) (rest.Settings, error) {
	one, err := o.People.Person(ctx, c.User)
	if err != nil {
		return rest.Settings{}, err
	}
	return settings(one.Settings), nil
}

func settings(s account.Settings) rest.Settings {
	return rest.Settings{
		ReadReceipts: s.ReadReceipts, LastSeen: string(s.LastSeen), Online: string(s.Online),
		WhoMayMessage: string(s.WhoMayMessage), WhoMayAdd: string(s.WhoMayAdd), Notifications: s.Notifications,
	}
}

// EditSettings changes the caller's settings. Faults: invalid_field. spec: SETTINGS-USER-1
func (o *Conversations) EditSettings(ctx context.Context, c Caller, in rest.EditSettings) (rest.Settings, error) {
	s, err := o.People.EditSettings(ctx, c.User, account.EditSettings{
		ReadReceipts: in.ReadReceipts, LastSeen: in.LastSeen, Online: in.Online,
		WhoMayMessage: in.WhoMayMessage, WhoMayAdd: in.WhoMayAdd, Notifications: in.Notifications,
	})
	return settings(s), err
}

// Blocks answers a page of those the caller blocks. Faults: invalid_cursor.
func (o *Conversations) Blocks(ctx context.Context, c Caller, cursor string, limit int) (rest.Blocks, error) {
	out := rest.Blocks{Blocks: []rest.Block{}}
	if _, err := id.ParseUser(cursor); cursor != "" && err != nil {
		return out, fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	items, err := o.People.List(ctx, c.User, account.KindBlock, cursor, limit+1)
	if err != nil {
		return out, err
	}
	for _, it := range items {
		if len(out.Blocks) == limit {
			out.HasMore, out.NextCursor = true, out.Blocks[limit-1].UserID
			break
		}
		one := rest.Block{UserID: it.Key}
		if err := json.Unmarshal(it.Value, &one); err != nil {
			return out, err
		}
		out.Blocks = append(out.Blocks, one)
	}
	return out, nil
}

// Limits of what a client keeps in the account.
const (
	maxDataKey   = 128
	maxDataValue = 64 << 10
)

// checkKey accepts what can stand in a path. spec: ACCDATA-KEY-1
func checkKey(key string) error {
	odd := func(r rune) bool { return r < 0x21 || r > 0x7e || r == '/' }
	if key == "" || len(key) > maxDataKey || strings.ContainsFunc(key, odd) {
		return fault.Invalid("key", "must be 1 to %d printable ASCII characters without spaces and slashes", maxDataKey)
	}
	return nil
}

// Datum answers a value the caller's clients keep. Faults: invalid_field, unknown_key.
func (o *Conversations) Datum(ctx context.Context, c Caller, key string) (rest.Datum, error) {
	if err := checkKey(key); err != nil {
		return rest.Datum{}, err
	}
	value, err := o.People.Data(ctx, c.User, key)
	return rest.Datum{Key: key, Value: value}, err
}

// PutDatum keeps a value. Faults: invalid_field, content_too_large, quota_exceeded.
func (o *Conversations) PutDatum(ctx context.Context, c Caller, key string, in rest.Datum) (rest.Datum, error) {
	if err := checkKey(key); err != nil {
		return rest.Datum{}, err
	}
	if len(in.Value) == 0 || strings.Contains(string(in.Value), `\u0000`) {
		return rest.Datum{}, fault.Invalid("value", "must be a JSON value without NUL")
	}
	if len(in.Value) > maxDataValue {
		return rest.Datum{}, fault.New(fault.ContentTooLarge, "a value has at most %d bytes", maxDataValue)
	}
	return rest.Datum{Key: key, Value: in.Value}, o.People.SetData(ctx, c.User, key, in.Value)
}

// DeleteDatum forgets a value. Faults: invalid_field, unknown_key.
func (o *Conversations) DeleteDatum(ctx context.Context, c Caller, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return o.People.DeleteData(ctx, c.User, key)
}

// Data answers a page of the keys of the caller's values. Faults: invalid_cursor.
func (o *Conversations) Data(ctx context.Context, c Caller, cursor string, limit int) (rest.Data, error) {
	out := rest.Data{Keys: []string{}}
	if cursor != "" && checkKey(cursor) != nil {
		return out, fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	items, err := o.People.List(ctx, c.User, account.KindData, cursor, limit+1)
	if err != nil {
		return out, err
	}
	for _, it := range items {
		if len(out.Keys) == limit {
			out.HasMore, out.NextCursor = true, out.Keys[limit-1]
			break
		}
		out.Keys = append(out.Keys, it.Key)
	}
	return out, nil
}
