// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley.chat/core/conversation"
	"parley.chat/core/limit"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	wire "parley.chat/protocol/replica"
)

// Log is where entries go: core/timeline.
type Log interface {
	View(ctx context.Context, c id.Conversation) (timeline.View, error)
	Follow(ctx context.Context, c id.Conversation, entries []timeline.Foreign, prefs timeline.PrefsOf) (conversation.Head, error)
	Begin(ctx context.Context, s timeline.Snapshot, prefs timeline.PrefsOf) error
}

// Keys finds the keys of servers, our own among them, by which something that is kept was signed, also old ones. An error means that
// the key cannot be had now.
type Keys interface {
	FindStored(ctx context.Context, server id.Server, keyID string) (key.Key, error)
}

// Store keeps what is known of a replica beside its log: the newest signed checkpoint, and the proof against its hub.
type Store interface {
	// Replica reads both; nil and false if nothing is kept.
	Replica(ctx context.Context, c id.Conversation) (checkpoint []byte, diverged bool, err error)
	// SaveCheckpoints keeps checkpoints in place of older ones.
	SaveCheckpoints(ctx context.Context, checkpoints map[id.Conversation][]byte) error
	// SaveProof keeps a proof, unless there is one already, and marks the conversation diverged.
	SaveProof(ctx context.Context, c id.Conversation, proof []byte) error
	// SaveHandover keeps the checkpoint with which a hub ended its term.
	SaveHandover(ctx context.Context, c id.Conversation, term int64, checkpoint []byte) error
	// Proofs reads the proofs kept, at most so many.
	Proofs(ctx context.Context, limit int) ([][]byte, error)
	// Hashes reads the hashes of entries held, in order from a seq on, at most so many.
	Hashes(ctx context.Context, n id.Shard, conv, from int64, limit int) ([]event.Hash, error)
	// Records reads entries held.
	Records(ctx context.Context, n id.Shard, conv, from, to int64, limit, bytes int) ([]timeline.Foreign, error)
}

// Joining is an own user whom an entry makes a member.
type Joining struct {
	ConversationID id.Conversation
	State          *conversation.State // before the entry; of a snapshot, after it
	User, By       id.User
}

// Options make Replicas. Metrics, Now, Fail and Log may be nil, and so may Consent, then everybody agrees to everything; the sizes may be 0
// for their defaults.
type Options struct {
	Self     id.Server
	Timeline Log
	Store    Store
	Keys     Keys
	// Ask asks a hub for entries, AskSnapshot for the newest snapshot.
	Ask         func(ctx context.Context, hub id.Server, in wire.Entries) (wire.Range, error)
	AskSnapshot func(ctx context.Context, hub id.Server, c id.Conversation) (wire.Snapshot, error)
	// Consent is asked for an own user who was added: with what prefs the conversation begins for him, nil for none. The fault
	// unknown_user means that there is no active account, unavailable that it cannot be told now, any other that he does not
	// want it: then Refuse is called once he is a member, which is to take him out again.
	Consent func(context.Context, Joining) (*timeline.Prefs, error)
	Refuse  func(c id.Conversation, u id.User)
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Now     func() time.Time
	Fail    func(point string) // called at FailBeforeAnswer, for crash tests

	Checks      int // signatures checked at once; as many as there are cores
	Pulls       int // ranges asked for at once, 16
	PullsOfHub  int // of one hub, 4
	Waiting     int // conversations to be pulled, 16384
	BeginPerMin int // new replicas that one server may begin in a minute, 120
	Known       int // replicas whose checkpoint is in memory, 8192
}

// FailBeforeAnswer is when entries are committed and who sent them was not answered.
const FailBeforeAnswer = "after-follow-before-answer"

// Replicas takes entries of conversations that other servers order. Make it with New, and Run it.
type Replicas struct {
	o      Options
	slots  *slots
	checks chan struct{}
	known  *known
	pulls  *pulls
	begins *limit.Counter

	taken    *prometheus.CounterVec
	diverged prometheus.Counter
}

// New makes Replicas; nothing is pulled and no checkpoint saved until Run.
func New(o Options) *Replicas {
	o.setDefaults()
	r := &Replicas{o: o, slots: newSlots(), checks: make(chan struct{}, o.Checks), known: newKnown(o.Known), pulls: newPulls(o)}
	r.begins = limit.NewCounter(limit.Rate{Count: o.BeginPerMin, Per: time.Minute}, 0)
	r.taken = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parley_replica_items_total", Help: "Ranges, snapshots and heads of other servers, by code; code is empty for those taken.",
	}, []string{"code"})
	r.diverged = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "parley_replica_diverged_total", Help: "Conversations whose hub was found to show two histories.",
	})
	if o.Metrics != nil {
		o.Metrics.MustRegister(r.taken, r.diverged)
	}
	return r
}

