// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"context"
	"log/slog"
)

const (
	packetNotes = 64      // notes of a full packet
	packetBytes = 256_000 // payload of a full packet; a single note may be larger
	quietTicks  = 32      // longest pause between the ticks of a quiet link, in ticks
)

// out is the sending end of all links and the dispatcher's scratch.
type out struct {
	links    map[Node]*link
	burnt    bool // links made from now on begin with a gap
	sessions []Session
	remote   []*link // those with users of the event at hand
	data     []byte
}

// link is the sending end of a link.
type link struct {
	to      Node
	seq     uint64
	pending []*Note
	bytes   int
	note    *Note // of the event at hand: collects users, then gets its frame

	dirty      bool // sent something since the last tick
	wait, left int  // ticks between two ticks of a quiet link, and until the next
}

func (f *Fanout) link(to Node) *link {
	l, ok := f.out.links[to]
	if !ok {
		l = &link{to: to}
		if f.out.burnt {
			l.seq = 1
		}
		f.out.links[to] = l
	}
	return l
}

// push adds a note to the next packet.
func (f *Fanout) push(ctx context.Context, l *link, n *Note) {
	l.pending = append(l.pending, n)
	l.bytes += len(n.Frame.Payload())
	if len(l.pending) >= packetNotes || l.bytes >= packetBytes {
		f.flush(ctx, l)
	}
}

// flush sends what is pending.
func (f *Fanout) flush(ctx context.Context, l *link) {
	if len(l.pending) == 0 {
		return
	}
	l.seq++
	l.dirty = true
	f.count.packets.Add(1)
	f.send(ctx, l, l.pending)
	l.pending, l.bytes = nil, 0 // The packet keeps the slice.
}

func (f *Fanout) flushAll(ctx context.Context) {
	for _, l := range f.out.links {
		f.flush(ctx, l)
	}
}

func (f *Fanout) send(ctx context.Context, l *link, notes []*Note) {
	p := &Packet{From: f.opt.Self, Run: f.run, Seq: l.seq, Notes: notes}
	if err := f.opt.Bus.Send(ctx, l.to, p); err != nil {
		f.count.sendErrors.Add(1)
		f.opt.Log.Debug("packet refused", slog.String("to", string(l.to)), slog.Any("error", err))
	}
}

// tick tells the last number of each link, so that a lost end is seen: after each time something was sent, then at
// longer and longer pauses, as ticks may be lost too.
func (f *Fanout) tick(ctx context.Context) {
	for _, l := range f.out.links {
		if l.dirty {
			l.dirty, l.wait, l.left = false, 1, 1
		}
		if l.left--; l.left > 0 {
			continue
		}
		l.wait = min(2*l.wait, quietTicks)
		l.left = l.wait
		f.send(ctx, l, nil)
	}
}

// greet makes the links to all known nodes, so that their first ticks show the new run: what the run before committed
// and never sent is caught up then.
func (f *Fanout) greet() {
	if f.opt.Bus == nil || f.opt.Peers == nil {
		return
	}
	for _, n := range f.opt.Peers() {
		if n != f.opt.Self {
			f.link(n).dirty = true
		}
	}
}

// burn leaves out a number on every link, so that the sessions of all nodes catch up.
func (f *Fanout) burn(ctx context.Context) {
	f.greet()
	f.out.burnt = true
	for _, l := range f.out.links {
		l.seq++
		l.dirty = true
		f.send(ctx, l, nil)
	}
}
