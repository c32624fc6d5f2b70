// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley.chat/core/conversation"
	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// Timeline is the log: core/timeline.
type Timeline interface {
	Append(ctx context.Context, cmd timeline.Command) (timeline.Result, error)
	Submit(ctx context.Context, cmd timeline.Command, then func(timeline.Result, error)) error
	View(ctx context.Context, c id.Conversation) (timeline.View, error)
}

// Store keeps submissions that wait.
type Store interface {
	Shards() int
	AddSubmissions(ctx context.Context, rows []submission.Row) (added []bool, err error)
	Submission(ctx context.Context, k submission.Key) (*submission.Row, error)
	Submissions(ctx context.Context, n id.Shard, conv, after int64, limit, bytes int) ([]submission.Row, error)
	CountSubmissions(ctx context.Context, n id.Shard, conv int64) (int, error)
	DropSubmission(ctx context.Context, k submission.Key) error
	FailSubmission(ctx context.Context, k submission.Key, code fault.Code, detail string, at int64) error
	WaitingSubmissions(ctx context.Context, n id.Shard) ([]submission.Waiting, error)
	SweepSubmissions(ctx context.Context, n id.Shard, before int64) error
	// Records reads entries held.
	Records(ctx context.Context, n id.Shard, conv, from, to int64, limit, bytes int) ([]timeline.Foreign, error)
}

// Replicas takes what a hub answers: federation/replica.
type Replicas interface {
	Take(ctx context.Context, from id.Server, item wire.Item) (int64, error)
	Pull(ctx context.Context, hub id.Server, c id.Conversation, upTo int64) error
	Diverged(ctx context.Context, c id.Conversation) (bool, error)
}

// Signer signs as this server.
type Signer interface {
	// Signing is the key that signs now; nil if there is none at hand.
	Signing() (keyID string, private ed25519.PrivateKey)
}

// Outcome is what became of an event that was accepted before: its place, or why it has none.
type Outcome struct {
	Sender         id.User
	Device         id.Device
	ConversationID id.Conversation
	TempID         string
	Result         timeline.Result
	Err            error // a fault; nil if it has a place
}

// Options make a Writer. Meter, Outcome, Log, Metrics, Now and Fail may be nil; the sizes and times may be 0 for their defaults.
type Options struct {
	Self     id.Server
	Timeline Timeline
	Store    Store
	Replicas Replicas
	Signer   Signer
	Limits   conversation.Limits
	Meter    timeline.Meter // of own users, wherever their events go
	// Send sends submissions to a hub. An error that is a fault is the hub's refusal of the whole request, any other means that
	// it was not reached.
	Send func(ctx context.Context, hub id.Server, in wire.Submissions) (wire.Ordered, error)
	// Outcome is told what became of an event whose sender was answered that it is accepted. It must not block.
	Outcome func(Outcome)
	Log     *slog.Logger
	Metrics prometheus.Registerer
	Now     func() time.Time
	Fail    func(point string) // called at FailBeforeFollow, for crash tests

	Wait            time.Duration // for the place of an event, 3 s; then it is accepted
	MaxConversation int           // submissions of one conversation that wait, 1000
	MaxUser         int           // of one user, 1000
	MaxHeld         int           // those who wait for an answer, 16384
	Couriers        int           // conversations carried at once, 16
	CouriersOfHub   int           // to one hub, 4
	Direct          int           // changes of the state asked of one hub at once, 32
}

// FailBeforeFollow is when a hub has answered and nothing of it is taken.
const FailBeforeFollow = "after-hub-before-follow"

// Writer appends events of own users wherever their conversations are ordered. Make it with NewWriter, and Run it.
type Writer struct {
	o        Options
	queue    chan *ticket
	desk     *desk
	couriers *couriers
	outcomes *prometheus.CounterVec

	mu     sync.RWMutex // guards closed and, against it, sending to queue
	closed bool
}

// queueSize bounds the submissions that wait to be made durable, batchSize those of one transaction.
const (
	queueSize = 4096
	batchSize = 256
)

// NewWriter makes a Writer; nothing is carried until Run.
func NewWriter(o Options) *Writer {
	o.setDefaults()
	w := &Writer{o: o, queue: make(chan *ticket, queueSize)}
	w.desk = newDesk(o)
	w.couriers = newCouriers(o)
	w.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parley_submissions_total", Help: "Submissions of own users to other hubs that came to an end, by code; code is empty for those placed.",
	}, []string{"code"})
	if o.Metrics != nil {
		o.Metrics.MustRegister(w.outcomes)
	}
	return w
}

