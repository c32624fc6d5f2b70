// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"parley.chat/internal/netlab"
)

func TestLink_CutAndRestored(t *testing.T) {
	l, a, b := lab(t)
	conn := mustDial(t, a)
	if err := exchange(conn, "before", time.Minute); err != nil {
		t.Fatal(err)
	}
	l.Set(a, b, netlab.Policy{IsCut: true})
	if err := exchange(conn, "meanwhile", 200*time.Millisecond); !isTimeout(err) {
		t.Errorf("an old connection over a cut link: %v", err)
	}
	if _, err := dial(t, a, 200*time.Millisecond); !isTimeout(err) {
		t.Errorf("a new connection over a cut link: %v", err)
	}
	if c := l.Count(a, b); c.Cut == 0 || c.Lost != 0 {
		t.Errorf("counted %+v", c)
	}
	if own, err := b.Dial(t.Context(), "tcp", "b.test:7"); err != nil {
		t.Errorf("a host reaches itself: %v", err)
	} else {
		_ = own.Close()
	}
	l.Set(a, b, netlab.Policy{})
	if err := exchange(mustDial(t, a), "after", time.Minute); err != nil {
		t.Errorf("a new connection over the restored link: %v", err)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len("meanwhile"))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "meanwhile" {
		t.Errorf("what was sent meanwhile came as %q, %v", got, err)
	}
}

func TestLink_CutOneWay(t *testing.T) {
	l, a, b := lab(t)
	l.SetOneWay(b, a, netlab.Policy{IsCut: true})
	if _, err := dial(t, a, 200*time.Millisecond); !isTimeout(err) {
		t.Errorf("without a way back: %v", err)
	}
	there, back := l.Count(a, b), l.Count(b, a)
	if there.Packets == 0 || there.Cut != 0 || back.Packets != 0 || back.Cut == 0 {
		t.Errorf("there %+v, back %+v", there, back)
	}
}

func TestLink_DelaysAndTakesAnotherDelayAtOnce(t *testing.T) {
	l, a, b := lab(t)
	conn := mustDial(t, a)
	const delay = 60 * time.Millisecond
	l.Set(a, b, netlab.Policy{Delay: delay, Jitter: delay / 2})
	for range 3 {
		start := time.Now()
		if err := exchange(conn, "x", time.Minute); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 2*delay {
			t.Errorf("there and back took %s", took)
		}
	}
	l.Set(a, b, netlab.Policy{Delay: time.Hour})
	before := l.Count(a, b)
	result := make(chan error, 1)
	go func() { result <- exchange(conn, "held", time.Minute) }()
	select {
	case err := <-result:
		t.Fatalf("it took no hour: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if after := l.Count(a, b); after != before {
		t.Errorf("before %+v, while held %+v", before, after)
	}
	l.Set(a, b, netlab.Policy{})
	if err := <-result; err != nil {
		t.Errorf("after the delay: %v", err)
	}
}

func TestLink_TotalLossIsNoConnection(t *testing.T) {
	l, a, b := lab(t)
	l.Set(a, b, netlab.Policy{Loss: 1})
	if _, err := dial(t, a, 200*time.Millisecond); !isTimeout(err) {
		t.Errorf("got %v", err)
	}
	if c := l.Count(a, b); c.Lost == 0 || c.Packets != 0 {
		t.Errorf("counted %+v", c)
	}
}

func TestLink_TCPGetsThroughHeavyLoss(t *testing.T) {
	l, a, b := lab(t)
	conn := mustDial(t, a)
	l.Set(a, b, netlab.Policy{Loss: 0.3})
	if err := exchange(conn, strings.Repeat("0123456789", 2000), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	if c := l.Count(a, b); c.Lost == 0 || c.Packets == 0 {
		t.Errorf("counted %+v", c)
	}
}

func TestLink_LosesTheShareThatItShould(t *testing.T) {
	l, a, b := lab(t)
	from, to := packets(t, a), packets(t, b)
	l.SetOneWay(a, b, netlab.Policy{Loss: 0.3})
	before := l.Count(a, b)
	const least = 1000
	sent := func() int64 { c := l.Count(a, b); return c.Packets + c.Lost - before.Packets - before.Lost }
	for sent() < least { // One after the other: a queue that overflows loses more.
		n := sent()
		if _, err := from.WriteTo([]byte("x"), to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Second); sent() == n && time.Now().Before(end); {
			time.Sleep(50 * time.Microsecond)
		}
	}
	if share := float64(l.Count(a, b).Lost-before.Lost) / float64(sent()); share < 0.23 || share > 0.37 {
		t.Errorf("%.0f %% were lost", 100*share)
	}
}

func packets(t *testing.T, h *netlab.Host) net.PacketConn {
	t.Helper()
	conn, err := h.ListenPacket(t.Context(), "udp4", h.Addr().String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestLink_OrderIsKept(t *testing.T) {
	l, a, b := lab(t)
	from, to := packets(t, a), packets(t, b)
	l.Set(a, b, netlab.Policy{Delay: time.Millisecond, Jitter: 10 * time.Millisecond})
	const sent = 50
	for i := range sent {
		if _, err := from.WriteTo([]byte{byte(i)}, to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 8)
	for i := range sent {
		if _, _, err := to.ReadFrom(buf); err != nil || buf[0] != byte(i) {
			t.Fatalf("got %d, %v, want %d", buf[0], err, i)
		}
	}
}
