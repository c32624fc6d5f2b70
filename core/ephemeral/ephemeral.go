// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"parley.chat/core/fanout"
	"parley.chat/protocol/id"
)

// The times and bounds of the specification.
const (
	TTL              = 60 * time.Second  // a sign of presence is good for so long. spec: PRES-STATE-2
	Grace            = 5 * time.Second   // after a connection closed. spec: PRES-STATE-4
	Lease            = 120 * time.Second // of a subscription. spec: PRES-WATCH-3
	MaxSubscriptions = 100               // of one connection. spec: PRES-WATCH-4
	TypingTTL        = 3 * time.Second   // spec: TYPING-END-1
	TypingEvery      = time.Second       // between two frames of one connection about one conversation. spec: TYPING-RATE-1
	TypingMembers    = 100               // of a conversation, past which nobody is told. spec: TYPING-SIZE-1
)

const (
	maxSigns    = 32          // of one user; the one that ends first makes room
	tellEvery   = time.Second // between two changes of one user as watchers see them
	toldAtOnce  = 256         // watchers in one note
	maxDoubts   = 1024        // users whose rights wait to be asked anew
	defaultRoom = 1 << 16     // last-seen times that wait to be written
)

// Out takes frames to sessions: core/fanout. It never blocks; false means that there was no room.
type Out interface {
	Tell(fanout.Passing) bool
}

// Store keeps when users were last seen, in Unix milliseconds.
type Store interface {
	// LastSeen answers the users with an active account here; 0 for those never seen. Others are left out.
	LastSeen(ctx context.Context, users []id.User) (map[id.User]int64, error)
	// TouchUsers raises the times; users without an active account are passed over.
	TouchUsers(ctx context.Context, seen map[id.User]int64) error
}

// Sight is what one user may see of another.
type Sight struct{ Online, LastSeen bool }

// Rules tell who may see whom. They know settings, blocks and who shares a conversation.
type Rules interface {
	// Sights answers for each of the users what viewer may see, in their order.
	Sights(ctx context.Context, viewer id.User, of []id.User) ([]Sight, error)
	// Hears answers those of the members who may hear that sender types in the conversation, none if nobody may.
	Hears(ctx context.Context, sender id.User, c id.Conversation, members []id.User) ([]id.User, error)
}

// Everyone is the Rules of a server where everybody sees everybody.
type Everyone struct{}

// Sights implements Rules.
func (Everyone) Sights(_ context.Context, _ id.User, of []id.User) ([]Sight, error) {
	out := make([]Sight, len(of))
	for i := range out {
		out[i] = Sight{Online: true, LastSeen: true}
	}
	return out, nil
}

// Hears implements Rules.
func (Everyone) Hears(_ context.Context, _ id.User, _ id.Conversation, members []id.User) ([]id.User, error) {
	return members, nil
}

// Options are what a Presence is made of. Out and Store are required.
type Options struct {
	Out        Out
	Store      Store
	Rules      Rules         // nil: Everyone
	Elsewhere  Elsewhere     // nil: there are no other servers
	Log        *slog.Logger  // nil to discard
	FlushEvery time.Duration // of last-seen times, 5 s if 0
}

// Presence knows who is online and who watches. Make it with New, and Run it.
type Presence struct {
	opt    Options
	born   time.Time
	seed   maphash.Seed
	shards [shards]shard
	wheel  wheel
	seen   *seen
	count  counters

	dirtyMu sync.Mutex
	dirty   []id.User // whose watchers have to be told, each once
	wake    chan struct{}
	doubt   chan id.User // whose rights may have changed

	farMu      sync.Mutex
	watchedFar map[id.User]struct{}      // users of other servers, and some who were
	typingFar  map[farMark]time.Duration // when a user of another server said last that he types

	viewersMu sync.Mutex
	viewers   map[id.User]map[*Connection]struct{} // connections with subscriptions, by their user
}

// New makes a Presence.
func New(o Options) *Presence {
	if o.Rules == nil {
		o.Rules = Everyone{}
	}
	if o.Elsewhere == nil {
		o.Elsewhere = nowhere{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 5 * time.Second
	}
	p := &Presence{
		opt: o, born: time.Now(), seed: maphash.MakeSeed(), seen: newSeen(defaultRoom), wake: make(chan struct{}, 1), doubt: make(chan id.User, maxDoubts),
		wheel: wheel{at: map[int64][]id.User{}}, viewers: map[id.User]map[*Connection]struct{}{},
		watchedFar: map[id.User]struct{}{}, typingFar: map[farMark]time.Duration{},
	}
	for i := range p.shards {
		p.shards[i].users = map[id.User]*person{}
	}
	return p
}

// now is the time since New; it never jumps.
func (p *Presence) now() time.Duration { return time.Since(p.born) }

// Run tells watchers what changed, lets go what timed out and writes last-seen times, until ctx is done.
func (p *Presence) Run(ctx context.Context) error {
	tick, flush := time.NewTicker(time.Second), time.NewTicker(p.opt.FlushEvery)
	defer tick.Stop()
	defer flush.Stop()
	var writing sync.WaitGroup // The database may be slow; watchers do not wait for it.
	defer writing.Wait()
	writing.Go(func() { p.reconsider(ctx) })
	writing.Go(func() { p.refresh(ctx) })
	for {
		select {
		case <-p.wake:
			p.tellAll()
		case <-tick.C:
			p.expire()
			p.tellAll()
		case <-flush.C:
			writing.Go(func() { p.flush(ctx) })
		case <-ctx.Done():
			writing.Wait()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			p.farewell(last)
			return nil
		}
	}
}

// farewell writes when those who are online now were last seen, as nobody will see them go.
func (p *Presence) farewell(ctx context.Context) {
	for i := range p.shards {
		for u, at := range p.shards[i].online() {
			if p.seen.full() {
				p.flush(ctx)
			}
			p.seen.note(u, coarse(at))
		}
	}
	p.flush(ctx)
}
