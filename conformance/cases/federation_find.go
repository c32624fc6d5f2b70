// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

func findingCases(a *area) {
	a.add("FED-NAME", "what is no domain name is no server, and nobody connects to it", "FED-NAME-1", findName)
	a.add("FED-FIND-PORT", "a name with a port is where it says, and nothing else is asked", "FED-FIND-1", findPort)
	a.add("FED-FIND-FILE", "the well-known file says where a server is", "FED-FIND-1 FED-FIND-5", findFile)
	a.add("FED-FIND-NONE", "without a well-known file a server is at its name", "FED-FIND-1", findNone)
	a.add("FED-FIND-REDIRECT", "a redirect of the well-known file is not followed", "FED-FIND-1", findRedirect)
	a.add("FED-FIND-LARGE", "a well-known file of more than 16 KiB is not used", "FED-FIND-2", findLarge)
	a.add("FED-FIND-SLOW", "a well-known file that takes longer than five seconds is not used", "FED-FIND-2", findSlow, slow(time.Minute))
	a.add("FED-FIND-NOT", "a well-known file can say that there is no such server", "FED-FIND-3", findNot)
	a.add("FED-FIND-CERTIFICATE", "a certificate of another name or authority is not taken", "FED-FIND-5", findCertificate)
	a.add("FED-FIND-OLD-TLS", "nobody speaks TLS 1.1", "FED-FIND-5", findOldTLS)
	a.add("FED-FIND-PRIVATE", "a name that leads to a private address is not connected to", "FED-FIND-6", findPrivate)
}

// found wants a ping of the homeserver to be answered: the server under test found it and its keys.
func (p *peer) found(what string) { wantPong(p.t, p.send(p.ping), what) }

// lost wants a ping of the homeserver to be refused without anybody having been asked for keys.
func (p *peer) lost(what string) {
	p.unsigned(what, p.ping)
	p.t.Expect(p.visits(mock.KeysPath) == 0, "%s: the keys were asked nevertheless", what)
}

func findName(t *suite.T) {
	p := newPeer(t)
	p.pings()
	_, port, _ := net.SplitHostPort(p.Name)
	listen, _, _ := net.SplitHostPort(t.Env.Mock.Way.Address)
	for _, name := range []string{
		"127.0.0.1", "127.0.0.1:" + port, listen + ":" + port, "0x7f000001", "0x7f.1:" + port, "2130706433", "2130706433:" + port, "127.1:" + port, "mock.0", "mock.0x1f",
		"[::1]", "[::1]:" + port, "::1", "mock.test:0", "mock.test:65536", "mock.test:", "mock.test:0443", "mock.test.", "mock..test", "-mock.test", "mock_test.test", "",
	} {
		h := watch(t, t.Env.Mock.Named(name))
		p.signedWith("the origin "+name, func(s *mock.Signed) { s.Origin, s.KeyOf = name, name })
		t.Expect(len(h.Visits(mock.KeysPath))+len(h.Visits(mock.WellKnownPath)) == 0, "the server connected to %s", name)
	}
	p.done()
}

func findPort(t *suite.T) {
	p := newPeer(t)
	p.found("a server with a port in its name")
	t.Expect(p.visits(mock.WellKnownPath) == 0, "the well-known file of a name with a port was asked for")
	for _, v := range p.Visits(mock.KeysPath) {
		host, _, _ := net.SplitHostPort(p.Name)
		t.Expect(v.SNI == host && v.Request.Host == p.Name, "connected for %s, asked for the host %s", v.SNI, v.Request.Host)
	}
}

func findFile(t *suite.T) {
	p, q := namedPeer(t), namedPeer(t)
	p.Handle(mock.WellKnownPath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Reply(w, mock.Object{"server": q.Name}) })
	p.found("a server whose file names another host and nothing else")
	t.Expect(p.visits(mock.WellKnownPath) == 1 && q.visits(mock.WellKnownPath) == 0, "the file was asked for %d times, that of the named host %d times",
		p.visits(mock.WellKnownPath), q.visits(mock.WellKnownPath))
	for _, v := range p.Visits(mock.KeysPath) {
		t.Expect(v.SNI == q.Name && v.Request.Host == p.Name, "connected for %s, asked for the host %s; want %s and %s", v.SNI, v.Request.Host, q.Name, p.Name)
	}
	t.Expect(p.visits(mock.KeysPath) == 1, "the keys were asked %d times", p.visits(mock.KeysPath))
	p.pings()
	t.Expect(p.visits(mock.WellKnownPath) == 1, "the file is not kept")
}

func findNone(t *suite.T) {
	p := namedPeer(t)
	p.Handle(mock.WellKnownPath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Refuse(w, http.StatusNotFound, "unknown_route") })
	p.found("a server without a file")
	for _, v := range p.Visits(mock.KeysPath) {
		t.Expect(v.SNI == p.Name && v.Request.Host == p.Name, "connected for %s, asked for the host %s", v.SNI, v.Request.Host)
	}
}

