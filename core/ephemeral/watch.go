// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Connection is what one live session has here. Make it with Connect at the first frame that needs it.
type Connection struct {
	p    *Presence
	id   string
	user id.User

	mu       sync.Mutex
	away     bool // said offline; only a heartbeat or online ends that
	closed   bool
	watching map[id.User]time.Duration // until when
	typing   map[id.Conversation]typed
}

// watcher is a subscription of a connection to a user; the user's shard guards it.
type watcher struct {
	until time.Duration
	sight Sight
	fresh bool // has to be told, whatever it knows
	// resighted: what it may see changed, which is told without delay.
	resighted bool
	far       *state // of a user of another server: what the viewer is told
	told      state
}

// state is what a watcher may know of a user.
type state struct {
	online bool
	seen   int64
}

// Connect makes the part of a session; sessionID is that of the session in core/fanout.
func (p *Presence) Connect(sessionID string, u id.User) *Connection {
	return &Connection{p: p, id: sessionID, user: u}
}

// Sign notes that a frame came: the user is online, unless this connection said that it is away.
func (c *Connection) Sign() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.away && !c.closed {
		c.p.beat(c.user, c.id)
	}
}

// Set notes that the connection says online, or offline. spec: PRES-STATE-3
func (c *Connection) Set(online bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.away = !online
	if online {
		c.p.beat(c.user, c.id)
	} else {
		c.p.leave(c.user, c.id, 0)
	}
}

// Close ends the subscriptions, and after Grace the sign of presence.
func (c *Connection) Close() {
	c.mu.Lock()
	watching := slices.Collect(maps.Keys(c.watching))
	c.closed, c.watching, c.typing = true, nil, nil
	c.p.leave(c.user, c.id, Grace)
	c.drop(watching)
	c.mu.Unlock()
}

// Unwatch ends subscriptions; users who are not watched are passed over.
func (c *Connection) Unwatch(users []id.User) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range users {
		delete(c.watching, u)
	}
	c.drop(users)
}

// drop takes the connection from the users and, if it watches nobody any more, from the index; the caller holds mu.
func (c *Connection) drop(users []id.User) {
	for _, u := range users {
		s := c.p.shard(u)
		s.mu.Lock()
		if e := s.users[u]; e != nil {
			delete(e.watchers, c)
		}
		s.mu.Unlock()
	}
	if len(c.watching) == 0 {
		c.p.index(c, false)
	}
}

// index notes whether a connection has subscriptions.
func (p *Presence) index(c *Connection, has bool) {
	p.viewersMu.Lock()
	defer p.viewersMu.Unlock()
	of := p.viewers[c.user]
	if has {
		if of == nil {
			of = map[*Connection]struct{}{}
			p.viewers[c.user] = of
		}
		of[c] = struct{}{}
		return
	}
	if delete(of, c); len(of) == 0 {
		delete(p.viewers, c.user)
	}
}

// Watch ends the subscriptions to those in ended, then subscribes to the users, or renews that; the connection is told the state
// of each. All or nothing: then, unless it is nil, is called before once nothing can be refused any more. Faults: unknown_user,
// too_many_subscriptions. spec: PRES-WATCH-1 PRES-WATCH-4 PRES-WATCH-7
func (c *Connection) Watch(ctx context.Context, users, ended []id.User, then func()) error {
	users = slices.Compact(slices.Sorted(slices.Values(users)))
	if err := c.room(users, ended); err != nil {
		return err
	}
	known, sights, err := c.p.facts(ctx, c.user, users)
	if err != nil {
		return err
	}
	if then != nil {
		then()
	}
	c.Unwatch(ended)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	if c.watching == nil {
		c.watching = map[id.User]time.Duration{}
	}
	now := c.p.now()
	for i, u := range users {
		c.watching[u] = now + Lease
		c.p.watch(c, u, &watcher{until: now + Lease, sight: sights[i], fresh: true, far: known.far[u]}, known.seen[u])
	}
	c.p.index(c, true)
	return nil
}

// room lets go the leases that ended and refuses users beyond the limit.
func (c *Connection) room(users, ended []id.User) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, n := c.p.now(), len(users)
	maps.DeleteFunc(c.watching, func(_ id.User, until time.Duration) bool { return until <= now })
	for u := range c.watching {
		if _, again := slices.BinarySearch(users, u); !again && !slices.Contains(ended, u) {
			n++
		}
	}
	if n > MaxSubscriptions {
		return fault.New(fault.TooManySubscriptions, "a connection watches at most %d users at a time", MaxSubscriptions)
	}
	return nil
}

