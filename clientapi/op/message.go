// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// MaxContent is the largest content of an event in bytes, in its canonical form.
const MaxContent = submission.MaxContent

// Send appends a message and waits for its commit. Faults: as Submit, and unavailable.
func (o *Conversations) Send(ctx context.Context, c Caller, in frame.Send) (frame.Ack, error) {
	type outcome struct {
		ack frame.Ack
		err error
	}
	done := make(chan outcome, 1)
	if err := o.Submit(ctx, c, in, "", func(ack frame.Ack, err error) { done <- outcome{ack, err} }); err != nil {
		return frame.Ack{}, err
	}
	select {
	case out := <-done:
		return out.ack, out.err
	case <-ctx.Done():
		return frame.Ack{}, fault.New(fault.Unavailable, "the outcome is not known yet, send again").Because(ctx.Err())
	}
}

// Submit queues a message; then gets its ack, or why there is none, on the committer's goroutine: it must not block. Messages
// submitted one after the other keep their order. origin is the session that gets the ack instead of the live frame, "" if
// none. The same tempId again answers the same. Faults: invalid_field, content_too_large, unknown_conversation, not_member,
// unknown_message, temp_id_conflict, unavailable.
func (o *Conversations) Submit(ctx context.Context, c Caller, in frame.Send, origin string, then func(frame.Ack, error)) error {
	if err := checkSend(in); err != nil {
		return err
	}
	content, err := messageContent(in)
	if err != nil {
		return err
	}
	v, err := o.visible(ctx, c, in.ConversationID)
	if err != nil {
		return err
	}
	if err := o.checkReply(ctx, c, in); err != nil {
		return err
	}
	return o.Writer.Submit(ctx, timeline.Command{
		ConversationID: v.State.ID, Device: c.Device, AuthorTime: time.Now().UnixMilli(),
		Proposal: conversation.Proposal{Type: frame.TypeMessage, Sender: c.User, Mentions: in.Mentions},
		TempID:   in.TempID, Content: content, Origin: origin,
	}, func(res timeline.Result, err error) {
		if err != nil {
			then(frame.Ack{}, err)
			return
		}
		then(ackOf(in, res), nil)
	})
}

// ackOf is the answer to a message that is in the log, or on its way there. spec: MSG-ACK-1
func ackOf(in frame.Send, res timeline.Result) frame.Ack {
	if res.Accepted {
		return frame.Ack{TempID: in.TempID, ConversationID: in.ConversationID, Timestamp: time.Now().UnixMilli(), Status: frame.Accepted}
	}
	return frame.Ack{
		TempID: in.TempID, ConversationID: in.ConversationID,
		MessageID: res.MessageID.String(), Seq: res.Seq, Timestamp: res.MessageID.Time(), Status: frame.Sent,
	}
}

// messageContent is the canonical content, within its limit.
func messageContent(in frame.Send) ([]byte, error) {
	content, err := event.MessageContent(in)
	if wrong, ok := errors.AsType[*canonical.Error](err); ok && wrong.Kind == canonical.KindTooLarge || len(content) > MaxContent {
		return nil, fault.New(fault.ContentTooLarge, "the content of a message has at most %d bytes", MaxContent)
	}
	if err != nil {
		return nil, fault.New(fault.MalformedJSON, "the content is not valid UTF-8").Because(err)
	}
	return content, nil
}

// checkSend checks the shape of a message. spec: MSG-SEND-2 MSG-SEND-3
func checkSend(in frame.Send) error {
	if err := submission.CheckTempID(in.TempID); err != nil {
		return err
	}
	return submission.CheckSend(in)
}

// checkReply checks that the message replied to is one the sender can read. spec: MSG-REPLY-1
func (o *Conversations) checkReply(ctx context.Context, c Caller, in frame.Send) error {
	if in.ReplyToMessageID == "" {
		return nil
	}
	if _, err := id.ParseMessage(in.ReplyToMessageID); err != nil {
		return fault.Invalid("replyToMessageId", "is not a message id")
	}
	_, _, err := o.aboutMessage(ctx, c, in.ConversationID, in.ReplyToMessageID)
	return err
}

