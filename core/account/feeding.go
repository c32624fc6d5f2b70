// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"encoding/json"
	"strings"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// HideReads tells which of the users neither show nor see what was read.
func (p *People) HideReads(ctx context.Context, users []id.User) (map[id.User]bool, error) {
	all, err := p.Persons(ctx, users)
	if err != nil {
		return nil, err
	}
	var out map[id.User]bool
	for u, one := range all {
		if !one.Settings.ReadReceipts {
			if out == nil {
				out = map[id.User]bool{}
			}
			out[u] = true
		}
	}
	return out, nil
}

// DataVersion is the version of the user's account data.
func (p *People) DataVersion(ctx context.Context, u id.User) (int64, error) {
	one, err := p.Person(ctx, u)
	if err != nil {
		return 0, err
	}
	return one.Version, nil
}

// DataSince lists what changed after a version: at most limit items, and about size bytes. upto is the version of the last, more
// tells that there is more, reset that the client forgets what it had.
func (p *People) DataSince(ctx context.Context, u id.User, since int64, limit, size int) (out []frame.AccountData, upto int64, reset, more bool, err error) {
	items, reset, err := p.store.ItemsSince(ctx, u, since, limit+1)
	if err != nil {
		return nil, 0, false, false, err
	}
	upto = since
	for i, it := range items {
		size -= len(it.Value) + len(it.Key)
		if i == limit || i > 0 && size < 0 {
			return out, upto, reset, true, nil
		}
		value := json.RawMessage(it.Value)
		if it.Value == nil {
			value = json.RawMessage("null")
		}
		out, upto = append(out, frame.AccountData{Type: it.Kind, Key: it.Key, Value: value}), it.Version
	}
	return out, upto, reset, false, nil
}

// MessageKey is the key of an item about a message.
func MessageKey(c id.Conversation, message string) string { return string(c) + "/" + message }

// Stamp is the value of an item that says no more than since when it is, in Unix milliseconds.
type Stamp struct {
	Since int64 `json:"since"`
}

// Now is a Stamp of this moment.
func (p *People) Now() []byte {
	raw, _ := json.Marshal(Stamp{Since: p.now().UnixMilli()}) // A number always is JSON.
	return raw
}

// HiddenAt tells when the user deleted which of the messages for himself alone.
func (p *People) HiddenAt(ctx context.Context, u id.User, c id.Conversation, messages []string) (map[string]int64, error) {
	one, err := p.Person(ctx, u)
	if err != nil || one.Hidden == 0 {
		return nil, err
	}
	keys := make([]string, len(messages))
	for i, m := range messages {
		keys[i] = MessageKey(c, m)
	}
	items, err := p.store.FindItems(ctx, u, KindHidden, keys)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int64, len(items))
	for _, it := range items {
		var s Stamp
		if err := json.Unmarshal(it.Value, &s); err != nil {
			return nil, err
		}
		out[it.Key[len(c)+1:]] = s.Since
	}
	return out, nil
}

// HiddenSeqs lists the seqs of all messages of a conversation that the user deleted for himself alone.
func (p *People) HiddenSeqs(ctx context.Context, u id.User, c id.Conversation) ([]int64, error) {
	one, err := p.Person(ctx, u)
	if err != nil || one.Hidden == 0 {
		return nil, err
	}
	items, err := p.store.ListItems(ctx, u, KindHidden, MessageKey(c, ""), limits[KindHidden])
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, it := range items {
		message, ok := strings.CutPrefix(it.Key, MessageKey(c, ""))
		if !ok {
			break
		}
		m, err := id.ParseMessage(message)
		if err != nil {
			return nil, err
		}
		out = append(out, m.Seq())
	}
	return out, nil
}
