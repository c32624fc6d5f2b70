// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"parley.chat/clientapi/op"
	"parley.chat/clientapi/socket"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// frameTime bounds what one frame may take, the commit of a message among it.
const frameTime = 30 * time.Second

// envelope is a client's frame before its data is read.
type envelope struct {
	Type string         `json:"type"`
	Data jsontext.Value `json:"data"`
}

// handlers is the table of the frames a client may send.
var handlers = map[string]func(*conn, []byte) error{
	frame.SendMessage:   (*conn).onSend,
	frame.DeliveryAck:   (*conn).onDelivery,
	frame.SyncFrame:     (*conn).onSync,
	frame.PresenceFrame: (*conn).onPresence,
	frame.TypingFrame:   (*conn).onTyping,
}

// handle serves a frame. With a fault it returns the data, as far as that could be read.
func (s *conn) handle(raw []byte) ([]byte, error) {
	var e envelope
	err := op.Decode(raw, &e)
	if slow := s.door.Requests.Frame(s.caller); slow != nil {
		return e.Data, slow
	}
	if err != nil {
		return e.Data, err
	}
	h, ok := handlers[e.Type]
	if !ok {
		return e.Data, fault.New(fault.UnknownType, "no frame of this type can be sent by a client")
	}
	if e.Data == nil {
		e.Data = jsontext.Value("{}")
	}
	if e.Type != frame.SyncFrame && !s.stream.Synced() {
		return e.Data, fault.New(fault.SyncRequired, "send sync first")
	}
	return e.Data, h(s, e.Data)
}

// names finds what tells the client which of its frames is refused, in data that may be wrong elsewhere. spec: SOCKET-LIVE-5
func names(data []byte) (tempID, conversation string) {
	var fields map[string]jsontext.Value
	if op.Decode(data, &fields) != nil {
		return "", ""
	}
	read := func(name string) string {
		v := fields[name]
		if v.Kind() != '"' {
			return ""
		}
		text, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return ""
		}
		return string(text)
	}
	return read("tempId"), read("conversationId")
}

func (s *conn) onSync(data []byte) error {
	var in frame.SyncRequest
	if err := op.Decode(data, &in); err != nil {
		return err
	}
	err := s.stream.Resume(s.ctx, in.Cursor)
	if errors.Is(err, errGone) || s.ctx.Err() != nil {
		return nil
	}
	return err
}

// onSend appends a message and answers when it is committed; meanwhile the next frames are read. The order of the sends is
// kept: the command is queued before the next frame is read.
func (s *conn) onSend(data []byte) error {
	var in frame.Send
	if err := op.Decode(data, &in); err != nil {
		return err
	}
	select {
	case s.work <- struct{}{}:
	case <-s.ctx.Done():
		return nil
	}
	err := s.door.Conversations.Submit(s.ctx, s.caller, in, s.id, func(ack frame.Ack, err error) { s.onSent(in, ack, err) })
	if err != nil {
		s.onSent(in, frame.Ack{}, err)
	}
	return nil
}

func (s *conn) onSent(in frame.Send, ack frame.Ack, err error) {
	if err != nil {
		s.fail(err, in.TempID, in.ConversationID)
	} else {
		s.ws.Send(socket.Prepare(frame.AppendFrame(nil, frame.MessageAck, frame.AppendAck(nil, &ack))))
	}
	<-s.work
}

func (s *conn) onDelivery(data []byte) error {
	var in frame.Delivery
	if err := op.Decode(data, &in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, frameTime)
	defer cancel()
	return s.door.Conversations.Receive(ctx, s.caller, in)
}
