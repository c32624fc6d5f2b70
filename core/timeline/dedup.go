// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
	"time"

	"parley.chat/protocol/id"
)

// dedupLife is how long a tempId is remembered at least. spec: LOG-IDEMPOTENCE-2
const dedupLife = 24 * time.Hour

// coldWindow bounds the tempIds of 24 hours kept in memory for a conversation. Beyond, events are written "hot": found by
// an index, so that memory may forget them; hotWindow of them stay in memory all the same, more than can be in the queue,
// so that a lookup made before queueing cannot miss an event decided since.
const (
	coldWindow = 4096
	hotWindow  = 2 * queueSize
)

// dedupKey names (device, tempId) within a conversation.
func dedupKey(d id.Device, tempID string) int64 {
	sum := sha256.Sum256([]byte(string(d) + "\n" + tempID))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// Fingerprint tells contents apart; 0 is unknown.
func Fingerprint(content []byte) uint64 {
	if content == nil {
		return 0
	}
	sum := sha256.Sum256(content)
	return binary.BigEndian.Uint64(sum[:8]) | 1
}

// window remembers the tempIds of a conversation.
type window struct {
	seen map[int64]*seen
	cold []*seen // oldest first, all younger than dedupLife or not yet expired
	hot  []*seen
	// lastHot is the time of the newest hot event: for dedupLife after it a miss in memory is asked of the store.
	lastHot int64
}

type seen struct {
	Seen
	at   int64                   // hub time
	wait atomic.Pointer[pending] // not committed yet: who waits for the commit
}

func newWindow() *window { return &window{seen: map[int64]*seen{}} }

// add remembers s; now is the hub's clock in milliseconds.
func (w *window) add(s Seen, now int64) *seen {
	e := &seen{Seen: s, at: s.Message.Time()}
	w.seen[s.Key] = e
	if s.Hot {
		w.hot, w.lastHot = append(w.hot, e), max(w.lastHot, e.at)
		w.hot = w.drop(w.hot, len(w.hot)-hotWindow)
		return e
	}
	w.cold = append(w.cold, e)
	expired := 0
	for expired < len(w.cold) && w.cold[expired].at < now-dedupLife.Milliseconds() {
		expired++
	}
	w.cold = w.drop(w.cold, expired)
	return e
}

func (w *window) drop(list []*seen, n int) []*seen {
	if n <= 0 {
		return list
	}
	for _, e := range list[:n] {
		if w.seen[e.Key] == e {
			delete(w.seen, e.Key)
		}
	}
	if n > len(list)/2 {
		return append([]*seen(nil), list[n:]...)
	}
	return list[n:]
}

// full tells that the next event must be hot.
func (w *window) full() bool { return len(w.cold) >= coldWindow }

// findHot asks the store for a tempId that memory may have forgotten.
func (t *Timeline) findHot(ctx context.Context, p *pending) error {
	sh := p.conv.shard
	sh.mu.RLock()
	hot, num := p.conv.view.Conv != 0 && sh.hot[p.conv.id] > t.now()-dedupLife.Milliseconds(), p.conv.view.Conv
	sh.mu.RUnlock()
	if !hot || p.cmd.TempID == "" {
		return nil
	}
	e, err := t.Store.FindHot(ctx, sh.n, num, p.key, t.now()-dedupLife.Milliseconds())
	if err != nil {
		return away(err)
	}
	if e != nil {
		p.known = &Seen{Key: p.key, Content: Fingerprint(e.Content), Seq: e.Seq, Message: e.MessageID}
	}
	return nil
}

func (t *Timeline) now() int64 { return t.Clock().UnixMilli() }
