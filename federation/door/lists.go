// SPDX-License-Identifier: Apache-2.0

package door

import (
	"strings"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Lists are the operator's decisions about servers. Patterns are server names, or *.example.org for every name below
// example.org. They are about the name without its port, and the caller has checked them.
type Lists struct {
	Allow []string // empty: all
	Deny  []string // wins
}

// Admit refuses a server with server_refused. It holds in both directions. spec: FED-LIMIT-4
func (l Lists) Admit(s id.Server) error {
	if match(l.Deny, s.Host()) || len(l.Allow) > 0 && !match(l.Allow, s.Host()) {
		return fault.New(fault.ServerRefused, "this server does not federate with %s", s)
	}
	return nil
}

func match(patterns []string, host string) bool {
	for _, p := range patterns {
		if below, ok := strings.CutPrefix(p, "*"); ok && strings.HasSuffix(host, below) || p == host {
			return true
		}
	}
	return false
}
