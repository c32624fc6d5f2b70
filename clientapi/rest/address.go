// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"net/netip"
	"strings"
)

// client is the address the request came from: the peer, or behind trusted proxies the nearest hop that is none of them.
func (d *door) client(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // A unix socket has no address.
	}
	addr := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && d.trusted(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // What is left of a damaged entry may be forged.
		}
		addr = hop.Unmap().WithZone("")
	}
	return addr
}

func (d *door) trusted(a netip.Addr) bool {
	for _, p := range d.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
