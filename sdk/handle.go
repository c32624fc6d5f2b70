// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// handle takes one frame in. An error ends the connection; the next one begins at the cursor before this frame.
func (c *conn) handle(ctx context.Context, raw []byte) error {
	var in envelope
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("decode frame: %w", err)
	}
	var err error
	switch in.Type {
	case frame.MessageReceived, frame.ConversationUpdated:
		err = decoded(ctx, in, c.arrived)
	case frame.MessageEdited, frame.MessageDeleted, frame.MessageReaction:
		err = decoded(ctx, in, c.messageChanged)
	case frame.MessageAck:
		err = decoded(ctx, in, c.acked)
	case frame.DeliveryAck:
		err = decoded(ctx, in, c.receipted)
	case frame.ReceiptsFrame:
		err = decoded(ctx, in, c.manyReceipted)
	case frame.PresenceFrame:
		err = decoded(ctx, in, c.present)
	case frame.TypingFrame:
		err = decoded(ctx, in, c.typed)
	case frame.ChannelHeadFrame:
		err = decoded(ctx, in, c.headMoved)
	case frame.ConversationSettings:
		err = decoded(ctx, in, func(ctx context.Context, p frame.Prefs) error { return c.c.emit(ctx, Prefs{p}) })
	case frame.AccountDataFrame:
		err = decoded(ctx, in, func(ctx context.Context, d frame.AccountData) error { return c.c.emit(ctx, AccountData{d}) })
	case frame.MessageRequest:
		err = decoded(ctx, in, func(ctx context.Context, r frame.Request) error { return c.c.emit(ctx, Request{r}) })
	case frame.SyncFrame:
		err = decoded(ctx, in, c.synced)
	case frame.ErrorFrame:
		err = decoded(ctx, in, c.refused)
	case frame.Resync:
		err = c.askSync(ctx)
	}
	return err // Frames of other types are for other clients: newer servers may send more.
}

func decoded[T any](ctx context.Context, in envelope, do func(context.Context, T) error) error {
	var v T
	if err := json.Unmarshal(in.Data, &v); err != nil {
		return fmt.Errorf("decode %s: %w", in.Type, err)
	}
	return do(ctx, v)
}

func (c *conn) arrived(ctx context.Context, e frame.Event) error {
	return c.handOver(ctx, c.t.add(e, time.Now()))
}

// handOver gives events that are in order to the application.
func (c *conn) handOver(ctx context.Context, events []frame.Event) error {
	for _, e := range events {
		c.moved()
		if err := c.handOne(ctx, e); err != nil {
			c.broken = true
			return err
		}
	}
	return nil
}

func (c *conn) handOne(ctx context.Context, e frame.Event) error {
	own := e.SenderID == c.self.UserID
	if own && e.TempID != "" {
		// The acknowledgement got lost, or is still to come.
		if _, err := c.settled(ctx, ackOf(e)); err != nil {
			return err
		}
	}
	switch e.Type {
	case frame.TypeMessage:
	case frame.TypeEdit, frame.TypeReaction, frame.TypeDelete:
		return c.c.emit(ctx, MessageChange{e})
	default:
		return c.c.emit(ctx, StateChange{e})
	}
	if err := c.c.emit(ctx, Message{e}); err != nil {
		return err
	}
	if !own {
		c.c.receipt.note(e.ConversationID, e.MessageID, statusDelivered, e.Seq)
	}
	return nil
}

func ackOf(e frame.Event) frame.Ack {
	return frame.Ack{
		TempID: e.TempID, ConversationID: e.ConversationID, MessageID: e.MessageID,
		Seq: e.Seq, Timestamp: e.Timestamp, Status: "sent",
	}
}

// settled takes an acknowledged message out of the outbox and returns it; nil if it was not in there.
func (c *conn) settled(ctx context.Context, a frame.Ack) (*frame.Send, error) {
	s, err := c.c.settle(ctx, a.TempID, outcome{ack: a})
	if err != nil {
		// It is sent again after a restart, and the server knows it by its tempId.
		c.c.log.WarnContext(ctx, "acknowledgement not stored", "error", err)
	}
	if s == nil {
		return nil, nil
	}
	return s, c.c.emit(ctx, Acked{a})
}

