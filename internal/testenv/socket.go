// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"parley.chat/internal/specguard"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// maxFrame is the largest frame a server may send: see spec/limits.yaml.
const maxFrame = 1 << 20

// Frame is one frame of the server.
type Frame struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
	Size int             `json:"-"`
}

// Decode reads the frame's data.
func (f Frame) Decode(into any) error { return json.Unmarshal(f.Data, into) }

// Socket is a WebSocket of a device. Everything that comes is checked against the spec and entered in its Book.
type Socket struct {
	Book *Book

	user   *User
	t      testing.TB
	told   map[string]bool // what Updated returned
	conn   *websocket.Conn
	cancel context.CancelFunc
	ended  chan struct{}

	reading sync.Mutex // held while paused

	mu      sync.Mutex
	frames  []Frame
	next    int
	changed chan struct{}
	err     error // what the Book refused
	watch   func(Frame)
	code    int // close code, 0 while open, -1 if none came
}

// Dial opens a socket and sends nothing. change may alter the handshake; a refusal is returned as the fault of its problem.
func (u *User) Dial(book *Book, change func(http.Header)) (*Socket, *fault.Error) {
	h := http.Header{"Authorization": {"Bearer " + u.AccessToken}, "Sec-Websocket-Protocol": {"parley.v1"}}
	if change != nil {
		change(h)
	}
	var offered []string
	for _, line := range h.Values("Sec-Websocket-Protocol") {
		offered = append(offered, strings.Split(line, ", ")...)
	}
	h.Del("Sec-Websocket-Protocol")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dialer := *u.srv.client
	dialer.Timeout = 0
	conn, res, err := websocket.Dial(ctx, u.srv.URL+"/api/v1/ws", &websocket.DialOptions{
		HTTPClient: &dialer, HTTPHeader: h, Subprotocols: offered,
	})
	if err != nil {
		return nil, refusal(res, err)
	}
	if got := conn.Subprotocol(); got != "parley.v1" {
		u.t.Errorf("testenv: subprotocol %q was selected", got)
	}
	return newSocket(u, conn, book), nil
}

func refusal(res *http.Response, err error) *fault.Error {
	if res == nil || res.Body == nil {
		return fault.New(Transport, "%v", err)
	}
	raw, _ := io.ReadAll(res.Body)
	if f := decodeAnswer(res, raw, nil); f != nil {
		return f
	}
	return fault.New(Transport, "%v", err)
}

func newSocket(u *User, conn *websocket.Conn, book *Book) *Socket {
	if book == nil {
		book = NewBook()
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Socket{user: u, t: u.t, conn: conn, Book: book, told: map[string]bool{}, cancel: cancel, ended: make(chan struct{}), changed: make(chan struct{})}
	conn.SetReadLimit(maxFrame)
	go s.read(ctx)
	u.t.Cleanup(s.Drop)
	return s
}

// Socket opens a socket that goes on where the book is, nil for a first sync, and waits until it is live.
func (u *User) Socket(book *Book) *Socket {
	u.t.Helper()
	s, f := u.Dial(book, nil)
	if f != nil {
		u.t.Fatalf("socket of %s: %v", u.ID, f)
	}
	s.Sync()
	return s
}

// Sync sends sync with the book's cursor and waits for the last page.
func (s *Socket) Sync() {
	s.t.Helper()
	s.Send(frame.SyncFrame, frame.SyncRequest{Cursor: s.Book.Cursor()})
	s.Await("the last page of sync", func(f Frame) bool { return f.Type == frame.SyncFrame && !page(f).HasMore })
}

func page(f Frame) (s frame.Sync) {
	_ = json.Unmarshal(f.Data, &s) // The guard has checked it.
	return s
}

func (s *Socket) read(ctx context.Context) {
	defer close(s.ended)
	for {
		kind, raw, err := s.conn.Read(ctx)
		if err != nil {
			s.mu.Lock()
			s.code = int(websocket.CloseStatus(err))
			s.wake()
			s.mu.Unlock()
			return
		}
		s.waitReading()
		specguard.Frame(s.t, raw)
		var f Frame
		if err := json.Unmarshal(raw, &f); err != nil || kind != websocket.MessageText {
			s.note(fmt.Errorf("frame of kind %v: %w", kind, err))
			continue
		}
		f.Size = len(raw)
		s.note(s.enter(f))
		s.mu.Lock()
		watch := s.watch
		s.mu.Unlock()
		if watch != nil {
			watch(f)
		}
		s.mu.Lock()
		s.frames = append(s.frames, f)
		s.wake()
		s.mu.Unlock()
	}
}

func (s *Socket) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.err == nil {
		s.err = err
		s.t.Errorf("socket of %s: %v", s.user.ID, err)
	}
}

