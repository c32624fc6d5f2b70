// SPDX-License-Identifier: Apache-2.0

package door

import (
	"fmt"
	"strings"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Lists are the operator's decisions about servers. Patterns are server names, or *.example.org for every name below
// example.org. They are about the name without its port.
type Lists struct {
	Allow []string // empty: all
	Deny  []string // wins
}

// CheckPattern refuses what is no pattern.
func CheckPattern(p string) error {
	if s := id.Server(strings.TrimPrefix(p, "*.")); !s.IsDomain() || s.Port() != 0 {
		return fmt.Errorf("%q is neither a server name without port nor a pattern such as *.example.org", p)
	}
	return nil
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
