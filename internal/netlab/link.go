// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// Policy is what happens to packets of a link in one direction. The zero value delivers them at once.
type Policy struct {
	IsCut  bool
	Delay  time.Duration // of every packet
	Jitter time.Duration // up to this much is added; order is kept
	Loss   float64       // the share of packets that are lost, 0 to 1
}

// Count is what a link did with packets in one direction.
type Count struct {
	Packets, Bytes int64 // delivered
	Lost           int64 // by Loss
	Cut            int64 // sent while the link was cut, or under way when it was
	Overflowed     int64 // did not fit into the queue
}

// queueLength bounds the packets under way in one direction.
const queueLength = 4096

// link is one direction of a link.
type link struct {
	to      io.Writer
	queue   chan packet
	changed chan struct{} // holds a note that the policy is another
	done    chan struct{}

	mu     sync.Mutex
	policy Policy
	cuts   int // how often it was cut
	count  Count
	random *rand.Rand
}

// packet is one under way.
type packet struct {
	body   []byte
	sent   time.Time
	jitter float64 // its share of the most
	cuts   int     // of the link when it was sent
}

func newLink(to io.Writer, seed uint64) *link {
	return &link{
		to: to, queue: make(chan packet, queueLength), changed: make(chan struct{}, 1), done: make(chan struct{}),
		random: rand.New(rand.NewPCG(seed, 0)),
	}
}

func (k *link) set(p Policy) {
	k.mu.Lock()
	if p.IsCut && !k.policy.IsCut {
		k.cuts++
	}
	k.policy = p
	k.mu.Unlock()
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

func (k *link) counted() Count {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.count
}

// offer sends a packet, of which it keeps a copy.
func (k *link) offer(body []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.policy.IsCut:
		k.count.Cut++
		return
	case k.random.Float64() < k.policy.Loss:
		k.count.Lost++
		return
	}
	select {
	case k.queue <- packet{body: bytes.Clone(body), sent: time.Now(), jitter: k.random.Float64(), cuts: k.cuts}:
	default:
		k.count.Overflowed++
	}
}

// run delivers packets until the link is closed.
func (k *link) run() {
	for {
		select {
		case <-k.done:
			return
		case p := <-k.queue:
			if k.hold(p) {
				_, _ = k.to.Write(p.body) // A device that takes no packet loses it, as devices do.
			}
		}
	}
}

// hold waits until the packet is due and tells whether it arrives.
func (k *link) hold(p packet) bool {
	for {
		wait, ok := k.due(p)
		if !ok || wait <= 0 {
			return ok
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-k.changed:
		case <-k.done:
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}

// due is how long a packet has to wait still. One that has not is counted as delivered; one that was cut off is lost.
func (k *link) due(p packet) (time.Duration, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.policy.IsCut || p.cuts != k.cuts {
		k.count.Cut++
		return 0, false
	}
	delay := k.policy.Delay + time.Duration(p.jitter*float64(k.policy.Jitter))
	wait := time.Until(p.sent.Add(delay))
	if wait <= 0 {
		k.count.Packets++
		k.count.Bytes += int64(len(p.body))
	}
	return wait, true
}

func (k *link) close() { close(k.done) }
