// SPDX-License-Identifier: Apache-2.0

package mock_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley.chat/conformance/mock"
)

// certificate makes one for mock.test and spare.test that is its own authority.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mock.test", "spare.test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, roots
}

// two makes homeservers of two nets, each of which is the server under test of the other.
func two(t *testing.T) (a, b *mock.Home, asks *mock.Net) {
	t.Helper()
	cert, roots := certificate(t)
	open := func() (*mock.Net, *mock.Home) {
		n, err := mock.Open(mock.Options{Places: []mock.Place{{"mock.test", "127.0.0.1:0"}, {"spare.test", "127.0.0.1:0"}}, Certificates: []tls.Certificate{cert}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.Close)
		h, err := n.Home()
		if err != nil {
			t.Fatal(err)
		}
		return n, h
	}
	m, a := open()
	n, b := open()
	way := func(h *mock.Home) mock.Way {
		_, port, _ := net.SplitHostPort(h.Name)
		return mock.Way{Name: h.Name, Address: "127.0.0.1:" + port, TLS: &tls.Config{RootCAs: roots, ServerName: "mock.test"}}
	}
	m.Way, n.Way = way(b), way(a)
	return a, b, m
}

func TestHome_AnswersWhatIsSignedAndNotesWhatIsNot(t *testing.T) {
	a, b, _ := two(t)
	good := a.Signed().Sign("POST", mock.PingPath, []byte("{}"))
	for i, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		answer, err := a.Send(t.Context(), good)
		if err != nil || answer.Status != want {
			t.Fatalf("attempt %d of the same request: %v %v, want %d", i, answer, err, want)
		}
	}
	bad := a.Signed().Sign("POST", mock.PingPath, []byte("{}"))
	bad.Body = []byte("[]")
	answer, err := a.Send(t.Context(), bad)
	if err != nil || answer.Code() != "signature_invalid" {
		t.Fatalf("another body: %v %v", answer, err)
	}
	faults := b.Faults()
	if len(faults) != 2 || !strings.Contains(faults[0], "a second time") || !strings.Contains(faults[1], "Digest") {
		t.Errorf("faults %q", faults)
	}
	visits := b.Visits(mock.PingPath)
	if len(visits) != 3 || visits[0].Origin != a.Name || visits[1].Origin != "" || visits[0].SNI != "mock.test" {
		t.Errorf("%d visits", len(visits))
	}
}

func TestWay_SpeaksHTTP2ByHand(t *testing.T) {
	a, b, m := two(t)
	r := a.Signed().Sign("POST", mock.PingPath, []byte("{}"))
	answer, err := m.Way.SendHTTP2(t.Context(), r, b.Name, "")
	if err != nil || !strings.Contains(string(answer.Body), b.Name) {
		t.Fatalf("%v %v", answer, err)
	}
	if b.Visits(mock.PingPath)[0].Proto != "HTTP/2.0" {
		t.Error(b.Visits(mock.PingPath)[0].Proto)
	}
}

func TestNet_GivesEveryNameOnce(t *testing.T) {
	_, _, m := two(t)
	h, err := m.Spare()
	if err != nil || h.Name != "spare.test" {
		t.Fatalf("%v %v", h, err)
	}
	if _, err := m.Spare(); !errors.Is(err, mock.ErrNoName) {
		t.Errorf("a second one: %v", err)
	}
}

func TestHome_ThatIsClosedAnswersNoMore(t *testing.T) {
	a, b, _ := two(t)
	b.Close()
	if answer, err := a.Post(t.Context(), mock.PingPath, mock.Object{}); err == nil && answer.Status == http.StatusOK {
		t.Error("it answers")
	}
}
