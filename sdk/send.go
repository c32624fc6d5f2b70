// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// The sizes above which a server refuses; checked here because a frame too large would cost the connection.
const (
	maxContent = 64 << 10
	maxFrame   = 128 << 10
)

// SendText sends a text and waits as Send does.
func (c *Client) SendText(ctx context.Context, conversationID, text string) (frame.Ack, error) {
	return c.Send(ctx, frame.Send{ConversationID: conversationID, Content: text, ContentType: "text"})
}

// Send queues a message and waits until the server has it in the log, which needs a running Run. An empty TempID is
// filled in, an empty ContentType is text. It fails if the server refuses the message for good, and when ctx ends: then
// the message is not tried again, but it may have been sent already.
func (c *Client) Send(ctx context.Context, m frame.Send) (frame.Ack, error) {
	done := make(chan outcome, 1)
	tempID, err := c.enqueue(ctx, m, done)
	if err != nil {
		return frame.Ack{}, err
	}
	select {
	case r := <-done:
		return r.ack, r.err
	case <-ctx.Done():
		if _, err := c.settle(context.WithoutCancel(ctx), tempID, outcome{err: ctx.Err()}); err != nil {
			return frame.Ack{}, fmt.Errorf("take back %s: %w", tempID, err)
		}
		r := <-done // Settled by us, or just before by an answer.
		return r.ack, r.err
	}
}

// SendAsync queues a message durably and returns its tempId. What becomes of it comes as Acked or SendFailed; after a
// restart with the same store it is tried on.
func (c *Client) SendAsync(ctx context.Context, m frame.Send) (string, error) {
	return c.enqueue(ctx, m, nil)
}

func (c *Client) enqueue(ctx context.Context, m frame.Send, done chan outcome) (string, error) {
	if c.auth.session.Load() == nil {
		return "", errNoSession
	}
	if m.TempID == "" {
		m.TempID = string(id.NewDevice()) // A ULID, as unlikely to repeat as a device id.
	}
	if m.ContentType == "" {
		m.ContentType = "text"
	}
	if err := checkSend(m); err != nil {
		return "", err
	}
	if err := c.outbox.accepts(m.TempID); err != nil {
		return "", err
	}
	// Stored before it can be sent, so that what was sent is always known after a crash.
	if err := c.store.Update(ctx, func(st *State) { st.Outbox = append(st.Outbox, m) }); err != nil {
		return "", fmt.Errorf("store message: %w", err)
	}
	if err := c.outbox.add(&queued{send: m, done: done}); err != nil {
		return "", c.takeBack(ctx, m, err)
	}
	return m.TempID, nil
}

// takeBack undoes the storing of a message that was not queued after all.
func (c *Client) takeBack(ctx context.Context, m frame.Send, why error) error {
	if fault.Is(why, fault.TempIDConflict) {
		return why // Another call was quicker. Its message stays stored, and the double goes with it when it is settled.
	}
	if err := c.store.Update(context.WithoutCancel(ctx), func(st *State) { st.dropQueued(m.TempID) }); err != nil {
		c.log.WarnContext(ctx, "message not taken back", "error", err)
	}
	return why
}

func checkSend(m frame.Send) error {
	if m.ConversationID == "" {
		return fault.Invalid("conversationId", "is required")
	}
	if len(m.Content) > maxContent || len(m.EncryptedContent) > maxContent {
		return fault.New(fault.ContentTooLarge, "the content is larger than 64 KiB")
	}
	raw, err := encodeFrame(frame.SendMessage, m)
	if err != nil {
		return err
	}
	if len(raw) > maxFrame {
		return fault.New(fault.FrameTooLarge, "the frame is larger than 128 KiB")
	}
	return nil
}

// envelope is a frame as it comes in.
type envelope struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

func encodeFrame(kind string, data any) ([]byte, error) {
	raw, err := encode(struct {
		Type string `json:"type"`
		Data any    `json:"data"`
	}{kind, data})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	return raw, nil
}

// encode is json.Marshal without the escapes for HTML, which could make a message six times as long.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
