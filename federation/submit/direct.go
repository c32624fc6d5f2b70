// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

// directTime bounds a change that is asked of a hub while a client waits.
const directTime = 15 * time.Second

// Join asks the hub of a conversation, which need not be known here, for what a user who is no member does: join by a link, or ask to.
// secret is that of the link in base64url. When it returns without error the replica is there, if the user is a member now. Faults:
// hub_unavailable and those of the hub.
func (w *Writer) Join(ctx context.Context, hub id.Server, cmd timeline.Command, secret string) (timeline.Result, error) {
	if hub == w.o.Self {
		return w.o.Timeline.Append(ctx, cmd)
	}
	return w.direct(ctx, hub, cmd, secret)
}

// direct asks the hub for an event that does not wait, and waits for its entry. spec: MSG-ACK-2
func (w *Writer) direct(ctx context.Context, hub id.Server, cmd timeline.Command, secret string) (timeline.Result, error) {
	if err := w.trusted(ctx, cmd.ConversationID); err != nil {
		return timeline.Result{}, err
	}
	ok, wait := w.couriers.enter(hub)
	if !ok {
		return timeline.Result{}, hubAway(hub, wait)
	}
	defer w.couriers.leave(hub)
	ctx, cancel := context.WithTimeout(ctx, directTime)
	defer cancel()
	v, err := w.o.Timeline.View(ctx, cmd.ConversationID)
	if err != nil && !fault.Is(err, fault.UnknownConversation) {
		return timeline.Result{}, err
	}
	if err := w.meter(v.State, &cmd); err != nil {
		return timeline.Result{}, err
	}
	if cmd.TempID == "" {
		cmd.TempID = id.NewULID()
	}
	t := submission.Row{Content: cmd.Content, Submission: event.Submission{
		AuthorTime: cmd.AuthorTime, ConversationID: cmd.ConversationID, DeviceID: cmd.Device, Expects: cmd.Expects, Sender: cmd.Sender,
		TempID: cmd.TempID, Type: cmd.Type,
	}}
	salt(&t)
	s := t.Wire()
	s.Secret = secret
	if err := w.sign(&s); err != nil {
		return timeline.Result{}, away(err)
	}
	in := wire.Submissions{ConversationID: cmd.ConversationID, Submissions: []wire.Submitted{s}}
	if v.State != nil && slices.Contains(v.State.Servers(), w.o.Self) { // Else a snapshot is wanted.
		in.Seen = seenAt(v)
	}
	ans, err := w.o.Send(ctx, hub, in)
	if err != nil {
		if fault.Is(err, fault.NotHub) && v.State != nil {
			w.moved(ctx, hub, cmd.ConversationID)
		}
		return timeline.Result{}, w.notAsked(hub, err)
	}
	w.o.Fail(FailBeforeFollow)
	w.couriers.heard(hub)
	if len(ans.Results) != 1 {
		return timeline.Result{}, hubAway(hub, time.Second).Because(errors.New("it answers something else than was asked"))
	}
	return w.answered(ctx, hub, cmd, ans)
}

// notAsked makes a fault of why a hub did not answer, or refused the request as such.
func (w *Writer) notAsked(hub id.Server, err error) error {
	f, refuses := errors.AsType[*fault.Error](err)
	switch {
	case !refuses:
		w.couriers.missed(hub, 0)
		return hubAway(hub, 5*time.Second).Because(err)
	case f.Code == fault.SignatureInvalid, f.Code == fault.NotHub, !permanent(f):
		return hubAway(hub, max(f.RetryAfter, time.Second)).Because(err)
	}
	return told(f.Code, f.Message, f.RetryAfter)
}

func hubAway(hub id.Server, wait time.Duration) *fault.Error {
	return fault.Retry(fault.HubUnavailable, wait, "the server %s, which orders the conversation, does not answer now", hub)
}

// answered takes what the hub answered, so that the replica has it when the client hears of it.
func (w *Writer) answered(ctx context.Context, hub id.Server, cmd timeline.Command, ans wire.Ordered) (timeline.Result, error) {
	if ans.Snapshot != nil {
		w.take(ctx, hub, wire.Item{ConversationID: cmd.ConversationID, Snapshot: ans.Snapshot})
	}
	if ans.Range != nil {
		w.take(ctx, hub, wire.Item{ConversationID: cmd.ConversationID, Range: ans.Range})
	}
	p := ans.Results[0]
	f := refusal(p)
	switch {
	case f != nil && f.Code != fault.AlreadyMember, f == nil && cmd.Type == frame.TypeJoinRequest:
	case f == nil || joins(cmd.Type): // Who is a member already, by another way, may not have the replica yet.
		w.have(ctx, hub, cmd.ConversationID, p.Seq)
	}
	if f != nil {
		return timeline.Result{}, f
	}
	return timeline.Result{Seq: p.Seq, MessageID: p.MessageID}, nil
}

// have has the replica up to a seq, if the hub gives it. What the hub has done is done all the same.
func (w *Writer) have(ctx context.Context, hub id.Server, c id.Conversation, seq int64) {
	v, err := w.o.Timeline.View(ctx, c)
	if fault.Is(err, fault.UnknownConversation) || err == nil && v.Head.Seq < seq {
		err = w.o.Replicas.Pull(ctx, hub, c, seq)
	}
	if err != nil {
		w.o.Log.Info("the entry of a change is not here yet", slog.String("conversation", string(c)), slog.Any("error", err))
	}
}
