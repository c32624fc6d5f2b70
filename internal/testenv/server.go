// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley.chat/core/account"
	"parley.chat/core/fanout"
	"parley.chat/internal/specguard"
	"parley.chat/server/config"
	"parley.chat/server/homeserver"
)

// patience is how long a test waits for what must happen at once on an idle machine.
const patience = 30 * time.Second

// Option changes a Server before its first start.
type Option func(*Server)

// Server is a homeserver under test.
type Server struct {
	URL  string // http://127.0.0.1:port, the same after a Restart; https for one of a Federation
	Home *homeserver.Homeserver

	t        testing.TB
	dsns     []string
	cfg      config.Config
	opt      homeserver.Options
	log      *journal
	roots    *x509.CertPool // of a Federation
	client   *http.Client
	cancel   context.CancelFunc
	finished chan error
}

// Start runs a server until the test ends. It serves at localhost, registration is open, passwords are cheap and nobody is
// limited.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	none := account.Rate{Count: -1}
	s := &Server{
		t: t, cfg: config.Default(), log: newJournal(),
		opt: homeserver.Options{
			HashCost: account.Cost{MemoryKiB: 64, Passes: 1, Lanes: 1},
			Limits:   account.Limits{LoginPerAccount: none, LoginEverywhere: none, LoginPerAddress: none, RegisterPerAddress: none, TicketsPerDevice: none, PhonesPerAccount: none},
		},
	}
	s.cfg.Listen, s.cfg.DataDir, s.cfg.Registration.Mode = "127.0.0.1:0", t.TempDir(), "open"
	s.cfg.Limits = config.Limits{}
	for _, o := range opts {
		o(s)
	}
	if len(s.cfg.Database.List) == 0 {
		s.useDatabases(1)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, TLSClientConfig: &tls.Config{RootCAs: s.roots}}
	s.client = &http.Client{Transport: specguard.Transport(t, transport), Timeout: 2 * patience}
	s.start()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		s.Stop()
		s.log.report(t)
	})
	return s
}

// Context ends with the test.
func (s *Server) Context() context.Context { return s.t.Context() }

// Config is the server's configuration, for tools beside it.
func (s *Server) Config() config.Config { return s.cfg }

// TwoDatabases splits the shards over two databases.
func TwoDatabases(s *Server) { s.useDatabases(2) }

// Clock gives the server its time.
func Clock(now func() time.Time) Option { return func(s *Server) { s.opt.Clock = now } }

// Configure changes the configuration.
func Configure(f func(*config.Config)) Option { return func(s *Server) { f(&s.cfg) } }

// Assemble changes what a configuration cannot.
func Assemble(f func(*homeserver.Options)) Option { return func(s *Server) { f(&s.opt) } }

// GatewayOf makes a second node: it has the sessions, owner has the log. Both share databases and identity.
func GatewayOf(owner *Server) Option {
	return func(s *Server) {
		s.cfg.Database, s.dsns = owner.cfg.Database, owner.dsns
		s.opt.Owner = owner.Home
		key, err := os.ReadFile(filepath.Join(owner.cfg.DataDir, "signing.key"))
		if err == nil {
			err = os.WriteFile(filepath.Join(s.cfg.DataDir, "signing.key"), key, 0o600)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// Joined puts the server on a bus under a name.
func Joined(name string, bus fanout.Bus, p fanout.Placement) Option {
	return func(s *Server) {
		s.cfg.Node.ID = name
		s.opt.Bus = func(fanout.Node) fanout.Bus { return bus }
		s.opt.Placement = p
	}
}

func (s *Server) start() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	home, err := homeserver.New(ctx, s.cfg, slog.New(s.log), s.opt)
	if err != nil {
		cancel()
		s.t.Fatalf("testenv: %v", err)
	}
	s.Home, s.cancel, s.finished = home, cancel, make(chan error, 1)
	s.cfg.Listen = home.Address()
	s.URL = "http://" + home.Address()
	if s.roots != nil {
		s.URL = "https://" + home.Address()
	}
	go func() { s.finished <- home.Run(ctx) }()
	s.Until("the server is ready", s.Ready)
}

// Stop ends the server in order and waits for it.
func (s *Server) Stop() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	select {
	case err := <-s.finished:
		if err != nil {
			s.t.Errorf("testenv: the server ended with: %v", err)
		}
	case <-time.After(patience):
		s.t.Error("testenv: the server does not stop")
	}
}

// Restart stops the server and starts it again at the same address.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.client.CloseIdleConnections()
	s.start()
}

// Ready tells whether /readyz says so.
func (s *Server) Ready() bool {
	res, err := s.client.Get(s.URL + "/readyz")
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Gauge reads a metric without labels, -1 if there is none.
func (s *Server) Gauge(name string) float64 {
	res, err := s.client.Get(s.URL + "/metrics")
	if err != nil {
		return -1
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(raw)) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			if v, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
				return v
			}
		}
	}
	return -1
}

// Logged tells whether the server's log holds the text, as far as it is kept.
func (s *Server) Logged(text string) bool { return strings.Contains(s.log.tail(), text) }

// Until waits for a condition; the test ends if it does not come true.
func (s *Server) Until(what string, cond func() bool) {
	s.t.Helper()
	if err := until(patience, cond); err != nil {
		s.t.Fatalf("testenv: %s: %v\n%s", what, err, s.log.tail())
	}
}

// pollEvery is the pause between two looks at a condition that nobody announces.
const pollEvery = 5 * time.Millisecond

func until(limit time.Duration, cond func() bool) error {
	deadline := time.Now().Add(limit)
	for !cond() {
		if time.Now().After(deadline) {
			return errors.New("not in time")
		}
		time.Sleep(pollEvery)
	}
	return nil
}