// watch puts the watcher on the user and has it told.
func (p *Presence) watch(c *Connection, u id.User, w *watcher, seen int64) {
	s := p.shard(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.person(u)
	e.seen = max(e.seen, seen)
	if e.watchers == nil {
		e.watchers = map[*Connection]*watcher{}
	}
	e.watchers[c] = w
	p.schedule(u, e, p.now()+TTL)
	p.changed(u, e)
	if w.far != nil {
		p.farMu.Lock()
		p.watchedFar[u] = struct{}{}
		p.farMu.Unlock()
	}
}

// facts are what is known of users: when those of this server were last seen, and what is told of those of others.
type facts struct {
	seen map[id.User]int64
	far  map[id.User]*state
}

// facts reads what is known of users, and what the viewer may see of them. Faults: unknown_user.
func (p *Presence) facts(ctx context.Context, viewer id.User, users []id.User) (out facts, sights []Sight, err error) {
	here, far := p.far(users)
	if len(here) > 0 {
		if out.seen, err = p.lastSeen(ctx, here); err != nil {
			return out, nil, err
		}
	}
	for _, u := range here {
		if _, ok := out.seen[u]; !ok {
			return out, nil, fault.New(fault.UnknownUser, "no such user: %s", u)
		}
	}
	told, err := p.askFar(ctx, viewer, far)
	if err != nil {
		return out, nil, err
	}
	out.far = make(map[id.User]*state, len(far))
	for _, u := range far {
		st := told[u]
		out.far[u] = &st
	}
	sights, err = p.sights(ctx, viewer, users)
	return out, sights, err
}

// sights asks the rules; a user sees all of their own.
func (p *Presence) sights(ctx context.Context, viewer id.User, users []id.User) ([]Sight, error) {
	out, err := p.opt.Rules.Sights(ctx, viewer, users)
	if err != nil {
		return nil, err
	}
	for i, u := range users {
		if u == viewer {
			out[i] = Sight{Online: true, LastSeen: true}
		}
	}
	return out, nil
}

// Reconsider has the rules asked anew, soon, about everybody who watches the user and everybody the user watches: a setting or a
// block of theirs changed. It never blocks. spec: PRES-PRIVACY-5
func (p *Presence) Reconsider(u id.User) {
	select {
	case p.doubt <- u:
	default: // Better too little is seen, until the subscriptions are renewed.
		p.hide(u)
	}
}

// reconsider serves the queue of Reconsider.
func (p *Presence) reconsider(ctx context.Context) {
	for {
		select {
		case u := <-p.doubt:
			if err := p.Recheck(ctx, u); err != nil {
				p.hide(u)
				p.opt.Log.Warn("who sees a user is not known; nobody does for now", slog.Any("error", err))
			}
		case <-ctx.Done():
			return
		}
	}
}

// hide takes the sight from everybody who watches the user, and from the user of everybody.
func (p *Presence) hide(u id.User) {
	for _, c := range p.watchersOf(u) {
		p.resight(c, []id.User{u}, make([]Sight, 1))
	}
	for _, c := range p.connectionsOf(u) {
		users := c.watched()
		p.resight(c, users, make([]Sight, len(users)))
	}
}

// Recheck is Reconsider at once.
func (p *Presence) Recheck(ctx context.Context, u id.User) error {
	for _, c := range p.watchersOf(u) {
		if err := p.recheck(ctx, c, []id.User{u}); err != nil {
			return err
		}
	}
	for _, c := range p.connectionsOf(u) {
		if err := p.recheck(ctx, c, c.watched()); err != nil {
			return err
		}
	}
	return nil
}

// connectionsOf lists the user's connections that watch somebody.
func (p *Presence) connectionsOf(u id.User) []*Connection {
	p.viewersMu.Lock()
	defer p.viewersMu.Unlock()
	return slices.Collect(maps.Keys(p.viewers[u]))
}

func (c *Connection) watched() []id.User {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.watching))
}

func (p *Presence) watchersOf(u id.User) []*Connection {
	s := p.shard(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.users[u]; e != nil {
		return slices.Collect(maps.Keys(e.watchers))
	}
	return nil
}

func (p *Presence) recheck(ctx context.Context, c *Connection, users []id.User) error {
	sights, err := p.sights(ctx, c.user, users)
	if err != nil {
		return err
	}
	p.resight(c, users, sights)
	return nil
}

// resight gives a connection new sights of users it watches.
func (p *Presence) resight(c *Connection, users []id.User, sights []Sight) {
	for i, u := range users {
		s := p.shard(u)
		s.mu.Lock()
		if e := s.users[u]; e != nil && e.watchers[c] != nil {
			e.watchers[c].sight, e.watchers[c].resighted = sights[i], true
			p.changed(u, e)
		}
		s.mu.Unlock()
	}
}
