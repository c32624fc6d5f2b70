// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"sync"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// The statuses of a receipt.
const (
	statusDelivered = "delivered"
	statusRead      = "read"
)

// receipts gathers how far this device got and lets out at most one frame per conversation and receiptEvery.
type receipts struct {
	mu    sync.Mutex
	lines map[string]*pointerPair // by conversation; gone receiptKeep after the last frame
	wake  chan struct{}
}

// pointerPair is what to tell of one conversation, and what was told last.
type pointerPair struct {
	delivered, read pointer
	nextAt          time.Time
}

type pointer struct {
	messageID string
	seq       int64 // -1 before the first
	due       bool
	toldAt    time.Time
}

func newReceipts(wake chan struct{}) *receipts {
	return &receipts{lines: map[string]*pointerPair{}, wake: wake}
}

func (r *receipts) line(conversationID string) *pointerPair {
	p := r.lines[conversationID]
	if p == nil {
		p = &pointerPair{delivered: pointer{seq: -1}, read: pointer{seq: -1}}
		r.lines[conversationID] = p
	}
	return p
}

// note moves a pointer forward.
func (r *receipts) note(conversationID, messageID, status string, seq int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := r.line(conversationID)
	p := &line.delivered
	if status == statusRead {
		p = &line.read
	}
	if seq <= p.seq {
		return
	}
	*p = pointer{messageID: messageID, seq: seq, due: true}
	// Reading tells of the delivery, too.
	if line.delivered.due && line.read.seq >= line.delivered.seq {
		line.delivered.due = false
	}
	poke(r.wake)
}

// next returns a frame to write now. Without one it tells how long until there may be.
func (r *receipts) next(now time.Time) (*frame.Delivery, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := time.Hour
	for conv, line := range r.lines {
		p, status := line.pending()
		if p == nil {
			if now.After(line.nextAt.Add(receiptKeep)) {
				delete(r.lines, conv)
			}
			continue
		}
		if d := line.nextAt.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		p.due, p.toldAt = false, now
		line.nextAt = now.Add(receiptEvery)
		return &frame.Delivery{ConversationID: conv, MessageID: p.messageID, Status: status}, 0
	}
	return nil, wait
}

func (l *pointerPair) pending() (*pointer, string) {
	if l.read.due {
		return &l.read, statusRead
	}
	if l.delivered.due {
		return &l.delivered, statusDelivered
	}
	return nil, ""
}

// reconnected repeats what was told last, because the frame may have died with the connection.
func (r *receipts) reconnected(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		line.read.repeat(now)
		if line.read.seq < line.delivered.seq {
			line.delivered.repeat(now)
		}
	}
}

func (p *pointer) repeat(now time.Time) {
	if !p.toldAt.IsZero() && now.Sub(p.toldAt) < receiptKeep {
		p.due = true
	}
}

// MarkRead tells that the user has read the conversation up to the message, on this and every other device. It returns
// at once; Run sends it. It fails only for a malformed message id.
func (c *Client) MarkRead(conversationID, messageID string) error {
	m, err := id.ParseMessage(messageID)
	if err != nil {
		return err
	}
	c.receipt.note(conversationID, messageID, statusRead, m.Seq())
	return nil
}