// hubRefused takes a message out of the outbox that the hub refused after it was accepted.
func (c *conn) hubRefused(ctx context.Context, a frame.Ack) error {
	f := fault.New(fault.Code(a.Code), "%s", a.Message)
	s, err := c.c.settle(ctx, a.TempID, outcome{err: f})
	if err != nil {
		c.c.log.WarnContext(ctx, "refusal not stored", "error", err)
	}
	if s == nil {
		return nil
	}
	return c.c.emit(ctx, SendFailed{Send: *s, Err: f})
}

// acked takes the place of message_received for what this connection sent.
func (c *conn) acked(ctx context.Context, a frame.Ack) error {
	switch a.Status {
	case frame.Accepted:
		if c.c.outbox.accept(a, time.Now()) {
			return c.c.emit(ctx, Accepted{a})
		}
		return nil
	case frame.Failed:
		return c.hubRefused(ctx, a)
	}
	s, err := c.settled(ctx, a)
	if err != nil {
		c.broken = true
		return err
	}
	if s == nil {
		return nil
	}
	return c.arrived(ctx, frame.Event{
		ConversationID: a.ConversationID, Seq: a.Seq, MessageID: a.MessageID, Type: frame.TypeMessage,
		SenderID: c.self.UserID, DeviceID: c.self.DeviceID, TempID: a.TempID, Timestamp: a.Timestamp, Status: a.Status,
		Content: s.Content, ContentType: s.ContentType, MediaURL: s.MediaURL,
		ReplyToMessageID: s.ReplyToMessageID, EncryptedContent: s.EncryptedContent, Mentions: s.Mentions, IsForwarded: s.IsForwarded,
	})
}

func (c *conn) receipted(ctx context.Context, d frame.Delivery) error {
	if d.Seq == nil {
		return nil
	}
	r := frame.Receipt{ConversationID: d.ConversationID, UserID: d.UserID, DeliveredSeq: *d.Seq, ReadSeq: -1}
	if d.Status == statusRead {
		r.ReadSeq = *d.Seq
	}
	return c.c.emit(ctx, Receipt{r})
}

func (c *conn) manyReceipted(ctx context.Context, m frame.MovedPointers) error {
	for _, p := range m.Receipts {
		r := frame.Receipt{ConversationID: m.ConversationID, UserID: p.UserID, DeliveredSeq: -1, ReadSeq: -1}
		if p.DeliveredSeq != nil {
			r.DeliveredSeq = *p.DeliveredSeq
		}
		if p.ReadSeq != nil {
			r.ReadSeq, r.DeliveredSeq = *p.ReadSeq, max(r.DeliveredSeq, *p.ReadSeq)
		}
		if err := c.c.emit(ctx, Receipt{r}); err != nil {
			return err
		}
	}
	return nil
}

// synced takes a page in. Its cursor counts only once all before it was handed over.
func (c *conn) synced(ctx context.Context, s frame.Sync) error {
	for _, conv := range s.Conversations {
		if err := c.summary(ctx, conv); err != nil {
			return err
		}
	}
	for _, e := range s.Messages {
		if err := c.arrived(ctx, e); err != nil {
			return err
		}
	}
	for _, h := range c.t.holes() {
		if err := c.fill(ctx, h); err != nil {
			return err
		}
	}
	for _, r := range s.Receipts {
		if err := c.c.emit(ctx, Receipt{r}); err != nil {
			return err
		}
	}
	for _, d := range s.AccountData {
		if err := c.c.emit(ctx, AccountData{d}); err != nil {
			return err
		}
	}
	if s.Cursor != "" && s.Cursor != c.cursor {
		c.cursor = s.Cursor
		c.moved()
	}
	if s.HasMore {
		c.syncBy = time.Now().Add(syncTimeout)
		return nil
	}
	return c.caughtUp(ctx)
}

