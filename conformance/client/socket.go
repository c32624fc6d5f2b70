// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Protocol is the subprotocol of the socket.
const Protocol = "parley.v1"

// Dial says how to open a socket.
type Dial struct {
	Token     string
	Protocols []string // nil for parley.v1 alone; empty for none
	Header    http.Header
	Query     string // with its question mark
	Deaf      bool   // does not answer pings
	Stalled   bool   // does not read until Resume
}

// Frame is a frame of the server.
type Frame struct {
	At   time.Time
	Type string
	Data Value
	Raw  []byte
}

// Socket is an open socket. Frames are kept from the moment of opening until it is closed.
type Socket struct {
	who  string
	law  *Law
	rec  *Recorder
	conn *websocket.Conn

	mu      sync.Mutex
	frames  []Frame
	pings   []time.Time
	closed  error         // why reading ended
	changed chan struct{} // closed and made again when anything above changes
	next    int           // the frame that Next returns
	stalled chan struct{} // nil while reading; closed by Resume
}

// Open opens a socket. A refusal before the upgrade is a Response and no Socket.
func (s *Server) Open(ctx context.Context, rec *Recorder, who string, d Dial) (*Socket, *Response, error) {
	k := &Socket{who: who, law: s.law, rec: rec, changed: make(chan struct{})}
	header := d.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if d.Token != "" {
		header.Set("Authorization", "Bearer "+d.Token)
	}
	protocols := d.Protocols
	if protocols == nil {
		protocols = []string{Protocol}
	}
	path := "/api/v1/ws" + d.Query
	x := Exchange{At: time.Now(), Who: who, Kind: "http", Sent: showUpgrade(path, header, protocols)}
	conn, res, err := websocket.Dial(ctx, s.base.String()+path, &websocket.DialOptions{
		HTTPClient: s.http, HTTPHeader: header, Subprotocols: protocols,
		OnPingReceived: func(context.Context, []byte) bool { k.ping(); return !d.Deaf },
	})
	if res == nil {
		x.Got = "no answer: " + err.Error()
		rec.Add(x, nil)
		return nil, nil, fmt.Errorf("open a socket: %w", err)
	}
	var raw []byte
	if res.StatusCode != http.StatusSwitchingProtocols {
		raw, _ = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	}
	out := response(res, raw)
	x.Got = showResponse(res, raw)
	var found []Finding
	if res.StatusCode != http.StatusSwitchingProtocols {
		found = s.law.CheckResponse(http.MethodGet, "/api/v1/ws", out)
	}
	rec.Add(x, found)
	if err != nil {
		return nil, out, nil
	}
	conn.SetReadLimit(4 << 20)
	k.conn = conn
	if d.Stalled {
		k.Stall()
	}
	go k.read()
	return k, out, nil
}

func showUpgrade(path string, header http.Header, protocols []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s\nUpgrade: websocket\n", path)
	if len(protocols) > 0 {
		fmt.Fprintf(&b, "Sec-WebSocket-Protocol: %s\n", strings.Join(protocols, ", "))
	}
	showHeader(&b, header)
	return b.String()
}

func (k *Socket) read() {
	for {
		k.waitStalled()
		kind, raw, err := k.conn.Read(context.Background())
		if err != nil {
			k.rec.Add(Exchange{At: time.Now(), Who: k.who, Kind: "frame", Got: "closed: " + err.Error()}, nil)
			k.change(func() { k.closed = err })
			return
		}
		found := k.law.CheckFrame(raw)
		if kind != websocket.MessageText {
			found = append(found, broken("a frame is a binary message"))
		}
		k.rec.Add(Exchange{At: time.Now(), Who: k.who, Kind: "frame", Got: string(raw)}, found)
		v, err := Parse(raw)
		if err != nil {
			v = Value{absent{}}
		}
		k.change(func() {
			k.frames = append(k.frames, Frame{At: time.Now(), Type: v.At("type").Text(), Data: v.At("data"), Raw: raw})
		})
	}
}

