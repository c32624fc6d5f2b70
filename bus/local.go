// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"parley.chat/core/fanout"
)

// linkQueue is how many packets may wait on one link.
const linkQueue = 1024

// ErrUnknownNode says that no node of the name has joined the hub.
var ErrUnknownNode = errors.New("bus: unknown node")

// ErrFull says that the packet was lost because too many wait on its link.
var ErrFull = errors.New("bus: link is full")

// Hub joins nodes of one process.
type Hub struct {
	mu    sync.RWMutex
	nodes map[fanout.Node]*Local
}

// NewHub makes a hub without nodes.
func NewHub() *Hub { return &Hub{nodes: map[fanout.Node]*Local{}} }

// Join makes the bus of a node. A node that joins again takes the place of the one before, as a restarted process does.
func (h *Hub) Join(node fanout.Node) *Local {
	l := &Local{hub: h, node: node, links: map[fanout.Node]chan *fanout.Packet{}, fresh: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes[node] = l
	return l
}

// Nodes lists the nodes but self.
func (h *Hub) Nodes(self fanout.Node) []fanout.Node {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var out []fanout.Node
	for n := range h.nodes {
		if n != self {
			out = append(out, n)
		}
	}
	return out
}

func (h *Hub) find(node fanout.Node) *Local {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.nodes[node]
}

func (h *Hub) leave(l *Local) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.nodes[l.node] == l {
		delete(h.nodes, l.node)
	}
}

// Local is the bus of one node of a Hub. It is a fanout.Bus. Packets of one sender arrive in order.
type Local struct {
	hub     *Hub
	node    fanout.Node
	receive func(*fanout.Packet)
	lost    atomic.Uint64

	mu    sync.Mutex
	links map[fanout.Node]chan *fanout.Packet // by sender
	idle  []chan *fanout.Packet               // links that Run has not taken up
	fresh chan struct{}                       // wakes Run for idle
}

var _ fanout.Bus = (*Local)(nil)

// Send puts the packet on the link to the node. ErrFull and ErrUnknownNode say that it is lost.
func (l *Local) Send(_ context.Context, to fanout.Node, p *fanout.Packet) error {
	dst := l.hub.find(to)
	if dst == nil {
		return fmt.Errorf("send to %s: %w", to, ErrUnknownNode)
	}
	select {
	case dst.link(l.node) <- p:
		return nil
	default:
		dst.lost.Add(1)
		return fmt.Errorf("send to %s: %w", to, ErrFull)
	}
}

// Receive sets the function that gets incoming packets: once, before Run.
func (l *Local) Receive(fn func(*fanout.Packet)) { l.receive = fn }

// Lost is how many packets to this node found their link full.
func (l *Local) Lost() uint64 { return l.lost.Load() }

// Run hands incoming packets to the receiver, one goroutine per link, until ctx is done; then the node leaves the hub,
// what waits is lost, and nil is returned. Packets sent before Run wait for it.
func (l *Local) Run(ctx context.Context) error {
	defer l.hub.leave(l)
	var links sync.WaitGroup
	defer links.Wait()
	for {
		for _, ch := range l.takeIdle() {
			links.Go(func() { l.pump(ctx, ch) })
		}
		select {
		case <-l.fresh:
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *Local) pump(ctx context.Context, ch <-chan *fanout.Packet) {
	for {
		select {
		case p := <-ch:
			l.receive(p)
		case <-ctx.Done():
			return
		}
	}
}

func (l *Local) link(from fanout.Node) chan<- *fanout.Packet {
	l.mu.Lock()
	defer l.mu.Unlock()
	ch, ok := l.links[from]
	if !ok {
		ch = make(chan *fanout.Packet, linkQueue)
		l.links[from] = ch
		l.idle = append(l.idle, ch)
		select {
		case l.fresh <- struct{}{}:
		default:
		}
	}
	return ch
}

func (l *Local) takeIdle() []chan *fanout.Packet {
	l.mu.Lock()
	defer l.mu.Unlock()
	idle := l.idle
	l.idle = nil
	return idle
}
