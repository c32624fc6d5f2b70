// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"parley.chat/protocol/id"
)

// internal are addresses in all spellings that lead inside: attack case 20.
func internal() []string {
	return []string{
		"127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1",
		"198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "::7f00:1",
	}
}

func TestDialer_RefusesInternalAddressesInEverySpelling(t *testing.T) {
	z := newZone()
	d := NewDialer(z, nil)
	for _, a := range internal() {
		z.hosts["evil.test"] = [][]netip.Addr{{netip.MustParseAddr(a)}}
		if list, err := d.Resolve(t.Context(), "evil.test", 443); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: %v, %v", a, list, err)
		}
		if _, err := d.Dial(t.Context(), "evil.test:443"); !errors.Is(err, ErrForbidden) {
			t.Errorf("dial %s: %v", a, err)
		}
		// The library stands behind our check.
		if err := d.guard.Safe("tcp6", netip.AddrPortFrom(netip.MustParseAddr(a), 443).String(), nil); err == nil {
			t.Errorf("%s: the second check lets it through", a)
		}
	}
	for _, a := range []string{"93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"} {
		z.hosts["good.test"] = [][]netip.Addr{{netip.MustParseAddr(a)}}
		if _, err := d.Resolve(t.Context(), "good.test", 443); err != nil {
			t.Errorf("%s: %v", a, err)
		}
		for _, port := range []uint16{22, 25, 80, 445, 1023} {
			if _, err := d.Resolve(t.Context(), "good.test", port); !errors.Is(err, ErrForbidden) {
				t.Errorf("port %d: %v", port, err)
			}
		}
	}
}

func TestDialer_OfSeveralAddressesOnlyTheCheckedAreDialled(t *testing.T) {
	z := newZone()
	z.host("mixed.test", "10.0.0.1 93.184.215.14 127.0.0.1")
	list, err := NewDialer(z, nil).Resolve(t.Context(), "mixed.test", 443)
	if err != nil || len(list) != 1 || list[0].Addr() != netip.MustParseAddr("93.184.215.14") {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestDialer_RebindingFindsNoSecondLookup(t *testing.T) {
	s := newSite(t, false, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	z := newZone()
	z.host("rebind.test", "127.0.0.1", "127.0.0.1")
	d := NewDialer(z, nil)
	if _, err := d.Dial(t.Context(), hostPort("rebind.test", s.port)); !errors.Is(err, ErrForbidden) {
		t.Errorf("got %v", err)
	}
	z = newZone()
	z.host("rebind.test", "127.0.0.1", "10.0.0.1") // Allowed at first.
	conn, err := NewDialer(z, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).Dial(t.Context(), hostPort("rebind.test", s.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if z.looks["rebind.test"] != 1 {
		t.Errorf("the name was looked up %d times for one connection", z.looks["rebind.test"])
	}
}

// A server that is found, and leads inside: by its own address, by its well-known file, by SRV, by a redirect.
func TestClient_NoWayOfDiscoveryLeadsInside(t *testing.T) {
	s := newSite(t, true, nil)
	for name, set := range map[string]func(s *site){
		"well-known": func(s *site) {
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				answerJSON(w, map[string]string{"server": "inside.test"})
			})
			s.zone.host("inside.test", "10.0.0.1")
		},
		"srv": func(s *site) {
			s.Config.Handler = http.NotFoundHandler()
			s.zone.host("inside.test", "169.254.169.254")
			s.zone.srv[home] = []*net.SRV{{Target: "inside.test.", Port: 8448}}
		},
	} {
		s = newSite(t, true, nil)
		set(s)
		if _, err := s.client.Keys(t.Context(), home); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []id.Server{"127.0.0.1", "2130706433", "0x7f.1", "10.1:8448", "a.0x1"} {
		if _, err := s.client.Keys(t.Context(), name); !errors.Is(err, ErrNotAServer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	z := newZone()
	z.host("10.test", "10.0.0.1")
	c := NewClient(Options{Dialer: NewDialer(z, nil)})
	if _, err := c.Keys(t.Context(), "10.test:8448"); !errors.Is(err, ErrForbidden) {
		t.Errorf("a name with a port: %v", err)
	}
}

func TestClient_RedirectsAreAnswersNotWays(t *testing.T) {
	s := newSite(t, true, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.paths.Store(r.Host+r.URL.Path, true)
		if r.URL.Path == "/elsewhere" {
			answerJSON(w, map[string]string{})
			return
		}
		http.Redirect(w, r, "https://"+home+"/elsewhere", http.StatusFound)
	})
	place, err := s.client.Finder().Find(t.Context(), home)
	if err != nil || place.Via != "port" || s.was(home+"/elsewhere") {
		t.Errorf("found %+v, %v, followed %t", place, err, s.was(home+"/elsewhere"))
	}
	a, err := s.client.Do(t.Context(), Request{To: home, Method: "GET", Path: KeysPath, IsUnsigned: true})
	if err != nil || a.Status != http.StatusFound || s.was(home+"/elsewhere") {
		t.Errorf("got %d, %v, followed %t", a.Status, err, s.was(home+"/elsewhere"))
	}
}

func TestClient_ProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	s := newSite(t, true, func(w http.ResponseWriter, _ *http.Request) {})
	if _, err := s.client.Do(t.Context(), Request{To: home, Method: "GET", Path: "/x", IsUnsigned: true}); err != nil {
		t.Error(err)
	}
	if s.client.transport.Proxy != nil {
		t.Error("there is a proxy")
	}
}