// enter puts what came in the book.
func (s *Socket) enter(f Frame) error {
	switch f.Type {
	case frame.SyncFrame:
		return decodeInto(f, s.Book.Page)
	case frame.MessageReceived, frame.ConversationUpdated:
		return decodeInto(f, s.Book.Live)
	case frame.MessageEdited, frame.MessageDeleted, frame.MessageReaction:
		return decodeInto(f, s.Book.Changed)
	case frame.MessageAck:
		return decodeInto(f, func(a frame.Ack) error { return s.Book.Acked(s.user.ID, a) })
	case frame.ReceiptsFrame:
		return decodeInto(f, func(m frame.MovedPointers) error { s.Book.MovedMany(m); return nil })
	case frame.DeliveryAck:
		return decodeInto(f, func(d frame.Delivery) error { s.Book.Moved(d); return nil })
	}
	return nil
}

func decodeInto[T any](f Frame, use func(T) error) error {
	var v T
	if err := json.Unmarshal(f.Data, &v); err != nil {
		return err
	}
	return use(v)
}

func (s *Socket) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Await waits for the next frame that matches; those before it are passed over.
func (s *Socket) Await(what string, match func(Frame) bool) Frame {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		for s.next < len(s.frames) {
			f := s.frames[s.next]
			s.next++
			if match(f) {
				s.mu.Unlock()
				return f
			}
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
			continue
		default:
		}
		select {
		case <-changed:
		case <-s.ended:
			if !s.more() {
				s.t.Fatalf("socket of %s: closed with %d while waiting for %s; came: %s", s.user.ID, s.CloseCode(), what, s.came())
			}
		case <-deadline.C:
			s.t.Fatalf("socket of %s: %s did not come; came: %s", s.user.ID, what, s.came())
		}
	}
}

func (s *Socket) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next < len(s.frames)
}

func (s *Socket) isClosed() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// Watch has f called with every frame that comes from now on, in order, on the goroutine that reads.
func (s *Socket) Watch(f func(Frame)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = f
}

// CloseCode is the code the socket was closed with, 0 while it is open, -1 if it had none.
func (s *Socket) CloseCode() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.code
}

func (s *Socket) came() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, f := range s.frames[max(0, len(s.frames)-20):] {
		fmt.Fprintf(&b, "\n  %s %.200s", f.Type, f.Data)
	}
	return b.String()
}

// Frames are all frames that came so far.
func (s *Socket) Frames() []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Frame(nil), s.frames...)
}

// Expect waits for the next frame of a type and decodes its data into out.
func (s *Socket) Expect(typ string, out any) {
	s.t.Helper()
	f := s.Await(typ, func(f Frame) bool { return f.Type == typ })
	if err := json.Unmarshal(f.Data, out); err != nil {
		s.t.Fatal(err)
	}
}

// Refused waits for the next error, which must have the code.
func (s *Socket) Refused(code fault.Code) frame.Error {
	s.t.Helper()
	var e frame.Error
	s.Expect(frame.ErrorFrame, &e)
	if e.Code != string(code) {
		s.t.Errorf("socket of %s: error %s (%s), want %s", s.user.ID, e.Code, e.Message, code)
	}
	return e
}

// Send sends a frame.
func (s *Socket) Send(typ string, data any) {
	s.t.Helper()
	if err := s.TrySend(typ, data); err != nil {
		s.t.Fatalf("socket of %s: %v", s.user.ID, err)
	}
}

// TrySend is Send on a socket that may be closed. It is safe on any goroutine.
func (s *Socket) TrySend(typ string, data any) error {
	raw, err := encode(data)
	if err != nil {
		return err
	}
	return s.Write(websocket.MessageText, frame.AppendFrame(nil, typ, raw))
}