// Stall makes the client stop reading after the next frame, as a slow one does; Resume makes it go on.
func (k *Socket) Stall() {
	k.change(func() {
		if k.stalled == nil {
			k.stalled = make(chan struct{})
		}
	})
}

// Resume ends a Stall.
func (k *Socket) Resume() {
	k.change(func() {
		if k.stalled != nil {
			close(k.stalled)
			k.stalled = nil
		}
	})
}

func (k *Socket) waitStalled() {
	k.mu.Lock()
	stalled := k.stalled
	k.mu.Unlock()
	if stalled != nil {
		<-stalled
	}
}

func (k *Socket) ping() { k.change(func() { k.pings = append(k.pings, time.Now()) }) }

func (k *Socket) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	close(k.changed)
	k.changed = make(chan struct{})
}

// Protocol returns the subprotocol the server selected.
func (k *Socket) Protocol() string { return k.conn.Subprotocol() }

// Send sends a frame.
func (k *Socket) Send(ctx context.Context, kind string, data any) error {
	raw, err := json.Marshal(map[string]any{"type": kind, "data": data})
	if err != nil {
		return fmt.Errorf("encode a frame: %w", err)
	}
	return k.SendRaw(ctx, raw, false)
}

// SendRaw sends a message of any bytes, as text or binary.
func (k *Socket) SendRaw(ctx context.Context, raw []byte, binary bool) error {
	kind := websocket.MessageText
	if binary {
		kind = websocket.MessageBinary
	}
	k.rec.Add(Exchange{At: time.Now(), Who: k.who, Kind: "frame", Sent: string(raw)}, nil)
	if err := k.conn.Write(ctx, kind, raw); err != nil {
		return fmt.Errorf("send a frame: %w", err)
	}
	return nil
}

// ErrClosed is what Next and Find answer when the socket is closed and everything was read; Closed tells why.
var ErrClosed = errors.New("the socket is closed")

// Next returns the next frame, waiting for it.
func (k *Socket) Next(ctx context.Context) (Frame, error) {
	for {
		k.mu.Lock()
		changed, closed := k.changed, k.closed
		if k.next < len(k.frames) {
			f := k.frames[k.next]
			k.next++
			k.mu.Unlock()
			return f, nil
		}
		k.mu.Unlock()
		if closed != nil {
			return Frame{}, fmt.Errorf("%w: %w", ErrClosed, closed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Frame{}, ctx.Err()
		}
	}
}

// Find returns the next frame that matches; those before it are skipped.
func (k *Socket) Find(ctx context.Context, match func(Frame) bool) (Frame, error) {
	for {
		f, err := k.Next(ctx)
		if err != nil || match(f) {
			return f, err
		}
	}
}

// Frames returns a copy of every frame so far, read or not.
func (k *Socket) Frames() []Frame {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Frame(nil), k.frames...)
}

// Pings returns when the server's pings came.
func (k *Socket) Pings() []time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]time.Time(nil), k.pings...)
}

// AwaitPing waits until the server has sent n pings.
func (k *Socket) AwaitPing(ctx context.Context, n int) error {
	return k.await(ctx, func() bool { return len(k.pings) >= n })
}

// Closed waits until the socket is closed and returns the close code; -1 if there was none.
func (k *Socket) Closed(ctx context.Context) (int, error) {
	if err := k.await(ctx, func() bool { return false }); err != nil {
		return 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return int(websocket.CloseStatus(k.closed)), nil
}

// await waits for a condition, which is asked under the lock, or the end of the socket.
func (k *Socket) await(ctx context.Context, done func() bool) error {
	for {
		k.mu.Lock()
		changed, over := k.changed, done() || k.closed != nil
		k.mu.Unlock()
		if over {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the connection without a word, as a network would.
func (k *Socket) Close() {
	k.Resume()
	_ = k.conn.CloseNow()
}
