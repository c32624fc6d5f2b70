// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"net"
	"net/netip"
)

// At returns the dialer with places of some hosts instead of what DNS has: whatever port is asked for, theirs is dialled.
// They are checked like every address. It is for test deployments.
func (d *Dialer) At(places map[string]netip.AddrPort) *Dialer {
	if len(places) == 0 {
		return d
	}
	out := *d
	out.places = places
	out.resolver = fixed{d.resolver, places}
	return &out
}

// fixed keeps names with a fixed place away from DNS.
type fixed struct {
	Resolver
	places map[string]netip.AddrPort
}

func (f fixed) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if at, ok := f.places[host]; ok {
		return []netip.Addr{at.Addr()}, nil
	}
	return f.Resolver.LookupNetIP(ctx, network, host)
}

func (f fixed) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if _, ok := f.places[name]; ok {
		return "", nil, &net.DNSError{Err: "its place is fixed", Name: name, IsNotFound: true}
	}
	return f.Resolver.LookupSRV(ctx, service, proto, name)
}
