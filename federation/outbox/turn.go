// SPDX-License-Identifier: Apache-2.0

package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"parley.chat/core/follower"
	"parley.chat/federation/peer"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// localPause is the pause after a turn that failed on our own side.
const localPause = time.Second

// job is what a turn takes on.
type job struct {
	server id.Server
	refs   []follower.Ref
	scan   *position // to go on from there, instead of refs
	alone  bool
}

// outcome is what came of it.
type outcome struct {
	local   error          // on our side: the same again in a moment
	err     error          // on theirs
	whole   string         // the code with which they refuse the body as a whole
	sent    bool           // it was asked and answered
	more    []follower.Ref // there is more of these to send
	behind  bool           // some are behind, and are to be told again later
	scan    *position      // where to go on; nil at the end
	nothing bool           // there was nothing to send
}

// turn sends one transaction to a destination, or finds that there is nothing to send. It is the destination's only one.
// spec: FED-TXN-2
func (o *Outbox) turn(ctx context.Context, d *destination) {
	o.mu.Lock()
	j := d.job()
	o.mu.Unlock()
	start := o.Now()
	out := o.work(ctx, j)
	if ctx.Err() != nil {
		return // What it did not hear of it will be asked about after the start.
	}
	note, forget := o.settle(d, j, out, o.Now().Sub(start))
	var err error
	switch {
	case note != nil:
		err = o.Store.SetDestination(ctx, *note)
	case forget:
		err = o.Store.ForgetDestination(ctx, d.name)
	}
	if err != nil && ctx.Err() == nil {
		o.Log.Warn("state of a server not written", slog.String("server", string(d.name)), slog.Any("error", err))
	}
	if o.cursors.full() {
		o.flush(ctx)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	d.busy = false
	o.under[0]--
	o.under[1] -= d.line
	o.place(d)
	o.poke()
}

// job takes what the turn is about: what moved and the rest of the positions in turn. The caller holds mu.
func (d *destination) job() job {
	j := job{server: d.name, alone: d.alone > 0}
	if d.scan != nil && (len(d.moved) == 0 || !d.scanned) {
		at := *d.scan
		j.scan, d.scanned = &at, true
		return j
	}
	n := replica.MaxItems
	if j.alone {
		n = 1
	}
	j.refs, d.scanned = d.take(n), false
	return j
}

// work builds the transaction and sends it. Few build at once, so that they do not take the database's connections from those who
// commit; many may wait for answers.
func (o *Outbox) work(ctx context.Context, j job) (out outcome) {
	select {
	case o.building <- struct{}{}:
	case <-ctx.Done():
		return outcome{local: ctx.Err()}
	}
	t := o.build(ctx, j, &out)
	<-o.building
	if out.local == nil && !out.nothing {
		o.send(ctx, t, &out)
	}
	return out
}

// build makes the transaction, as far as there is something to send.
func (o *Outbox) build(ctx context.Context, j job, out *outcome) *transaction {
	t := &transaction{server: j.server, tell: j.scan != nil}
	refs := j.refs
	if j.scan != nil {
		refs, out.scan, out.local = o.page(ctx, j)
	}
	if out.local == nil {
		out.local = o.fetch(ctx, j.server, refs)
	}
	if out.local == nil {
		out.more, out.local = o.compose(ctx, t, refs)
	}
	out.nothing = len(t.sent) == 0
	return t
}

// send sends the transaction and takes in the answer.
func (o *Outbox) send(ctx context.Context, t *transaction, out *outcome) {
	var answer replica.Taken
	err := o.Client.Call(ctx, t.server, replica.TransactionsPath, t.body(), &answer)
	if r, ok := errors.AsType[*peer.Refusal](err); ok && isWhole(r.Status) {
		out.sent, out.whole = true, r.Code
		if out.whole == "" {
			out.whole = fmt.Sprintf("http_%d", r.Status)
		}
		if len(t.sent) == 1 {
			o.park(t.sent[0].row, out.whole)
			return
		}
		out.more = append(out.more, t.refs()...)
		return
	}
	if err == nil {
		err = t.check(answer.Results)
	}
	if err != nil {
		out.err = err
		return
	}
	out.sent = true
	if o.Fail != nil {
		o.Fail(FailBeforeCursor)
	}
	o.metrics.transactions.Inc()
	o.metrics.entries.Add(float64(t.entries))
	o.metrics.bytes.Add(float64(t.size))
	for i, r := range answer.Results {
		o.take(ctx, t.sent[i], r, out) // spec: FED-TXN-4
	}
}

// isWhole tells whether a status says that something in the body is amiss: it may be one item.
func isWhole(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity
}

// take moves a position to what the follower says of one item, and tells what is to come.
func (o *Outbox) take(ctx context.Context, s sent, r replica.Result, out *outcome) {
	row := s.row
	switch {
	case r.Code == codeUnknownReplica:
		r.Seq = follower.None
	case r.Code == "" || r.Code == codeMissing:
	case passes(r.Code):
		out.behind = true
		return
	default:
		o.park(row, r.Code)
		return
	}
	if r.Seq < follower.None || r.Seq > s.view.Head.Seq && !o.reaches(ctx, s, r.Seq) {
		o.park(row, codeAhead)
		return
	}
	if r.Seq < row.Since { // What it has is from before its members came back.
		r.Seq = follower.None
	}
	before := row.Acked
	if row.Acked != r.Seq {
		row.Acked = r.Seq
		o.cursors.move(row)
	}
	step := row.Next(s.view.Head.Seq)
	if s.told && row.Until != follower.None && row.Acked == follower.None { // It has no replica, and is to have none any more.
		step.Kind = follower.Drop
	}
	switch {
	case step.Kind == follower.Done:
	case step.Kind == follower.Drop:
		out.local = o.drop(ctx, row)
		out.more = append(out.more, row.Ref) // It may have come back.
	case step.Kind == follower.Tell || !s.told && row.Acked <= before: // It pulls; or it did not take what it was given.
		out.behind = true
	default:
		out.more = append(out.more, row.Ref)
	}
}

// reaches tells whether the conversation has come to a seq meanwhile.
func (o *Outbox) reaches(ctx context.Context, s sent, seq int64) bool {
	v, err := o.Timeline.View(ctx, s.row.ID)
	return err == nil && seq <= v.Head.Seq
}

// Codes of results that mean something here.
const (
	codeUnknownReplica = "unknown_replica"
	codeMissing        = "entries_missing"
	codeAhead          = "ahead_of_hub" // not sent by anybody: the follower says that it has more than there is
)

// passes tells whether the item may be taken another time.
func passes(code string) bool {
	switch code {
	case "unavailable", "rate_limited", "draining", "internal", "hub_unavailable":
		return true
	}
	return false
}

// park keeps the item from being sent until a day has passed, the operator wants it, or the follower asks for a snapshot.
// spec: FED-TXN-9
func (o *Outbox) park(row follower.Row, code string) {
	row.Parked, row.ParkedAt = clip(code), o.Now().UnixMilli()
	o.cursors.move(row)
	o.metrics.parkings.Inc()
	o.Log.Warn("a server refuses what it is to have of a conversation; parked", slog.String("server", string(row.Server)),
		slog.String("conversation", string(row.ID)), slog.Int64("seq", row.Acked+1), slog.String("code", row.Parked))
}

// clip makes a code of another server fit to be kept and shown.
func clip(code string) string {
	for i, r := range code {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' || i == 64 {
			return "malformed_code"
		}
	}
	return code
}

