// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// screen is what the program printed so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// chosen are options with addresses that no other program of this machine uses: loopback has many, and this process has some.
func chosen(t *testing.T, parley string) options {
	t.Helper()
	pid := os.Getpid()
	address := func(last int) string {
		l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 64+pid>>15&63, pid>>7&255, pid&127<<1|last))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	return options{parley: parley, dir: filepath.Join(t.TempDir(), "federation"), a: addresses{address(0), address(0)}, b: addresses{address(1), address(1)}}
}

// running is a run under way.
type running struct {
	t      *testing.T
	out    *screen
	stop   func()
	result chan error
}

func begin(t *testing.T, o options) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, out: &screen{}, stop: cancel, result: make(chan error, 1)}
	go func() { r.result <- run(ctx, o, r.out) }()
	t.Cleanup(func() { cancel(); r.result <- <-r.result })
	return r
}

// shows waits until the screen holds the text; the test ends if the run ends before.
func (r *running) shows(text string) {
	r.t.Helper()
	for !strings.Contains(r.out.String(), text) {
		select {
		case err := <-r.result:
			r.result <- err
			r.t.Fatalf("it ended with %v before it showed %q:\n%s", err, text, r.out)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r *running) ends() error {
	r.stop()
	err := <-r.result
	r.result <- err
	return err
}

func build(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "parley")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", out, "../../server")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func ask(t *testing.T, url string, body any, want int) map[string]any {
	t.Helper()
	method, raw := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	out := map[string]any{}
	if res.StatusCode != want || json.Unmarshal(answer, &out) != nil {
		t.Fatalf("%s answers %d %s, want %d", url, res.StatusCode, answer, want)
	}
	return out
}

var pids = regexp.MustCompile(`(?m)^  ([ab])\.test .* process ([0-9]+) `)

func TestRun_TwoServersMeetEndAndGoOnWithWhatTheyHad(t *testing.T) {
	o := chosen(t, build(t))
	account := map[string]any{"username": "alice", "password": "correct horse battery"}
	first := begin(t, o)
	first.shows("Ctrl-C stops both")
	for _, want := range []string{"a.test found b.test, and its signed request was answered", "b.test found a.test, and", "http://" + o.a.clients, "chat --server http://" + o.b.clients} {
		if !strings.Contains(first.out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, first.out)
		}
	}
	ask(t, "http://"+o.a.clients+"/api/v1/register", account, http.StatusCreated)
	before := identities(t, o)
	if err := first.ends(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(first.out.String(), "a.test stopped\nb.test stopped\n") {
		t.Errorf("the end is not told:\n%s", first.out)
	}
	for _, found := range pids.FindAllStringSubmatch(first.out.String(), -1) {
		if pid, _ := strconv.Atoi(found[2]); !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			t.Errorf("%s.test still runs as %d", found[1], pid)
		}
	}

	second := begin(t, o)
	second.shows("Ctrl-C stops both")
	if after := identities(t, o); after != before {
		t.Errorf("the servers are others: %s, before %s", after, before)
	}
	ask(t, "http://"+o.a.clients+"/api/v1/login", account, http.StatusOK)

	found := pids.FindAllStringSubmatch(second.out.String(), -1)
	if len(found) != 2 {
		t.Fatalf("no processes in:\n%s", second.out)
	}
	pid, _ := strconv.Atoi(found[1][2])
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second.shows("b.test ended (signal: killed); start it again with")
	ask(t, "http://"+o.a.clients+"/readyz", nil, http.StatusOK)
	if err := second.ends(); err != nil {
		t.Error(err)
	}
}

// identities are the keys of both servers and the authority.
func identities(t *testing.T, o options) string {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(o.dir, "ca", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var out string
	for _, at := range []addresses{o.a, o.b} {
		out += fmt.Sprint(ask(t, "http://"+at.clients+"/.well-known/parley/server", nil, http.StatusOK)["keys"]) + " "
	}
	return out + string(ca)
}

func TestRun_ATakenPortIsNamedBeforeAnythingIsMade(t *testing.T) {
	o := chosen(t, "none")
	for _, address := range []string{o.a.clients, o.b.servers} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	err := run(t.Context(), o, io.Discard)
	for _, want := range []string{"a.test cannot listen at " + o.a.clients, "FEDERATION='-a 127.0.0.1:PORT'", "b.test cannot listen at " + o.b.servers, "FEDERATION='-federation-b "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if _, err := os.Stat(o.dir); err == nil {
		t.Error("something was made")
	}
	o.a.clients = "localhost:8081"
	if err := run(t.Context(), o, io.Discard); err == nil || !strings.Contains(err.Error(), "-a localhost:8081 is not an IP address") {
		t.Errorf("got %v", err)
	}
}

// script is a program instead of the server.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "parley")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun_AServerThatDoesNotStartShowsItsLastWords(t *testing.T) {
	o := chosen(t, script(t, "echo first; echo \"the disk is full of $PARLEY_LISTEN\"; exit 3"))
	t.Setenv("PARLEY_LISTEN", "what we have")
	err := run(t.Context(), o, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "a.test did not start (exit status 3)") || !strings.Contains(err.Error(), "the disk is full of") || strings.Contains(err.Error(), "what we have") {
		t.Errorf("got %v", err)
	}
}

func TestRun_StoppedBeforeTheyAreReadyIsNoFailure(t *testing.T) {
	o := chosen(t, script(t, "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"))
	r := begin(t, o)
	for _, side := range []string{"a", "b"} {
		path := filepath.Join(o.dir, side, "parley.log")
		for raw, _ := os.ReadFile(path); len(raw) == 0; raw, _ = os.ReadFile(path) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	if err := r.ends(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestRun_AProgramThatIsMissingIsNamed(t *testing.T) {
	if err := run(t.Context(), chosen(t, "/no/such/parley"), io.Discard); err == nil || !strings.Contains(err.Error(), "start a.test: ") {
		t.Errorf("got %v", err)
	}
}
