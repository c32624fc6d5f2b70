// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"context"
	"slices"
	"sync"
	"time"

	"parley.chat/core/fanout"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Access is what somebody who is no member may do with a channel.
type Access int

// Who is a stranger learns nothing, a looker reads a public channel without subscribing.
const (
	Stranger Access = iota
	Looker
	Subscriber
)

// Access tells what u may do who is no member of the channel now, and the row of a subscriber. Conversations that are no
// channels have strangers only. Faults: Unavailable.
func (c *Channels) Access(ctx context.Context, v timeline.View, u id.User) (Access, Reader, error) {
	if !IsChannel(v) || v.State.Info.Banned(u) {
		return Stranger, Reader{}, nil
	}
	r, ok, err := c.reader(ctx, v, u)
	switch {
	case err != nil:
		return Stranger, r, err
	case ok && r.BannedAt > 0:
		return Stranger, r, nil
	case ok:
		return Subscriber, r, nil
	case v.State.Create.Visibility == event.Public:
		return Looker, r, nil
	}
	return Stranger, r, nil
}

// Subscribe makes u a subscriber: of a public channel by their own will, of a private one if invited. It does nothing for who
// is one already, or is a member. With pardon, which members have to give, a ban ends. Faults: UnknownConversation,
// QuotaExceeded, Unavailable.
func (c *Channels) Subscribe(ctx context.Context, v timeline.View, u id.User, invited, pardon bool) error {
	if !IsChannel(v) {
		return fault.New(fault.UnknownConversation, "no such channel")
	}
	if isWriter(v, u) {
		return nil
	}
	have, err := c.Of(ctx, u)
	if err != nil {
		return err
	}
	if _, ok := slices.BinarySearch(have, v.State.ID); ok {
		return nil
	}
	if v.State.Create.Visibility != event.Public && !invited {
		return fault.New(fault.UnknownConversation, "no such conversation")
	}
	if len(have) >= MaxSubscriptions {
		return fault.New(fault.QuotaExceeded, "a user subscribes to at most %d channels", MaxSubscriptions)
	}
	row := Reader{User: u, SinceSeq: v.Head.Seq, ReadSeq: v.Head.Seq, ReadCount: v.Head.Count, SubscribedAt: c.now()}
	row, err = c.Store.Subscribe(ctx, place(v), v.State.ID, row, pardon)
	if err != nil {
		return away(err)
	}
	if row.BannedAt > 0 {
		return fault.New(fault.UnknownConversation, "no such conversation")
	}
	epoch, err := c.Owner.Epoch(v.Shard)
	if err != nil {
		return err
	}
	c.readers.put(place(v), row, epoch, c.MaxReaders)
	c.counts.forget(place(v))
	c.live.change(u, v.State.ID, true, c.MaxUsers)
	c.nudge(ctx, v.State.ID, u)
	return nil
}

// Unsubscribe ends the subscription of u, if there is one; with ban u is kept out until a pardon. Faults: Unavailable.
func (c *Channels) Unsubscribe(ctx context.Context, v timeline.View, u id.User, ban bool) error {
	bannedAt := int64(0)
	if ban {
		bannedAt = c.now()
	}
	c.readers.forget(place(v), u)
	err := c.Store.Unsubscribe(ctx, place(v), v.State.ID, u, bannedAt)
	c.readers.forget(place(v), u) // What was read while the row was being removed.
	if err != nil {
		return away(err)
	}
	c.counts.forget(place(v))
	c.live.change(u, v.State.ID, false, c.MaxUsers)
	return nil
}

// nudge tells the other devices of a user that there is a channel to look at.
func (c *Channels) nudge(ctx context.Context, conv id.Conversation, u id.User) {
	c.live.mu.Lock()
	var sessions []fanout.Session
	if have := c.live.users[u]; have != nil {
		sessions = have.sessions
	}
	c.live.mu.Unlock()
	if len(sessions) > 0 {
		c.deliver(ctx, due{conv, sessions})
	}
}

// Subscribers is the number of subscribers, from memory once it was read. Faults: Unavailable.
func (c *Channels) Subscribers(ctx context.Context, v timeline.View) (int64, error) {
	epoch, err := c.Owner.Epoch(v.Shard)
	if err != nil {
		return 0, err
	}
	n, serial, ok := c.counts.get(place(v), epoch)
	if ok {
		return n, nil
	}
	n, err = c.Store.Count(ctx, place(v))
	if err != nil {
		return 0, away(err)
	}
	c.counts.learn(place(v), n, epoch, serial)
	return n, nil
}

// away is the answer while the database does not answer.
func away(err error) error {
	return fault.Retry(fault.Unavailable, time.Second, "the server cannot do this now, try again").Because(err)
}

// counts remembers numbers of subscribers until they change.
type counts struct {
	mu     sync.Mutex
	known  map[Place]count
	serial int
}

type count struct{ n, epoch int64 }

const maxCounts = 1 << 16

func (k *counts) init() { k.known = map[Place]count{} }

func (k *counts) get(p Place, epoch int64) (n int64, serial int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	have, ok := k.known[p]
	return have.n, k.serial, ok && have.epoch == epoch
}

// learn keeps what was read, unless a number changed meanwhile.
func (k *counts) learn(p Place, n, epoch int64, serial int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.serial != serial {
		return
	}
	if len(k.known) >= maxCounts {
		clear(k.known)
	}
	k.known[p] = count{n, epoch}
}

func (k *counts) forget(p Place) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.serial++
	delete(k.known, p)
}
