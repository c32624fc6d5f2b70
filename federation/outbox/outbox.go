// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"parley.chat/core/conversation"
	"parley.chat/core/follower"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Timeline tells where conversations are, as committed.
type Timeline interface {
	View(ctx context.Context, c id.Conversation) (timeline.View, error)
	Heads(n id.Shard, convs []id.Conversation, f func(int, timeline.View)) (epoch int64)
	Epoch(n id.Shard) (int64, error)
}

// Log reads entries as they are handed on.
type Log interface {
	Records(ctx context.Context, n id.Shard, conv, from, to int64, limit, bytes int) ([]timeline.Foreign, error)
}

// Cursors keeps how far followers are.
type Cursors interface {
	Shards() int
	Followers(ctx context.Context, n id.Shard, p follower.Page) ([]follower.Row, error)
	Cursors(ctx context.Context, n id.Shard, server id.Server, convs []int64) ([]follower.Row, error)
	MoveCursors(ctx context.Context, rows []follower.Row) error
	DropFollower(ctx context.Context, r follower.Row) error
	Unpark(ctx context.Context, n id.Shard, before int64, server id.Server, conv int64) ([]id.Server, error)
	CountParked(ctx context.Context) (int, error)
}

// Destinations keeps which servers fail.
type Destinations interface {
	SetDestination(ctx context.Context, d follower.Destination) error
	ForgetDestination(ctx context.Context, server id.Server) error
	Destinations(ctx context.Context) ([]follower.Destination, error)
	Retries(ctx context.Context, since int64) (servers []id.Server, newest int64, err error)
}

// Store is the durable side.
type Store interface {
	Log
	Cursors
	Destinations
	// Handover reads the checkpoint with which a term ended that another server ordered, nil if it is not kept.
	Handover(ctx context.Context, c id.Conversation, term int64) ([]byte, error)
}

// Client asks other servers; an answer other than 2xx is a *peer.Refusal.
type Client interface {
	Call(ctx context.Context, to id.Server, path string, in, out any) error
}

// Signer signs heads with this server's key.
type Signer interface {
	Sign(event.Checkpoint) (event.Signature, error)
}

// Options make an Outbox; all but Metrics and Now are needed.
type Options struct {
	Self     id.Server
	Timeline Timeline
	Store    Store
	Client   Client
	Signer   Signer
	Log      *slog.Logger
	Metrics  prometheus.Registerer // nil: none
	Now      func() time.Time      // nil: the clock of the machine
	Fail     func(point string)    // called at FailBeforeCursor, for crash tests; nil is nothing
}

// FailBeforeCursor is when a follower has taken a transaction and its positions are as they were.
const FailBeforeCursor = "after-push-before-cursor"

// Outbox is the sending side of this server as a hub. Make it with New.
type Outbox struct {
	Options
	metrics metrics
	cursors cursors
	wake    chan struct{} // holds one token when the dispatcher should look

	building chan struct{} // one for each turn that reads the database

	mu      sync.Mutex
	dests   map[id.Server]*destination // those with something to send, and the failing ones
	ready   [2][]*destination          // that wait for a turn; the second list is of the slow ones
	under   [2]int                     // turns under way, of all and of the slow ones
	failing int
	later   later
	seen    []int64 // by shard: the epoch for which it was looked through
}

// New makes an Outbox, which sends nothing until Run.
func New(o Options) *Outbox {
	if o.Now == nil {
		o.Now = time.Now
	}
	out := &Outbox{Options: o, wake: make(chan struct{}, 1), building: make(chan struct{}, maxBuilding), dests: map[id.Server]*destination{}, seen: make([]int64, o.Store.Shards())}
	out.cursors.rows = map[key]cursor{}
	out.cursors.dirty = map[key]bool{}
	out.metrics = newMetrics(o.Metrics)
	return out
}

// Run sends until ctx is done; then it writes the positions it knows. It may be called once.
func (o *Outbox) Run(ctx context.Context) error {
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error { return o.dispatch(ctx) })
	eg.Go(func() error { return o.keepCursors(ctx) })
	eg.Go(func() error { return o.watch(ctx) })
	return eg.Wait()
}

// Moved notes that e was committed and what follows from it for the servers that follow the conversation; s is the state
// after it. It does not block.
func (o *Outbox) Moved(e *conversation.Event, s *conversation.State) {
	parts := parts(e.Type)
	servers := s.Servers()
	if !parts && (len(servers) == 0 || len(servers) == 1 && servers[0] == o.Self) || s.ReignAt(e.Seq).Hub != o.Self && s.Hub() != o.Self {
		return
	}
	ref := follower.Ref{Shard: e.Shard, Conv: e.Conv, ID: e.ConversationID}
	if parts { // Who lost its last member by it gets it too.
		for u, m := range s.Members {
			if m.LeftSeq == e.Seq {
				o.moved(u.Server(), ref)
			}
		}
	}
	for _, server := range servers {
		o.moved(server, ref)
	}
}

func parts(typ string) bool {
	return typ == frame.TypeMemberLeave || typ == frame.TypeMemberRemove || typ == frame.TypeMemberBan
}

func (o *Outbox) moved(server id.Server, ref follower.Ref) {
	if server == o.Self {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.destination(server)
	d.add(ref)
	o.place(d)
}

// Lost says that something may have been committed that Moved was not told of: all shards are looked through again.
func (o *Outbox) Lost() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.seen)
}

// Heard says that a request of the server came in and was verified: it is there again, so a pause of our own making ends. It
// does not block.
func (o *Outbox) Heard(server id.Server) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.dests[server]
	if d == nil || d.failures == 0 || d.held {
		return
	}
	if soon := d.tried.Add(firstPause); soon.Before(d.next) { // A server that asks all the time is not tried all the time.
		d.next, d.failures = soon, 1
		o.place(d)
	}
}

// Retry ends every pause for the server and looks for everything it is to have.
func (o *Outbox) Retry(server id.Server) {
	o.cursors.forget(func(k key) bool { return k.server == server })
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.destination(server)
	d.next, d.held = time.Time{}, false
	d.look()
	o.place(d)
}
