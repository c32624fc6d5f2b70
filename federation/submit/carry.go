// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"parley.chat/core/conversation"
	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

const (
	sendTime   = 30 * time.Second // for one request
	sendBytes  = 448 << 10        // of contents, which may double as strings: the body stays below its limit
	lookEvery  = 10 * time.Minute
	sweepEvery = time.Hour
	followTime = 30 * time.Second // for an entry that was promised to come
	failedLife = 24 * time.Hour   // of a refusal that nobody asked for
	nearLimit  = time.Minute      // a limit that ends so soon is waited for
)

// carry sends the submissions of a conversation that wait, after a number, and settles what the hub answers.
func (w *Writer) carry(ctx context.Context, c id.Conversation, after int64) verdict {
	v, err := w.o.Timeline.View(ctx, c)
	if err != nil {
		return verdict{pause: time.Second, after: after}
	}
	hub := v.State.Hub()
	rows, err := w.o.Store.Submissions(ctx, v.Shard, v.Conv, after, wire.MaxSubmissions, sendBytes)
	switch {
	case err != nil:
		return verdict{pause: time.Second, after: after}
	case len(rows) == 0:
		return w.rest(ctx, v, hub, after)
	case hub == w.o.Self:
		return w.here(ctx, v, rows)
	}
	if err := w.trusted(ctx, c); err != nil {
		return w.end(ctx, rows, after, fault.From(err))
	}
	in, err := w.request(v, rows)
	if err != nil {
		w.o.Log.Error("submissions cannot be signed", slog.Any("error", err))
		return verdict{pause: 10 * time.Second, after: after}
	}
	sctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	ans, err := w.o.Send(sctx, hub, in)
	if err != nil {
		return w.unsent(ctx, hub, rows, after, err)
	}
	if len(ans.Results) != len(rows) {
		w.o.Log.Warn("a hub answers something else than was asked", slog.String("server", string(hub)))
		w.couriers.missed(hub, 0)
		return verdict{after: after}
	}
	w.o.Fail(FailBeforeFollow)
	w.couriers.heard(hub)
	if ans.Range != nil {
		w.take(ctx, hub, wire.Item{ConversationID: c, Range: ans.Range})
	}
	return w.settle(ctx, v, rows, ans.Results, after)
}

// end fails all, for a reason that lasts.
func (w *Writer) end(ctx context.Context, rows []submission.Row, after int64, f *fault.Error) verdict {
	if !permanent(f) {
		return verdict{pause: max(f.RetryAfter, firstPause), after: after}
	}
	for _, row := range rows {
		if err := w.fail(ctx, row, f); err != nil {
			return verdict{pause: time.Second, after: after}
		}
		after = row.N
	}
	return verdict{after: after}
}

// rest looks whether anything waits for an entry that the hub promised.
func (w *Writer) rest(ctx context.Context, v timeline.View, hub id.Server, after int64) verdict {
	if after == 0 {
		return verdict{idle: true}
	}
	n, err := w.o.Store.CountSubmissions(ctx, v.Shard, v.Conv)
	if err != nil {
		return verdict{pause: time.Second, after: after}
	}
	w.desk.count(place{v.Shard, v.Conv}, n)
	if n == 0 {
		return verdict{idle: true}
	}
	w.o.Log.Debug("entries that a hub promised did not come yet", slog.String("conversation", string(v.State.ID)), slog.String("server", string(hub)))
	return verdict{rest: true, after: after}
}

// request is what is sent; it is signed anew each time, by the key that is good now.
func (w *Writer) request(v timeline.View, rows []submission.Row) (wire.Submissions, error) {
	in := wire.Submissions{ConversationID: rows[0].Submission.ConversationID, Seen: seenAt(v)}
	for i := range rows {
		s := rows[i].Wire()
		if err := w.sign(&s); err != nil {
			return in, err
		}
		in.Submissions = append(in.Submissions, s)
	}
	return in, nil
}

func (w *Writer) sign(s *wire.Submitted) (err error) {
	keyID, private := w.o.Signer.Signing()
	if private == nil {
		return errors.New("no key at hand")
	}
	s.Signature, err = s.Submission.Sign(keyID, private)
	return err
}

// seenAt is the head of the replica.
func seenAt(v timeline.View) *wire.Seen {
	return &wire.Seen{Term: v.State.Term(), Seq: v.Head.Seq, Hash: canonical.EncodeBase64(v.Head.Hash[:])}
}

// take takes entries of a hub; what is amiss with them is theirs to log.
func (w *Writer) take(ctx context.Context, hub id.Server, item wire.Item) {
	if _, err := w.o.Replicas.Take(ctx, hub, item); err != nil {
		w.o.Log.Warn("the entries in the answer of a hub are not taken", slog.String("conversation", string(item.ConversationID)),
			slog.String("server", string(hub)), slog.Any("error", err))
	}
}

