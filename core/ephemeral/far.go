// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"parley.chat/core/fanout"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Pair is a user of this server who looks at one of another.
type Pair struct{ Viewer, User id.User }

// Far is what another server tells of a user.
type Far struct {
	IsUnknown bool // there is no such user
	Online    bool
	LastSeen  int64 // Unix milliseconds, 0 for none
}

// Elsewhere knows of users of other servers.
type Elsewhere interface {
	// IsHere tells whether a user is one of this server.
	IsHere(u id.User) bool
	// Presence answers what their servers show to the viewers, in the order of the pairs. Users of servers that do not answer are
	// offline. It takes a few seconds at most.
	Presence(ctx context.Context, pairs []Pair) []Far
	// Typing passes on to the servers of the members that a user of this one types. It never blocks.
	Typing(c id.Conversation, u id.User, on bool, members []id.User)
}

// How often others are asked, and about how many.
const (
	farEvery = 15 * time.Second // spec: FED-PRESENCE-3
	farPairs = 10_000           // at a time; the others come later
	farMarks = 4096             // users of other servers who type
)

// nowhere is the Elsewhere of a server alone.
type nowhere struct{}

func (nowhere) IsHere(id.User) bool                              { return true }
func (nowhere) Presence(context.Context, []Pair) []Far           { return nil }
func (nowhere) Typing(id.Conversation, id.User, bool, []id.User) {}

// far splits users into those of this server and those of others.
func (p *Presence) far(users []id.User) (here, far []id.User) {
	for _, u := range users {
		if p.opt.Elsewhere.IsHere(u) {
			here = append(here, u)
		} else {
			far = append(far, u)
		}
	}
	return here, far
}

// askFar asks for users of other servers as one viewer sees them. Faults: unknown_user.
func (p *Presence) askFar(ctx context.Context, viewer id.User, users []id.User) (map[id.User]state, error) {
	if len(users) == 0 {
		return nil, nil
	}
	pairs := make([]Pair, len(users))
	for i, u := range users {
		pairs[i] = Pair{viewer, u}
	}
	out := map[id.User]state{}
	for i, f := range p.opt.Elsewhere.Presence(ctx, pairs) {
		if f.IsUnknown {
			return nil, fault.New(fault.UnknownUser, "no such user: %s", users[i])
		}
		out[users[i]] = f.state()
	}
	return out, nil
}

func (f Far) state() state {
	if f.Online {
		return state{online: true}
	}
	return state{seen: coarse(f.LastSeen)}
}

// refresh asks other servers about those of their users who are watched, every farEvery: who is watched by nobody is asked
// about by nobody.
func (p *Presence) refresh(ctx context.Context) {
	tick := time.NewTicker(farEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pairs := p.farPairs()
		for i, f := range p.opt.Elsewhere.Presence(ctx, pairs) {
			p.setFar(pairs[i], f.state())
		}
		if n := len(pairs); n == farPairs {
			p.opt.Log.Warn("more users of other servers are watched than are asked about at a time", slog.Int("pairs", n))
		}
	}
}

// farPairs lists who looks at whom of another server, each pair once; in no order, so that each has its turn.
func (p *Presence) farPairs() []Pair {
	p.farMu.Lock()
	users := slices.Collect(maps.Keys(p.watchedFar))
	p.farMu.Unlock()
	now := p.now()
	var out []Pair
	for _, u := range users {
		for viewer := range p.viewersOf(u, now) {
			if len(out) == farPairs {
				return out
			}
			out = append(out, Pair{viewer, u})
		}
	}
	return out
}

// viewersOf lists who looks at a user of another server, and lets the user go if nobody does.
func (p *Presence) viewersOf(u id.User, now time.Duration) map[id.User]struct{} {
	s := p.shard(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[id.User]struct{}{}
	if e := s.users[u]; e != nil {
		for c, w := range e.watchers {
			if w.until > now {
				out[c.user] = struct{}{}
			}
		}
	}
	if len(out) == 0 {
		p.farMu.Lock()
		delete(p.watchedFar, u)
		p.farMu.Unlock()
	}
	return out
}

// setFar notes what a viewer is told of a user of another server.
func (p *Presence) setFar(pair Pair, st state) {
	s := p.shard(pair.User)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.users[pair.User]
	if e == nil {
		return
	}
	for c, w := range e.watchers {
		if c.user == pair.Viewer && w.far != nil && *w.far != st {
			w.far = &st
			p.changed(pair.User, e)
		}
	}
}

// Look answers what there is to see of users of this server with a sight of each; those without an active account are left out.
func (p *Presence) Look(ctx context.Context, users []id.User, sights []Sight) (map[id.User]frame.Presence, error) {
	known, err := p.lastSeen(ctx, users)
	if err != nil {
		return nil, err
	}
	out := make(map[id.User]frame.Presence, len(users))
	for i, u := range users {
		if seen, ok := known[u]; ok {
			out[u] = frameOf(u, p.current(u, seen, sights[i]))
		}
	}
	return out, nil
}

// current is the state of a user of this server, of whom the store knows when they were last seen.
func (p *Presence) current(u id.User, seen int64, sight Sight) state {
	s := p.shard(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := person{seen: seen}
	if e := s.users[u]; e != nil {
		now.online, now.seen = e.online, max(now.seen, e.seen)
	}
	return now.view(sight)
}

// Heard tells members that a user of another server types, or no more. As of a connection, what comes too often is dropped.
// spec: FED-MOMENT-2
func (p *Presence) Heard(ctx context.Context, conv id.Conversation, u id.User, on bool, members []id.User) error {
	if len(members)+1 > TypingMembers || !p.markFar(conv, u, on) {
		return nil
	}
	here, _ := p.far(members)
	to, err := p.opt.Rules.Hears(ctx, u, conv, here)
	if err != nil || len(to) == 0 {
		return err
	}
	f, err := encode(frame.TypingFrame, frame.Typing{ConversationID: string(conv), UserID: string(u), IsTyping: on})
	if err != nil {
		return err
	}
	if p.opt.Out.Tell(fanout.Passing{Frame: f, To: to}) {
		p.count.typing.Add(1)
	}
	return nil
}

type farMark struct {
	conv id.Conversation
	user id.User
}

// markFar notes what was said, and tells whether it is passed on.
func (p *Presence) markFar(conv id.Conversation, u id.User, on bool) bool {
	p.farMu.Lock()
	defer p.farMu.Unlock()
	key, now := farMark{conv, u}, p.now()
	before, ok := p.typingFar[key]
	if !on {
		delete(p.typingFar, key)
		return ok && now-before < TypingTTL
	}
	if ok && now-before < TypingEvery {
		return false
	}
	if !ok && len(p.typingFar) >= farMarks {
		maps.DeleteFunc(p.typingFar, func(_ farMark, at time.Duration) bool { return now-at >= TypingTTL })
		if len(p.typingFar) >= farMarks {
			return false
		}
	}
	p.typingFar[key] = now
	return true
}
