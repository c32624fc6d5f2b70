// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"context"
	"crypto/tls"
	faults "errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.chat/federation/peer"
	"parley.chat/internal/testenv"
	"parley.chat/protocol/id"
	"parley.chat/server/config"
	"parley.chat/server/keyring"
)

// ticker is a clock of a test that also moves by itself, as signatures are held against the real one.
type ticker struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *ticker) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *ticker) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

func pings(t *testing.T, from *testenv.Server, to id.Server) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	pong, err := from.Home.Peers().Ping(ctx, to)
	if err == nil && (pong.ServerName != string(to) || pong.Time == 0) {
		t.Errorf("the pong of %s is %+v", to, pong)
	}
	return err
}

func mustPing(t *testing.T, from *testenv.Server, to id.Server) {
	t.Helper()
	if err := pings(t, from, to); err != nil {
		t.Errorf("ping %s: %v", to, err)
	}
}

func wantRefusal(t *testing.T, err error, code string) {
	t.Helper()
	r, ok := faults.AsType[*peer.Refusal](err)
	if !ok || r.Code != code {
		t.Errorf("got %v, want the refusal %s", err, code)
	}
}

// Three servers find each other in the three ways there are: well-known, SRV, port in the name.
func TestFederation_SignedRoundTripsBetweenThreeServers(t *testing.T) {
	net := testenv.NewFederation(t)
	a := net.Start("a.test")
	port := net.FreePort()
	c := net.Start(id2("c.test", port))
	b := net.Start("b.test", testenv.Configure(func(c *config.Config) { c.Listen = net.Host("b.test").String() + ":0" }))
	net.SRV("b.test", "b.test", portOf(t, b.URL))
	for _, one := range []struct {
		from *testenv.Server
		to   []id.Server
	}{{a, []id.Server{"b.test", id.Server(id2("c.test", port))}}, {b, []id.Server{"a.test", id.Server(id2("c.test", port))}}, {c, []id.Server{"a.test", "b.test"}}} {
		for _, to := range one.to {
			mustPing(t, one.from, to)
		}
	}
	for to, via := range map[id.Server]string{"a.test": "well-known", id.Server(id2("c.test", port)): "name"} {
		place, err := b.Home.Peers().Finder().Find(t.Context(), to)
		if err != nil || place.Via != via {
			t.Errorf("%s was found by %q, want %q (%v)", to, place.Via, via, err)
		}
	}
	if place, err := a.Home.Peers().Finder().Find(t.Context(), "b.test"); err != nil || place.Via != "srv" {
		t.Errorf("b.test was found by %q (%v)", place.Via, err)
	}
}

func TestFederation_RotationInTheMiddleAndARevokedKeyIsRefused(t *testing.T) {
	net := testenv.NewFederation(t)
	clock := &ticker{}
	a, b := net.Start("a.test", testenv.Clock(clock.now)), net.Start("b.test", testenv.Clock(clock.now))
	mustPing(t, a, "b.test")
	mustPing(t, b, "a.test")
	ring := a.Home.Keys()
	old, _ := ring.Signing()
	fresh, err := ring.Rotate(t.Context(), keyring.Overlap)
	if err != nil {
		t.Fatal(err)
	}
	mustPing(t, a, "b.test") // The old one signs until others had time to learn of the new one.
	if now, _ := ring.Signing(); now != old {
		t.Fatalf("just after the rotation %s signs, before %s", now, old)
	}
	clock.add(91 * time.Second)
	if now, _ := ring.Signing(); now != fresh || now == old {
		t.Fatalf("after the rotation %s signs, before %s", now, old)
	}
	mustPing(t, a, "b.test")
	for _, keyID := range []string{old, fresh} { // Both overlap.
		if _, err := b.Home.PeerKeys().RequestKey(t.Context(), "a.test", keyID); err != nil {
			t.Errorf("%s: %v", keyID, err)
		}
	}
	a.Restart()
	mustPing(t, a, "b.test")
	if now, _ := a.Home.Keys().Signing(); now != fresh {
		t.Errorf("after a restart %s signs", now)
	}

	if err := a.Home.Keys().Revoke(t.Context(), fresh, clock.now()); err != nil {
		t.Fatal(err)
	}
	if now, _ := a.Home.Keys().Signing(); now != old {
		t.Errorf("after the revocation %s signs", now)
	}
	mustPing(t, a, "b.test")
	clock.add(time.Hour + time.Second) // What b holds is an hour old now.
	if _, err := b.Home.PeerKeys().RequestKey(t.Context(), "a.test", fresh); !faults.Is(err, peer.ErrNoKey) {
		t.Errorf("the revoked key is taken: %v", err)
	}
	if k, err := b.Home.PeerKeys().Find(t.Context(), "a.test", fresh); err != nil || !k.IsRevoked || k.Covers(clock.now().UnixMilli()) {
		t.Errorf("the revoked key is %+v, %v", k, err)
	}
	mustPing(t, a, "b.test")
}