// drop takes away the row of a server that follows no more.
func (o *Outbox) drop(ctx context.Context, row follower.Row) error {
	if err := o.Store.DropFollower(ctx, row); err != nil {
		return err
	}
	o.cursors.drop(row)
	return nil
}

// settle changes the destination by what came of a turn, and returns what is to be written of it.
func (o *Outbox) settle(d *destination, j job, out outcome, took time.Duration) (note *follower.Destination, forget bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.Now()
	if out.err != nil {
		return o.failed(d, j, out.err, now), false
	}
	if (out.sent || out.local == nil) && d.succeed(took) {
		o.failing--
		forget = true
	}
	for _, ref := range out.more {
		d.add(ref)
	}
	if out.local != nil {
		o.Log.Warn("a transaction could not be made; tried again", slog.String("server", string(d.name)), slog.Any("error", out.local))
		d.next = now.Add(localPause)
		for _, ref := range j.refs {
			d.add(ref)
		}
		return nil, forget
	}
	switch {
	case out.whole != "" && !j.alone:
		d.alone = replica.MaxItems
	case j.alone:
		d.alone--
	}
	if out.behind {
		d.remind(now)
	}
	if j.scan == nil {
		return nil, forget
	}
	if d.scan = out.scan; d.scan == nil && d.recall.IsZero() {
		d.pause = 0 // Nobody was behind.
	}
	if d.scan == nil && d.again {
		d.scan, d.again = &position{}, false
	}
	return nil, forget
}

// failed notes that a destination did not answer, or that it wants to be left alone for a time.
func (o *Outbox) failed(d *destination, j job, err error, now time.Time) *follower.Destination {
	o.metrics.failures.Inc()
	r, _ := errors.AsType[*peer.Refusal](err)
	if r != nil && r.Status == http.StatusTooManyRequests && r.RetryAfter > 0 {
		d.next, d.held = now.Add(min(r.RetryAfter, longest)), true
		for _, ref := range j.refs {
			d.add(ref)
		}
		return nil
	}
	if d.failures == 0 {
		o.failing++
	}
	d.fail(now, err.Error())
	d.held = false
	if r != nil && r.RetryAfter > 0 {
		d.next, d.held = now.Add(min(r.RetryAfter, longest)), true
	}
	level := slog.LevelDebug
	if d.failures == 1 {
		level = slog.LevelInfo
	}
	o.Log.Log(context.Background(), level, "a server is not reached", slog.String("server", string(d.name)), slog.Int("failures", d.failures),
		slog.Time("next", d.next), slog.Any("error", err))
	return &follower.Destination{Server: d.name, FailingSince: d.since.UnixMilli(), Failures: d.failures, NextTry: d.next.UnixMilli(), LastError: d.why}
}
