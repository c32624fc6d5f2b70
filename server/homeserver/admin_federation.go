// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"cmp"
	"context"
	"slices"
	"time"

	"parley.chat/core/follower"
	"parley.chat/protocol/id"
)

// Followers calls f for every server that follows conversations of this one, or that is not reached, in order of name, with
// the conversations that are parked, the oldest ones.
func (a *Admin) Followers(ctx context.Context, f func(follower.Summary, []follower.Row)) error {
	list, err := a.store.Summaries(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(x, y follower.Summary) int { return cmp.Compare(x.Server, y.Server) })
	for _, s := range list {
		var parked []follower.Row
		if s.Parked > 0 {
			if parked, err = a.store.Parked(ctx, s.Server, page); err != nil {
				return err
			}
		}
		f(s, parked)
	}
	return nil
}

// RetryServer has a running server try another one at once, with everything that is parked, and returns how much that is.
// store.ErrNoFollower if nothing is to be sent there.
func (a *Admin) RetryServer(ctx context.Context, name string) (freed int64, err error) {
	server, err := id.ParseServer(name)
	if err != nil {
		return 0, err
	}
	return a.store.RetryServer(ctx, server, time.Now().UnixMilli())
}
