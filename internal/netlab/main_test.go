// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley.chat/internal/netlab"
	"parley.chat/internal/testenv"
)

// helper is set in processes that tests start in hosts: what they are to do.
const helper = "NETLAB_TEST_HELPER"

func TestMain(m *testing.M) {
	if task := os.Getenv(helper); task != "" {
		os.Exit(help(task, os.Args[1:]))
	}
	os.Exit(netlab.Main(testenv.Leakless(m)))
}

// help is what a process in a host does: it sees the lab as any program does.
func help(task string, args []string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out any
	var err error
	switch task {
	case "addresses":
		out, err = net.DefaultResolver.LookupNetIP(ctx, "ip", args[0])
	case "srv":
		var list []*net.SRV
		if _, list, err = net.DefaultResolver.LookupSRV(ctx, "", "", args[0]); err == nil {
			out = *list[0]
		}
	case "fetch":
		out, err = fetch(ctx, args[0])
	case "interfaces":
		out, err = reaching()
	case "family":
		child := exec.Command("/proc/self/exe")
		child.Env = append(os.Environ(), helper+"=wait")
		child.Stdout = os.Stdout
		if err = child.Start(); err == nil {
			fmt.Println(child.Process.Pid)
			select {}
		}
	case "wait":
		select {}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		fmt.Println("not found")
		return 0
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(out)
	return 0
}

// reaching are the addresses that are of use between machines.
func reaching() (out []net.Addr, err error) {
	list, err := net.InterfaceAddrs()
	for _, a := range list {
		if ip := a.(*net.IPNet).IP; !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			out = append(out, a)
		}
	}
	return out, err
}

func fetch(ctx context.Context, address string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	raw, err := io.ReadAll(conn)
	return string(raw), err
}

// task is a process of this program in a host.
func task(t *testing.T, h *netlab.Host, name string, args ...string) *netlab.Cmd {
	t.Helper()
	cmd := h.Command(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), helper+"="+name)
	return cmd
}

// says runs a task and returns what it wrote.
func says(t *testing.T, h *netlab.Host, name string, args ...string) string {
	t.Helper()
	out, err := task(t, h, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// lab has two hosts; the second one echoes what it gets at port 7.
func lab(t *testing.T) (l *netlab.Lab, a, b *netlab.Host) {
	t.Helper()
	l = netlab.New(t, "a.test", "b.test")
	a, b = l.Host("a.test"), l.Host("b.test")
	listener, err := b.Listen(t.Context(), "tcp4", ":7")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go echo(listener, done)
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return l, a, b
}

func echo(l net.Listener, done chan struct{}) {
	defer close(done)
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		}()
	}
}

// dial connects to the echo; the connection ends with the test.
func dial(t *testing.T, h *netlab.Host, patience time.Duration) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := h.Dial(ctx, "tcp", "b.test:7")
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

func mustDial(t *testing.T, h *netlab.Host) net.Conn {
	t.Helper()
	conn, err := dial(t, h, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// exchange sends a text and wants it back.
func exchange(conn net.Conn, text string, patience time.Duration) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, text)
		failed <- err
	}()
	got := make([]byte, len(text))
	_, err := io.ReadFull(conn, got)
	if err := errors.Join(<-failed, err); err != nil {
		return err
	}
	if string(got) != text {
		return errors.New("other bytes came back")
	}
	return nil
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

func TestLab_HostsReachEachOtherAndNothingElse(t *testing.T) {
	l, a, b := lab(t)
	conn := mustDial(t, a)
	if err := exchange(conn, strings.Repeat("hello", 100_000), time.Minute); err != nil {
		t.Fatal(err)
	}
	if local, remote := conn.LocalAddr().String(), conn.RemoteAddr().String(); !strings.HasPrefix(local, a.Addr().String()+":") || remote != b.Addr().String()+":7" {
		t.Errorf("connected from %s to %s", local, remote)
	}
	for _, way := range []netlab.Count{l.Count(a, b), l.Count(b, a)} {
		if way.Packets < 100 || way.Bytes < 500_000 || way.Lost+way.Cut+way.Overflowed != 0 {
			t.Errorf("counted %+v", way)
		}
	}
	if c := l.Count(a, l.NameServer()); c.Packets != 0 {
		t.Errorf("the name server got %+v", c)
	}
	if got := says(t, a, "interfaces"); got != "["+a.Addr().String()+"/16]" {
		t.Errorf("a.test has %s", got)
	}
	if _, err := a.Dial(t.Context(), "tcp", "192.0.2.1:80"); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("an address outside: %v", err)
	}
}

func TestLab_HostsHaveTheirOwnLoopback(t *testing.T) {
	_, a, b := lab(t)
	if _, err := a.Dial(t.Context(), "tcp", "127.0.0.1:7"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a.test: %v", err)
	}
	conn, err := b.Dial(t.Context(), "tcp", "127.0.0.1:7")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := a.Dial(t.Context(), "tcp", "c.test:7"); err == nil || !strings.Contains(err.Error(), "c.test") {
		t.Errorf("a name that nobody has: %v", err)
	}
	if _, err := a.Dial(t.Context(), "tcp", "b.test"); err == nil {
		t.Error("an address without a port is none")
	}
}

func TestLab_ProcessesFindNamesByTheLabsNameServer(t *testing.T) {
	l, a, b := lab(t)
	l.SetSRV("_parley._tcp.b.test", "machine.b.test", 9441)
	l.SetA("two.test", a.Addr(), b.Addr())
	for _, c := range []struct{ task, name, want string }{
		{"addresses", "b.test", "[" + b.Addr().String() + "]"},
		{"addresses", "B.Test.", "[" + b.Addr().String() + "]"},
		{"addresses", "two.test", "[" + a.Addr().String() + " " + b.Addr().String() + "]"},
		{"addresses", "none.test", "not found"},
		{"addresses", "_tcp.b.test", "not found"},
		{"srv", "_parley._tcp.b.test", "{machine.b.test. 9441 0 0}"},
		{"srv", "_parley._tcp.a.test", "not found"},
	} {
		if got := says(t, a, c.task, c.name); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.task, c.name, got, c.want)
		}
	}
	l.SetA("b.test", netip.MustParseAddr("44.128.1.99"))
	if got := says(t, a, "addresses", "b.test"); got != "[44.128.1.99]" {
		t.Errorf("after the change: %s", got)
	}
	l.SetA("b.test")
	if got := says(t, a, "addresses", "b.test"); got != "not found" {
		t.Errorf("after its end: %s", got)
	}
	l.Set(a, l.NameServer(), netlab.Policy{IsCut: true})
	if out, err := task(t, a, "addresses", "two.test").CombinedOutput(); err == nil || !strings.Contains(string(out), "timeout") {
		t.Errorf("without a name server: %v, %s", err, out)
	}
	if got := says(t, b, "addresses", "two.test"); !strings.Contains(got, a.Addr().String()) {
		t.Errorf("the other host has it still, and gets %s", got)
	}
}
