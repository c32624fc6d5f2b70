// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// heap is what is in use, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A server is away for a week in which 100,000 messages come in 1,000 conversations. What its absence costs does not depend on the
// number of messages, and afterwards it has all of them, in order, each once.
func TestAbsence_AWeekCostsOneRowForEachConversation(t *testing.T) {
	conversations, messages := 1000, 100
	if raceDetector || testing.Short() {
		conversations = 100
	}
	run(t, func(w *world) {
		b, c := w.remote("b.test"), w.remote("c.test")
		var rooms []*room
		for i := range conversations {
			others := []id.User{"bob@b.test", "carl@c.test"}
			if i%20 != 0 {
				others = others[:1]
			}
			r := w.open(others...)
			rooms = append(rooms, r)
			w.tell(r, r.log[0].Event)
		}
		w.pass(time.Minute)
		for _, r := range rooms {
			if b.at(r) != 0 {
				t.Fatalf("it begins at %d", b.at(r))
			}
			for range messages {
				w.prepare(r, frame.TypeMessage, alice, message("hello"))
			}
		}
		b.set(func(r *remote) { r.away = errors.New("no route") })
		rows, before := len(w.rows), heap()
		asked := b.asked
		w.week(rooms, messages)
		if grown := heap() - before; grown > 8<<20 {
			t.Errorf("the week cost %d bytes of memory", grown)
		}
		if len(w.rows) != rows || rows != conversations+conversations/20 || len(w.dests) != 1 {
			t.Errorf("%d rows, before %d; %d failing", len(w.rows), rows, len(w.dests))
		}
		if b.asked-asked > 7*24*2+20 {
			t.Errorf("it was tried %d times", b.asked-asked)
		}
		w.back(b, rooms, messages)
		for i := 0; i < len(rooms); i += 20 { // c.test was there all the time.
			if c.at(rooms[i]) != int64(messages) {
				t.Fatalf("c.test is at %d", c.at(rooms[i]))
			}
		}
		if c.doubled+c.heads != 0 {
			t.Errorf("c.test had %d entries twice and %d heads", c.doubled, c.heads)
		}
	})
}

// week shows the messages of the rooms, in any order, over a week.
func (w *world) week(rooms []*room, messages int) {
	order := make([]*room, 0, len(rooms)*messages)
	for range messages {
		order = append(order, rooms...)
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	const step = 100 // of all messages
	for len(order) > 0 {
		for _, r := range order[:step] {
			seq := r.shown
			w.show(r, seq)
			w.tell(r, r.log[seq].Event)
		}
		order = order[step:]
		w.pass(7 * 24 * time.Hour * step / time.Duration(len(rooms)*messages))
	}
}

// back lets a server return and catch up.
func (w *world) back(b *remote, rooms []*room, messages int) {
	w.t.Helper()
	b.set(func(r *remote) { r.away, r.asked, r.entries = nil, 0, 0 })
	w.out.Heard(b.name)
	w.pass(time.Minute)
	if b.asked > len(rooms)/50 || b.entries != 0 || b.heads < len(rooms) {
		w.t.Errorf("on its return it got %d transactions with %d heads and %d entries", b.asked, b.heads, b.entries)
	}
	b.pull()
	for _, r := range rooms {
		if b.at(r) != int64(messages) {
			w.t.Fatalf("it is at %d", b.at(r))
		}
	}
	w.pass(10 * time.Minute)
	for _, r := range rooms {
		if row, _ := w.row(r, b.name); row.Acked != int64(messages) {
			w.t.Fatalf("the hub has it at %d", row.Acked)
		}
	}
	if b.doubled != 0 || len(w.dests) != 0 {
		w.t.Errorf("%d entries came twice; failing: %v", b.doubled, w.dests)
	}
}

func TestMoved_MoreThanIsNotedIsFoundInTheRows(t *testing.T) {
	run(t, func(w *world) {
		b := w.remote("b.test")
		var rooms []*room
		for range 700 {
			r := w.open("bob@b.test")
			rooms = append(rooms, r)
			w.tell(r, r.log[0].Event)
		}
		w.pass(time.Minute)
		b.set(func(r *remote) { r.delay = 3 * time.Second }) // So that they gather.
		w.say(rooms[0], 1)
		w.pass(time.Second)
		reads := w.reads
		for _, r := range rooms {
			w.say(r, 2)
		}
		w.pass(10 * time.Minute)
		for i, r := range rooms {
			if at := b.at(r); at != r.shown-1 {
				t.Fatalf("room %d of %d is at %d of %d", i, len(rooms), at, r.shown-1)
			}
		}
		if w.reads == reads {
			t.Error("the rows were not read: nothing overflowed")
		}
	})
}
