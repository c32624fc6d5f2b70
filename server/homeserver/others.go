// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"parley.chat/federation/door"
	"parley.chat/federation/peer"
	"parley.chat/protocol/fault"
	"parley.chat/server/config"
)

// others is the listener of federation.listen, nil if other servers come through that of the clients.
type others struct {
	net.Listener
	http *http.Server
}

func (h *Homeserver) listenForOthers() error {
	f := h.cfg.Federation
	if f.Listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", f.Listen)
	if err != nil {
		return fmt.Errorf("%w; another address is set by federation.listen in the configuration or PARLEY_FEDERATION_LISTEN", err)
	}
	h.others = &others{Listener: l, http: h.newServer()}
	h.others.http.TLSConfig = h.certs.Clone() // Each server writes into its own.
	if f.TLS.Cert != "" {
		if h.others.http.TLSConfig, err = certificates(config.TLS(f.TLS)); err != nil {
			return fmt.Errorf("federation: %w", err)
		}
	}
	return nil
}

// federationDoors gives other servers their listener if they have one, and returns what the clients' has below /federation/.
func (h *Homeserver) federationDoors(none http.Handler) http.Handler {
	federation := h.federation(none)
	if h.others == nil {
		return federation
	}
	h.others.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hurry(w)
		switch {
		case strings.HasPrefix(r.URL.Path, "/federation/"):
			federation.ServeHTTP(w, r)
		case r.URL.Path == peer.WellKnown && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			h.serverKeys(w, r)
		default:
			door.WriteProblem(w, fault.New(fault.UnknownRoute, "no such resource; this address is for other servers"))
		}
	})
	return none
}

// FederationAddress is where other servers are served.
func (h *Homeserver) FederationAddress() string {
	if h.others == nil {
		return h.Address()
	}
	return h.others.Addr().String()
}
