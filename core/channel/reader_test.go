// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// TestReaders_AgreeWithAModel moves pointers, subscribes, ends, flushes with and without success and crashes at random, and
// compares pointers and views with what they are by their definition.
func TestReaders_AgreeWithAModel(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := &modelWorld{t: t, r: r, m: newMemory(), seed: seed, model: map[id.User]*modelReader{}}
		w.c = w.m.channels(nil)
		w.v = w.m.channel(t, 1, event.Public)
		for range 400 {
			w.step()
		}
	}
}

// modelReader is a subscriber as the definition has it: the entries that its pointer passed, whenever it subscribed.
type modelReader struct {
	subscribed bool
	read       int64
	passed     map[int64]int64 // views it made
}

type modelWorld struct {
	t     *testing.T
	r     *rand.Rand
	m     *memory
	c     *Channels
	v     timeline.View
	seed  uint64
	model map[id.User]*modelReader
}

func (w *modelWorld) step() {
	u := id.User(fmt.Sprintf("u%d@x", w.r.IntN(5)))
	one := w.model[u]
	if one == nil {
		one = &modelReader{passed: map[int64]int64{}}
		w.model[u] = one
	}
	ctx := w.t.Context()
	switch w.r.IntN(12) {
	case 0:
		must(w.t, w.c.Subscribe(ctx, w.v, u, false, false))
		if !one.subscribed {
			one.subscribed, one.read = true, w.v.Head.Seq
		}
	case 1:
		must(w.t, w.c.Unsubscribe(ctx, w.v, u, false))
		one.subscribed = false
	case 2, 3:
		w.m.post(w.v, w.v.Head.Pos+1)
		w.v = w.m.heads[w.v.State.ID]
	case 4:
		w.m.away = errAway
		w.c.flush(ctx)
		w.m.away = nil
	case 5:
		w.c.flush(ctx)
	case 6:
		w.m.lose() // Clean rows are read again, dirty ones stay.
	default:
		w.read(ctx, u, one)
	}
	w.compare(u)
}

func (w *modelWorld) read(ctx context.Context, u id.User, one *modelReader) {
	seq := w.r.Int64N(w.v.Head.Seq + 1)
	err := w.c.Receive(ctx, w.v, u, timeline.Ref{Seq: seq, Count: seq})
	if !one.subscribed {
		wantFault(w.t, err, fault.UnknownConversation)
		return
	}
	must(w.t, err)
	for s := one.read + 1; s <= seq; s++ {
		one.passed[s]++
	}
	one.read = max(one.read, seq)
}

func (w *modelWorld) compare(u id.User) {
	w.t.Helper()
	if one := w.model[u]; one.subscribed {
		_, r, err := w.c.Access(w.t.Context(), w.v, u)
		if err != nil || r.ReadSeq != one.read || r.ReadCount != one.read {
			w.t.Fatalf("seed %d: %s has read %+v %v, want %d", w.seed, u, r, err, one.read)
		}
	}
	var seqs []int64
	want := map[int64]int64{}
	for s := int64(0); s <= w.v.Head.Seq; s++ {
		seqs = append(seqs, s)
		for _, one := range w.model {
			want[s] += one.passed[s]
		}
	}
	have, err := w.c.Views(w.t.Context(), w.v, seqs)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range seqs {
		if have[s] != want[s] {
			w.t.Fatalf("seed %d: %d has %d views, want %d", w.seed, s, have[s], want[s])
		}
	}
}

func TestReceive_AfterACrashViewsAndPointersAgree(t *testing.T) {
	m := newMemory()
	v := m.channel(t, 1, event.Public)
	for range 10 {
		m.post(v, v.Head.Pos+1)
	}
	v = m.heads[v.State.ID]
	c := m.channels(nil)
	early := v
	early.Head.Seq, early.Head.Count = 0, 0
	must(t, c.Subscribe(t.Context(), early, "bob@x", false, false))
	must(t, c.Receive(t.Context(), v, "bob@x", timeline.Ref{Seq: 4, Count: 4}))
	c.flush(t.Context())
	must(t, c.Receive(t.Context(), v, "bob@x", timeline.Ref{Seq: 8, Count: 8}))
	after := m.channels(nil) // The memory is gone.
	_, r, err := after.Access(t.Context(), v, "bob@x")
	must(t, err)
	views, err := after.Views(t.Context(), v, []int64{1, 4, 5, 8})
	must(t, err)
	if r.ReadSeq != 4 || views[1] != 1 || views[4] != 1 || views[5] != 0 || views[8] != 0 {
		t.Errorf("read up to %d with views %v", r.ReadSeq, views)
	}
	must(t, after.Receive(t.Context(), v, "bob@x", timeline.Ref{Seq: 8, Count: 8}))
	views, err = after.Views(t.Context(), v, []int64{4, 5, 8, 9})
	must(t, err)
	if views[4] != 1 || views[5] != 1 || views[8] != 1 || views[9] != 0 {
		t.Errorf("moved again the views are %v", views)
	}
}

