// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/server/config"
	"parley.chat/server/homeserver"
)

// pair is two servers with listeners of their own for each other, found by fixed places and no DNS at all.
func pair(t *testing.T) (a, b *testenv.Server) {
	t.Helper()
	sim := testenv.NewFederation(t)
	places := map[string]string{}
	var hosts []string
	for _, name := range []string{"a.test", "b.test"} {
		places[name] = net.JoinHostPort(sim.Host("fixed."+name).String(), sim.FreePort())
		hosts = append(hosts, name+"="+places[name])
	}
	start := func(name string) *testenv.Server {
		return testenv.Start(t, testenv.Configure(func(c *config.Config) {
			c.ServerName, c.PublicURL = name, "http://localhost"
			c.Federation.Enabled, c.Federation.CAFile, c.Federation.AllowNetworks = true, sim.CAFile, "127.0.0.0/8"
			c.Federation.Listen, c.Federation.Hosts = places[name], strings.Join(hosts, ",")
			c.Federation.TLS = config.TLSOfFederation(sim.Certificate(name))
		}))
	}
	return start("a.test"), start("b.test")
}

// status asks one of the addresses of a server, over TLS if it is that for other servers.
func status(t *testing.T, method, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // What is asked is not who answers.
	defer client.CloseIdleConnections()
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestOthers_MeetAtListenersOfTheirOwn(t *testing.T) {
	a, b := pair(t)
	mustPing(t, a, "b.test")
	mustPing(t, b, "a.test")
	if !a.Logged("federation.hosts says where other servers are") {
		t.Error("fixed places are not in the log")
	}
	if g := a.Home.Greeting(); !strings.Contains(g, "at "+a.Home.FederationAddress()) || !strings.Contains(g, "TEST ONLY") {
		t.Errorf("the greeting does not tell: %s", g)
	}
	b.Restart()
	mustPing(t, a, "b.test")
}

func TestOthers_EachListenerServesItsOwn(t *testing.T) {
	a, _ := pair(t)
	clients, servers := a.URL, "https://"+a.Home.FederationAddress()
	for _, c := range []struct {
		method, url string
		want        int
		body        string
	}{
		{"GET", servers + "/.well-known/parley/server", 200, "a.test"},
		{"GET", servers + "/federation/v1/keys", 200, "ed25519:"},
		{"POST", servers + "/federation/v1/ping", 401, "signature_invalid"},
		{"GET", servers + "/federation/../metrics", 404, "unknown_route"},
		{"GET", servers + "/.well-known/parley/client", 404, "unknown_route"},
		{"POST", servers + "/.well-known/parley/server", 404, "unknown_route"},
		{"GET", servers + "/api/v1/users/me", 404, "unknown_route"},
		{"GET", servers + "/metrics", 404, "unknown_route"},
		{"GET", servers + "/docs", 404, "unknown_route"},
		{"GET", servers + "/", 404, "unknown_route"},
		{"GET", clients + "/.well-known/parley/server", 200, "a.test"},
		{"GET", clients + "/.well-known/parley/client", 200, "a.test"},
		{"GET", clients + "/readyz", 200, "ready"},
		{"GET", clients + "/federation/v1/keys", 404, "unknown_route"},
		{"POST", clients + "/federation/v1/ping", 404, "unknown_route"},
	} {
		if got, body := status(t, c.method, c.url); got != c.want || !strings.Contains(body, c.body) {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.url, got, body, c.want)
		}
	}
}

func TestOthers_WithoutACertificateOfItsOwnGetTheOneThereIs(t *testing.T) {
	sim := testenv.NewFederation(t)
	a := sim.Start("a.test", testenv.Configure(func(c *config.Config) { c.Federation.Listen = "127.0.0.1:0" }))
	conn, err := tls.Dial("tcp", a.Home.FederationAddress(), &tls.Config{RootCAs: sim.Roots, ServerName: "a.test"})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if a.Home.FederationAddress() == a.Home.Address() {
		t.Error("one address for both")
	}
}

func TestOthers_WhatCannotBeListenedAtIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	rubbish := t.TempDir() + "/cert"
	if err := os.WriteFile(rubbish, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]config.Federation{
		"federation.listen": {Listen: taken.Addr().String()},
		"federation: tls":   {Listen: "127.0.0.1:0", TLS: config.TLSOfFederation{Cert: rubbish, Key: rubbish}},
	} {
		cfg := config.Default()
		cfg.Listen, cfg.DataDir, cfg.Federation = "127.0.0.1:0", t.TempDir(), f
		if _, err := homeserver.New(t.Context(), cfg, slog.New(slog.DiscardHandler), homeserver.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
}
