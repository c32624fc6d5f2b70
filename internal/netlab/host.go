// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Host is one host of a lab.
type Host struct {
	lab       *Lab
	name      string
	addr      netip.Addr
	tun       *os.File
	space     *os.File // its network namespace
	spaceName string   // as /proc names it, such as net:[4026532008]
	jobs      chan func()
	ended     chan struct{} // closed when its thread is about to end

	mu       sync.Mutex
	isClosed bool
	commands []*Cmd
}

// openHost makes the namespaces of a host on a thread of its own, and its device.
func openHost(l *Lab, name string, addr netip.Addr) (*Host, error) {
	h := &Host{lab: l, name: name, addr: addr, jobs: make(chan func()), ended: make(chan struct{})}
	begun := make(chan error)
	onThread(func() {
		defer close(h.ended)
		err := h.begin()
		begun <- err
		if err != nil {
			return
		}
		for job := range h.jobs {
			job()
		}
	})
	if err := <-begun; err != nil {
		<-h.ended
		return nil, err
	}
	return h, nil
}

// begin runs on the host's thread.
func (h *Host) begin() (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return notAllowed("make namespaces", err)
	}
	own := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
	if h.spaceName, err = os.Readlink(own); err != nil {
		return err
	}
	err = replaceFiles(map[string]string{
		"/etc/resolv.conf": "nameserver " + addressOf(1).String() + "\nsearch .\noptions timeout:1 attempts:3\n",
		"/etc/hosts":       "127.0.0.1 localhost\n",
	})
	if err != nil {
		return err
	}
	if h.space, err = os.Open(own); err != nil {
		return err
	}
	if h.tun, err = openTUN(h.addr); err != nil {
		return errors.Join(err, h.space.Close())
	}
	return nil
}

// Name is the host's DNS name.
func (h *Host) Name() string { return h.name }

// Addr is the host's address in the lab; processes in the host also have 127.0.0.1.
func (h *Host) Addr() netip.Addr { return h.addr }

// Dial connects from within the host. The host in the address is an IP address or a name of the lab.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(name); err != nil {
		addr, err := h.lab.Lookup(ctx, name)
		if err != nil {
			return nil, err
		}
		name = addr.String()
	}
	var conn net.Conn
	inside := h.enter(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(name, port))
		return err
	})
	return conn, inside
}

// Listen accepts connections within the host, at an IP address of it, or all if there is only a port.
func (h *Host) Listen(ctx context.Context, network, address string) (l net.Listener, err error) {
	err = h.enter(func() error {
		l, err = new(net.ListenConfig).Listen(ctx, network, address)
		return err
	})
	return l, err
}

// ListenPacket takes packets within the host.
func (h *Host) ListenPacket(ctx context.Context, network, address string) (c net.PacketConn, err error) {
	err = h.enter(func() error {
		c, err = new(net.ListenConfig).ListenPacket(ctx, network, address)
		return err
	})
	return c, err
}

// enter runs f on a thread in the host's network namespace. Sockets that f makes stay in it. The net package makes a
// socket for one address in the goroutine that asked.
func (h *Host) enter(f func() error) error {
	failed := make(chan error)
	onThread(func() {
		if err := unix.Setns(int(h.space.Fd()), unix.CLONE_NEWNET); err != nil {
			failed <- fmt.Errorf("enter %s: %w", h.name, err)
			return
		}
		failed <- f()
	})
	return <-failed
}

// close ends the host's thread and takes its device away.
func (h *Host) close() {
	close(h.jobs)
	<-h.ended
	_ = h.tun.Close()
	_ = h.space.Close()
}
