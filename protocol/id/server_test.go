// SPDX-License-Identifier: Apache-2.0

package id_test

import (
	"net"
	"strings"
	"testing"

	"parley.chat/protocol/id"
)

func TestServer_AddressesAreNoDomains(t *testing.T) {
	for name, want := range map[string]bool{
		"example.org": true, "localhost": true, "localhost:8448": true, "a.test:65535": true, "xn--bcher-kva.example": true,
		"0xample.org": true, "3com.com": true, "a.0xyz": true, "1and1.de": true, "a.b-1": true,
		"127.0.0.1": false, "10.1": false, "2130706433": false, "0x7f.1": false, "0x7f000001": false, "a.0x7f": false, "a.0x": false,
		"example.org:65536": false, "example.org:99999": false, "Example.org": false, "example.org.": false, "": false,
		"[::1]": false, "example.org:0": false, "example.org:": false, "a..b": false,
	} {
		if got := id.Server(name).IsDomain(); got != want {
			t.Errorf("IsDomain(%q) = %t", name, got)
		}
	}
}

func TestServer_HostAndPort(t *testing.T) {
	if s := id.Server("example.org:8448"); s.Host() != "example.org" || s.Port() != 8448 {
		t.Errorf("%s %d", s.Host(), s.Port())
	}
	if s := id.Server("example.org"); s.Host() != "example.org" || s.Port() != 0 {
		t.Errorf("%s %d", s.Host(), s.Port())
	}
}

// FuzzIsDomain looks for a name that passes and is an address in one of the spellings that inet_aton takes.
func FuzzIsDomain(f *testing.F) {
	for _, s := range []string{"example.org", "127.0.0.1", "0x7f.1", "017700000001", "1.2.3.0x4", "a.b:1", "0xg.1a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := id.Server(s)
		if !name.IsDomain() {
			return
		}
		parts := strings.Split(name.Host(), ".")
		numbers := 0
		for _, p := range parts {
			hex, isHex := strings.CutPrefix(p, "0x")
			if strings.Trim(p, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == "" {
				numbers++
			}
		}
		if numbers == len(parts) || net.ParseIP(name.Host()) != nil {
			t.Fatalf("%q is an address", s)
		}
		if _, err := id.ParseServer(s); err != nil || strings.Contains(s, ":") && name.Port() == 0 {
			t.Fatalf("%q is no server name", s)
		}
	})
}
