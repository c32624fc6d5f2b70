// SPDX-License-Identifier: Apache-2.0

package id

import (
	"strconv"
	"strings"
)

// Host is the name without the port.
func (s Server) Host() string { h, _, _ := strings.Cut(string(s), ":"); return h }

// Port is the port in the name, 0 if there is none. One beyond 65535 reads as 0 too: IsDomain tells them apart.
func (s Server) Port() uint16 {
	_, p, _ := strings.Cut(string(s), ":")
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// IsDomain reports whether a well-formed name may stand for a server towards others: it is no address in any of the
// spellings resolvers take (127.0.0.1, 2130706433, 0x7f.1), and its port is one that exists. spec: FED-NAME-1
func (s Server) IsDomain() bool {
	if _, err := ParseServer(string(s)); err != nil {
		return false
	}
	if strings.Contains(string(s), ":") && s.Port() == 0 {
		return false
	}
	host := s.Host()
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok && strings.Trim(hex, "0123456789abcdef") == "" {
		return false
	}
	return strings.ContainsFunc(last, func(c rune) bool { return c < '0' || c > '9' })
}
