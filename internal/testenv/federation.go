// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.chat/server/config"
)

// Federation is a small internet for servers of one test: names, a certificate authority, and one port at which each server has
// an address of its own on loopback. It is safe for concurrent use.
type Federation struct {
	CAFile string // PEM
	Roots  *x509.CertPool
	Port   uint16 // where servers are without further word

	t   testing.TB
	dir string
	ca  *x509.Certificate
	key *ecdsa.PrivateKey

	mu    sync.Mutex
	hosts map[string]netip.Addr
	srv   map[string][]*net.SRV
}

// NewFederation makes the authority and finds a port.
func NewFederation(t testing.TB) *Federation {
	t.Helper()
	f := &Federation{t: t, dir: t.TempDir(), hosts: map[string]netip.Addr{}, srv: map[string][]*net.SRV{}, Roots: x509.NewCertPool()}
	var err error
	if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	f.ca = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, f.ca, f.ca, f.key.Public(), f.key)
	if err != nil {
		t.Fatal(err)
	}
	f.CAFile = f.write("ca.pem", "CERTIFICATE", raw)
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	f.Roots.AddCert(parsed)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.Port = uint16(l.Addr().(*net.TCPAddr).Port)
	_ = l.Close()
	return f
}

func (f *Federation) write(name, kind string, raw []byte) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// Certificate makes a certificate for a name, and for 127.0.0.0/8 addresses given as such, and returns its files.
func (f *Federation) Certificate(names ...string) config.TLS {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(240 * time.Hour)}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, f.ca, key.Public(), f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.t.Fatal(err)
	}
	return config.TLS{Cert: f.write(names[0]+".pem", "CERTIFICATE", raw), Key: f.write(names[0]+".key", "PRIVATE KEY", private)}
}

// Host gives a name the next free address and returns it.
func (f *Federation) Host(name string) netip.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a, ok := f.hosts[name]; ok {
		return a
	}
	a := netip.AddrFrom4([4]byte{127, 0, 0, byte(len(f.hosts) + 2)})
	f.hosts[name] = a
	return a
}

// SRV adds a record _parley._tcp.
func (f *Federation) SRV(name, host string, port uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.srv[name] = append(f.srv[name], &net.SRV{Target: host + ".", Port: port})
}

// LookupNetIP implements peer.Resolver.
func (f *Federation) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a, ok := f.hosts[host]; ok {
		return []netip.Addr{a}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// LookupSRV implements peer.Resolver.
func (f *Federation) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if list, ok := f.srv[name]; ok {
		return name, list, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// Start runs a server of that name on HTTPS, federating. A name with a port is found there, another one at the Port of all.
func (f *Federation) Start(name string, opts ...Option) *Server {
	f.t.Helper()
	host, port, hasPort := strings.Cut(name, ":")
	if !hasPort {
		port = strconv.Itoa(int(f.Port))
	}
	addr := f.Host(host)
	first := func(s *Server) {
		s.roots = f.Roots
		s.cfg.ServerName, s.cfg.PublicURL = name, "https://"+name
		s.cfg.Listen = net.JoinHostPort(addr.String(), port)
		s.cfg.TLS = f.Certificate(host, addr.String())
		s.cfg.Federation.Enabled, s.cfg.Federation.CAFile, s.cfg.Federation.AllowNetworks = true, f.CAFile, "127.0.0.0/8"
		s.opt.Resolver, s.opt.FederationPort = f, f.Port
	}
	return Start(f.t, append([]Option{first}, opts...)...)
}

// FreePort finds a port that is free on loopback.
func (f *Federation) FreePort() string {
	f.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}
