// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Place is a name by which the server under test finds the mock, and the address where that leads to.
type Place struct{ Name, Listen string }

// Options make a Net.
type Options struct {
	Places       []Place // the first is that of homeservers with a port in their name; the others are used up one by one
	Kept         string  // a name that only Named gives
	Certificates []tls.Certificate
	Way          Way // to the server under test
}

// Net is every homeserver that a run pretends to be. Make it with Open.
type Net struct {
	Way   Way
	o     Options
	plain *http.Server

	mu    sync.Mutex
	homes map[string]*Home       // by the host of requests
	tls   map[string]*tls.Config // by the name that a client of TLS asks for, where it is not the honest one
	spare []string
	used  map[int]bool // ports of names that the server under test may have met
	ring  Ring         // the keys of the server under test
}

// ErrNoName says that all names without a port were used.
var ErrNoName = errors.New("every name without a port was used")

// Open listens at every place.
func Open(o Options) (*Net, error) {
	if len(o.Places) == 0 || len(o.Certificates) == 0 {
		return nil, errors.New("a mock homeserver needs a name, an address, a certificate and its key")
	}
	n := &Net{Way: o.Way, o: o, homes: map[string]*Home{}, tls: map[string]*tls.Config{}, used: map[int]bool{}}
	n.plain = &http.Server{
		Handler: http.HandlerFunc(n.serve), TLSConfig: n.honest(), ReadHeaderTimeout: 30 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	var listening []string
	for _, p := range o.Places[1:] {
		if p.Name != o.Kept {
			n.spare = append(n.spare, p.Name)
		}
	}
	for _, p := range o.Places {
		if slices.Contains(listening, p.Listen) {
			continue
		}
		if _, err := n.listen(p.Listen); err != nil {
			n.Close()
			return nil, err
		}
		listening = append(listening, p.Listen)
	}
	return n, nil
}

func (n *Net) honest() *tls.Config {
	cfg := &tls.Config{Certificates: n.o.Certificates, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.tls[hello.ServerName], nil // nil: the honest one
	}
	return cfg
}

func (n *Net) listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the mock homeserver: %w", err)
	}
	go func() { _ = n.plain.ServeTLS(l, "", "") }() // It ends with Close, or with the listener.
	return l, nil
}

// Close ends every connection.
func (n *Net) Close() { _ = n.plain.Close() }

// Home makes a homeserver that nobody met before. Its name has a port, at which it listens.
func (n *Net) Home() (*Home, error) {
	host, _, err := net.SplitHostPort(n.o.Places[0].Listen)
	if err != nil {
		return nil, err
	}
	l, port, err := n.listenAnew(host)
	if err != nil {
		return nil, err
	}
	h := newHome(n, net.JoinHostPort(n.o.Places[0].Name, strconv.Itoa(port)))
	h.listener = l
	return n.add(h), nil
}

// listenAnew listens at a port that no homeserver before had: its keys are remembered by its name.
func (n *Net) listenAnew(host string) (net.Listener, int, error) {
	for {
		l, err := n.listen(net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		n.mu.Lock()
		known := n.used[port]
		n.used[port] = true
		n.mu.Unlock()
		if !known {
			return l, port, nil
		}
		defer l.Close() // Held until there is another.
	}
}

// Spare makes a homeserver with a name without a port, which nobody used before in this run.
func (n *Net) Spare() (*Home, error) {
	n.mu.Lock()
	if len(n.spare) == 0 {
		n.mu.Unlock()
		return nil, ErrNoName
	}
	name := n.spare[0]
	n.spare = n.spare[1:]
	n.mu.Unlock()
	return n.Named(name), nil
}

// Named makes a homeserver with a name without a port.
func (n *Net) Named(name string) *Home { return n.add(newHome(n, name)) }

func (n *Net) add(h *Home) *Home {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.homes[h.Name] = h
	return h
}

// TLS sets what clients that ask for the name get, instead of what is honest.
func (n *Net) TLS(name string, cfg *tls.Config) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tls[name] = cfg
}

// Certificates returns those of all names.
func (n *Net) Certificates() []tls.Certificate { return n.o.Certificates }

func (n *Net) serve(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	h := n.homes[r.Host]
	n.mu.Unlock()
	if h == nil {
		Refuse(w, http.StatusNotFound, "unknown_route")
		return
	}
	h.serve(w, r)
}

// key finds a key of the server under test, asking for its document when it does not know the key.
func (n *Net) key(server, keyID string, at int64) ([]byte, error) {
	if server != n.Way.Name {
		return nil, fmt.Errorf("a key of %s", server)
	}
	n.mu.Lock()
	ring := n.ring
	n.mu.Unlock()
	if public, err := ring.RequestKey(keyID, at); err == nil {
		return public, nil
	}
	ring, err := n.Keys(context.Background())
	if err != nil {
		return nil, err
	}
	return ring.RequestKey(keyID, at)
}

// Keys asks the server under test for its keys.
func (n *Net) Keys(ctx context.Context) (Ring, error) {
	a, err := n.Way.Send(ctx, &Request{Method: "GET", Target: "/federation/v1/keys", Host: n.Way.Name})
	if err != nil {
		return Ring{}, err
	}
	ring, err := ReadKeys(a.Body, n.Way.Name)
	if err != nil {
		return Ring{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ring = ring
	return ring, nil
}
