// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"net"
	"sync"
)

// link is the way to a server's address: it can be cut and restored. While it is cut nothing passes and nothing is opened; one that
// was cut hard has lost its connections too, as a router does that starts again.
type link struct {
	to       string
	listener net.Listener

	mu     sync.Mutex
	open   chan struct{} // closed while bytes may pass
	conns  map[net.Conn]bool
	closed bool
	all    sync.WaitGroup
}

// newLink makes a link to an address. It listens at one of its own until it is closed.
func newLink(to string) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{to: to, listener: listener, open: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(l.open)
	l.all.Go(l.accept)
	return l, nil
}

func (l *link) address() string { return l.listener.Addr().String() }

func (l *link) accept() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		if !l.keep(in) {
			return
		}
		l.all.Go(func() { l.join(in) })
	}
}

// keep notes a connection that is closed with the link; false if the link is closed.
func (l *link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close()
		return false
	}
	l.conns[c] = true
	return true
}

func (l *link) drop(list ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range list {
		_ = c.Close()
		delete(l.conns, c)
	}
}

// join carries one connection to its end.
func (l *link) join(in net.Conn) {
	defer l.drop(in)
	if !l.wait() {
		return
	}
	out, err := net.Dial("tcp", l.to)
	if err != nil {
		return // There is no server now.
	}
	if !l.keep(out) {
		return
	}
	defer l.drop(out)
	var both sync.WaitGroup
	both.Go(func() { l.carry(in, out) })
	both.Go(func() { l.carry(out, in) })
	both.Wait()
}

// carry takes bytes from one side to the other, as long as the link is not cut.
func (l *link) carry(from, to net.Conn) {
	defer l.drop(from, to)
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && l.wait() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait waits until bytes may pass; false if the link was closed.
func (l *link) wait() bool {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	<-open
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed
}

// cut lets nothing pass from now on; hard ends every connection as well.
func (l *link) cut(hard bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
		if !l.closed {
			l.open = make(chan struct{})
		}
	default: // It is cut already.
	}
	if hard {
		for c := range l.conns {
			_ = c.Close()
		}
	}
}

// restore lets pass what waits and what comes.
func (l *link) restore() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
	default:
		close(l.open)
	}
}

// close ends the link and waits for its goroutines.
func (l *link) close() {
	l.mu.Lock()
	l.closed = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	_ = l.listener.Close()
	l.restore()
	l.all.Wait()
}

// during cuts for a time.
func (l *link) during(ctx context.Context, c cut) {
	l.cut(c.Hard)
	sleep(ctx, c.For)
	l.restore()
}
