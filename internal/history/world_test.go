// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// world is a tiny correct chat server with unreliable clients. It drives a Recorder by a random script, so every
// history it makes must be accepted.
type world struct {
	draw  func(n int) int // Uniform in [0, n).
	clock int64
	rec   *Recorder

	rooms    []*room
	devices  []*device
	attempts []*attempt
	readings []*pendingRead
	temp     int
}

type room struct {
	name    string
	entries []Entry
	done    map[sendKey]int64
	members []*membership
}

// membership is a device in a room: it holds everything below cursor, apart from the gaps it still has to fetch.
type membership struct {
	device *device
	room   *room
	member bool
	cursor int64
	gaps   []window
}

type device struct {
	name, user string
	online     bool
	rooms      []*membership
}

type attempt struct {
	send      Send
	room      *room
	committed bool
}

type pendingRead struct {
	at        *membership
	invokedAt int64
	head      int64
}

func newWorld(draw func(n int) int, rooms, devices int) *world {
	w := &world{draw: draw, clock: 1000}
	w.rec = NewRecorder(func() int64 { return w.clock })
	for i := range devices {
		w.devices = append(w.devices, &device{name: fmt.Sprintf("d%d", i), user: fmt.Sprintf("u%d", i/2), online: true})
	}
	for i := range rooms {
		r := &room{name: fmt.Sprintf("c%d", i), done: map[sendKey]int64{}}
		r.append(Entry{Kind: "create"})
		w.rooms = append(w.rooms, r)
		for k := range 4 {
			w.join(r, w.devices[(i+k*3)%devices], 0)
		}
	}
	return w
}

// seeded returns a world that has run for so many steps and come to rest.
func seeded(seed uint64, steps int) *world {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := newWorld(rng.IntN, 3, 6)
	for range steps {
		w.step()
	}
	w.rest()
	return w
}

func (w *world) final() map[string][]Entry {
	final := map[string][]Entry{}
	for _, r := range w.rooms {
		final[r.name] = slices.Clone(r.entries)
	}
	return final
}

func (w *world) step() {
	// Time stands still now and then: records at one nanosecond are concurrent.
	w.clock += int64(w.draw(4))
	switch k := w.draw(40); {
	case k < 8:
		w.invoke()
	case k < 16:
		w.commit()
	case k < 23:
		w.answer()
	case k < 32:
		w.deliver()
	case k < 34:
		w.beginRead()
	case k < 36:
		w.endRead()
	case k < 37:
		w.toggleConnection()
	case k < 38:
		w.fetchGap()
	case k < 39:
		w.changeMembers()
	case w.draw(8) == 0:
		w.rest()
	}
}

func pick[T any](w *world, list []T) (T, int, bool) {
	var none T
	if len(list) == 0 {
		return none, 0, false
	}
	i := w.draw(len(list))
	return list[i], i, true
}

func (w *world) membership() (*membership, bool) {
	r, _, _ := pick(w, w.rooms)
	m, _, ok := pick(w, r.members)
	return m, ok && m.member
}

func (m *membership) reader() Reader {
	return Reader{Device: m.device.name, User: m.device.user, Conversation: m.room.name}
}

func (w *world) invoke() {
	m, ok := w.membership()
	if !ok {
		return
	}
	w.temp++
	s := Send{m.device.name, m.device.user, m.room.name, fmt.Sprintf("t%d", w.temp)}
	w.attempt(s, m.room)
}

func (w *world) attempt(s Send, r *room) {
	w.rec.Invoke(s)
	w.attempts = append(w.attempts, &attempt{send: s, room: r})
}

func (w *world) commit() {
	a, _, ok := pick(w, w.attempts)
	if !ok || a.committed {
		return
	}
	a.committed = true
	key := sendKey{a.send.Device, a.send.TempID}
	if _, twice := a.room.done[key]; !twice {
		a.room.done[key] = a.room.append(Entry{TempID: a.send.TempID, Device: a.send.Device, Kind: "message", Countable: true})
	}
}

func (r *room) append(e Entry) int64 {
	e.Seq = int64(len(r.entries))
	e.MessageID = fmt.Sprintf("%s-m%d", r.name, e.Seq)
	r.entries = append(r.entries, e)
	return e.Seq
}

// answer ends an attempt: with its true outcome, as unknown, or not at all because the client was killed. An unknown
// attempt may stay in the server and be committed later, and may be retried meanwhile.
func (w *world) answer() {
	a, i, ok := pick(w, w.attempts)
	if !ok {
		return
	}
	forget := true
	switch k := w.draw(10); {
	case k < 7 && a.committed:
		seq := a.room.done[sendKey{a.send.Device, a.send.TempID}]
		w.rec.OK(a.send, seq, a.room.entries[seq].MessageID)
	case k < 3:
		w.rec.Fail(a.send)
		w.maybeRetry(a)
	case k < 9:
		w.rec.Unknown(a.send)
		forget = w.draw(2) == 0
		w.maybeRetry(a)
	}
	if forget {
		w.attempts = slices.Delete(w.attempts, i, i+1)
	}
}

func (w *world) maybeRetry(a *attempt) {
	if w.draw(2) == 0 {
		w.clock += int64(w.draw(2))
		w.attempt(a.send, a.room)
	}
}

