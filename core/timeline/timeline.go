// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"parley.chat/core/conversation"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Out takes what was committed, in order of pos within a shard. It may block for a moment, never for a slow client.
type Out interface {
	Committed(ctx context.Context, events []conversation.Committed) error
	Receipts(ctx context.Context, receipts []conversation.Receipt) error
	// Lost says that something may have been committed that Committed was not told of.
	Lost()
	// Erased tells of messages that expired.
	Erased(ctx context.Context, erased []conversation.Erased) error
}

// Options configure a Timeline. Zero durations and sizes mean the defaults named.
type Options struct {
	Store  Store
	Out    Out
	Node   string    // id of this node in leases, stable across restarts
	Self   id.Server // this server: what has another hub is appended by Follow only. Empty: every conversation is this server's
	Limits conversation.Limits
	Meter  Meter // nil: nobody is limited
	Log    *slog.Logger

	Clock            func() time.Time   // time.Now
	Fail             func(point string) // called at named points, for crash tests; nil is nothing
	LeaseTTL         time.Duration      // 15 s
	FlushEvery       time.Duration      // heads, 2 s
	ReceiptEvery     time.Duration      // receipts, 200 ms
	SweepEvery       time.Duration      // expired messages, 1 s
	MaxConversations int                // in memory for each shard, 4096
	ColdWindow       int                // tempIds in memory for each conversation, 4096 (dedup.go)
}

// The named points at which Options.Fail is called.
const (
	FailBeforeCommit = "before-commit"
	FailBeforeAck    = "after-commit-before-ack"
	FailBeforePush   = "after-ack-before-push"
)

// Timeline owns shards and appends to them.
type Timeline struct {
	Options
	shards []*shard
	groups []*group
}

// New prepares a Timeline; it owns nothing until Run.
func New(o Options) *Timeline {
	o.setDefaults()
	t := &Timeline{Options: o, shards: make([]*shard, o.Store.Shards())}
	for i, numbers := range o.Store.Groups() {
		g := newGroup(t, i)
		for _, n := range numbers {
			sh := newShard(n, g)
			t.shards[n] = sh
			g.shards = append(g.shards, sh)
		}
		t.groups = append(t.groups, g)
	}
	return t
}

func (o *Options) setDefaults() {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Fail == nil {
		o.Fail = func(string) {}
	}
	setDefault(&o.LeaseTTL, 15*time.Second)
	setDefault(&o.FlushEvery, 2*time.Second)
	setDefault(&o.ReceiptEvery, 200*time.Millisecond)
	setDefault(&o.SweepEvery, time.Second)
	setDefault(&o.MaxConversations, 4096)
	setDefault(&o.ColdWindow, 4096)
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Run holds the leases and commits until ctx is done; then it flushes what is dirty and lets the leases go. Commands that
// come later are answered Draining or Unavailable. A Timeline runs once.
func (t *Timeline) Run(ctx context.Context) error {
	eg, gctx := errgroup.WithContext(ctx)
	for _, g := range t.groups {
		eg.Go(func() error { return g.run(gctx) })
	}
	err := eg.Wait()
	for _, g := range t.groups {
		g.forget()
	}
	rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := t.Store.Release(rctx, t.Node); err != nil {
		t.Log.Warn("cannot release the leases; they expire by themselves", slog.Any("error", err))
	}
	return err
}

// releaseTimeout bounds the last words to the store.
const releaseTimeout = 3 * time.Second

// Ready tells whether every shard is owned here, under a lease that its database confirmed lately.
func (t *Timeline) Ready() bool {
	for _, sh := range t.shards {
		if !sh.isOwned() {
			return false
		}
	}
	return true
}

// Command asks for one event.
type Command struct {
	ConversationID id.Conversation
	conversation.Proposal
	Device     id.Device
	TempID     string
	AuthorTime int64      // Unix milliseconds
	Content    []byte     // canonical; not to be changed afterwards
	Origin     string     // session that sent it, "" if none
	Unmetered  bool       // the server's own work, on which no user's limit falls
	About      id.Message // the message that the event is about; it becomes Proposal.Target
	Signed     *Signed    // of a submission of another server

	Prefs map[id.User]*Prefs // of members who join by it
	Still func() bool        // asked when it is decided; false is answered ErrOutdated. It does not block. May be nil.
}

// Result is the place the event got, now or, for a Duplicate, the first time.
type Result struct {
	Seq       int64
	MessageID id.Message
	Duplicate bool
	Accepted  bool // durable here and without a place yet: the hub is another server, and does not answer
}

// Append decides the command and commits its event. Refusals are faults; Unavailable means that the outcome is unknown or
// nothing happened, and the same command may be sent again: its tempId makes it one event. So may one that was answered
// Draining, to another node. A command without a tempId is a new event each time. Where another server is the hub the answer is an
// *ElsewhereError, unless the tempId is that of an event in the replica.
func (t *Timeline) Append(ctx context.Context, cmd Command) (Result, error) {
	for range 3 {
		done := make(chan outcome, 1)
		if err := t.begin(ctx, cmd, func(r Result, err error) { done <- outcome{r, err} }); err != nil {
			return Result{}, err
		}
		select {
		case out := <-done:
			if out.err != errDropped {
				return out.Result, out.err
			}
		case <-ctx.Done():
			return Result{}, away(ctx.Err())
		}
	}
	return Result{}, away(errDropped)
}

// Submit queues the command; then gets its outcome, as Append returns it, on the committer's goroutine: it must not block.
// It is not called if Submit fails. Commands of one conversation that are submitted one after the other are decided in that
// order, which is why a command dropped in doubt is not tried again here: it could overtake a later one.
func (t *Timeline) Submit(ctx context.Context, cmd Command, then func(Result, error)) error {
	return t.begin(ctx, cmd, func(r Result, err error) {
		if err == errDropped {
			err = away(err)
		}
		then(r, err)
	})
}

// checkTempID refuses what the store could not write, because such a command would fail the batches of everybody.
func checkTempID(s string) error {
	if len(s) > maxTempID || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return fault.Invalid("tempId", "must be UTF-8 without NUL of at most %d bytes", maxTempID)
	}
	return nil
}

// maxTempID bounds tempIds whoever made them; doors may be stricter.
const maxTempID = 256

func (t *Timeline) begin(ctx context.Context, cmd Command, then func(Result, error)) error {
	if err := checkTempID(cmd.TempID); err != nil {
		return err
	}
	sh := t.shardOf(cmd.ConversationID)
	c, err := t.hold(ctx, sh, cmd.ConversationID)
	if err != nil {
		return err
	}
	p := t.newPending(cmd, c, then)
	err = t.findHot(ctx, p)
	if err == nil {
		err = t.findSent(ctx, p)
	}
	if err == nil {
		err = t.findTarget(ctx, p)
	}
	if err == nil {
		err = sh.group.enqueue(p) // It holds the conversation until it is finished.
	}
	if err != nil {
		sh.release(c)
	}
	return err
}

func (t *Timeline) shardOf(c id.Conversation) *shard { return t.shards[c.Shard(len(t.shards))] }

// away is the answer to any doubt.
func away(err error) error {
	return fault.Retry(fault.Unavailable, time.Second, "the server cannot do this now, send again").Because(err)
}
