// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"parley.chat/core/fanout"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Sink is the connection under a Stream.
type Sink interface {
	// Push appends a live frame and never blocks; false means that it was not taken and the stream has to start again.
	Push(f *fanout.Frame) bool
	// PushPage appends a frame when there is room for it, and blocks until then, until ctx is done or the connection is gone.
	PushPage(ctx context.Context, payload []byte) error
	// Later runs f soon on a goroutine of the connection, with a context that ends with it.
	Later(f func(context.Context))
	// Close ends the connection with the code's close code.
	Close(code fault.Code)
}

// heldNotes bounds the live notes held while pages are read; past it the pages are read once more instead. A connection's
// queue must have room for all of them at once.
const heldNotes = 128

// A cursor frame follows live frames after so many of them or so long.
const (
	cursorFrames = 64
	cursorEvery  = 5 * time.Second
)

type phase int

const (
	idle    phase = iota // no sync yet, or stopped by an overflow: live notes are not wanted
	pulling              // pages are read, live notes held
	live
)

// Stream joins pages and live notes for one connection. It is a fanout.Session: register it before the first Resume.
type Stream struct {
	feed   *Feed
	sink   Sink
	id     string
	user   id.User
	device id.Device

	resuming sync.Mutex // one Resume or catch-up at a time

	mu       sync.Mutex
	phase    phase
	held     []*fanout.Note
	again    bool // something was lost or dropped while pulling
	cursor   Cursor
	base     map[id.Shard]timeline.Position // as of the last pull
	sent     int                            // live frames since the last cursor frame
	cursorAt time.Time
}

// Open makes a stream that is idle until Resume. sessionID is unique on the node.
func (f *Feed) Open(sessionID string, u id.User, d id.Device, sink Sink) *Stream {
	return &Stream{
		feed: f, sink: sink, id: sessionID, user: u, device: d,
		cursor: newCursor(), base: map[id.Shard]timeline.Position{},
	}
}

// ID, User and Device implement fanout.Session.
func (s *Stream) ID() string { return s.id }

// User implements fanout.Session.
func (s *Stream) User() id.User { return s.user }

// Device implements fanout.Session.
func (s *Stream) Device() id.Device { return s.device }

// Revoke implements fanout.Session.
func (s *Stream) Revoke(code fault.Code) { s.sink.Close(code) }

// Synced tells whether live frames flow or are about to.
func (s *Stream) Synced() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase != idle
}

// Deliver implements fanout.Session.
func (s *Stream) Deliver(n *fanout.Note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case pulling:
		if len(s.held) < heldNotes {
			s.held = append(s.held, n)
			return
		}
		s.held, s.again = nil, true
	case live:
		s.push(n)
	}
}

// Lost implements fanout.Session: the stream catches up from the log.
func (s *Stream) Lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.phase {
	case pulling:
		s.again = true
	case live:
		s.phase, s.held = pulling, nil
		s.sink.Later(s.catchUp)
	}
}

func (s *Stream) catchUp(ctx context.Context) {
	s.resuming.Lock()
	defer s.resuming.Unlock()
	s.mu.Lock()
	since, wanted := s.cursor.clone(), s.phase == pulling
	s.mu.Unlock()
	if !wanted {
		return
	}
	if err := s.run(ctx, since, false); err != nil {
		s.sink.Close(fault.SlowReader) // The client connects again and syncs with its cursor.
	}
}

// Overflow stops live delivery: the connection dropped what was pending, or refused a frame. The client has to sync.
func (s *Stream) Overflow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

func (s *Stream) stop() { s.phase, s.held, s.again = idle, nil, false }

// Resume answers a client's sync: pages until nothing is left, then live. It blocks until the stream is live, the sink is
// gone, or a fault stops it; then the stream is idle.
func (s *Stream) Resume(ctx context.Context, cursor string) error {
	since, err := s.feed.Decode(cursor, s.user)
	if err != nil {
		return err
	}
	s.resuming.Lock()
	defer s.resuming.Unlock()
	s.mu.Lock()
	s.phase, s.held, s.again = pulling, nil, false
	s.mu.Unlock()
	return s.run(ctx, since, true)
}

