// SPDX-License-Identifier: Apache-2.0

package id_test

import (
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
