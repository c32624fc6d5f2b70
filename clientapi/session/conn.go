// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"parley.chat/clientapi/op"
	"parley.chat/clientapi/socket"
	"parley.chat/core/ephemeral"
	"parley.chat/core/fanout"
	"parley.chat/core/feed"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// inFlight bounds the messages of one session whose commit is awaited; past it reading pauses.
const inFlight = 32

// conn is one socket session. It is the feed.Sink of its stream.
type conn struct {
	door   *Door
	caller op.Caller
	id     string
	ws     *socket.Conn
	stream *feed.Stream
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	work   chan struct{}

	ephemeral *ephemeral.Connection // nil until moment made it; belongs to the reader
}

var errGone = errors.New("session: connection gone")

// wire prepares a frame for sockets, once for all of them.
func wire(payload []byte) any { return socket.Prepare(payload) }

// Push implements feed.Sink.
func (s *conn) Push(f *fanout.Frame) bool { return s.ws.Send(f.Wire(wire).(socket.Prepared)) }

// PushPage implements feed.Sink.
func (s *conn) PushPage(ctx context.Context, payload []byte) error {
	if !s.ws.Drain(ctx) || !s.ws.Send(socket.Prepare(payload)) {
		return errGone
	}
	return nil
}

// Later implements feed.Sink.
func (s *conn) Later(f func(context.Context)) {
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
func (s *conn) Close(code fault.Code) {
	info := fault.Lookup(code)
	if info.Close == 0 {
		info.Close = fault.Lookup(fault.Draining).Close
	}
	s.ws.Close(info.Close, string(code))
}

func (s *conn) onMessage(raw []byte) {
	if data, err := s.handle(raw); err != nil {
		tempID, conversation := names(data)
		s.fail(err, tempID, conversation)
	}
}

func (s *conn) onUnreadable() {
	s.fail(fault.New(fault.MalformedJSON, "a frame is a text message in UTF-8"), "", "")
}

func (s *conn) onTooLarge() {
	s.fail(fault.New(fault.FrameTooLarge, "a frame has at most %d bytes", MaxFrame), "", "")
}

// onOverflow comes after pending frames were discarded: live delivery stops until the client syncs.
func (s *conn) onOverflow() {
	s.stream.Overflow()
	s.send(frame.Resync, frame.ResyncNotice{Code: string(fault.SlowReader)})
}

func (s *conn) onClose(int, string) {
	s.cancel()
	s.door.Registry.Unregister(s.stream)
	s.door.leave(s)
	if s.ephemeral != nil {
		s.ephemeral.Close()
	}
}

// send queues a frame for this connection alone.
func (s *conn) send(typ string, data any) {
	raw, err := json.Marshal(data)
	if err != nil {
		s.door.Log.Error("cannot encode a frame", slog.String("type", typ), slog.Any("error", err))
		return
	}
	s.ws.Send(socket.Prepare(frame.AppendFrame(nil, typ, raw)))
}

// fail answers a frame with an error frame.
func (s *conn) fail(err error, tempID, conversation string) {
	f := fault.From(err)
	if f.Code == fault.Internal && s.door.Away != nil && s.door.Away(err) {
		f = fault.New(fault.Unavailable, "the server cannot do this now").Because(err)
	}
	info := fault.Lookup(f.Code)
	message := f.Message
	if info.Status >= 500 {
		s.door.Log.Warn("frame not served", slog.String("session", s.id), slog.String("code", string(f.Code)), slog.Any("error", err))
	}
	if f.Code == fault.Internal {
		message = "internal error, reference " + s.id
	}
	after := f.RetryAfter.Milliseconds()
	if after == 0 && (info.Status == 429 || info.Status == 503) {
		after = 1000
	}
	s.send(frame.ErrorFrame, frame.Error{
		Code: string(f.Code), Message: message, Field: f.Field, RetryAfterMs: after,
		TempID: tempID, ConversationID: conversation,
	})
}