// run pulls pages and goes live. always sends the last page even if it is empty.
func (s *Stream) run(ctx context.Context, since Cursor, always bool) error {
	told := false // the client believes that it is live
	for {
		page, err := s.pull(ctx, since, told || !always)
		if err != nil {
			s.Overflow()
			if told { // An error frame would not tell it that nothing comes any more.
				s.sink.Close(fault.SlowReader)
				return nil
			}
			return err
		}
		if always || !page.Empty() || page.HasMore {
			if err := s.sendPage(ctx, page); err != nil {
				s.Overflow()
				return err
			}
		}
		told = told || always && !page.HasMore
		since = page.Next
		if !page.HasMore && s.goLive(since) {
			return nil
		}
		always = always && page.HasMore
	}
}

// A stream that is live, as far as its client knows, waits so long for a database that is away, trying so often.
const (
	pullPatience = 15 * time.Second
	pullPause    = 200 * time.Millisecond
)

// pull reads a page, with patience if the client believes that it is live: sent away, all clients would come back at once.
func (s *Stream) pull(ctx context.Context, since Cursor, patient bool) (*Page, error) {
	for end := time.Now().Add(pullPatience); ; {
		page, err := s.feed.Pull(ctx, s.user, since)
		if !patient || !fault.Is(err, fault.Unavailable) || time.Now().After(end) {
			return page, err
		}
		select {
		case <-time.After(pullPause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// encode writes JSON without the escapes that encoding/json puts in for browsers: they would make content six times as long.
func encode(v frame.Sync) ([]byte, error) {
	return json.Marshal(v, jsonv1.OmitEmptyWithLegacySemantics(true))
}

func (s *Stream) sendPage(ctx context.Context, page *Page) error {
	data, err := encode(page.Sync)
	if err != nil {
		return err
	}
	return s.sink.PushPage(ctx, frame.AppendFrame(nil, frame.SyncFrame, data))
}

// goLive drains what was held past the pages; false if pages must be read once more.
func (s *Stream) goLive(at Cursor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = at.clone()
	s.base = maps.Clone(at.at)
	if s.phase != pulling {
		return true // Stopped meanwhile.
	}
	held := s.held
	s.held = nil
	if s.again {
		s.again = false
		return false
	}
	s.phase, s.cursorAt, s.sent = live, time.Now(), 0
	for _, n := range held {
		if s.phase == live {
			s.push(n)
		}
	}
	return true
}

// push sends a note past the cursor and moves the cursor, or a frame of the moment, which has no place; the caller holds mu.
func (s *Stream) push(n *fanout.Note) {
	if n.Pos == 0 && n.Mark == 0 && n.Version == 0 {
		if !s.sink.Push(n.Frame) {
			s.stop()
		}
		return
	}
	if n.Version > 0 {
		s.pushData(n)
		return
	}
	at := s.cursor.at[n.Shard]
	if n.Pos > 0 {
		if n.Pos <= at.Pos {
			return
		}
		at.Pos = n.Pos
	} else {
		if n.Mark <= s.base[n.Shard].Mark {
			return
		}
		at.Mark = max(at.Mark, n.Mark-1) // Others of the same mark may follow.
	}
	if !s.sink.Push(n.Frame) {
		s.stop()
		return
	}
	s.cursor.at[n.Shard] = at
	s.counted()
}

// pushData sends a change of account data. If one before it is missing, all are read; the caller holds mu.
func (s *Stream) pushData(n *fanout.Note) {
	switch {
	case n.Version <= s.cursor.account:
	case n.Version > s.cursor.account+1:
		s.phase, s.held = pulling, nil
		s.sink.Later(s.catchUp)
	case s.sink.Push(n.Frame):
		s.cursor.account = n.Version
		s.counted()
	default:
		s.stop()
	}
}

// counted sends a cursor now and then; the caller holds mu.
func (s *Stream) counted() {
	s.sent++
	if s.sent >= cursorFrames || time.Since(s.cursorAt) >= cursorEvery {
		s.pushCursor()
	}
}

// pushCursor tells the client a cursor that covers all live frames before it.
func (s *Stream) pushCursor() {
	s.sent, s.cursorAt = 0, time.Now()
	data, err := encode(frame.Sync{
		Messages: []frame.Event{}, Conversations: []frame.Conversation{}, Receipts: []frame.Receipt{},
		Cursor: s.feed.Encode(s.settled(), s.user),
	})
	if err == nil && !s.sink.Push(fanout.NewFrame(frame.SyncFrame, frame.AppendFrame(nil, frame.SyncFrame, data))) {
		s.stop()
	}
}
