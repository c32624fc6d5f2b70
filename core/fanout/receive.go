// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"log/slog"
	"slices"
	"sync"
)

const pastRuns = 4 // ended runs of a peer whose late packets are recognised

// inbound is the receiving end of a link.
type inbound struct {
	mu   sync.Mutex // also keeps the notes of the link in order
	run  string
	last uint64
	past []string
}

type verdict int

const (
	fresh verdict = iota
	stale         // seen, or late
	gap           // fresh, but something before it is missing
)

// receive takes a packet off the bus.
func (f *Fanout) receive(p *Packet) {
	in := f.inbound(p.From)
	in.mu.Lock()
	defer in.mu.Unlock()
	switch in.judge(p) {
	case stale:
		if len(p.Notes) > 0 {
			f.count.duplicates.Add(1)
		}
		return
	case gap:
		f.count.gaps.Add(1)
		f.opt.Log.Warn("notes lost on a link", slog.String("from", string(p.From)), slog.Uint64("seq", p.Seq))
		f.loseLocal() // Before the notes, which come after what is missing.
	}
	for _, n := range p.Notes {
		f.deliverUsers(n)
	}
}

func (f *Fanout) inbound(from Node) *inbound {
	f.mu.Lock()
	defer f.mu.Unlock()
	in, ok := f.in[from]
	if !ok {
		in = &inbound{}
		f.in[from] = in
	}
	return in
}

// judge compares the packet's number with what came before and remembers it.
func (in *inbound) judge(p *Packet) verdict {
	if p.Run != in.run {
		if slices.Contains(in.past, p.Run) {
			return stale
		}
		first := in.run == ""
		in.follow(p.Run)
		if !first {
			in.last = p.Seq
			return gap // The end of the run before may be missing.
		}
	}
	tick := len(p.Notes) == 0
	last := in.last
	if p.Seq <= last {
		return stale
	}
	in.last = p.Seq
	if tick || p.Seq > last+1 {
		return gap
	}
	return fresh
}

func (in *inbound) follow(run string) {
	if in.run != "" {
		in.past = append(in.past, in.run)
		in.past = in.past[max(0, len(in.past)-pastRuns):]
	}
	in.run, in.last = run, 0
}

// deliverUsers hands a note to the sessions of its users.
func (f *Fanout) deliverUsers(n *Note) {
	var delivered uint64
	for _, u := range n.Users {
		for _, s := range f.sessions.of(u) {
			if !n.isForAll() && !n.reaches(s) {
				continue
			}
			s.Deliver(n)
			delivered++
		}
	}
	f.count.delivered.Add(delivered)
}
