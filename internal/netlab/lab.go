// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// The lab's network. These addresses belong to amateur radio, which keeps them for tests: no machine has one, yet
// they are public to a server that connects only to public ones.
const (
	prefixBits = 16
	mostHosts  = 200
)

func addressOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{44, 128, 1, byte(i)}) }

// Lab is a network. Make it with New or Open.
type Lab struct {
	zone     *zone
	patience time.Duration    // with processes that lost their parent
	hosts    map[string]*Host // not changed after Open
	byAddr   map[netip.Addr]*Host
	links    map[direction]*link
	work     sync.WaitGroup
	closing  sync.Once
	failed   error // of Close
}

type direction struct{ from, to netip.Addr }

// New makes a lab with these hosts that ends with the test. It skips as Need does.
func New(t testing.TB, names ...string) *Lab {
	t.Helper()
	l, err := Open(names...)
	refuse(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("netlab: %v", err)
		}
	})
	return l
}

// Open makes a lab with a host for each DNS name and links that are up. The caller closes it. The error is an
// ErrNotAllowed if the machine does not allow labs.
func Open(names ...string) (*Lab, error) {
	if len(names) > mostHosts {
		return nil, fmt.Errorf("%d hosts are more than %d", len(names), mostHosts)
	}
	l := &Lab{zone: newZone(), patience: patience, hosts: map[string]*Host{}, byAddr: map[netip.Addr]*Host{}, links: map[direction]*link{}}
	if err := l.populate(names); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.connect()
	return l, nil
}

func (l *Lab) populate(names []string) error {
	for i, name := range append([]string{nameServer}, names...) {
		if l.hosts[name] != nil {
			return fmt.Errorf("two hosts have the name %s", name)
		}
		h, err := openHost(l, name, addressOf(i+1))
		if err != nil {
			return fmt.Errorf("host %s: %w", name, err)
		}
		l.hosts[name], l.byAddr[h.addr] = h, h
		l.zone.setA(name, h.addr)
	}
	return l.zone.listen(l.hosts[nameServer])
}

// connect lays the links and begins to carry packets.
func (l *Lab) connect() {
	for a := range l.byAddr {
		for b, to := range l.byAddr {
			if a != b {
				l.links[direction{a, b}] = newLink(to.tun, uint64(len(l.links)))
			}
		}
	}
	for _, k := range l.links {
		l.work.Go(k.run)
	}
	for _, h := range l.hosts {
		l.work.Go(func() { l.carry(h) })
	}
	l.work.Go(l.zone.serve)
}

// carry takes what a host sends to the links until its device is closed.
func (l *Lab) carry(h *Host) {
	buf := make([]byte, 1<<16)
	for {
		n, err := h.tun.Read(buf)
		if err != nil {
			return
		}
		if to, ok := destination(buf[:n]); ok {
			if k := l.links[direction{h.addr, to}]; k != nil {
				k.offer(buf[:n])
			}
		}
	}
}

// destination is where an IPv4 packet goes; other packets go nowhere.
func destination(p []byte) (netip.Addr, bool) {
	if len(p) < 20 || p[0]>>4 != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(p[16:20])), true
}

// Host is the host of that name, nil if there is none.
func (l *Lab) Host(name string) *Host { return l.hosts[name] }

// NameServer is the host that answers for DNS: links to it may be cut, too.
func (l *Lab) NameServer() *Host { return l.hosts[nameServer] }

// Set sets the policy between two hosts, both ways.
func (l *Lab) Set(a, b *Host, p Policy) {
	l.SetOneWay(a, b, p)
	l.SetOneWay(b, a, p)
}

// SetOneWay sets the policy for what goes from one host to another.
func (l *Lab) SetOneWay(from, to *Host, p Policy) { l.between(from, to).set(p) }

// Count tells what went from one host to another since the lab was made.
func (l *Lab) Count(from, to *Host) Count { return l.between(from, to).counted() }

func (l *Lab) between(from, to *Host) *link {
	k := l.links[direction{from.addr, to.addr}]
	if k == nil {
		panic("netlab: there is no link from " + from.name + " to " + to.name)
	}
	return k
}

// SetA gives a name other addresses, or takes them away.
func (l *Lab) SetA(name string, addrs ...netip.Addr) { l.zone.setA(name, addrs...) }

// SetSRV gives a name, such as _parley._tcp.a.test, one service record, at the port of a target.
func (l *Lab) SetSRV(name, target string, port uint16) { l.zone.setSRV(name, target, port) }

// Close ends all processes and takes the network away. It returns which processes did not end in order; later calls
// return the same.
func (l *Lab) Close() error {
	l.closing.Do(func() {
		var failures []error
		for _, h := range l.hosts {
			failures = append(failures, h.endProcesses())
		}
		for _, h := range l.hosts {
			h.close()
		}
		for _, k := range l.links {
			k.close()
		}
		l.zone.close()
		l.work.Wait()
		l.failed = errors.Join(failures...)
	})
	return l.failed
}

// Lookup is the address of a name in the lab.
func (l *Lab) Lookup(_ context.Context, name string) (netip.Addr, error) {
	addrs, _ := l.zone.addresses(strings.ToLower(name))
	if len(addrs) == 0 {
		return netip.Addr{}, fmt.Errorf("no host of the lab is called %s", name)
	}
	return addrs[0], nil
}
