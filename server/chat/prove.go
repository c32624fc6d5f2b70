// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/sdk"
)

// promptly is how soon a receipt comes that can only mean the message was delivered.
const promptly = 2 * time.Second

// prove asks for the records of own messages that a pointer of the peer passed late or together with others: they may have been
// withheld, and the pointer went over them.
func (a *app) prove(ctx context.Context, r frame.Receipt, now time.Time) {
	c := a.get(r.ConversationID)
	if c.PeerID == "" || r.UserID == a.self {
		return
	}
	passed := c.doubtful(max(r.DeliveredSeq, r.ReadSeq), now)
	if len(passed) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	after, before := passed[0].seq-1, passed[len(passed)-1].seq+1
	page, err := a.client.Messages(ctx, c.ConversationID, sdk.Range{AfterSeq: &after, BeforeSeq: &before})
	if err != nil {
		return // It is asked for again with the next receipt.
	}
	for _, e := range page.Messages {
		if e.Type != frame.TypeMessage || e.SenderID != a.self {
			continue
		}
		c.recorded(e)
		for _, o := range passed {
			o.proved = o.proved || o.seq == e.Seq
		}
	}
}

// doubtful returns the own messages of this run that a pointer passed and of which it is not known whether the peer got them.
func (c *conv) doubtful(pointer int64, now time.Time) []*outgoing {
	var out []*outgoing
	for _, o := range c.own {
		switch {
		case o.seq < 0, o.seq > pointer, o.proved, o.tick == tickFailed:
		case o.seq == pointer && now.Sub(o.at) < promptly:
			o.proved = true
		default:
			out = append(out, o)
		}
	}
	return out
}
