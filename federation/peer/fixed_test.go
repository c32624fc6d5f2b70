// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"testing"
)

// placed is a client of the site that looks nothing up: its zone would lead elsewhere.
func placed(s *site, networks ...string) *Client {
	var allow []netip.Prefix
	for _, n := range networks {
		allow = append(allow, netip.MustParsePrefix(n))
	}
	z := newZone()
	z.host(home, "127.0.0.99")
	z.srv[home] = []*net.SRV{{Target: "elsewhere.test.", Port: 1}}
	o := s.client.o
	o.Resolver, o.DefaultPort = nil, 443
	o.Dialer = NewDialer(z, allow).At(map[string]netip.AddrPort{home: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.port)})
	return NewClient(o)
}

func TestAt_AFixedPlaceIsDialledUnderTheNameOfTheServer(t *testing.T) {
	status := http.StatusOK
	s := newSite(t, true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); answerJSON(w, map[string]any{}) })
	for want, code := range map[string]int{"well-known": http.StatusOK, "port": http.StatusNotFound} {
		status = code
		c := placed(s, "127.0.0.1/32")
		place, err := c.Finder().Find(t.Context(), home)
		if err != nil || place.Via != want || place.TLSName != home || place.Port != 443 {
			t.Errorf("found %+v, %v, want it by %s", place, err, want)
		}
		if a, err := c.Do(t.Context(), Request{To: home, Method: "GET", Path: "/x", IsUnsigned: true}); err != nil || a.Status != code || !s.was(home+"/x") {
			t.Errorf("by %s: %d, %v", want, a.Status, err)
		}
		c.Close()
	}
}

func TestAt_AFixedPlaceIsCheckedLikeEveryAddress(t *testing.T) {
	s := newSite(t, true, func(http.ResponseWriter, *http.Request) {})
	c := placed(s)
	defer c.Close()
	if _, err := c.Do(t.Context(), Request{To: home, Method: "GET", Path: "/x", IsUnsigned: true}); !errors.Is(err, ErrForbidden) {
		t.Errorf("got %v", err)
	}
	if s.was(home + "/x") {
		t.Error("it was dialled")
	}
}

func TestAt_OtherNamesAreAskedOfDNS(t *testing.T) {
	s := newSite(t, true, func(http.ResponseWriter, *http.Request) {})
	z := newZone()
	z.host("b.test", "127.0.0.7")
	z.srv["b.test"] = []*net.SRV{{Target: "c.test.", Port: 7}}
	d := NewDialer(z, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).At(map[string]netip.AddrPort{home: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.port)})
	if got, err := d.Resolve(t.Context(), "b.test", 8448); err != nil || len(got) != 1 || got[0].String() != "127.0.0.7:8448" {
		t.Errorf("got %v, %v", got, err)
	}
	if _, list, err := d.resolver.LookupSRV(t.Context(), "parley", "tcp", "b.test"); err != nil || len(list) != 1 {
		t.Errorf("got %v, %v", list, err)
	}
	if NewDialer(z, nil).At(nil).places != nil {
		t.Error("no places are some")
	}
}
