// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"parley.chat/clientapi/op"
	"parley.chat/clientapi/socket"
	"parley.chat/core/feed"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Subprotocol is what a client offers; TicketPrefix marks the second value that carries a one-time ticket.
const (
	Subprotocol  = "parley.v1"
	TicketPrefix = "parley.ticket."
)

// MaxFrame is the largest frame a client may send, in bytes.
const MaxFrame = 128 << 10

const (
	SocketsPerDevice = 10 // the oldest is closed
	catchUps         = 16 // at a time, so that a lost note does not ask the database for everyone at once
)

// Door opens sessions.
type Door struct {
	Conversations *op.Conversations
	Presence      *op.Presence
	Requests      *op.Requests // shared with the routes; nil: nobody is limited
	Feed          *feed.Feed
	Registry      feed.Registry
	Origins       []string         // hosts allowed in Origin besides the own one
	Away          func(error) bool // errors that mean unavailable instead of internal; nil: none
	Log           *slog.Logger
	// Still tells whether the caller's device exists. It is asked once a session is registered: a device that ended between
	// the check of its token and that moment would else keep its session. Faults: device_removed.
	Still func(ctx context.Context, c op.Caller) error

	once     sync.Once
	catching chan struct{}
	mu       sync.Mutex
	closed   bool
	open     map[holder][]*conn // oldest first
	events   map[*eventSink]struct{}
}

type holder struct {
	user   id.User
	device id.Device
}

func (d *Door) init() {
	d.once.Do(func() {
		d.catching = make(chan struct{}, catchUps)
		d.open = map[holder][]*conn{}
		d.events = map[*eventSink]struct{}{}
	})
}

// Upgrade turns the request into a session of the caller. Faults: subprotocol_required, origin_refused, draining.
func (d *Door) Upgrade(c op.Caller, w http.ResponseWriter, r *http.Request) error {
	d.init()
	ctx, cancel := context.WithCancel(context.Background()) // The request's would keep the request in memory.
	s := &conn{door: d, caller: c, id: rand.Text(), ctx: ctx, cancel: cancel, work: make(chan struct{}, inFlight)}
	s.stream = d.Feed.Open(s.id, c.User, c.Device, s)
	ws, err := socket.Accept(w, r, socket.Options{
		Subprotocol: Subprotocol, ReadLimit: MaxFrame, OriginPatterns: d.Origins,
		OnMessage: s.onMessage, OnUnreadable: s.onUnreadable, OnTooLarge: s.onTooLarge, OnOverflow: s.onOverflow, OnClose: s.onClose,
	})
	switch {
	case errors.Is(err, socket.ErrLost):
		cancel()
		return nil // There is nobody left to tell.
	case errors.Is(err, socket.ErrOrigin):
		err = fault.New(fault.OriginRefused, "a browser on a foreign origin may not open a socket here")
	case errors.Is(err, socket.ErrSubprotocol), errors.Is(err, socket.ErrNotWebSocket):
		err = fault.New(fault.SubprotocolRequired, "open a WebSocket that offers the subprotocol %s", Subprotocol)
	}
	if err != nil {
		cancel()
		return err
	}
	s.ws = ws
	d.Registry.Register(s.stream)
	if !d.admit(s) {
		s.Close(fault.Draining)
	}
	if err := d.still(r.Context(), c); err != nil {
		s.Close(fault.From(err).Code) // Without a close code of its own the client is told to come back.
	}
	ws.Start()
	return nil
}

// stillTime bounds the question whether a device exists.
const stillTime = 5 * time.Second

func (d *Door) still(ctx context.Context, c op.Caller) error {
	if d.Still == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stillTime)
	defer cancel()
	return d.Still(ctx, c)
}

// admit notes the session, and closes the device's oldest if it has too many. It is false while the door is closed.
func (d *Door) admit(s *conn) bool {
	d.mu.Lock()
	key := holder{s.caller.User, s.caller.Device}
	d.open[key] = append(d.open[key], s)
	var oldest *conn
	if len(d.open[key]) > SocketsPerDevice {
		oldest = d.open[key][0]
		d.open[key] = d.open[key][1:]
	}
	closed := d.closed
	d.mu.Unlock()
	if oldest != nil {
		oldest.Close(fault.Replaced)
	}
	return !closed
}

func (d *Door) leave(s *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := holder{s.caller.User, s.caller.Device}
	list := d.open[key]
	for i, have := range list {
		if have == s {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if d.open[key] = list; len(list) == 0 {
		delete(d.open, key)
	}
}

// Close tells every session that the node stops, and admits no new one.
func (d *Door) Close() {
	d.init()
	d.mu.Lock()
	d.closed = true
	var all []*conn
	for _, list := range d.open {
		all = append(all, list...)
	}
	for s := range d.events {
		s.Close(fault.Draining)
	}
	d.mu.Unlock()
	for _, s := range all {
		s.Close(fault.Draining)
	}
}

// enter notes an event stream; it is false while the door is closed.
func (d *Door) enter(s *eventSink) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.events[s] = struct{}{}
	return true
}

func (d *Door) exit(s *eventSink) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.events, s)
}

// Ticket finds the one-time ticket among the offered subprotocols, "" if there is none.
func Ticket(r *http.Request) string {
	for _, v := range socket.Offered(r) {
		if len(v) > len(TicketPrefix) && v[:len(TicketPrefix)] == TicketPrefix {
			return v[len(TicketPrefix):]
		}
	}
	return ""
}
