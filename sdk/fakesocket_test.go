// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/coder/websocket"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

func (f *fake) socket(w http.ResponseWriter, r *http.Request) {
	who, ok := f.who(r)
	if !ok {
		refuse(w, fault.New(fault.TokenExpired, "expired"))
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		return
	}
	s := &fakeSession{Session: who, out: make(chan []byte, 1000), end: make(chan websocket.StatusCode, 1)}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	f.mu.Lock()
	f.sessions[s] = true
	f.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.writeAll(ctx, c)
		cancel()
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
func (s *fakeSession) writeAll(ctx context.Context, c *websocket.Conn) {
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

func (f *fake) readAll(ctx context.Context, s *fakeSession, c *websocket.Conn) {
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
		}
		f.mu.Unlock()
	}
}

func (f *fake) sync(s *fakeSession, data []byte) {
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

func (f *fake) send(s *fakeSession, data []byte) {
	var in frame.Send
	_ = json.Unmarshal(data, &in)
	v := f.judge(in)
	if v.refuse != nil {
		e := *v.refuse
		e.TempID, e.ConversationID = in.TempID, in.ConversationID
		s.push(frame.ErrorFrame, e)
		return
	}
	if !v.noStore {
		e := f.store(s.Session, in, s)
		if !v.noAck {
			s.push(frame.MessageAck, ackOf(e))
		}
	}
	if v.drop {
		s.live = false
		s.end <- websocket.StatusAbnormalClosure
	}
}
