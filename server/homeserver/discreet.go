// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"
	"slices"

	"parley.chat/core/account"
	"parley.chat/core/conversation"
	"parley.chat/core/fanout"
	"parley.chat/protocol/id"
)

// discreet is the way out of what was committed: what somebody read stays with those who neither show nor see it.
type discreet struct {
	*fanout.Fanout
	people *account.People // set before the timeline runs
}

// Receipts implements timeline.Out. Who is unknown because the database is away shows nothing; sync tells it later.
func (d *discreet) Receipts(ctx context.Context, list []conversation.Receipt) error {
	var users []id.User
	for _, r := range list {
		if isReading(r) {
			users = append(append(users, r.User), r.To...)
		}
	}
	if len(users) == 0 {
		return d.Fanout.Receipts(ctx, list)
	}
	slices.Sort(users)
	hidden, err := d.people.HideReads(ctx, slices.Compact(users))
	if err == nil && len(hidden) == 0 {
		return d.Fanout.Receipts(ctx, list)
	}
	for i, r := range list {
		if isReading(r) {
			list[i].To = slices.DeleteFunc(slices.Clone(r.To), func(u id.User) bool {
				return u != r.User && (err != nil || hidden[u] || hidden[r.User])
			})
		}
	}
	return d.Fanout.Receipts(ctx, list)
}

func isReading(r conversation.Receipt) bool {
	return r.Prefs == nil && r.Status == "read" && len(r.To) > 1
}