func (o *Options) setDefaults() {
	setDefault(&o.Wait, 3*time.Second)
	setDefault(&o.MaxConversation, 1000)
	setDefault(&o.MaxUser, 1000)
	setDefault(&o.MaxHeld, 16384)
	setDefault(&o.Couriers, 16)
	setDefault(&o.CouriersOfHub, 4)
	setDefault(&o.Direct, 32)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Fail == nil {
		o.Fail = func(string) {}
	}
	if o.Outcome == nil {
		o.Outcome = func(Outcome) {}
	}
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Run makes submissions durable and carries them until ctx is done. Those that wait in the table are carried first.
func (w *Writer) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.couriers.run(ctx, w.carry)
	}()
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		w.look(ctx)
	}()
	w.write(ctx)
	<-done
	<-swept
	return nil
}

// Append is timeline.Append for every conversation. Beside its errors there are the faults hub_unavailable for what cannot wait,
// queue_full, and those of the hub. A Result that is Accepted has no place yet.
func (w *Writer) Append(ctx context.Context, cmd timeline.Command) (timeline.Result, error) {
	hub, v, err := w.hub(ctx, &cmd)
	if err != nil {
		return timeline.Result{}, err
	}
	if hub == w.o.Self {
		r, err := w.o.Timeline.Append(ctx, cmd)
		elsewhere, ok := errors.AsType[*timeline.ElsewhereError](err)
		if !ok {
			return r, err
		}
		hub = elsewhere.Hub // It was handed over a moment ago.
		if v, err = w.o.Timeline.View(ctx, cmd.ConversationID); err != nil {
			return timeline.Result{}, err
		}
	}
	if !waits(cmd.Type) {
		return w.direct(ctx, hub, cmd, "")
	}
	type outcome struct {
		timeline.Result
		err error
	}
	done := make(chan outcome, 1)
	if err := w.enqueue(ctx, v, cmd, func(r timeline.Result, err error) { done <- outcome{r, err} }); err != nil {
		return timeline.Result{}, err
	}
	select {
	case out := <-done:
		return out.Result, out.err
	case <-ctx.Done():
		return timeline.Result{}, away(ctx.Err())
	}
}

// Submit is timeline.Submit for every conversation; then is called as there, and must not block.
func (w *Writer) Submit(ctx context.Context, cmd timeline.Command, then func(timeline.Result, error)) error {
	hub, v, err := w.hub(ctx, &cmd)
	switch {
	case err != nil:
		return err
	case hub == w.o.Self:
		return w.o.Timeline.Submit(ctx, cmd, func(r timeline.Result, err error) {
			if _, ok := errors.AsType[*timeline.ElsewhereError](err); ok { // It was handed over a moment ago: who sends again is carried there.
				err = away(err)
			}
			then(r, err)
		})
	case !waits(cmd.Type):
		r, err := w.direct(ctx, hub, cmd, "")
		if err == nil {
			then(r, nil)
		}
		return err
	}
	return w.enqueue(ctx, v, cmd, then)
}

// waits tells whether events of the type may wait for their hub. spec: MSG-ACK-2
func waits(typ string) bool { return !conversation.ChangesState(typ) || typ == frame.TypeMemberLeave }

// hub is who orders the conversation; of one that is not known, this server, whose timeline says so.
func (w *Writer) hub(ctx context.Context, cmd *timeline.Command) (id.Server, timeline.View, error) {
	v, err := w.o.Timeline.View(ctx, cmd.ConversationID)
	switch {
	case err == nil:
		return v.State.Hub(), v, nil
	case !fault.Is(err, fault.UnknownConversation):
		return "", v, err
	case cmd.Type == frame.TypeCreate && cmd.Create.Hub != "":
		return cmd.Create.Hub, v, nil
	}
	return w.o.Self, v, nil
}

