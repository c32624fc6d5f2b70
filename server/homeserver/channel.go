// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"context"

	"parley.chat/core/channel"
	"parley.chat/core/conversation"
	"parley.chat/core/fanout"
	"parley.chat/core/feed"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

// committed hands what was committed to the members' sessions first, then to the channels, whose hints may wait.
type committed struct {
	*discreet
	channels *channel.Channels
	h        *Homeserver // for what is made later
}

// Committed implements timeline.Out. What notes something in the events comes before fanout, which has them in another goroutine.
func (c committed) Committed(ctx context.Context, events []conversation.Committed) error {
	c.h.replication.committed(events)
	err := c.Fanout.Committed(ctx, events)
	c.channels.Committed(events)
	c.h.abroad.committed(events)
	return err
}

// Lost implements timeline.Out.
func (c committed) Lost() {
	c.discreet.Lost()
	c.h.replication.lost()
}

// Receipts implements timeline.Out.
func (c committed) Receipts(ctx context.Context, list []conversation.Receipt) error {
	c.h.abroad.moved(list)
	return c.discreet.Receipts(ctx, list)
}

// audience is a registry that lets channels know who is live. They are told first, so that no hint is missed.
type audience struct {
	feed.Registry
	channels *channel.Channels
}

// Register implements feed.Registry.
func (a audience) Register(s fanout.Session) {
	a.channels.Enter(s)
	a.Registry.Register(s)
}

// Unregister implements feed.Registry.
func (a audience) Unregister(s fanout.Session) {
	a.Registry.Unregister(s)
	a.channels.Leave(s)
}

// owner is the timeline, which is made after the channels that ask it.
type owner struct{ h *Homeserver }

// View implements channel.Owner.
func (o owner) View(ctx context.Context, c id.Conversation) (timeline.View, error) {
	return o.h.timeline.View(ctx, c)
}

// Epoch implements channel.Owner.
func (o owner) Epoch(n id.Shard) (int64, error) { return o.h.timeline.Epoch(n) }
