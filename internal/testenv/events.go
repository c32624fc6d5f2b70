// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"parley.chat/internal/specguard"
	"parley.chat/protocol/frame"
)

// Stream is a device's stream of server-sent events; what comes is checked like frames of a socket and put in its book.
type Stream struct {
	ended chan struct{}

	mu       sync.Mutex
	err      error
	farewell string
	moment   []Frame
}

// Events opens a stream that goes on after the cursor and ends with ctx.
func (u *User) Events(ctx context.Context, b *Book, cursor string) *Stream {
	u.t.Helper()
	req, err := u.Request(ctx, "GET", "/events", nil)
	if err != nil {
		u.t.Fatal(err)
	}
	if cursor != "" {
		req.Header.Set("Last-Event-ID", cursor)
	}
	client := *u.srv.client
	client.Timeout = 0
	res, err := client.Do(req)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		u.t.Fatalf("events of %s: %v %v", u.ID, res, err)
	}
	s := &Stream{ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 2*maxFrame)
		s.note(s.read(u, b, lines))
	}()
	return s
}

func (s *Stream) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// read takes events until the stream ends, however that is.
func (s *Stream) read(u *User, b *Book, lines *bufio.Scanner) error {
	var id, typ, data string
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "id":
			id = value
		case "event":
			typ = value
		case "data":
			data = value
		case "":
			if typ == "" {
				continue
			}
			raw := frame.AppendFrame(nil, typ, []byte(data))
			specguard.Frame(u.t, raw)
			if err := s.enter(b, id, Frame{Type: typ, Data: json.RawMessage(data)}); err != nil {
				return err
			}
			id, typ, data = "", "", ""
		}
	}
	return nil
}

func (s *Stream) enter(b *Book, id string, f Frame) error {
	if (f.Type == frame.SyncFrame) != (id != "") || f.Type == frame.SyncFrame && id != page(f).Cursor {
		return fmt.Errorf("event %s has the id %q", f.Type, id)
	}
	switch f.Type {
	case frame.SyncFrame:
		return decodeInto(f, b.Page)
	case frame.MessageReceived, frame.ConversationUpdated:
		return decodeInto(f, b.Live)
	case frame.MessageEdited, frame.MessageDeleted, frame.MessageReaction:
		return decodeInto(f, b.Changed)
	case frame.DeliveryAck:
		return decodeInto(f, func(d frame.Delivery) error { b.Moved(d); return nil })
	case frame.ReceiptsFrame:
		return decodeInto(f, func(m frame.MovedPointers) error { b.MovedMany(m); return nil })
	case frame.ErrorFrame:
		return decodeInto(f, func(e frame.Error) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.farewell = e.Code
			return nil
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moment = append(s.moment, f)
	return nil
}

// Moment lists the frames so far that are neither of the log nor of sync.
func (s *Stream) Moment() []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.moment)
}

// Until waits for a condition while the stream is read.
func (s *Stream) Until(cond func() bool) error {
	if err := until(patience, cond); err != nil {
		return fmt.Errorf("events: %w: %w", err, s.failure())
	}
	return s.failure()
}

func (s *Stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// End waits for the end of the stream and tells what was wrong with it.
func (s *Stream) End() error {
	<-s.ended
	return s.failure()
}

// Farewell waits for the end and returns the code of the error event before it, "" if there was none.
func (s *Stream) Farewell() string {
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.farewell
}
