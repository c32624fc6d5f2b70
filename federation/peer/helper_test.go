// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
)

// zone is a Resolver: what a name leads to. A name with several entries gives the next one at each look, as in rebinding.
type zone struct {
	mu    sync.Mutex
	hosts map[string][][]netip.Addr
	srv   map[string][]*net.SRV
	looks map[string]int
}

func newZone() *zone {
	return &zone{hosts: map[string][][]netip.Addr{}, srv: map[string][]*net.SRV{}, looks: map[string]int{}}
}

func (z *zone) host(name string, answers ...string) {
	for _, a := range answers {
		var list []netip.Addr
		for text := range strings.SplitSeq(a, " ") {
			list = append(list, netip.MustParseAddr(text))
		}
		z.hosts[name] = append(z.hosts[name], list)
	}
}

func (z *zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	answers := z.hosts[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	n := z.looks[host]
	z.looks[host]++
	return answers[min(n, len(answers)-1)], nil
}

func (z *zone) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	if list, ok := z.srv[name]; ok {
		return name, list, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// site is a TLS server on loopback that the test's client finds under example.com, the name in httptest's certificate.
type site struct {
	*httptest.Server
	port   uint16
	zone   *zone
	client *Client
	clock  *clock
	roots  *x509.CertPool
	asked  atomic.Int64 // for keys
	paths  sync.Map
}

type clock struct{ at atomic.Int64 }

func newClock() *clock { c := &clock{}; c.at.Store(time.Now().UnixMilli()); return c }

func (c *clock) now() time.Time { return time.UnixMilli(c.at.Load()) }

func (c *clock) add(d time.Duration) { c.at.Add(d.Milliseconds()) }

const home = "example.com"

// newSite serves with h; private networks are forbidden unless allow says otherwise.
func newSite(t testing.TB, allow bool, h http.HandlerFunc) *site {
	t.Helper()
	s := &site{zone: newZone(), clock: newClock()}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.paths.Store(r.Host+r.URL.Path, true)
		if r.URL.Path == KeysPath {
			s.asked.Add(1)
		}
		h(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	s.port = uint16(n)
	s.roots = s.Server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	s.zone.host(home, "127.0.0.1")
	var networks []netip.Prefix
	if allow {
		networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	}
	s.client = NewClient(Options{Dialer: NewDialer(s.zone, networks), Roots: s.roots, DefaultPort: s.port, Now: s.clock.now})
	t.Cleanup(s.client.Close)
	return s
}

func (s *site) was(hostPath string) bool { _, ok := s.paths.Load(hostPath); return ok }

func answerJSON(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

// published is a document of a fresh key.
func published(t testing.TB, name id.Server, at time.Time, change func(*key.Document)) (raw []byte, keyID string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	d := key.Document{Server: name, Time: at.UnixMilli(), Keys: []key.Key{{ID: key.ID(public), Public: public, Until: at.Add(7 * 24 * time.Hour).UnixMilli()}}}
	if change != nil {
		change(&d)
	}
	if raw, err = d.Sign(map[string]ed25519.PrivateKey{key.ID(public): private}); err != nil {
		t.Fatal(err)
	}
	return raw, key.ID(public)
}
