// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"time"

	"parley.chat/protocol/rest"
)

const (
	fetchAttempts = 3
	fetchLimit    = 200
)

// fetch reads a page of a range, oldest first. A range that is refused for good is empty: the user lost the right to it.
func (c *conn) fetch(ctx context.Context, conversationID string, after, before int64) (rest.Messages, error) {
	pauses := backoff{low: c.c.opts.MinBackoff, high: 5 * time.Second}
	for attempt := 1; ; attempt++ {
		page, err := c.c.Messages(ctx, conversationID, Range{AfterSeq: &after, BeforeSeq: &before, Limit: fetchLimit})
		if err == nil {
			return page, nil
		}
		if retryRule(err) == retryNever && !SessionEnded(err) {
			c.c.log.InfoContext(ctx, "range refused", "conversation", conversationID, "error", err)
			return rest.Messages{}, nil
		}
		if retryRule(err) != retryLater || attempt == fetchAttempts {
			return rest.Messages{}, err
		}
		if err := pause(ctx, max(pauses.next(), waitOf(err))); err != nil {
			return rest.Messages{}, err
		}
	}
}