func findRedirect(t *suite.T) {
	p, q := namedPeer(t), newPeer(t)
	q.Handle("/elsewhere", func(w http.ResponseWriter, _ *mock.Visit) { mock.Reply(w, mock.Object{"server": q.Name}) })
	p.Handle(mock.WellKnownPath, func(w http.ResponseWriter, _ *mock.Visit) {
		w.Header().Set("Location", "https://"+q.Name+"/elsewhere")
		w.WriteHeader(http.StatusFound)
	})
	p.found("a server whose file is elsewhere")
	t.Expect(len(q.Visits("/elsewhere")) == 0, "the redirect was followed")
}

// unused wants the file of a new homeserver not to be followed: it would lead to a host that does not answer for it.
func unused(t *suite.T, what string, f func(w http.ResponseWriter, body string)) {
	p, q := namedPeer(t), newPeer(t)
	p.Handle(mock.WellKnownPath, func(w http.ResponseWriter, _ *mock.Visit) { f(w, mock.Encode(mock.Object{"server": q.Name})) })
	p.found(what)
	host, _, _ := net.SplitHostPort(q.Name)
	for _, v := range p.Visits(mock.KeysPath) {
		t.Expect(v.SNI != host, "%s was used", what)
	}
}

func findLarge(t *suite.T) {
	unused(t, "a file of 20 KiB", func(w http.ResponseWriter, body string) {
		_, _ = w.Write([]byte(body + strings.Repeat(" ", 20<<10)))
	})
}

func findSlow(t *suite.T) {
	unused(t, "a file that takes eight seconds", func(w http.ResponseWriter, body string) {
		for i := range body {
			if _, err := w.Write([]byte(body[i : i+1])); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			time.Sleep(8 * time.Second / time.Duration(len(body)))
		}
	})
}

func findNot(t *suite.T) {
	for what, file := range map[string]mock.Object{
		"another server's": {"serverName": "other.example"}, "one without a scheme": {"requestAuth": []any{}},
		"one with other schemes": {"requestAuth": []any{"rfc9421-ed25519-v1"}}, "one that names an address": {"server": "127.0.0.1:443"},
		"one that names a number": {"server": "2130706433"}, "one that names a URL": {"server": "https://mock.test"},
	} {
		p := namedPeer(t)
		p.Handle(mock.WellKnownPath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Reply(w, file) })
		p.lost("a server whose file is " + what)
	}
}

func findCertificate(t *suite.T) {
	p, q := namedPeer(t), namedPeer(t)
	other := certificate(t, q.Name)
	if other == nil {
		t.Impossible("there is no certificate for %s", q.Name)
	}
	t.Env.Mock.TLS(p.Name, &tls.Config{Certificates: []tls.Certificate{*other}})
	p.lost("a server with a certificate of another name")
	t.Env.Mock.TLS(q.Name, &tls.Config{Certificates: []tls.Certificate{selfSigned(t, q.Name)}})
	q.lost("a server with a certificate that it signed itself")
	r := namedPeer(t)
	r.Handle(mock.WellKnownPath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Reply(w, mock.Object{"server": q.Name}) })
	r.lost("a server that delegates to one with a bad certificate")
}

func selfSigned(t *suite.T, name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Broken("%v", err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Broken("%v", err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

func findOldTLS(t *suite.T) {
	p := namedPeer(t)
	good := certificate(t, p.Name)
	if good == nil {
		t.Impossible("there is no certificate for %s", p.Name)
	}
	t.Env.Mock.TLS(p.Name, &tls.Config{Certificates: []tls.Certificate{*good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	p.lost("a server that speaks TLS 1.1")
}

func findPrivate(t *suite.T) {
	at := t.Env.MockPrivate()
	if at == nil {
		t.Impossible("needs a name that leads to a private address: --mock-private")
	}
	l, err := net.Listen("tcp", at.Listen)
	if err != nil {
		t.Broken("listen at the private address: %v", err)
	}
	defer l.Close()
	connected := make(chan struct{}, 1)
	go func() {
		if conn, err := l.Accept(); err == nil {
			_ = conn.Close()
			connected <- struct{}{}
		}
	}()
	_, port, _ := net.SplitHostPort(at.Listen)
	p, q := watch(t, t.Env.Mock.Named(at.Name)), watch(t, t.Env.Mock.Named(at.Name+":"+port))
	p.lost("a server at a private address")
	q.lost("a server at a private address with a port")
	r := namedPeer(t)
	r.Handle(mock.WellKnownPath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Reply(w, mock.Object{"server": q.Name}) })
	r.lost("a server that delegates to a private address")
	select {
	case <-connected:
		t.Fail("the server connected to %s", at.Listen)
	default:
	}
}
