// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"testing"
	"time"

	"parley.chat/protocol/id"
)

func (w *window) use(key, at int64) bool {
	hot := w.full()
	w.add(Seen{Key: key, Seq: key, Message: id.NewMessage(at, key, [32]byte{}), Hot: hot}, at)
	return hot
}

func TestWindow_MemoryIsBounded(t *testing.T) {
	w := newWindow(100)
	const start = 1790000000000
	for i := range int64(50_000) {
		if hot := w.use(i, start+i); hot != (i >= 100) {
			t.Fatalf("use %d: hot %v", i, hot)
		}
		if len(w.seen) > 100+hotWindow || cap(w.hot) > 4*hotWindow {
			t.Fatalf("after %d uses %d are held, room for %d", i, len(w.seen), cap(w.hot))
		}
	}
	if w.seen[5] == nil || w.seen[49_999] == nil || w.seen[200] != nil {
		t.Error("the cold and the newest hot ones are remembered, the others left to the store")
	}
	w.expire(start + dedupLife.Milliseconds() + 60_000)
	if len(w.seen) != 0 || w.full() {
		t.Errorf("%d are remembered after 24 hours", len(w.seen))
	}
}

// TestWindow_ColdOnesAreOneRunAtEitherEnd is what loading relies on (store's tail).
func TestWindow_ColdOnesAreOneRunAtEitherEnd(t *testing.T) {
	w := newWindow(50)
	var log []struct {
		at  int64
		hot bool
	}
	at := int64(1790000000000)
	for i := range int64(20_000) {
		at += time.Minute.Milliseconds() / 3
		if i%4000 == 0 {
			at += 20 * time.Hour.Milliseconds()
		}
		log = append(log, struct {
			at  int64
			hot bool
		}{at, w.use(i, at)})
		runs, from := 0, len(log)-1
		for j := from; j >= 0 && log[j].at >= at-dedupLife.Milliseconds(); j-- {
			if !log[j].hot && (j == from || log[j+1].hot) {
				runs++
			}
		}
		if i%97 == 0 && runs > 2 {
			t.Fatalf("at %d there are %d runs of cold ones within 24 hours", i, runs)
		}
	}
}