// unsent looks at why a whole request was not taken. A hub that does not answer is tried again later; one that refuses is asked about
// each submission by itself, so that one does not spoil the others.
func (w *Writer) unsent(ctx context.Context, hub id.Server, rows []submission.Row, after int64, err error) verdict {
	f, refuses := errors.AsType[*fault.Error](err)
	if !refuses || !permanent(f) || f.Code == fault.SignatureInvalid || f.Code == fault.NotHub {
		if refuses && f.Code == fault.NotHub {
			w.moved(ctx, hub, rows[0].Submission.ConversationID)
			return verdict{pause: time.Second, after: after}
		}
		least := time.Duration(0)
		if refuses {
			least = f.RetryAfter
		}
		w.o.Log.Debug("a hub does not take submissions now", slog.String("server", string(hub)), slog.Any("error", err))
		w.couriers.missed(hub, min(least, lastPause))
		return verdict{after: after}
	}
	if len(rows) > 1 {
		return w.single(ctx, hub, rows, after)
	}
	if err := w.fail(ctx, rows[0], told(f.Code, f.Message, f.RetryAfter)); err != nil {
		return verdict{pause: time.Second, after: after}
	}
	return verdict{after: rows[0].N}
}

// single sends the first of several by itself.
func (w *Writer) single(ctx context.Context, hub id.Server, rows []submission.Row, after int64) verdict {
	v, err := w.o.Timeline.View(ctx, rows[0].Submission.ConversationID)
	if err != nil {
		return verdict{pause: time.Second, after: after}
	}
	in, err := w.request(v, rows[:1])
	if err != nil {
		return verdict{pause: time.Second, after: after}
	}
	ans, err := w.o.Send(ctx, hub, in)
	if err != nil {
		return w.unsent(ctx, hub, rows[:1], after, err)
	}
	if len(ans.Results) != 1 {
		w.couriers.missed(hub, 0)
		return verdict{after: after}
	}
	if ans.Range != nil {
		w.take(ctx, hub, wire.Item{ConversationID: in.ConversationID, Range: ans.Range})
	}
	return w.settle(ctx, v, rows[:1], ans.Results, after)
}

// settle goes through the answers in order; at the first that is to be tried again it stops. before is the replica as it was asked.
func (w *Writer) settle(ctx context.Context, before timeline.View, rows []submission.Row, places []wire.Place, after int64) verdict {
	for i, p := range places {
		row := rows[i]
		f := refusal(p)
		switch {
		case f == nil:
			if err := w.placed(ctx, before, row, p); err != nil {
				w.o.Log.Warn("what a hub says of a submission is not so", slog.String("conversation", string(row.Submission.ConversationID)), slog.Any("error", err))
				return verdict{pause: followTime, after: after}
			}
		case !permanent(f) && !(f.Code == fault.RateLimited && w.desk.isHeld(row.Key())): // Who still waits is told of a limit, as by the own server.
			return verdict{pause: max(f.RetryAfter, firstPause), after: after}
		default:
			if err := w.fail(ctx, row, f); err != nil {
				return verdict{pause: time.Second, after: after}
			}
		}
		after = row.N
	}
	return verdict{after: after}
}

// placed settles a submission that has its place. One whose entry came with the answer is settled by that; one that was in the replica
// before is looked up, because a hub may say anything.
func (w *Writer) placed(ctx context.Context, before timeline.View, row submission.Row, p wire.Place) error {
	if p.Seq > before.Head.Seq {
		now, err := w.o.Timeline.View(ctx, row.Submission.ConversationID)
		if err == nil && now.Head.Seq < p.Seq {
			err = w.o.Replicas.Pull(ctx, before.State.Hub(), row.Submission.ConversationID, p.Seq)
		}
		if err != nil {
			w.o.Log.Debug("an entry did not come with its place", slog.Any("error", err))
		}
		return nil // Its commit settles it; if it never comes it is sent again.
	}
	list, err := w.o.Store.Records(ctx, before.Shard, before.Conv, p.Seq, p.Seq, 1, wire.MaxBody)
	if err != nil {
		return err
	}
	sub := row.Submission
	if len(list) != 1 || list[0].Sender != sub.Sender || list[0].Device != sub.DeviceID || list[0].TempID != sub.TempID {
		return errors.New("the entry is not that of the submission")
	}
	if err := w.o.Store.DropSubmission(ctx, row.Key()); err != nil {
		return err
	}
	w.finish(row.Key(), outcomeOf(list[0].Event), timeline.Result{Seq: list[0].Seq, MessageID: list[0].MessageID, Duplicate: true}, nil)
	return nil
}

// fail ends a submission that the hub refused. Who waits is told; if nobody does, the sender's sessions are, and it is kept for a day
// for who asks.
func (w *Writer) fail(ctx context.Context, row submission.Row, f *fault.Error) error {
	k, sub := row.Key(), row.Submission
	var err error
	if unchanged := f.Code == fault.Unchanged; unchanged || w.desk.isHeld(k) {
		err = w.o.Store.DropSubmission(ctx, k)
	} else {
		err = w.o.Store.FailSubmission(ctx, k, f.Code, f.Message, w.o.Now().UnixMilli())
	}
	if err != nil {
		return err
	}
	out := Outcome{Sender: sub.Sender, Device: sub.DeviceID, ConversationID: sub.ConversationID, TempID: sub.TempID}
	w.finish(k, out, timeline.Result{}, f)
	return nil
}

