// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/coder/websocket"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// queue is more than any test lets pile up.
const queue = 10000

// session is one socket. live and the owner's fields are under the server's lock.
type session struct {
	rest.Session
	out  chan []byte
	end  chan websocket.StatusCode
	live bool
}

// push queues a frame.
func (s *session) push(kind string, data any) {
	raw, err := json.Marshal(map[string]any{"type": kind, "data": data})
	if err != nil {
		panic(err) // All frames are plain values.
	}
	s.out <- raw
}

func (f *Server) socket(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	who, err := f.who(r)
	f.mu.Unlock()
	if err != nil {
		reply(w, nil, err)
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"parley.v1"}})
	if err != nil {
		return
	}
	s := &session{Session: who, out: make(chan []byte, queue), end: make(chan websocket.StatusCode, 8)}
	ctx, cancel := context.WithCancel(r.Context())
	f.mu.Lock()
	f.sessions[s] = true
	f.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		s.writeAll(ctx, c)
	}()
	f.readAll(ctx, s, c)
	cancel()
	<-done
	f.mu.Lock()
	delete(f.sessions, s)
	f.mu.Unlock()
	_ = c.CloseNow()
}

// writeAll sends what is queued; a close code closes at once.
func (s *session) writeAll(ctx context.Context, c *websocket.Conn) {
	for {
		select {
		case code := <-s.end:
			if code == websocket.StatusAbnormalClosure {
				_ = c.CloseNow()
			} else {
				_ = c.Close(code, "")
			}
			return
		case raw := <-s.out:
			if c.Write(ctx, websocket.MessageText, raw) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (f *Server) readAll(ctx context.Context, s *session, c *websocket.Conn) {
	for {
		_, raw, err := c.Read(ctx)
		if err != nil {
			return
		}
		var in envelope
		_ = json.Unmarshal(raw, &in)
		f.mu.Lock()
		f.frames = append(f.frames, in)
		switch in.Type {
		case frame.SyncFrame:
			f.sync(s, in.Data)
		case frame.SendMessage:
			f.send(s, in.Data)
		case frame.DeliveryAck:
			f.receipt(s, in.Data)
		}
		f.mu.Unlock()
	}
}

func (f *Server) sync(s *session, data []byte) {
	var in frame.SyncRequest
	_ = json.Unmarshal(data, &in)
	for cursor := in.Cursor; ; {
		page, ok := f.moved(s.UserID, cursor)
		if !ok {
			s.push(frame.ErrorFrame, frame.Error{Code: string(fault.InvalidCursor)})
			return
		}
		s.push(frame.SyncFrame, page)
		if !page.HasMore {
			s.live = true
			return
		}
		cursor = page.Cursor
	}
}

func (f *Server) send(s *session, data []byte) {
	var in frame.Send
	_ = json.Unmarshal(data, &in)
	v := f.judge(in)
	if v.Refuse != nil {
		e := *v.Refuse
		e.TempID, e.ConversationID = in.TempID, in.ConversationID
		s.push(frame.ErrorFrame, e)
		return
	}
	if v.Answer != nil {
		a := *v.Answer
		a.TempID, a.ConversationID = in.TempID, in.ConversationID
		s.push(frame.MessageAck, a)
	}
	if !v.NoStore {
		e := f.store(s.Session, in, s)
		if !v.NoAck {
			s.push(frame.MessageAck, ackOf(e))
		}
	}
	if v.Drop {
		s.live = false
		s.end <- websocket.StatusAbnormalClosure
	}
}

// receipt moves the pointers of the user and tells the other members.
func (f *Server) receipt(s *session, data []byte) {
	var in frame.Delivery
	_ = json.Unmarshal(data, &in)
	c := f.talks[in.ConversationID]
	m, err := id.ParseMessage(in.MessageID)
	if c == nil || err != nil {
		return
	}
	seq := m.Seq()
	p, known := c.receipts[s.UserID]
	if !known {
		p = frame.Receipt{ConversationID: in.ConversationID, UserID: s.UserID, DeliveredSeq: -1, ReadSeq: -1}
	}
	p.DeliveredSeq = max(p.DeliveredSeq, seq)
	if in.Status == "read" {
		p.ReadSeq = max(p.ReadSeq, seq)
	}
	c.receipts[s.UserID] = p
	in.UserID, in.Seq = s.UserID, &seq
	f.toMembers(c, frame.DeliveryAck, in, s)
}