func (w *world) receive(m *membership, seq int64, source Source) {
	e := m.room.entries[seq]
	v := Reception{Reader: m.reader(), Source: source, Seq: seq, MessageID: e.MessageID}
	if e.Device != "" {
		v.TempID, v.Sender = e.TempID, w.userOf(e.Device)
	}
	w.rec.Received(v)
}

func (w *world) userOf(name string) string {
	i := slices.IndexFunc(w.devices, func(d *device) bool { return d.name == name })
	return w.devices[i].user
}

func (w *world) deliver() {
	m, ok := w.membership()
	if !ok || !m.device.online {
		return
	}
	first := w.firstOf(m)
	for range 1 + w.draw(6) {
		if m.cursor > first && w.draw(20) == 0 && len(m.gaps) == 0 {
			w.receive(m, m.cursor-1, Live)
		}
		if m.cursor < int64(len(m.room.entries)) {
			w.receive(m, m.cursor, Live)
			m.cursor++
		}
	}
}

// firstOf returns the first seq of the reader's present membership.
func (w *world) firstOf(m *membership) int64 {
	records := w.rec.records
	for i := len(records) - 1; i >= 0; i-- {
		r := &records[i]
		if r.Op == Join && r.Device == m.device.name && r.Conversation == m.room.name {
			return r.Seq
		}
		if len(records)-i > 2000 {
			break
		}
	}
	return m.cursor
}

func (w *world) toggleConnection() {
	d, _, _ := pick(w, w.devices)
	if d.online = !d.online; d.online {
		w.catchUp(d)
	}
}

// catchUp is a sync: what is near comes whole with a few duplicates, of what is far only the newest end.
func (w *world) catchUp(d *device) {
	for _, m := range d.rooms {
		head := int64(len(m.room.entries))
		if !m.member || m.cursor == head {
			continue
		}
		from := m.cursor
		switch {
		case head-from > 6:
			m.gaps = append(m.gaps, window{first: from, last: head - 4})
			from = head - 3
		case len(m.gaps) == 0 && from > w.firstOf(m):
			from--
		}
		for seq := from; seq < head; seq++ {
			w.receive(m, seq, Sync)
		}
		m.cursor = head
	}
}

func (w *world) fetchGap() {
	m, ok := w.membership()
	if ok && m.device.online && len(m.gaps) > 0 {
		w.fillGap(m)
	}
}

// fillGap pages backwards through the newest gap.
func (w *world) fillGap(m *membership) {
	g := m.gaps[len(m.gaps)-1]
	m.gaps = m.gaps[:len(m.gaps)-1]
	for seq := g.last; seq >= g.first; seq-- {
		w.receive(m, seq, Page)
	}
}

func (w *world) beginRead() {
	if m, ok := w.membership(); ok && m.device.online {
		w.readings = append(w.readings, &pendingRead{at: m, invokedAt: w.clock, head: int64(len(m.room.entries)) - 1})
	}
}

func (w *world) endRead() {
	p, i, ok := pick(w, w.readings)
	if !ok {
		return
	}
	w.readings = slices.Delete(w.readings, i, i+1)
	if w.draw(2) == 0 {
		p.head = int64(len(p.at.room.entries)) - 1
	}
	first := w.firstOf(p.at)
	if !p.at.member || first > p.head {
		return
	}
	from := first + int64(w.draw(int(p.head-first)+1))
	to := min(from+int64(w.draw(10))-1, p.head)
	w.rec.Read(Reading{Reader: p.at.reader(), From: from, To: to, Head: p.head, InvokedAt: p.invokedAt})
}

func (w *world) changeMembers() {
	r, _, _ := pick(w, w.rooms)
	d, _, _ := pick(w, w.devices)
	i := slices.IndexFunc(r.members, func(m *membership) bool { return m.device == d })
	switch {
	case i < 0 || !r.members[i].member:
		w.join(r, d, r.append(Entry{Kind: "member"}))
	case w.draw(3) == 0:
		m := r.members[i]
		m.member, m.gaps = false, nil
		w.rec.Leave(m.reader(), r.append(Entry{Kind: "member"}))
	}
}

func (w *world) join(r *room, d *device, first int64) {
	i := slices.IndexFunc(r.members, func(m *membership) bool { return m.device == d })
	if i < 0 {
		m := &membership{device: d, room: r}
		r.members, d.rooms = append(r.members, m), append(d.rooms, m)
		i = len(r.members) - 1
	}
	m := r.members[i]
	m.member, m.cursor = true, first
	w.rec.Join(m.reader(), first)
}

// rest lets nothing in flight survive, brings everyone online and up to date and ends the quiet period.
func (w *world) rest() {
	w.clock++
	w.attempts = nil
	for _, d := range w.devices {
		d.online = true
		w.catchUp(d)
		for _, m := range d.rooms {
			for m.member && len(m.gaps) > 0 {
				w.fillGap(m)
			}
		}
	}
	if w.draw(3) == 0 {
		for _, d := range w.devices {
			w.rec.Quiet(d.name)
		}
	}
	w.rec.Quiet("")
	w.clock++
}

func requireOK(t testing.TB, h History, final map[string][]Entry) Report {
	t.Helper()
	report := Check(h, final)
	if !report.OK() {
		t.Fatalf("a valid history was refused:\n%s", report)
	}
	return report
}
