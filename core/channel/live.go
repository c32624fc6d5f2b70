// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"context"
	"maps"
	"slices"
	"sync"

	"parley.chat/core/fanout"
	"parley.chat/protocol/id"
)

// live holds the subscriptions of the users who were seen lately, and for each channel the users with live sessions.
type live struct {
	mu       sync.Mutex
	users    map[id.User]*user
	channels map[id.Conversation]*audience
	moved    map[id.Conversation]*audience // with something untold
	shards   []shardHead
	serial   int           // counts changes of subscriptions and entries of users
	wake     chan struct{} // one slot: a head moved
}

// user is one whose subscriptions are known, or who has sessions.
type user struct {
	sessions []fanout.Session // replaced, never changed
	loaded   bool
	epoch    int64             // of the user's shard when they were loaded
	serial   int               // of the last change here, so that a reading from before is not kept
	channels []id.Conversation // replaced, never changed; sorted
}

// audience is a channel with live subscribers.
type audience struct {
	users map[id.User]struct{}
	moved int64 // lowest pos that its users were not told of, 0 if none
	told  int64 // when they were told last, Unix milliseconds
}

func (l *live) init(shards int) {
	l.users, l.channels, l.moved = map[id.User]*user{}, map[id.Conversation]*audience{}, map[id.Conversation]*audience{}
	l.shards, l.wake = make([]shardHead, shards), make(chan struct{}, 1)
}

// Enter notes a live session. It costs no I/O: the user's subscriptions are read with the first sync.
func (c *Channels) Enter(s fanout.Session) {
	l := &c.live
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.user(s.User(), c.MaxUsers)
	u.sessions = append(slices.Clip(u.sessions), s)
	if len(u.sessions) == 1 {
		for _, conv := range u.channels {
			l.listen(conv, s.User())
		}
	}
}

// Leave forgets a live session. Doing it twice is harmless.
func (c *Channels) Leave(s fanout.Session) {
	l := &c.live
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.users[s.User()]
	if u == nil {
		return
	}
	i := slices.IndexFunc(u.sessions, func(o fanout.Session) bool { return o == s })
	if i < 0 {
		return
	}
	u.sessions = slices.Concat(u.sessions[:i], u.sessions[i+1:])
	if len(u.sessions) == 0 {
		for _, conv := range u.channels {
			l.deafen(conv, s.User())
		}
	}
}

// user finds or makes the entry of a user, and makes room among those without sessions. The caller holds mu.
func (l *live) user(name id.User, limit int) *user {
	if u := l.users[name]; u != nil {
		return u
	}
	if len(l.users) >= limit {
		looked := 0
		for other, u := range l.users {
			if len(u.sessions) == 0 {
				delete(l.users, other)
				break
			}
			if looked++; looked == 64 {
				break
			}
		}
	}
	l.serial++
	u := &user{serial: l.serial}
	l.users[name] = u
	return u
}

func (l *live) listen(conv id.Conversation, u id.User) {
	a := l.channels[conv]
	if a == nil {
		a = &audience{users: map[id.User]struct{}{}}
		l.channels[conv] = a
	}
	a.users[u] = struct{}{}
}

func (l *live) deafen(conv id.Conversation, u id.User) {
	if a := l.channels[conv]; a != nil {
		if delete(a.users, u); len(a.users) == 0 {
			delete(l.channels, conv)
			delete(l.moved, conv)
		}
	}
}

// Of lists the channels that u subscribed to, sorted; the slice must not be changed. They are read once and kept while u has
// sessions, and for a while after. Faults: Unavailable.
func (c *Channels) Of(ctx context.Context, u id.User) ([]id.Conversation, error) {
	for {
		epoch, err := c.Owner.Epoch(u.Shard(c.Shards))
		if err != nil {
			return nil, err
		}
		have, serial, ok := c.live.known(u, epoch, c.MaxUsers)
		if ok {
			return have, nil
		}
		list, err := c.Store.Subscriptions(ctx, u, MaxSubscriptions)
		if err != nil {
			return nil, away(err)
		}
		slices.Sort(list)
		if c.live.learn(u, list, epoch, serial, c.MaxUsers) {
			return list, nil
		}
	}
}

// Known lists the channels that u subscribed to as far as memory knows, without I/O: for users with sessions that synced.
func (c *Channels) Known(u id.User) []id.Conversation {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	if have := c.live.users[u]; have != nil {
		return have.channels
	}
	return nil
}

func (l *live) known(name id.User, epoch int64, limit int) (have []id.Conversation, serial int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.user(name, limit)
	return u.channels, u.serial, u.loaded && u.epoch == epoch
}

// learn keeps what was read, unless something changed meanwhile.
func (l *live) learn(name id.User, list []id.Conversation, epoch int64, serial, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.user(name, limit)
	if u.serial != serial {
		return false
	}
	u.loaded, u.epoch = true, epoch
	l.replace(name, u, list)
	return true
}

func (l *live) replace(name id.User, u *user, list []id.Conversation) {
	if len(u.sessions) > 0 {
		for _, conv := range u.channels {
			l.deafen(conv, name)
		}
		for _, conv := range list {
			l.listen(conv, name)
		}
	}
	u.channels = list
}

// change adds or takes out a subscription that was written.
func (l *live) change(name id.User, conv id.Conversation, subscribed bool, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.user(name, limit)
	l.serial++
	u.serial = l.serial
	if !u.loaded {
		return
	}
	i, have := slices.BinarySearch(u.channels, conv)
	if have == subscribed {
		return
	}
	if subscribed {
		u.channels = slices.Insert(slices.Clone(u.channels), i, conv)
	} else {
		u.channels = slices.Concat(u.channels[:i], u.channels[i+1:])
	}
	if len(u.sessions) == 0 {
		return
	}
	if subscribed {
		l.listen(conv, name)
	} else {
		l.deafen(conv, name)
	}
}

// sessions are those of an audience; the caller holds mu.
func (l *live) sessions(users map[id.User]struct{}) []fanout.Session {
	out := make([]fanout.Session, 0, len(users))
	for u := range maps.Keys(users) {
		if have := l.users[u]; have != nil {
			out = append(out, have.sessions...)
		}
	}
	return out
}
