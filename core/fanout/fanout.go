// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

const (
	defaultTick  = time.Second
	defaultQueue = 8192
	chunk        = 32 // most events, or receipts, that take one place in the queue
)

// ErrStopped says that Run has returned: nothing is dispatched anymore.
var ErrStopped = errors.New("fanout: stopped")

// Options are what a Fanout is made of.
type Options struct {
	Self      Node
	Bus       Bus           // nil if there is one node
	Placement Placement     // nil if all sessions are on Self
	Peers     func() []Node // the other nodes, told of a start and of Lost; nil for those that were sent to
	Log       *slog.Logger  // nil to discard
	TickEvery time.Duration // 1 s if 0
	Queue     int           // events that may wait for the dispatcher, 8192 if 0
}

// Fanout hands what was committed to live sessions, here and on other nodes. Make it with New; it is safe for concurrent
// use.
type Fanout struct {
	opt      Options
	run      string
	sessions *registry
	count    counters

	queue   chan work
	doubt   chan struct{} // holds one token when links must show a gap
	stopped chan struct{}

	out out // belongs to the goroutine of Run

	mu sync.Mutex // guards the map only
	in map[Node]*inbound
}

// work is what the dispatcher takes at a time.
type work struct {
	events   []Committed
	receipts []Receipt
	passing  []Passing
}

// New makes a Fanout and sets itself as the receiver of the bus. Call Run once.
func New(o Options) *Fanout {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.TickEvery <= 0 {
		o.TickEvery = defaultTick
	}
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	f := &Fanout{
		opt:      o,
		run:      rand.Text(),
		sessions: newRegistry(),
		queue:    make(chan work, max(1, o.Queue/chunk)),
		doubt:    make(chan struct{}, 1),
		stopped:  make(chan struct{}),
		out:      out{links: map[Node]*link{}},
		in:       map[Node]*inbound{},
	}
	if o.Bus != nil {
		o.Bus.Receive(f.receive)
	}
	return f
}

// Committed queues events for the dispatcher and keeps the slice. It blocks while the queue is full, until ctx is done;
// then, and when Run has ended, it returns an error, and the sessions catch up from the log instead. Calls for one
// shard must come in order of pos, one after the other.
func (f *Fanout) Committed(ctx context.Context, events []Committed) error {
	for len(events) > 0 {
		n := min(chunk, len(events))
		if err := f.enqueue(ctx, work{events: events[:n]}); err != nil {
			return err
		}
		events = events[n:]
	}
	return nil
}

// Receipts queues moved pointers for the dispatcher, as Committed does for events.
func (f *Fanout) Receipts(ctx context.Context, receipts []Receipt) error {
	receipts = gather(receipts)
	for len(receipts) > 0 {
		n := min(chunk, len(receipts))
		if err := f.enqueue(ctx, work{receipts: receipts[:n]}); err != nil {
			return err
		}
		receipts = receipts[n:]
	}
	return nil
}

// Erased queues frames about messages that expired, for the sessions that are live.
func (f *Fanout) Erased(ctx context.Context, erased []conversation.Erased) error {
	passing := make([]Passing, 0, len(erased))
	for _, e := range erased {
		p, err := encodeErased(e)
		if err != nil {
			return err
		}
		passing = append(passing, p)
	}
	select {
	case f.queue <- work{passing: passing}:
		return nil
	case <-f.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tell queues a frame that is of the moment only: it has no place in the log, reaches the sessions that are live, and is
// lost where there is no room. It never blocks; false means that there was no room in the queue.
func (f *Fanout) Tell(p Passing) bool {
	select {
	case f.queue <- work{passing: []Passing{p}}:
		return true
	default:
		return false
	}
}

// Changed queues a frame that tells a change of account data, as Committed does for events.
func (f *Fanout) Changed(ctx context.Context, p Passing) error {
	return f.enqueue(ctx, work{passing: []Passing{p}})
}

func (f *Fanout) enqueue(ctx context.Context, w work) error {
	select {
	case f.queue <- w: // First, so that a done ctx loses nothing there is room for.
		return nil
	default:
	}
	var err error
	select {
	case f.queue <- w:
		return nil
	case <-f.stopped:
		err = ErrStopped
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.Lost()
	return err
}

// Lost says that something may have been committed that Committed does not know of: a commit of unknown outcome, a
// shard taken over from another node. Every session, here and on the other nodes, is told to catch up from the log.
func (f *Fanout) Lost() {
	f.loseLocal()
	select {
	case f.doubt <- struct{}{}:
	default:
	}
}

// Register makes s a receiver. What is committed after Register returned reaches s.
func (f *Fanout) Register(s Session) { f.sessions.add(s) }

// Unregister takes s out. A call of s that had begun may still arrive shortly after. Doing it twice is harmless.
func (f *Fanout) Unregister(s Session) { f.sessions.remove(s) }

// Revoke ends the user's sessions on this node that belong to the device, all of them if device is empty.
func (f *Fanout) Revoke(user id.User, device id.Device, code fault.Code) {
	for _, s := range f.sessions.of(user) {
		if device == "" || s.Device() == device {
			s.Revoke(code)
		}
	}
}

// Devices lists the devices of the user's sessions on this node, each once.
func (f *Fanout) Devices(user id.User) []id.Device {
	var out []id.Device
	for _, s := range f.sessions.of(user) {
		if d := s.Device(); !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// Online tells whether the user has a session on this node.
func (f *Fanout) Online(user id.User) bool { return len(f.sessions.of(user)) > 0 }

// Sessions is the number of sessions on this node.
func (f *Fanout) Sessions() int { return int(f.sessions.count.Load()) }

func (f *Fanout) loseLocal() {
	f.count.lost.Add(1)
	f.sessions.each(Session.Lost)
}
