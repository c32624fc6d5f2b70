// SPDX-License-Identifier: Apache-2.0

package door

import (
	"net/netip"
	"time"

	"parley.chat/core/limit"
	"parley.chat/protocol/id"
)

// Rates bound what one server, and one address, may do. 0 is no limit.
type Rates struct {
	RequestsPerMinute int // of one origin
	BytesPerMinute    int // in bodies of one origin
	FailuresPerMinute int // requests of one address that did not verify
}

// limits count.
type limits struct {
	requests, bytes, failures *limit.Counter
	now                       func() time.Time
}

func newLimits(r Rates, now func() time.Time) *limits {
	per := func(n int) *limit.Counter { return limit.NewCounter(limit.Rate{Count: n, Per: time.Minute}, 0) }
	return &limits{requests: per(r.RequestsPerMinute), bytes: per(r.BytesPerMinute), failures: per(r.FailuresPerMinute), now: now}
}

// verified spends of the origin's allowance. spec: FED-LIMIT-1
func (l *limits) verified(origin id.Server, size int) error {
	at := l.now().UnixMilli()
	if wait := l.requests.Take(string(origin), 1, at); wait > 0 {
		return limit.Refusal(wait, "too many requests of this server")
	}
	if wait := l.bytes.Take(string(origin), size, at); wait > 0 {
		return limit.Refusal(wait, "too many bytes of this server")
	}
	return nil
}

// before tells whether the address may try. spec: FED-LIMIT-2
func (l *limits) before(a netip.Addr) error {
	if wait := l.failures.Wait(network(a), 1, l.now().UnixMilli()); wait > 0 {
		return limit.Refusal(wait, "too many requests of this address that could not be verified")
	}
	return nil
}

func (l *limits) failed(a netip.Addr) { l.failures.Note(network(a), 1, l.now().UnixMilli()) }

// network is what one host has: its address, or its /64.
func network(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		p, _ := a.WithZone("").Prefix(64)
		return p.String()
	}
	return a.String()
}
