// SPDX-License-Identifier: Apache-2.0

//go:build linux

package servers

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley.chat/internal/netlab"
)

// Times of a server.
const (
	readyTime = 5 * time.Minute // a database may have to be made on a slow machine
	stopTime  = 90 * time.Second
	lookEvery = 50 * time.Millisecond
)

// BaseURL is where clients made by Client find their server.
const BaseURL = "http://127.0.0.1:8080"

// Server is a homeserver in a host of the same name.
type Server struct {
	*netlab.Host
	binary, dir string
	env         []string
	cmd         *netlab.Cmd // the newest process
}

// Prepare makes certificates and configurations of a server for each host of the lab in dir, and says in DNS where they
// are. Nothing is started.
func Prepare(ctx context.Context, l *netlab.Lab, binary, dir string, names ...string) ([]*Server, error) {
	ca := filepath.Join(dir, "ca")
	if out, err := exec.CommandContext(ctx, binary, append([]string{"test-ca", "-dir", ca}, names...)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make certificates: %w\n%s", err, out)
	}
	var list []*Server
	for i, name := range names {
		s := &Server{Host: l.Host(name), binary: binary, dir: filepath.Join(dir, name)}
		if err := os.MkdirAll(s.dir, 0o755); err != nil {
			return nil, err
		}
		port := uint16(443)
		if i > 0 {
			port = 9440 + uint16(i)
			l.SetA("machine."+name, s.Addr())
			l.SetSRV("_parley._tcp."+name, "machine."+name, port)
		}
		s.env = append(environment(), s.settings(ca, port)...)
		list = append(list, s)
	}
	return list, nil
}

// environment is ours without what would change a server's configuration.
func environment() []string {
	var out []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "PARLEY_") {
			out = append(out, pair)
		}
	}
	return append(out, "GODEBUG=netdns=go") // Others might ask a service of the machine for names.
}

func (s *Server) settings(ca string, port uint16) []string {
	var out []string
	for name, value := range map[string]string{
		"SERVER_NAME":                      s.Name(),
		"LISTEN":                           "127.0.0.1:8080",
		"PUBLIC_URL":                       BaseURL,
		"DATA_DIR":                         filepath.Join(s.dir, "data"),
		"REGISTRATION_MODE":                "open",
		"REGISTRATION_ALLOW_OPEN":          "true",
		"FEDERATION_ENABLED":               "true",
		"FEDERATION_LISTEN":                fmt.Sprintf(":%d", port),
		"FEDERATION_TLS_CERT":              filepath.Join(ca, s.Name()+".pem"),
		"FEDERATION_TLS_KEY":               filepath.Join(ca, s.Name()+".key"),
		"FEDERATION_CA_FILE":               filepath.Join(ca, "ca.pem"),
		"LIMITS_MESSAGES_PER_MINUTE":       "0",
		"LIMITS_GROUP_MESSAGES_PER_MINUTE": "0",
		"LIMITS_LOOKUPS_PER_MINUTE":        "0",
	} {
		out = append(out, "PARLEY_"+name+"="+value)
	}
	return out
}

// Start starts it, or starts it again after its end, with what it had. It is killed with the lab.
func (s *Server) Start() error {
	log, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // The process has its own.
	cmd := s.Command(context.Background(), s.binary, "serve")
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = s.env, s.dir, log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd = cmd
	return nil
}

func (s *Server) logPath() string { return filepath.Join(s.dir, "parley.log") }

// Log is what it said.
func (s *Server) Log() string {
	raw, err := os.ReadFile(s.logPath())
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// AwaitReady waits until sends would be accepted.
func (s *Server) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	client := s.Client()
	defer client.CloseIdleConnections()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !isReady(ctx, client) {
		select {
		case <-s.cmd.Done():
			return fmt.Errorf("%s did not start (%w):\n%s", s.Name(), s.cmd.Wait(), s.Log())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w:\n%s", s.Name(), ctx.Err(), s.Log())
		case <-tick.C:
		}
	}
	return nil
}

func isReady(ctx context.Context, client *http.Client) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, BaseURL+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := client.Do(r)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Client is an HTTP client in the server's host. The caller closes its idle connections.
func (s *Server) Client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return s.Dial(ctx, network, address)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Doctor examines another server from this one's machine, with its key, and returns the report. The error is one of the
// command: something was found, or it took longer than ctx allows.
func (s *Server) Doctor(ctx context.Context, other string) (string, error) {
	cmd := s.Command(ctx, s.binary, "doctor", other)
	cmd.Env, cmd.Dir = s.env, s.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Stop ends it in order.
func (s *Server) Stop() error {
	s.cmd.Signal(syscall.SIGTERM)
	select {
	case <-s.cmd.Done():
	case <-time.After(stopTime):
		s.Kill()
		return fmt.Errorf("%s did not stop within %s:\n%s", s.Name(), stopTime, s.Log())
	}
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("%s stopped: %w:\n%s", s.Name(), err, s.Log())
	}
	return nil
}

// Kill ends it at once; its database stops by itself.
func (s *Server) Kill() {
	s.cmd.Signal(syscall.SIGKILL)
	<-s.cmd.Done()
}

// Run makes a lab with a server in each host, all ready, that ends with the test: they are stopped in order, and the lab is
// closed. It skips as netlab.Need does. A failed test shows the ends of their logs.
func Run(t *testing.T, binary string, names ...string) (*netlab.Lab, []*Server) {
	t.Helper()
	l := netlab.New(t, names...)
	list, err := Prepare(t.Context(), l, binary, t.TempDir(), names...)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.finish(t) })
	}
	for _, s := range list {
		if err := s.AwaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return l, list
}

func (s *Server) finish(t *testing.T) {
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		lines := strings.Split(strings.TrimSpace(s.Log()), "\n")
		t.Logf("the log of %s ends with\n%s", s.Name(), strings.Join(lines[max(0, len(lines)-30):], "\n"))
	}
}
