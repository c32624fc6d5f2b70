// SPDX-License-Identifier: Apache-2.0

package op

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"parley.chat/core/account"
	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// Star keeps a message in the caller's list. It is idempotent. Faults: unknown_conversation, unknown_message, quota_exceeded.
// spec: STAR-PUT-1
func (o *Conversations) Star(ctx context.Context, c Caller, conversationID, messageID string) error {
	return o.mark(ctx, c, account.KindStar, conversationID, messageID, o.People.Now())
}

// Unstar takes a message out of the caller's list. It is idempotent. Faults: unknown_conversation, unknown_message.
func (o *Conversations) Unstar(ctx context.Context, c Caller, conversationID, messageID string) error {
	return o.mark(ctx, c, account.KindStar, conversationID, messageID, nil)
}

// HideMessage deletes a message for the caller alone. It is idempotent. Faults: unknown_conversation, unknown_message,
// quota_exceeded. spec: HIDE-MESSAGE-1
func (o *Conversations) HideMessage(ctx context.Context, c Caller, conversationID, messageID string) error {
	return o.mark(ctx, c, account.KindHidden, conversationID, messageID, o.People.Now())
}

func (o *Conversations) mark(ctx context.Context, c Caller, kind, conversationID, messageID string, value []byte) error {
	v, e, err := o.aboutMessage(ctx, c, conversationID, messageID)
	if err != nil {
		return err
	}
	return o.People.Put(ctx, c.User, kind, account.MessageKey(v.State.ID, e.MessageID.String()), value)
}

// starred is a message in the list, in its order: the last starred first.
type starred struct {
	since int64
	key   string
}

func (a starred) compare(b starred) int {
	return cmp.Or(cmp.Compare(b.since, a.since), cmp.Compare(a.key, b.key))
}

// maxStarred is the most there can be.
const maxStarred = 1000

// Starred answers a page of the starred messages as they are now; what is gone falls out. Faults: invalid_cursor.
// spec: STAR-LIST-1
func (o *Conversations) Starred(ctx context.Context, c Caller, cursor string, limit int) (rest.Messages, error) {
	out := rest.Messages{Messages: []frame.Event{}}
	at, key, _ := strings.Cut(cursor, ".")
	after := starred{key: key}
	var err error
	if after.since, err = strconv.ParseInt(at, 10, 64); cursor != "" && err != nil {
		return out, fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	}
	items, err := o.People.List(ctx, c.User, account.KindStar, "", maxStarred)
	if err != nil {
		return out, err
	}
	list := make([]starred, len(items))
	for i, it := range items {
		var s account.Stamp
		if err := json.Unmarshal(it.Value, &s); err != nil {
			return out, err
		}
		list[i] = starred{s.Since, it.Key}
	}
	slices.SortFunc(list, starred.compare)
	if cursor != "" {
		list = slices.DeleteFunc(list, func(s starred) bool { return s.compare(after) <= 0 })
	}
	if out.HasMore = len(list) > limit; out.HasMore {
		list = list[:limit]
		out.NextCursor = strconv.FormatInt(list[limit-1].since, 10) + "." + list[limit-1].key
	}
	for i, s := range list {
		if err := o.addStarred(ctx, c, s.key, &out); err != nil {
			return out, err
		}
		if i+1 < len(list) && full(out.Messages) {
			out.HasMore, out.NextCursor = true, strconv.FormatInt(s.since, 10)+"."+s.key
			break
		}
	}
	return out, nil
}

// full tells whether another message of the largest size may be too much for a page.
func full(list []frame.Event) bool {
	bytes := 0
	for _, e := range list {
		bytes += recordBytes + len(e.Content) + len(e.EncryptedContent)
		for _, r := range e.Reactions {
			bytes += len(r.Emoji)
			for _, u := range r.UserIDs {
				bytes += len(u)
			}
		}
	}
	return bytes > pageBytes-MaxContent
}

// recordBytes is what a record takes beside its content, about.
const recordBytes = 400

// addStarred adds the message if the caller still gets it.
func (o *Conversations) addStarred(ctx context.Context, c Caller, key string, out *rest.Messages) error {
	conv, message, _ := strings.Cut(key, "/")
	v, e, err := o.aboutMessage(ctx, c, conv, message)
	if fault.Is(err, fault.UnknownConversation) || fault.Is(err, fault.UnknownMessage) {
		return nil
	}
	if err != nil || e.Content == nil {
		return err
	}
	records, err := o.shown(ctx, c, v, []*conversation.Event{e})
	if err == nil && records[0].Withheld == "" && records[0].DeletedAt == 0 {
		out.Messages = append(out.Messages, records[0])
	}
	return err
}
