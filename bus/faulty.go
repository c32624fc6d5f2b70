// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"parley.chat/core/fanout"
)

// maxDelay is the most packets that may overtake a delayed one.
const maxDelay = 8

// Faults are probabilities from 0 to 1, drawn for each packet in the order of the fields; the first that strikes counts.
type Faults struct {
	Drop    float64 // the packet is lost
	Double  float64 // it arrives, and once more up to 8 packets later
	Reorder float64 // the next packet to the node overtakes it
	Delay   float64 // 2 to 8 packets to the node overtake it
}

// Faulty is a bus that breaks what a bus may break. Its faults follow from the seed and the order of calls alone: it has
// no clock, so late is counted in packets, and what is held at the end never arrives.
type Faulty struct {
	under fanout.Bus

	mu     sync.Mutex
	rng    *rand.Rand
	faults Faults
	held   map[fanout.Node][]held // at most maxDelay+1 per node, as each packet lets one go at the latest
}

type held struct {
	packet *fanout.Packet
	after  int // packets until it goes
}

var _ fanout.Bus = (*Faulty)(nil)

// NewFaulty wraps a bus.
func NewFaulty(under fanout.Bus, seed uint64, faults Faults) *Faulty {
	return &Faulty{
		under:  under,
		rng:    rand.New(rand.NewPCG(seed, 0)),
		faults: faults,
		held:   map[fanout.Node][]held{},
	}
}

// Set changes the faults from the next packet on. What is held still goes late.
func (f *Faulty) Set(faults Faults) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = faults
}

// Receive sets the receiver of the wrapped bus.
func (f *Faulty) Receive(fn func(*fanout.Packet)) { f.under.Receive(fn) }

// Send sends none, one or several packets to the node. The errors are those of the wrapped bus: a fault is silent.
func (f *Faulty) Send(ctx context.Context, to fanout.Node, p *fanout.Packet) error {
	var errs error
	for _, q := range f.draw(to, p) {
		errs = errors.Join(errs, f.under.Send(ctx, to, q))
	}
	return errs
}

// draw decides what goes now that p was to go.
func (f *Faulty) draw(to fanout.Node, p *fanout.Packet) []*fanout.Packet {
	f.mu.Lock()
	defer f.mu.Unlock()
	now, late := f.fate(p)
	keep := f.held[to][:0]
	for _, h := range f.held[to] {
		if h.after--; h.after > 0 {
			keep = append(keep, h)
		} else {
			now = append(now, h.packet)
		}
	}
	if late.packet != nil {
		keep = append(keep, late)
	}
	f.held[to] = keep
	return now
}

func (f *Faulty) fate(p *fanout.Packet) (now []*fanout.Packet, late held) {
	switch {
	case f.strikes(f.faults.Drop):
		return nil, held{}
	case f.strikes(f.faults.Double):
		return []*fanout.Packet{p}, held{p, 1 + f.rng.IntN(maxDelay)}
	case f.strikes(f.faults.Reorder):
		return nil, held{p, 1}
	case f.strikes(f.faults.Delay):
		return nil, held{p, 2 + f.rng.IntN(maxDelay-1)}
	}
	return []*fanout.Packet{p}, held{}
}

func (f *Faulty) strikes(probability float64) bool { return f.rng.Float64() < probability }
