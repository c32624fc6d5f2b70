// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// nameServer is the name of the host that has the names.
const nameServer = "ns.netlab"

// zone has all names of a lab and answers for them.
type zone struct {
	conn net.PacketConn

	mu       sync.Mutex
	a        map[string][]netip.Addr
	services map[string][]byte
}

func newZone() *zone {
	return &zone{a: map[string][]netip.Addr{}, services: map[string][]byte{}}
}

func (z *zone) setA(name string, addrs ...netip.Addr) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.a[strings.ToLower(name)] = addrs
	if len(addrs) == 0 {
		delete(z.a, strings.ToLower(name))
	}
}

func (z *zone) setSRV(name, target string, port uint16) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.services[strings.ToLower(name)] = service(target, port)
}

// addresses are those of a name, and whether there is anything by that name or below it.
func (z *zone) addresses(name string) (addrs []netip.Addr, exists bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.a[name], holds(z.a, name) || holds(z.services, name)
}

func holds[V any](names map[string]V, name string) bool {
	for n := range names {
		if n == name || strings.HasSuffix(n, "."+name) {
			return true
		}
	}
	return false
}

// listen takes questions at the host.
func (z *zone) listen(h *Host) (err error) {
	z.conn, err = h.ListenPacket(context.Background(), "udp4", h.addr.String()+":53")
	if err != nil {
		return fmt.Errorf("name server: %w", err)
	}
	return nil
}

// serve answers until the zone is closed.
func (z *zone) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := z.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if q, err := parseQuestion(buf[:n]); err == nil {
			_, _ = z.conn.WriteTo(z.reply(q), from) // Who asked asks again.
		}
	}
}

// reply is the answer to a question.
func (z *zone) reply(q question) []byte {
	if q.opcode != 0 || q.class != classIN {
		return q.answer(codeNotImplemented, nil)
	}
	addrs, exists := z.addresses(q.name)
	if !exists {
		return q.answer(codeNoName, nil)
	}
	var records [][]byte
	switch q.kind {
	case typeA:
		for _, a := range addrs {
			records = append(records, a.AsSlice())
		}
	case typeSRV:
		z.mu.Lock()
		if r, ok := z.services[q.name]; ok {
			records = append(records, r)
		}
		z.mu.Unlock()
	}
	return q.answer(codeOK, records)
}

func (z *zone) close() {
	if z.conn != nil {
		_ = z.conn.Close()
	}
}
