// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newEchoServer accepts on l and sends back what it receives.
func newEchoServer(l net.Listener) *http.Server {
	srv := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var c *Conn
			c, err := Accept(w, r, Options{Subprotocol: proto, OnMessage: func(m []byte) { c.Send(Prepare(m)) }})
			if err == nil {
				c.Start()
			}
		}),
	}
	go func() { _ = srv.Serve(l) }()
	return srv
}

// drainer reads many descriptors on one goroutine and tells when a number of bytes has come.
type drainer struct {
	epoll int
	buf   []byte
}

func newDrainer(b *testing.B, fds []thinClient) *drainer {
	d := &drainer{epoll: must(syscall.EpollCreate1(syscall.EPOLL_CLOEXEC))(b), buf: make([]byte, 64<<10)}
	for _, c := range fds {
		if err := syscall.SetNonblock(int(c), true); err != nil {
			b.Fatal(err)
		}
		ev := &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c)}
		if err := syscall.EpollCtl(d.epoll, syscall.EPOLL_CTL_ADD, int(c), ev); err != nil {
			b.Fatal(err)
		}
	}
	return d
}

func (d *drainer) read(b *testing.B, total int) {
	events := make([]syscall.EpollEvent, 256)
	for total > 0 {
		n, err := syscall.EpollWait(d.epoll, events, 5000)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			b.Fatalf("%d bytes missing: %v", total, err)
		}
		for _, ev := range events[:n] {
			k, err := syscall.Read(int(ev.Fd), d.buf)
			if err != nil && err != syscall.EAGAIN {
				b.Fatal(err)
			}
			total -= max(k, 0)
		}
	}
}

const fanoutSize = 500

// fan makes the connections of a fan-out and what reads them.
func fan(b *testing.B) ([]*Conn, *drainer) {
	l := must(net.Listen("tcp4", "127.0.0.1:0"))(b)
	defer l.Close()
	var conns []*Conn
	var clients []thinClient
	for range fanoutSize {
		client := dialThin(b, l)
		c := must(Accept(&pipeWriter{nc: must(l.Accept())(b)}, upgradeRequest(), Options{}))(b)
		client.until(b, "\r\n\r\n", make([]byte, 1000))
		c.Start()
		conns, clients = append(conns, c), append(clients, client)
	}
	d := newDrainer(b, clients)
	b.Cleanup(func() {
		for _, c := range clients {
			_ = syscall.Close(int(c))
		}
		_ = syscall.Close(d.epoll)
	})
	return conns, d
}

// BenchmarkFanout gives one prepared message of 256 bytes to 500 connections and waits until all have arrived.
func BenchmarkFanout(b *testing.B) {
	p := Prepare([]byte(strings.Repeat("f", 252)))
	measure := func(name string, each int, send func(*testing.B, *Conn)) {
		b.Run(name, func(b *testing.B) {
			conns, d := fan(b)
			before := cpu(b)
			for b.Loop() {
				for range each {
					for _, c := range conns {
						send(b, c)
					}
				}
				d.read(b, each*fanoutSize*p.Len())
			}
			perFrame := float64(cpu(b)-before) / float64(b.N*each*fanoutSize)
			b.ReportMetric(perFrame/1e3, "cpu-us/frame")
		})
	}
	write := func(b *testing.B, c *Conn) { must(c.wire.Conn.Write(p.frame))(b) }
	enqueue := func(b *testing.B, c *Conn) {
		if !c.Send(p) {
			b.Fatal("refused")
		}
	}
	measure("write", 1, write)
	measure("send", 1, enqueue)
	measure("write-8", 8, write)
	measure("send-8", 8, enqueue)
}

// BenchmarkEcho sends a message and waits for its echo, so that each iteration wakes an idle connection.
func BenchmarkEcho(b *testing.B) {
	l := must(net.Listen("tcp4", "127.0.0.1:0"))(b)
	defer l.Close()
	srv := newEchoServer(l)
	defer srv.Close()
	c := dialThin(b, l)
	buf := make([]byte, 4096)
	c.put(b, []byte(rawHandshake))
	c.until(b, "\r\n\r\n", buf)
	msg := masked(finText, strings.Repeat("m", 256))
	b.ReportAllocs()
	for b.Loop() {
		c.put(b, msg)
		c.until(b, "mmm", buf)
	}
	_ = syscall.Close(int(c))
}

// cpu returns the processor time of this process.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
