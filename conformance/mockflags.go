// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

// mockFlags are those of the homeserver that the suite pretends to be.
type mockFlags struct {
	places          []mock.Place
	private         *mock.Place
	certs, keys, ca string
	federation      string
	denied          string
}

func (m *mockFlags) register(f *flag.FlagSet) {
	f.Func("mock-private", "`NAME=LISTEN`: a name that leads the server under test to an address it must not connect to, and where that is", func(text string) error {
		p, err := place(text)
		m.private = &p
		return err
	})
	f.StringVar(&m.denied, "mock-denied", "", "one of the `names` of --mock, with which the server under test is told not to federate")
	f.Func("mock", "`NAME=LISTEN`: the suite is the homeserver NAME at this address for the cases of federation; the server under test has to find it there. "+
		"Further names, one flag each, are for cases that need one nobody used before", m.place)
	f.StringVar(&m.certs, "mock-cert", "", "`files` with the certificates of those names, with commas")
	f.StringVar(&m.keys, "mock-key", "", "`files` with their private keys, in the same order")
	f.StringVar(&m.ca, "ca", "", "`file` with the authority of the server's certificate, beside those of the machine")
	f.StringVar(&m.federation, "federation", "", "`address` where the server takes requests of servers, like https://127.0.0.1:8448, if that is not its own")
}

func (m *mockFlags) place(text string) error {
	p, err := place(text)
	m.places = append(m.places, p)
	return err
}

func place(text string) (mock.Place, error) {
	name, listen, ok := strings.Cut(text, "=")
	if !ok || name == "" || strings.Contains(name, ":") || !strings.Contains(listen, ":") {
		return mock.Place{}, errors.New("want a name without a port, =, and an address with one")
	}
	return mock.Place{Name: name, Listen: listen}, nil
}

// read reads the files; nil without --mock.
func (m *mockFlags) read() (*suite.Mock, error) {
	if len(m.places) == 0 {
		return nil, nil
	}
	out := &suite.Mock{Places: m.places, Private: m.private, Denied: m.denied, Federation: m.federation}
	certs, keys := split(m.certs), split(m.keys)
	if len(certs) == 0 || len(certs) != len(keys) {
		return nil, errors.New("--mock needs --mock-cert and --mock-key, as many of the one as of the other")
	}
	for i := range certs {
		pair, err := tls.LoadX509KeyPair(certs[i], keys[i])
		if err != nil {
			return nil, fmt.Errorf("read the certificate %s: %w", certs[i], err)
		}
		out.Certificates = append(out.Certificates, pair)
	}
	var err error
	out.Roots, err = roots(m.ca)
	return out, err
}

func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("read the authority: there is no certificate in %s", file)
	}
	return pool, nil
}