// enqueue checks what can be told here, asks the replica whether it is a repeat, and queues what is none.
func (w *Writer) enqueue(ctx context.Context, v timeline.View, cmd timeline.Command, then func(timeline.Result, error)) error {
	refused := w.check(v, cmd)
	if refused != nil && (cmd.TempID == "" || fault.Is(refused, fault.UnknownConversation) || fault.Is(refused, fault.ContentTooLarge)) {
		return refused
	}
	if err := w.trusted(ctx, cmd.ConversationID); err != nil {
		return err
	}
	t := w.ticket(v, cmd, then)
	t.refused = refused
	return w.o.Timeline.Submit(ctx, t.cmd, func(r timeline.Result, err error) {
		var elsewhere *timeline.ElsewhereError
		if !errors.As(err, &elsewhere) {
			then(r, err)
			return
		}
		if err := w.push(t); err != nil {
			then(timeline.Result{}, err)
		}
	})
}

// push queues t, or refuses it at once.
func (w *Writer) push(t *ticket) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return draining()
	}
	select {
	case w.queue <- t:
		return nil
	default:
		return fault.Retry(fault.Unavailable, time.Second, "the server is overloaded, send again")
	}
}

func draining() error {
	return fault.Retry(fault.Draining, time.Second, "the node is stopping, send again")
}

// check refuses what the hub would, as far as the replica tells: what it is about is the hub's to judge. spec: FED-SUBMIT-2
func (w *Writer) check(v timeline.View, cmd timeline.Command) error {
	m, ok := v.State.Member(cmd.Sender)
	switch {
	case !ok:
		return fault.New(fault.UnknownConversation, "no such conversation")
	case m.Membership != conversation.Joined:
		return fault.New(fault.NotMember, "you are no longer a member of this conversation")
	case len(cmd.Content) > submission.MaxContent:
		return fault.New(fault.ContentTooLarge, "the content of an event has at most %d bytes", submission.MaxContent)
	}
	if cmd.Type == frame.TypeMessage {
		p := cmd.Proposal
		p.At, p.SentAt = w.o.Now().UnixMilli(), 0
		return conversation.Decide(v.State, p, w.o.Limits)
	}
	return nil
}

// trusted refuses what is to go to a hub that was found to lie. spec: FED-PROOF-1
func (w *Writer) trusted(ctx context.Context, c id.Conversation) error {
	diverged, err := w.o.Replicas.Diverged(ctx, c)
	if err == nil && diverged {
		err = fault.New(fault.Diverged, "the server of the conversation has shown two histories of it")
	}
	return err
}

// ticket is a submission on its way into the table, with who waits for it.
type ticket struct {
	cmd   timeline.Command
	hub   id.Server
	state *conversation.State
	row   submission.Row
	then  func(timeline.Result, error)

	refused error // of what cannot be taken any more, unless it is a repeat
}

// ticket makes the submission; one without a tempId gets one, because it is sent until it has an outcome.
func (w *Writer) ticket(v timeline.View, cmd timeline.Command, then func(timeline.Result, error)) *ticket {
	if cmd.TempID == "" {
		cmd.TempID = id.NewULID()
	}
	t := &ticket{cmd: cmd, hub: v.State.Hub(), state: v.State, then: then}
	t.row = submission.Row{
		Shard: v.Shard, Conv: v.Conv, Dedup: timeline.DedupKey(cmd.Device, cmd.TempID), Content: cmd.Content,
		Submission: event.Submission{
			AuthorTime: cmd.AuthorTime, ConversationID: cmd.ConversationID, DeviceID: cmd.Device, Sender: cmd.Sender, TempID: cmd.TempID, Type: cmd.Type,
		},
	}
	salt(&t.row)
	return t
}

// salt gives the content of a row its salt and its hash.
func salt(r *submission.Row) {
	_, _ = rand.Read(r.Salt[:]) // It never fails (Go 1.24).
	r.Submission.ContentHash = event.ContentHash(r.Salt, r.Content)
}

// meter spends of the sender's allowance, as the timeline does of those whose conversations are ordered here.
func (w *Writer) meter(s *conversation.State, cmd *timeline.Command) error {
	if w.o.Meter == nil || cmd.Unmetered || cmd.Type == frame.TypeMemberLeave {
		return nil
	}
	var group id.Conversation
	if s != nil && s.Type() == event.Group && !conversation.ChangesState(cmd.Type) {
		group = s.ID
	}
	return w.o.Meter.Allow(cmd.Sender, group, w.o.Now().UnixMilli())
}

// away is the answer to any doubt.
func away(err error) error {
	return fault.Retry(fault.Unavailable, time.Second, "the server cannot do this now, send again").Because(err)
}
