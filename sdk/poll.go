// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// The rhythm of long polling.
const (
	pollTimeout = 25 * time.Second
	pollFor     = 5 * time.Minute // then a socket is tried again
)

var errPollOver = errors.New("time to try a socket again")

// poll is the link over long polls and REST calls: it speaks frames as a socket does. Receipts have no REST form, so
// they wait for a socket.
type poll struct {
	c      *Client
	cancel context.CancelFunc
	start  chan string // the cursor of each sync frame
	frames chan []byte
	ended  chan error // one slot
}

func (c *Client) openPoll(ctx context.Context) *poll {
	p := &poll{c: c, start: make(chan string, 1), frames: make(chan []byte), ended: make(chan error, 1)}
	ctx, p.cancel = context.WithTimeoutCause(ctx, pollFor, errPollOver)
	go func() { p.ended <- p.run(ctx) }()
	return p
}

func (p *poll) run(ctx context.Context) error {
	var cursor string
	select {
	case cursor = <-p.start:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	wait := time.Duration(0)
	for {
		select {
		case cursor = <-p.start:
			wait = 0
		default:
		}
		answer, err := p.ask(ctx, cursor, wait)
		if fault.Is(err, fault.InvalidCursor) {
			if cursor, err = p.restart(ctx, err); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if err := p.push(ctx, frame.SyncFrame, answer); err != nil {
			return err
		}
		cursor, wait = answer.Cursor, pollTimeout
		if answer.HasMore {
			wait = 0
		}
	}
}

// restart tells of a refused cursor, as a socket would, and waits for the next sync frame.
func (p *poll) restart(ctx context.Context, refusal error) (string, error) {
	f := fault.From(refusal)
	if err := p.push(ctx, frame.ErrorFrame, frame.Error{Code: string(f.Code), Message: f.Message}); err != nil {
		return "", err
	}
	select {
	case cursor := <-p.start:
		return cursor, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (p *poll) ask(ctx context.Context, cursor string, wait time.Duration) (frame.Sync, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+callTimeout)
	defer cancel()
	q := url.Values{"timeout": {strconv.FormatInt(wait.Milliseconds(), 10)}}
	addPage(q, cursor, 0)
	var answer frame.Sync
	err := p.c.callWithin(ctx, http.MethodGet, "/api/v1/sync"+query(q), nil, &answer)
	return answer, err
}

func (p *poll) push(ctx context.Context, kind string, data any) error {
	raw, err := encodeFrame(kind, data)
	if err != nil {
		return err
	}
	select {
	case p.frames <- raw:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *poll) read(ctx context.Context) ([]byte, error) {
	select {
	case raw := <-p.frames:
		if p.c.opts.OnFrame != nil {
			p.c.opts.OnFrame(false, raw)
		}
		return raw, nil
	case err := <-p.ended:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *poll) write(ctx context.Context, raw []byte) error {
	if p.c.opts.OnFrame != nil {
		p.c.opts.OnFrame(true, raw)
	}
	var in envelope
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("decode own frame: %w", err)
	}
	switch in.Type {
	case frame.SyncFrame:
		return p.sync(ctx, in.Data)
	case frame.SendMessage:
		return p.send(ctx, in.Data)
	case frame.PresenceFrame:
		return p.present(ctx, in.Data)
	}
	return nil
}

// present says what can be said without a socket: online or offline. Nobody can be watched.
func (p *poll) present(ctx context.Context, data []byte) error {
	var in frame.PresenceRequest
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("decode own presence: %w", err)
	}
	status := "online"
	if in.Status != "" {
		status = in.Status
	}
	err := p.c.call(ctx, http.MethodPost, "/api/v1/users/me/presence", rest.SetPresence{Status: status}, nil)
	if SessionEnded(err) {
		return err
	}
	return nil // It is said again, and a server may not offer it.
}

func (p *poll) sync(ctx context.Context, data []byte) error {
	var in frame.SyncRequest
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("decode own sync: %w", err)
	}
	select {
	case p.start <- in.Cursor:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *poll) send(ctx context.Context, data []byte) error {
	var in frame.Send
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("decode own message: %w", err)
	}
	path := conversationPath(in.ConversationID) + "/messages"
	tempID, conv := in.TempID, in.ConversationID
	in.ConversationID = ""
	var ack frame.Ack
	err := p.c.call(ctx, http.MethodPost, path, in, &ack)
	var f *fault.Error
	switch {
	case err == nil:
		return p.push(ctx, frame.MessageAck, ack)
	case errors.As(err, &f) && !SessionEnded(err):
		return p.push(ctx, frame.ErrorFrame, frame.Error{
			Code: string(f.Code), Message: f.Message, Field: f.Field, TempID: tempID, ConversationID: conv,
			RetryAfterMs: f.RetryAfter.Milliseconds(),
		})
	}
	return err
}

func (p *poll) ping(context.Context) error { return nil }

func (p *poll) close() { p.cancel() }