// here appends what waits in a conversation that is ordered here by now.
func (w *Writer) here(ctx context.Context, v timeline.View, rows []submission.Row) verdict {
	last := int64(0)
	for _, row := range rows {
		cmd, err := submission.Read(row.Submission, row.Content, "")
		var res timeline.Result
		if err == nil {
			res, err = w.o.Timeline.Append(ctx, cmd)
		}
		if err != nil {
			f := fault.From(err)
			if !permanent(f) {
				return verdict{pause: max(f.RetryAfter, firstPause), after: last}
			}
			if err := w.fail(ctx, row, f); err != nil {
				return verdict{pause: time.Second, after: last}
			}
			last = row.N
			continue
		}
		if err := w.o.Store.DropSubmission(ctx, row.Key()); err != nil {
			return verdict{pause: time.Second, after: last}
		}
		sub := row.Submission
		w.finish(row.Key(), Outcome{Sender: sub.Sender, Device: sub.DeviceID, ConversationID: v.State.ID, TempID: sub.TempID}, res, nil)
		last = row.N
	}
	return verdict{after: last}
}

// look finds submissions that wait, those from before a restart first, and forgets old refusals.
func (w *Writer) look(ctx context.Context) {
	pause := time.Second
	var swept time.Time
	for {
		sweep := w.o.Now().Sub(swept) >= sweepEvery
		if err := w.lookOnce(ctx, sweep); err != nil {
			pause = min(2*pause, lookEvery) // Conversations of other nodes are theirs to look after.
		} else {
			pause = lookEvery
			if sweep {
				swept = w.o.Now()
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (w *Writer) lookOnce(ctx context.Context, sweep bool) (failed error) {
	for n := range w.o.Store.Shards() {
		list, err := w.o.Store.WaitingSubmissions(ctx, id.Shard(n))
		if err != nil {
			return err
		}
		for _, one := range list {
			if w.couriers.known(one.ConversationID) {
				continue
			}
			v, err := w.o.Timeline.View(ctx, one.ConversationID)
			if err != nil { // Another node's, or not loaded yet.
				failed = err
				continue
			}
			w.couriers.want(one.ConversationID, v.State.Hub())
		}
		if !sweep {
			continue
		}
		if err := w.o.Store.SweepSubmissions(ctx, id.Shard(n), w.o.Now().Add(-failedLife).UnixMilli()); err != nil {
			return err
		}
	}
	return failed
}

// refusal is the fault of a hub's answer, nil if there is none. Only what a hub may refuse for is handed on to clients.
func refusal(p wire.Place) *fault.Error {
	if p.Code == "" {
		return nil
	}
	return told(fault.Code(p.Code), p.Detail, time.Duration(max(0, min(p.RetryAfterMS, time.Hour.Milliseconds())))*time.Millisecond)
}

// told makes a fault of what another server says. A code that means something for a login, or that nobody knows, would mislead a client.
func told(code fault.Code, detail string, retry time.Duration) *fault.Error {
	message := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, detail)
	if message == "" {
		message = fault.Lookup(code).Meaning
	}
	message = "the server of the conversation says: " + strings.ToValidUTF8(message[:min(len(message), 200)], "")
	switch code {
	case fault.Unavailable, fault.Internal, fault.Draining, fault.HubUnavailable, fault.QueueFull:
		return fault.Retry(fault.Unavailable, retry, "%s", message)
	case fault.NotHub: // It was moved a moment ago: the entry that says so comes.
		return fault.Retry(fault.Unavailable, time.Second, "the conversation is being moved to another server")
	case fault.RateLimited:
		return fault.Retry(fault.RateLimited, retry, "%s", message)
	case fault.Unchanged:
		return fault.New(code, "%s", message).Because(conversation.ErrUnchanged)
	case fault.InvalidField, fault.MalformedJSON, fault.ContentTooLarge, fault.Forbidden, fault.InsufficientRole, fault.CannotAdd, fault.Banned,
		fault.NotMember, fault.UnknownConversation, fault.UnknownMessage, fault.UnknownUser, fault.LinkInvalid, fault.LinkExpired,
		fault.LinkUsedUp, fault.LinkRevoked, fault.AlreadyMember, fault.GroupFull, fault.DirectFixed, fault.TempIDConflict,
		fault.StateChanged, fault.LimitReached, fault.MessageDeleted, fault.TooLate, fault.TooManyEdits, fault.TooManyReactions,
		fault.SubmissionRefused, fault.Diverged, fault.ServerRefused:
		return fault.New(code, "%s", message)
	}
	return fault.New(fault.SubmissionRefused, "%s", message)
}

// permanent tells whether sending again makes no sense. A limit that ends soon is waited for, so that what was accepted is not lost to it.
func permanent(f *fault.Error) bool {
	if f.Code == fault.RateLimited {
		return f.RetryAfter > nearLimit
	}
	return fault.Lookup(f.Code).Status < 500
}
