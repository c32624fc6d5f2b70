// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"parley.chat/clientapi/op"
	"parley.chat/core/fanout"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

const (
	eventQueue = 256              // frames waiting for a slow reader
	heartbeat  = 25 * time.Second // a comment line that keeps proxies from closing
	eventWrite = 10 * time.Second
)

// eventSink is the feed.Sink of an event stream.
type eventSink struct {
	door  *Door
	ctx   context.Context
	end   context.CancelCauseFunc
	queue chan []byte
}

// Push implements feed.Sink. A reader that is too slow is sent away: it connects again with its last cursor.
func (s *eventSink) Push(f *fanout.Frame) bool {
	select {
	case s.queue <- f.Payload():
		return true
	default:
		s.Close(fault.SlowReader)
		return false
	}
}

// PushPage implements feed.Sink.
func (s *eventSink) PushPage(ctx context.Context, payload []byte) error {
	select {
	case s.queue <- payload:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return errGone
	}
}

// Later implements feed.Sink.
func (s *eventSink) Later(f func(context.Context)) {
	go func() {
		select {
		case s.door.catching <- struct{}{}:
			defer func() { <-s.door.catching }()
			f(s.ctx)
		case <-s.ctx.Done():
		}
	}()
}

// Close implements feed.Sink.
func (s *eventSink) Close(code fault.Code) { s.end(fault.New(code, "the stream ends")) }

// Events writes the caller's feed as server-sent events until the client goes: each frame is one event, named after its type;
// sync events carry the cursor as id, which a browser hands back as Last-Event-ID. Faults before the first byte: invalid_cursor,
// unavailable. spec: SYNC-SSE-1
func (d *Door) Events(c op.Caller, w http.ResponseWriter, r *http.Request, cursor string) error {
	d.init()
	if _, err := d.Feed.Decode(cursor, c.User); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(r.Context())
	defer end(nil)
	s := &eventSink{door: d, ctx: ctx, end: end, queue: make(chan []byte, eventQueue)}
	stream := d.Feed.Open(rand.Text(), c.User, c.Device, s)
	d.Registry.Register(stream)
	defer d.Registry.Unregister(stream)
	if !d.enter(s) {
		return fault.New(fault.Draining, "the node is stopping, connect again")
	}
	defer d.exit(s)
	if err := d.still(ctx, c); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	go func() {
		if err := stream.Resume(ctx, cursor); err != nil {
			end(err)
		}
	}()
	return s.write(w)
}

func (s *eventSink) write(w http.ResponseWriter) error {
	rc := http.NewResponseController(w)
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		var out []byte
		select {
		case payload := <-s.queue:
			out = eventText(payload)
		case <-tick.C:
			out = []byte(": \n\n")
		case <-s.ctx.Done():
			out = s.farewell()
		}
		_ = rc.SetWriteDeadline(time.Now().Add(eventWrite)) // A transport without deadlines has its own limits.
		if _, err := w.Write(out); err != nil || rc.Flush() != nil || s.ctx.Err() != nil {
			return nil
		}
	}
}

// farewell tells why the server ends the stream; a client that left needs none.
func (s *eventSink) farewell() []byte {
	cause := context.Cause(s.ctx)
	if cause == nil || cause == context.Canceled {
		return nil
	}
	f := fault.From(cause)
	data, err := json.Marshal(frame.Error{Code: string(f.Code), Message: f.Message, RetryAfterMs: f.RetryAfter.Milliseconds()})
	if err != nil {
		return nil
	}
	return eventText(frame.AppendFrame(nil, frame.ErrorFrame, data))
}

// eventText turns a frame into the text of one event. JSON has no line feeds, so data is one line.
func eventText(payload []byte) []byte {
	var e struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil
	}
	var b bytes.Buffer
	if e.Type == frame.SyncFrame {
		var at struct {
			Cursor  string `json:"cursor"`
			HasMore bool   `json:"hasMore"`
		}
		if err := json.Unmarshal(e.Data, &at); err == nil {
			fmt.Fprintf(&b, "id: %s\n", at.Cursor)
		}
	}
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", e.Type, e.Data)
	return b.Bytes()
}