// summary decides where a conversation new to this client begins, and fetches what the page left out.
func (c *conn) summary(ctx context.Context, conv frame.Conversation) error {
	if err := c.c.emit(ctx, Summary{conv}); err != nil {
		return err
	}
	if conv.IsSubscribed || conv.IsRequest || conv.IsHidden {
		return nil // Its events are fetched by the application.
	}
	known, gap := c.t.knows(conv.ConversationID), conv.Gap
	switch {
	case gap == nil:
		c.t.floor(conv.ConversationID, conv.HeadSeq)
		return nil
	case !known && c.fresh && !c.c.opts.FullHistory:
		c.t.begin(conv.ConversationID, gap.BeforeSeq-1)
		return nil
	}
	c.t.begin(conv.ConversationID, gap.AfterSeq)
	high := c.t.lines[conv.ConversationID].high
	if gap.BeforeSeq <= high+1 {
		return nil
	}
	return c.fill(ctx, hole{conversationID: conv.ConversationID, after: high, before: gap.BeforeSeq})
}

// fill fetches a range and hands it over. What a complete answer does not hold is not for this user to read.
func (c *conn) fill(ctx context.Context, h hole) error {
	after := h.after
	for more := true; more; {
		page, err := c.fetch(ctx, h.conversationID, after, h.before)
		if err != nil {
			return fmt.Errorf("fetch a range of %s: %w", h.conversationID, err)
		}
		for _, e := range page.Messages {
			if e.Seq <= after || e.Seq >= h.before {
				continue
			}
			if err := c.arrived(ctx, e); err != nil {
				return err
			}
		}
		n := len(page.Messages)
		more = page.HasMore && n > 0 && page.Messages[n-1].Seq > after
		if more {
			after = page.Messages[n-1].Seq
			if err := c.handOver(ctx, c.t.settle(h.conversationID, after+1)); err != nil {
				return err
			}
		}
	}
	c.moved()
	return c.handOver(ctx, c.t.settle(h.conversationID, h.before))
}

func (c *conn) refused(ctx context.Context, e frame.Error) error {
	f := &fault.Error{
		Code: fault.Code(e.Code), Message: e.Message, Field: e.Field,
		RetryAfter: time.Duration(e.RetryAfterMs) * time.Millisecond,
	}
	if e.TempID != "" {
		return c.sendRefused(ctx, e.TempID, f)
	}
	switch f.Code {
	case fault.InvalidCursor:
		c.cursor = ""
		return c.askSync(ctx)
	case fault.SyncRequired:
		return c.askSync(ctx)
	case fault.TokenExpired, fault.Unauthenticated:
		return c.renew(ctx, f)
	}
	if !c.syncBy.IsZero() && retryRule(f) == retryLater {
		return f // The sync was refused for now.
	}
	c.c.log.InfoContext(ctx, "frame refused", "error", f)
	return nil
}

func (c *conn) sendRefused(ctx context.Context, tempID string, f *fault.Error) error {
	switch retryRule(f) {
	case retryNever:
		s, err := c.c.settle(ctx, tempID, outcome{err: f})
		if err != nil {
			c.c.log.WarnContext(ctx, "refusal not stored", "error", err)
		}
		if s == nil {
			return nil
		}
		return c.c.emit(ctx, SendFailed{Send: *s, Err: f})
	case afterLogin:
		c.c.outbox.delay(tempID, time.Now(), f)
		return c.renew(ctx, f)
	case afterResync:
		c.c.outbox.delay(tempID, time.Now(), f)
		return c.askSync(ctx)
	}
	s, wait := c.c.outbox.delay(tempID, time.Now(), f)
	if s == nil || f.Code != fault.RateLimited {
		return nil
	}
	return c.c.emit(ctx, SendDelayed{Send: *s, Err: f, RetryIn: wait})
}

// renew refreshes the tokens and ends the connection, since it was opened with the old ones.
func (c *conn) renew(ctx context.Context, why error) error {
	if s := c.c.auth.session.Load(); s != nil {
		if _, err := c.c.refresh(ctx, s); err != nil {
			return err
		}
	}
	return fmt.Errorf("opened with an old token: %v", why)
}