// Receive moves the caller's pointers up to a message. Faults: invalid_field, unknown_conversation, unknown_message, unavailable.
func (o *Conversations) Receive(ctx context.Context, c Caller, in frame.Delivery) error {
	if in.Status != "delivered" && in.Status != "read" {
		return fault.Invalid("status", "must be delivered or read")
	}
	conv, err := id.ParseConversation(in.ConversationID)
	if err != nil {
		return fault.New(fault.UnknownConversation, "no such conversation")
	}
	m, err := id.ParseMessage(in.MessageID)
	if err != nil {
		return err
	}
	if done, err := o.readAs(ctx, c, conv, m, in.Status == "read"); done || err != nil {
		return err
	}
	return o.Timeline.Receive(ctx, conv, c.User, m, in.Status == "read")
}

// NoBound is a bound of a History that is not given. A bound of -1 lies before seq 0.
const NoBound = -2

// History asks for a page of messages.
type History struct {
	Cursor              string
	AfterSeq, BeforeSeq int64 // exclusive, or NoBound
	Limit               int
}

// Messages answers a page: with AfterSeq from the oldest to the newest, else from the newest to the oldest. Faults:
// unknown_conversation, invalid_cursor.
func (o *Conversations) Messages(ctx context.Context, c Caller, conversationID string, in History) (rest.Messages, error) {
	out := rest.Messages{Messages: []frame.Event{}}
	v, reader, err := o.reading(ctx, c, conversationID)
	if err != nil {
		return out, err
	}
	if err := in.resume(); err != nil {
		return out, err
	}
	pointers, err := o.Feed.Pointers(ctx, v, c.User)
	if err != nil {
		return out, err
	}
	r := sight(v, c, pointers, reader)
	from, to := r.From, r.To
	r.Limit, r.Bytes, r.Newest = in.Limit+1, pageBytes, in.AfterSeq == NoBound
	if in.AfterSeq != NoBound {
		r.From = max(from, in.AfterSeq+1)
	}
	if in.BeforeSeq != NoBound {
		r.To = min(to, in.BeforeSeq-1)
	}
	events, err := o.Feed.Log.Events(ctx, v.Shard, v.Conv, r)
	if err != nil {
		return out, err
	}
	records, err := o.shownTo(ctx, c, v, pointers, events)
	if err != nil {
		return out, err
	}
	if err := o.countViews(ctx, v, records); err != nil {
		return out, err
	}
	in.page(&out, records, r)
	return out, nil
}

// resume reads the cursor of a page before: its direction and bounds replace those given.
func (h *History) resume() error {
	if h.Cursor == "" {
		return nil
	}
	bad := fault.New(fault.InvalidCursor, "the cursor is not one of this list")
	dir, rest, _ := strings.Cut(h.Cursor, ".")
	after, before, _ := strings.Cut(rest, ".")
	a, errA := strconv.ParseInt(after, 10, 64)
	b, errB := strconv.ParseInt(before, 10, 64)
	if errA != nil || errB != nil || a < NoBound || b < NoBound || (dir != "o" && dir != "n") || (dir == "o") != (a != NoBound) {
		return bad
	}
	h.AfterSeq, h.BeforeSeq = a, b
	return nil
}

// pageBytes bounds what the messages of a page take, with room for what the estimate of a record misses. spec: REST-PAGE-8
const pageBytes = 192 << 10

// page cuts the records to the limit and names the next page. The log has no holes: a read that ends before its range does was
// cut where it took too many bytes.
func (h *History) page(out *rest.Messages, records []frame.Event, r timeline.Range) {
	newest := r.Newest
	switch n := len(records); {
	case n > h.Limit && newest:
		out.HasMore, records = true, records[1:]
	case n > h.Limit:
		out.HasMore, records = true, records[:h.Limit]
	case n > 0 && newest:
		out.HasMore = records[0].Seq > r.From
	case n > 0:
		out.HasMore = records[n-1].Seq < r.To
	}
	if newest {
		slices.Reverse(records)
	}
	out.Messages = append(out.Messages, records...)
	if !out.HasMore {
		return
	}
	last := records[len(records)-1].Seq
	if newest {
		out.NextCursor = "n.-2." + strconv.FormatInt(last, 10)
		return
	}
	out.NextCursor = "o." + strconv.FormatInt(last, 10) + "." + strconv.FormatInt(h.BeforeSeq, 10)
}
