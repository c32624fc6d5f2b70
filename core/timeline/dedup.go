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

// Options.ColdWindow bounds the tempIds of 24 hours kept in memory for a conversation. Beyond, events are written "hot":
// found by an index, so that memory may forget them; hotWindow of them stay in memory all the same, more than can be in the
// queue, so that a lookup made before queueing cannot miss an event decided since.
const hotWindow = 2 * queueSize

// DedupKey names (device, tempId) of an own user within a conversation.
func DedupKey(d id.Device, tempID string) int64 {
	sum := sha256.Sum256([]byte(string(d) + "\n" + tempID))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// Fingerprint tells apart what a tempId was used for; 0 is unknown, for content that was erased.
func Fingerprint(typ string, content []byte) uint64 {
	if content == nil {
		return 0
	}
	sum := sha256.Sum256(content)
	for i := range typ {
		sum[i%7] ^= typ[i]
	}
	return binary.BigEndian.Uint64(sum[:8]) | 1
}

// window remembers the tempIds of a conversation.
type window struct {
	limit int
	seen  map[int64]*seen
	cold  []*seen // oldest first
	hot   []*seen
	isHot bool // the newest event is
	// lastHot is the time of the newest hot event: for dedupLife after it a miss in memory is asked of the store.
	lastHot int64
}

type seen struct {
	Seen
	at   int64                   // hub time
	wait atomic.Pointer[pending] // not committed yet: who waits for the commit
}

func newWindow(limit int) *window { return &window{limit: limit, seen: map[int64]*seen{}} }

// add remembers s; now is the hub's clock in milliseconds.
func (w *window) add(s Seen, now int64) *seen {
	w.expire(now)
	e := &seen{Seen: s, at: s.Message.Time()}
	w.seen[s.Key], w.isHot = e, s.Hot
	if !s.Hot {
		w.cold = append(w.cold, e)
		return e
	}
	w.hot, w.lastHot = append(w.hot, e), max(w.lastHot, e.at)
	w.hot = w.drop(w.hot, len(w.hot)-hotWindow)
	return e
}

// erased lets the tempId of an erased event stand for any content.
func (w *window) erased(key int64) {
	if s := w.seen[key]; s != nil {
		s.Content = 0
	}
}

// expire forgets what is older than dedupLife.
func (w *window) expire(now int64) {
	w.cold = w.drop(w.cold, expired(w.cold, now))
	w.hot = w.drop(w.hot, expired(w.hot, now))
}

func expired(list []*seen, now int64) int {
	n := 0
	for n < len(list) && list[n].at < now-dedupLife.Milliseconds() {
		n++
	}
	return n
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

// full tells that the next event must be hot. Once full, that lasts until all cold ones expired: so in the 24 hours before
// any moment the cold events are one run at most at either end, which can be loaded without reading the hot ones between.
func (w *window) full() bool {
	return len(w.cold) >= w.limit || w.isHot && len(w.cold) > 0
}

// findHot asks the store for a tempId that memory may have forgotten.
func (t *Timeline) findHot(ctx context.Context, p *pending) error {
	sh, since := p.conv.shard, t.now()-dedupLife.Milliseconds()
	sh.mu.RLock()
	hotAt, num := p.conv.hotAt, p.conv.view.Conv
	sh.mu.RUnlock()
	if hotAt == 0 || hotAt < since || p.cmd.TempID == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	e, err := t.Store.FindHot(ctx, sh.n, num, p.key, since)
	if err != nil {
		return away(err)
	}
	if e != nil {
		p.known = &Seen{Key: p.key, Content: Fingerprint(e.Type, e.Content), Seq: e.Seq, Message: e.MessageID}
	}
	return nil
}

func (t *Timeline) now() int64 { return t.Clock().UnixMilli() }
