// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"

	"parley.chat/conformance/client"
	"parley.chat/conformance/mock"
)

// Mock says how the suite is a homeserver itself, and how servers reach the one under test.
type Mock struct {
	Places       []mock.Place
	Private      *mock.Place // a name that leads to an address the server must not connect to; nil: none
	Denied       string      // a name of Places that the server is told not to federate with; "": none
	Certificates []tls.Certificate
	Roots        *x509.CertPool // nil: those of the machine
	Federation   string         // address where the server takes requests of servers; "": that of clients
}

// openMock reads whether and where the server federates, and becomes a homeserver if it is to.
func (e *Env) openMock(ctx context.Context) error {
	res, err := e.Server.Do(ctx, &client.Recorder{}, "suite", client.Request{Method: "GET", Path: mock.WellKnownPath})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	e.federates = res.Status == http.StatusOK && slices.Contains(res.At("requestAuth").Texts(), mock.Scheme)
	if e.options.Mock == nil || !e.federates {
		return nil
	}
	way, err := e.way(res.At("server").Text())
	if err != nil {
		return err
	}
	e.Mock, err = mock.Open(mock.Options{Places: e.options.Mock.Places, Kept: e.options.Mock.Denied, Certificates: e.options.Mock.Certificates, Way: way})
	return err
}

// way returns how servers reach the server under test; delegated is what its well-known file says.
func (e *Env) way(delegated string) (mock.Way, error) {
	address := e.options.Mock.Federation
	if address == "" {
		address = e.Server.URL()
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return mock.Way{}, fmt.Errorf("%q is not an address like https://127.0.0.1:8448", address)
	}
	w := mock.Way{Name: e.ServerName(), Address: u.Host}
	if u.Port() == "" {
		w.Address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "http" {
		return w, nil
	}
	name := delegated
	if name == "" {
		name = w.Name
	}
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	w.TLS = &tls.Config{RootCAs: e.options.Mock.Roots, ServerName: name, MinVersion: tls.VersionTLS12}
	return w, nil
}

// MockPrivate is a name that leads to an address the server must not connect to, nil if the operator has none.
func (e *Env) MockPrivate() *mock.Place { return e.options.Mock.Private }

// MockDenied is a name the server does not federate with, "" if the operator has none.
func (e *Env) MockDenied() string { return e.options.Mock.Denied }

// Close ends what NewEnv opened.
func (e *Env) Close() {
	if e.Mock != nil {
		e.Mock.Close()
	}
}