func (o *Options) setDefaults() {
	setDefault(&o.Checks, runtime.GOMAXPROCS(0))
	setDefault(&o.Pulls, 16)
	setDefault(&o.PullsOfHub, 4)
	setDefault(&o.Waiting, 16384)
	setDefault(&o.BeginPerMin, 120)
	setDefault(&o.Known, 8192)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Consent == nil {
		o.Consent = func(context.Context, Joining) (*timeline.Prefs, error) { return nil, nil }
	}
	if o.Fail == nil {
		o.Fail = func(string) {}
	}
	if o.Refuse == nil {
		o.Refuse = func(id.Conversation, id.User) {}
	}
}

func setDefault(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}

// Run pulls what is missing and saves checkpoints until ctx is done.
func (r *Replicas) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.saveLoop(ctx)
	}()
	r.pulls.run(ctx, r.pullOnce)
	<-done
	return nil
}

// none is the seq of who has no replica, or is not to know.
const none = int64(-1)

// Take takes an item that a server sent: it is verified, and what is new of it is committed when Take returns. seq is how far the
// replica is then, -1 if there is none or if the server is not its hub. What is missing before a range is pulled later. Faults:
// unknown_replica, unknown_conversation, no_member_here, entries_missing, entry_refused, diverged, unavailable, rate_limited, and
// what is amiss with the item's form.
func (r *Replicas) Take(ctx context.Context, from id.Server, item wire.Item) (seq int64, err error) {
	defer func() {
		if err != nil {
			r.taken.WithLabelValues(string(fault.From(err).Code)).Inc()
			return
		}
		r.taken.WithLabelValues("").Inc()
	}()
	leave, err := r.slots.enter(ctx, item.ConversationID)
	if err != nil {
		return none, fault.Retry(fault.Unavailable, time.Second, "other entries of this conversation are being taken").Because(err)
	}
	defer leave()
	v, err := r.view(ctx, item.ConversationID)
	if err != nil {
		return none, err
	}
	if v.State != nil && v.State.Hub() != from && !hands(v.State, from, &item) && (item.Snapshot == nil || r.hasOwn(v.State)) {
		return r.takeOther(ctx, from, v, item)
	}
	if item.Wrong != nil {
		return end(v), item.Wrong
	}
	return r.take(ctx, from, v, item)
}

func (r *Replicas) take(ctx context.Context, from id.Server, v timeline.View, item wire.Item) (seq int64, err error) {
	seq = end(v)
	if v.State != nil {
		if err := r.recall(ctx, item.ConversationID); err != nil {
			return seq, err
		}
	}
	if item.Snapshot != nil {
		if seq, err = r.takeSnapshot(ctx, from, v, item.Snapshot); err != nil {
			return seq, r.explain(item.ConversationID, from, err)
		}
		if v, err = r.view(ctx, item.ConversationID); err != nil {
			return seq, err
		}
	}
	if item.Range != nil {
		if seq, err = r.takeRange(ctx, from, v, item.Range); err != nil {
			return seq, r.explain(item.ConversationID, from, err)
		}
	}
	if item.Head != nil {
		if v, err = r.view(ctx, item.ConversationID); err != nil {
			return seq, err
		}
		if err = r.takeHead(ctx, from, v, item.Head); err != nil {
			return seq, r.explain(item.ConversationID, from, err)
		}
	}
	return seq, nil
}

// view is the replica as committed, the zero View if there is none.
func (r *Replicas) view(ctx context.Context, c id.Conversation) (timeline.View, error) {
	v, err := r.o.Timeline.View(ctx, c)
	if fault.Is(err, fault.UnknownConversation) {
		return timeline.View{}, nil
	}
	return v, err
}

func end(v timeline.View) int64 {
	if v.State == nil {
		return none
	}
	return v.Head.Seq
}

// stranger is what who is not the hub is told.
func stranger() error { return fault.New(fault.UnknownConversation, "no such conversation") }

// refusal is an error about what does not verify. The cause goes to the log only.
type refusal struct{ cause error }

func (r *refusal) Error() string { return r.cause.Error() }

func refuse(cause error) error { return &refusal{cause} }

func refused(text string) error { return &refusal{errors.New(text)} }

// explain makes a fault of what went wrong, and logs what the other server is not told.
func (r *Replicas) explain(c id.Conversation, from id.Server, err error) error {
	var (
		no       *refusal
		gap      *timeline.GapError
		against  *timeline.RefusedError
		breaks   conversation.Break
		explains = []slog.Attr{slog.String("conversation", string(c)), slog.String("server", string(from)), slog.Any("error", err)}
	)
	switch {
	case errors.As(err, &gap):
		return fault.New(fault.EntriesMissing, "entries before these are missing here")
	case errors.Is(err, timeline.ErrHub):
		return stranger()
	case errors.As(err, &no), errors.As(err, &against), errors.As(err, &breaks):
		r.o.Log.LogAttrs(context.Background(), slog.LevelWarn, "refused what a server said of a conversation", explains...)
		return fault.New(fault.EntryRefused, "an entry, checkpoint or snapshot does not verify").Because(err)
	}
	return err
}