func TestReceive_CountsTheNewestOfAFarJump(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v := m.channel(t, 1, event.Public)
	must(t, c.Subscribe(t.Context(), v, "bob@x", false, false))
	must(t, c.Receive(t.Context(), v, "bob@x", timeline.Ref{Seq: 5000, Count: 5000}))
	seqs := []int64{4000, 4001, 5000, 5001}
	for range 2 {
		views, err := c.Views(t.Context(), v, seqs)
		must(t, err)
		if views[4000] != 0 || views[4001] != 1 || views[5000] != 1 || views[5001] != 0 {
			t.Errorf("the views are %v", views)
		}
		c.flush(t.Context())
	}
}

func TestFlush_WritesABoundedNumberOfRowsAtATime(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	for i := range 30 {
		v := m.channel(t, i, event.Public)
		must(t, c.Subscribe(t.Context(), v, "bob@x", false, false))
		must(t, c.Receive(t.Context(), v, "bob@x", timeline.Ref{Seq: 1000, Count: 1000}))
	}
	for flush, want := range []int{maxFlushed, 30 * MaxViewed, 30 * MaxViewed} {
		c.flush(t.Context())
		rows := 0
		for _, seqs := range m.views {
			rows += len(seqs)
		}
		if rows != want {
			t.Errorf("after flush %d there are %d rows, want %d", flush, rows, want)
		}
	}
}

func TestReceive_TooManyMovedPointersAreAskedToComeBack(t *testing.T) {
	m := newMemory()
	c := m.channels(func(o *Options) { o.MaxReaders = 40 })
	v := m.channel(t, 1, event.Public)
	refused := 0
	for i := range 60 {
		u := id.User(fmt.Sprintf("u%d@x", i))
		must(t, c.Subscribe(t.Context(), v, u, false, false))
		if err := c.Receive(t.Context(), v, u, timeline.Ref{Seq: 3, Count: 3}); err != nil {
			wantFault(t, err, fault.Unavailable)
			refused++
		}
	}
	if refused != 30 || len(c.readers.rows) > 40 {
		t.Errorf("%d were refused, %d rows are held", refused, len(c.readers.rows))
	}
	c.flush(t.Context())
	must(t, c.Receive(t.Context(), v, "u59@x", timeline.Ref{Seq: 3, Count: 3}))
}

func TestReaders_OfOneShardAreReadInOneGo(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	var views []timeline.View
	for i := 0; len(views) < 5; i++ {
		if v := m.channel(t, i, event.Public); v.Shard == 0 {
			views = append(views, v)
			must(t, c.Subscribe(t.Context(), v, "bob@x", false, false))
		}
	}
	must(t, c.Unsubscribe(t.Context(), views[4], "bob@x", false))
	m.lose()
	m.calls = map[string]int{}
	for range 2 {
		have, err := c.Readers(t.Context(), 0, views, "bob@x")
		if len(have) != 4 || err != nil {
			t.Errorf("%d readers, %v", len(have), err)
		}
	}
	if n := m.count("Readers"); n > 2 { // The one that is none is asked for again.
		t.Errorf("%d calls", n)
	}
}

func TestSet_ChangesSettingsAndKeepsAPointerThatMoved(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v := m.channel(t, 1, event.Public)
	wantFault(t, c.Set(t.Context(), v, "bob@x", func(*Settings) {}), fault.UnknownConversation)
	must(t, c.Subscribe(t.Context(), v, "bob@x", false, false))
	must(t, c.Receive(t.Context(), v, "bob@x", timeline.Ref{Seq: 2, Count: 2}))
	must(t, c.Set(t.Context(), v, "bob@x", func(s *Settings) { s.IsPinned, s.MutedUntil = true, 7 }))
	for range 2 {
		_, r, err := c.Access(t.Context(), v, "bob@x")
		if err != nil || !r.IsPinned || r.MutedUntil != 7 || r.ReadSeq != 2 {
			t.Errorf("%+v %v", r, err)
		}
		c.flush(t.Context())
		m.lose()
	}
}
