// SPDX-License-Identifier: Apache-2.0

package homeserver

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Greeting tells an operator what was started and how to connect a first client.
func (h *Homeserver) Greeting() string {
	var b strings.Builder
	database := "the configured PostgreSQL"
	if h.cluster != nil {
		database = "a private PostgreSQL in " + filepath.Join(h.cfg.DataDir, "postgres") + ", on a unix socket"
	}
	_, port, _ := strings.Cut(h.Address(), ":")
	scheme := "http"
	if h.certs != nil {
		scheme = "https"
	}
	url := scheme + "://localhost:" + port[strings.LastIndex(port, ":")+1:]
	fmt.Fprintf(&b, "\nParley %s serves %s\n\n", Version, h.cfg.ServerName)
	fmt.Fprintf(&b, "  address       %s (public: %s)\n", url, h.cfg.PublicURL)
	fmt.Fprintf(&b, "  database      %s\n", database)
	fmt.Fprintf(&b, "  bus           in this process\n")
	fmt.Fprintf(&b, "  registration  %s\n", h.cfg.Registration.Mode)
	federation := "off"
	if h.cfg.Federation.Enabled {
		federation = "on, as " + h.cfg.ServerName
	}
	if h.others != nil {
		federation += ", at " + h.FederationAddress()
	}
	fmt.Fprintf(&b, "  federation    %s\n", federation)
	if fixed := h.cfg.Federation.Hosts; fixed != "" {
		fmt.Fprintf(&b, "  TEST ONLY     federation.hosts is set, DNS is not asked for %s\n", fixed)
	}
	fmt.Fprintf(&b, "  documents     %s/docs\n\n", url)
	fmt.Fprintf(&b, "Talk, in two more terminals:\n\n")
	fmt.Fprintf(&b, "  bin/parley chat --server %s --user alice\n", url)
	fmt.Fprintf(&b, "  bin/parley chat --server %s --user bob\n\n", url)
	fmt.Fprintf(&b, "Ctrl-C stops in order.\n\n")
	return b.String()
}