func TestFederation_AnExpiredKeyStaysForWhatItSigned(t *testing.T) {
	net := testenv.NewFederation(t)
	clock := &ticker{}
	a, b := net.Start("a.test", testenv.Clock(clock.now)), net.Start("b.test", testenv.Clock(clock.now))
	old, _ := a.Home.Keys().Signing()
	before := clock.now()
	if _, err := a.Home.Keys().Rotate(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	clock.add(2 * time.Hour)
	mustPing(t, a, "b.test")
	k, err := b.Home.PeerKeys().Find(t.Context(), "a.test", old)
	if err != nil || !k.IsOld || k.IsRevoked || !k.Covers(before.UnixMilli()) || k.Covers(clock.now().UnixMilli()) {
		t.Errorf("the old key is %+v, %v", k, err)
	}
	if _, err := b.Home.PeerKeys().RequestKey(t.Context(), "a.test", old); !faults.Is(err, peer.ErrNoKey) {
		t.Errorf("the old key still signs requests: %v", err)
	}
}

func TestFederation_OffAnswersNobodyAndPublishesItsKeys(t *testing.T) {
	net := testenv.NewFederation(t)
	a := net.Start("a.test")
	net.Start("b.test", testenv.Configure(func(c *config.Config) { c.Federation.Enabled = false }))
	wantRefusal(t, pings(t, a, "b.test"), "unknown_route")
	if _, err := a.Home.Peers().Keys(t.Context(), "b.test"); err != nil {
		t.Error(err)
	}
}

func TestFederation_ListsHoldInBothDirections(t *testing.T) {
	net := testenv.NewFederation(t)
	a := net.Start("a.test")
	b := net.Start("b.test", testenv.Configure(func(c *config.Config) { c.Federation.Deny = "a.test" }))
	wantRefusal(t, pings(t, a, "b.test"), "server_refused")
	if err := pings(t, b, "a.test"); err == nil {
		t.Error("a denied server was asked")
	}
}

func TestFederation_ARateIsPerServer(t *testing.T) {
	net := testenv.NewFederation(t)
	a, c := net.Start("a.test"), net.Start("c.test")
	net.Start("b.test", testenv.Configure(func(c *config.Config) { c.Federation.RequestsPerMinute = 3 }))
	for range 3 {
		mustPing(t, a, "b.test")
	}
	wantRefusal(t, pings(t, a, "b.test"), "rate_limited")
	mustPing(t, c, "b.test")
}

func TestFederation_AReplayIsRefusedByEveryNode(t *testing.T) {
	net := testenv.NewFederation(t)
	a, b := net.Start("a.test"), net.Start("b.test")
	second := net.Start("b.test", testenv.GatewayOf(b), testenv.Configure(func(c *config.Config) { c.Listen = net.Host("b.test").String() + ":0" }))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: net.Roots, ServerName: "b.test"}}}
	defer client.CloseIdleConnections()
	first, err := http.NewRequest(http.MethodPost, b.URL+peer.PingPath, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Home.RequestAuth().Sign(first, "b.test", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for i, node := range []*testenv.Server{b, second, b} {
		again, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node.URL+peer.PingPath, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		again.Header, again.Host = first.Header.Clone(), "b.test"
		res, err := client.Do(again)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if want := map[bool]int{true: http.StatusOK, false: http.StatusUnauthorized}[i == 0]; res.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", i, res.StatusCode, want)
		}
	}
}

func portOf(t *testing.T, address string) uint16 {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(n)
}

func id2(host, port string) string { return host + ":" + port }