// Answered waits until a frame with the tempId came, or the socket is closed: then it is false.
func (s *Socket) Answered(tempID string) bool {
	s.t.Helper()
	came := func() bool {
		for _, f := range s.Frames() {
			var d struct {
				TempID string `json:"tempId"`
			}
			if f.Type != frame.SyncFrame && f.Decode(&d) == nil && d.TempID == tempID {
				return true
			}
		}
		return false
	}
	if err := until(patience, func() bool { return s.isClosed() || came() }); err != nil {
		s.t.Fatalf("socket of %s: no answer to %s; came: %s", s.user.ID, tempID, s.came())
	}
	return came()
}

// Write sends bytes as they are. It is safe on any goroutine.
func (s *Socket) Write(kind websocket.MessageType, raw []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.conn.Write(ctx, kind, raw)
}

// Text sends a text and waits for its ack.
func (s *Socket) Text(conv, text string) frame.Ack {
	s.t.Helper()
	m := Text(conv, text)
	s.Send(frame.SendMessage, m)
	return s.Ack(m.TempID)
}

// Ack waits for the ack of a tempId; its error ends the test.
func (s *Socket) Ack(tempID string) (a frame.Ack) {
	s.t.Helper()
	f := s.Await("the ack of "+tempID, func(f Frame) bool {
		var d struct {
			TempID string `json:"tempId"`
		}
		return (f.Type == frame.MessageAck || f.Type == frame.ErrorFrame) && json.Unmarshal(f.Data, &d) == nil && d.TempID == tempID
	})
	if f.Type == frame.ErrorFrame {
		s.t.Fatalf("socket of %s: %s", s.user.ID, f.Data)
	}
	_ = json.Unmarshal(f.Data, &a)
	return a
}

// Received waits for the message with this id. It comes live, or by a page of sync if the server saw fit to catch up.
func (s *Socket) Received(messageID string) frame.Event {
	s.t.Helper()
	return s.find("message "+messageID, func(e frame.Event) bool { return e.MessageID == messageID })
}

// Updated waits for the next event of a type: each is returned once.
func (s *Socket) Updated(typ string) frame.Event {
	s.t.Helper()
	e := s.find("event "+typ, func(e frame.Event) bool { return e.Type == typ && !s.told[e.MessageID] })
	s.told[e.MessageID] = true
	return e
}

func (s *Socket) find(what string, match func(frame.Event) bool) (found frame.Event) {
	s.t.Helper()
	var ok bool
	err := until(patience, func() bool {
		closed := s.isClosed()
		found, ok = s.Book.find(match)
		return ok || closed
	})
	if err != nil || !ok {
		s.t.Fatalf("socket of %s: %s did not come (closed with %d); came: %s", s.user.ID, what, s.CloseCode(), s.came())
	}
	return found
}

// Holds waits until the book has the entry.
func (s *Socket) Holds(conv string, seq int64) {
	s.t.Helper()
	err := until(patience, func() bool { return s.Book.Has(conv, seq) || s.isClosed() })
	if err != nil || !s.Book.Has(conv, seq) {
		s.t.Fatalf("socket of %s: seq %d of %s did not come (closed with %d); came: %s", s.user.ID, seq, conv, s.CloseCode(), s.came())
	}
}

// Closed waits for the end and returns its code and how long it took.
func (s *Socket) Closed() (code int, took time.Duration) {
	s.t.Helper()
	start := time.Now()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatalf("socket of %s: still open", s.user.ID)
	}
	return s.CloseCode(), time.Since(start)
}

// Alive checks that the socket still answers.
func (s *Socket) Alive() {
	s.t.Helper()
	s.Send("no_such_type", struct{}{})
	s.Refused(fault.UnknownType)
}

func (s *Socket) waitReading() {
	s.reading.Lock()
	defer s.reading.Unlock()
}

// Pause stops reading, after the frame that comes next, until the function it returns is called.
func (s *Socket) Pause() (resume func()) {
	s.reading.Lock()
	return s.reading.Unlock
}

// Drop cuts the connection without a word, as a lost network does. The book is complete for what came before.
func (s *Socket) Drop() {
	s.cancel()
	_ = s.conn.CloseNow()
	<-s.ended
}
