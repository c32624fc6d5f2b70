// SPDX-License-Identifier: Apache-2.0

package doctor_test

import (
	"crypto/ed25519"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley.chat/federation/door"
	"parley.chat/federation/peer"
	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	"parley.chat/server/doctor"
)

// patient is a server that answers as it is told, under its name with a port.
type patient struct {
	net    *testenv.Federation
	name   id.Server
	key    ed25519.PrivateKey
	clock  time.Duration // how far it is ahead
	ping   func(w http.ResponseWriter)
	keys   func(w http.ResponseWriter)
	server *http.Server
	ear    net.Listener
}

func newPatient(t *testing.T, host string, names ...string) *patient {
	t.Helper()
	p := &patient{net: testenv.NewFederation(t), key: ed25519.NewKeyFromSeed(make([]byte, 32))}
	addr := p.net.Host(host).String()
	l, err := net.Listen("tcp", addr+":0")
	if err != nil {
		t.Fatal(err)
	}
	p.ear = l
	_, port, _ := net.SplitHostPort(l.Addr().String())
	p.name = id.Server(host + ":" + port)
	files := p.net.Certificate(names...)
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.ServeTLS(l, files.Cert, files.Key) }()
	t.Cleanup(func() { _ = p.server.Close() })
	return p
}

func (p *patient) serve(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Add(p.clock)
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	switch {
	case r.URL.Path == peer.KeysPath && p.keys != nil:
		p.keys(w)
	case r.URL.Path == peer.KeysPath:
		public := p.key.Public().(ed25519.PublicKey)
		d := key.Document{Server: p.name, Time: now.UnixMilli(), Keys: []key.Key{{ID: key.ID(public), Public: public, Until: now.Add(time.Hour).UnixMilli()}}}
		raw, _ := d.Sign(map[string]ed25519.PrivateKey{key.ID(public): p.key})
		_, _ = w.Write(raw)
	case p.ping != nil:
		p.ping(w)
	default:
		_ = json.NewEncoder(w).Encode(peer.Pong{ServerName: string(p.name), Time: now.UnixMilli()})
	}
}

type ours struct{}

func (ours) Signing() (string, ed25519.PrivateKey) {
	return "ed25519:a", ed25519.NewKeyFromSeed(make([]byte, 32))
}

func (p *patient) options() doctor.Options {
	return doctor.Options{Server: p.name, Self: "us.test", Signer: ours{}, Peer: peer.Options{
		Dialer: peer.NewDialer(p.net, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), Roots: p.net.Roots, DefaultPort: p.net.Port,
	}}
}

func examine(t *testing.T, o doctor.Options) (string, bool) {
	t.Helper()
	var out strings.Builder
	healthy := doctor.Examine(t.Context(), o, &out)
	return out.String(), healthy
}

func refuse(code fault.Code) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { door.WriteProblem(w, fault.New(code, "no")) }
}

func TestExamine_AHealthyServer(t *testing.T) {
	p := newPatient(t, "b.test", "b.test")
	report, healthy := examine(t, p.options())
	if !healthy || strings.Contains(report, "WRONG") || !strings.Contains(report, "signed as us.test") || strings.Count(report, "  ok ") != 7 {
		t.Errorf("%s", report)
	}
	o := p.options()
	o.Signer, p.ping = nil, refuse(fault.SignatureInvalid)
	if report, healthy := examine(t, o); !healthy || !strings.Contains(report, "requests are answered") {
		t.Errorf("without a key: %s", report)
	}
}

// Each way of being ill is named, and each has its own remedy.
func TestExamine_SaysWhatIsWrongAndWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*patient, *doctor.Options)
		wrong  string
		remedy string
	}{
		"an address": {func(_ *patient, o *doctor.Options) { o.Server = "10.0.0.1" }, "name", "not an address"},
		"no DNS":     {func(_ *patient, o *doctor.Options) { o.Server = "gone.test:1234" }, "dns", "A or AAAA record"},
		"a private address": {func(p *patient, o *doctor.Options) { o.Peer.Dialer = peer.NewDialer(p.net, nil) },
			"dns", "not public"},
		"nothing listens":   {func(p *patient, _ *doctor.Options) { _ = p.ear.Close() }, "connection", "Nothing listens"},
		"unknown authority": {func(_ *patient, o *doctor.Options) { o.Peer.Roots = nil }, "connection", "federation.caFile"},
		"a proxy's page":    {func(p *patient, _ *doctor.Options) { p.keys = func(w http.ResponseWriter) { w.WriteHeader(404) } }, "keys", "must forward /federation/"},
		"something else": {func(p *patient, _ *doctor.Options) {
			p.keys = func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }
		}, "keys", "another server answers"},
		"keys from the future": {func(p *patient, _ *doctor.Options) { p.clock = -2 * time.Hour }, "keys", "clock"},
		"a clock ahead":        {func(p *patient, _ *doctor.Options) { p.clock = time.Minute }, "clock", "time service"},
		"federation off":       {func(p *patient, _ *doctor.Options) { p.ping = refuse(fault.UnknownRoute) }, "round trip", "federation.enabled"},
		"denied":               {func(p *patient, _ *doctor.Options) { p.ping = refuse(fault.ServerRefused) }, "round trip", "federation.allow"},
		"not verified":         {func(p *patient, _ *doctor.Options) { p.ping = refuse(fault.SignatureInvalid) }, "round trip", "parley doctor us.test"},
		"a proxy that changes requests": {func(p *patient, o *doctor.Options) { p.ping = refuse(fault.SignatureInvalid); o.Self = p.name },
			"round trip", "proxy_set_header Host"},
		"no door": {func(p *patient, o *doctor.Options) { o.Signer = nil }, "round trip", "must not be on the network"},
		"busy":    {func(p *patient, _ *doctor.Options) { p.ping = refuse(fault.RateLimited) }, "round trip", "in a minute"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t, "b.test", "b.test")
			o := p.options()
			c.change(p, &o)
			report, healthy := examine(t, o)
			if healthy || !strings.Contains(report, "WRONG  "+c.wrong) || !strings.Contains(report, c.remedy) {
				t.Errorf("want %s and %q in:\n%s", c.wrong, c.remedy, report)
			}
		})
	}
}

func TestExamine_ACertificateForAnotherName(t *testing.T) {
	p := newPatient(t, "b.test", "c.test")
	report, healthy := examine(t, p.options())
	if healthy || !strings.Contains(report, "WRONG  connection") || !strings.Contains(report, "second column") {
		t.Errorf("%s", report)
	}
}

func TestExamine_TellsThatAPlaceIsFixed(t *testing.T) {
	p := newPatient(t, "b.test", "b.test")
	o := p.options()
	o.Server, o.Peer.DefaultPort = "b.test", 443
	p.name = "b.test"
	o.Peer.Dialer = o.Peer.Dialer.At(map[string]netip.AddrPort{"b.test": netip.MustParseAddrPort(p.ear.Addr().String())})
	if report, healthy := examine(t, o); !healthy || !strings.Contains(report, "federation.hosts says that it is at "+p.ear.Addr().String()) {
		t.Errorf("%s", report)
	}
}

func TestExamine_WhatAStrangerSaysDoesNotMoveTheCursor(t *testing.T) {
	p := newPatient(t, "b.test", "b.test")
	p.ping = func(w http.ResponseWriter) {
		w.WriteHeader(418)
		_, _ = w.Write([]byte(`{"code":"\u001b[2J","detail":"x"}`))
	}
	if report, _ := examine(t, p.options()); strings.Contains(report, "\x1b") {
		t.Errorf("%q", report)
	}
}
