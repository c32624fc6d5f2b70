// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/http"
	"net/netip"
	"strings"
)

// ClientAddress is the address the request came from: the peer, or behind trusted proxies the nearest hop that is none of them.
// It is the zero Addr for a unix socket.
func ClientAddress(r *http.Request, proxies []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(proxies, addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // What is left of a damaged entry may be forged.
		}
		addr = hop.Unmap().WithZone("")
	}
	return addr
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (d *door) client(r *http.Request) netip.Addr { return ClientAddress(r, d.TrustedProxies) }
