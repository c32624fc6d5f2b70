// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

func sameBytes(a, b string) bool { return unsafe.StringData(a) == unsafe.StringData(b) }

// pipe connects a raw client to a connection over net.Pipe, for use within a bubble.
func pipe(t *testing.T, o Options) (*rawClient, *Conn, chan ended) {
	t.Helper()
	ours, theirs := net.Pipe()
	ends := make(chan ended, 1)
	o.OnClose = func(code int, reason string) { ends <- ended{code, reason} }
	conns := make(chan *Conn, 1)
	go func() {
		r := upgradeRequest()
		c, err := Accept(&pipeWriter{nc: ours}, r, o)
		if err != nil {
			t.Error(err)
		}
		conns <- c
	}()
	c := readAnswer(t, theirs)
	return c, <-conns, ends
}

func TestAlive_AnsweredPingsKeepTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, conn, ends := pipe(t, Options{})
		conn.Start()
		began := time.Now()
		last := began
		for range 200 {
			c.want(t, finPing, "")
			if gap := time.Since(last); gap < 24*time.Second || gap > 30*time.Second {
				t.Fatalf("%v between pings", gap)
			}
			last = time.Now()
			c.put(t, masked(finPong, ""))
		}
		if time.Since(began) < 200*24*time.Second {
			t.Error("pings came too fast")
		}
		_ = c.Close()
		if got := <-ends; got.code != 1006 {
			t.Errorf("OnClose%v", got)
		}
	})
}

func TestAlive_APeerThatFallsSilentIsDroppedAfterDeadAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, conn, ends := pipe(t, Options{})
		conn.Start()
		time.Sleep(17 * time.Second)
		c.put(t, masked(finText, "hi"))
		heard := time.Now()
		go func() {
			for {
				if _, _, err := c.frame(); err != nil {
					return
				}
			}
		}()
		if got := <-ends; got != (ended{1006, "no sign of life"}) {
			t.Errorf("OnClose%v", got)
		}
		if silence := time.Since(heard); silence != 60*time.Second {
			t.Errorf("dropped after %v", silence)
		}
	})
}

func TestAlive_APeerThatNeverReadsIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, conn, ends := pipe(t, Options{})
		conn.Start()
		if got := <-ends; got != (ended{1006, "write failed"}) {
			t.Errorf("OnClose%v", got)
		}
		if took := time.Since(began); took > 41*time.Second {
			t.Errorf("dropped after %v", took)
		}
	})
}

func TestAlive_AnyByteCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan string, 1)
		c, conn, ends := pipe(t, Options{OnMessage: func(m []byte) { got <- string(m) }})
		conn.Start()
		go func() {
			for {
				if _, _, err := c.frame(); err != nil {
					return
				}
			}
		}()
		for _, b := range masked(finText, "slowly") { // 12 bytes in 11 minutes
			c.put(t, []byte{b})
			time.Sleep(55 * time.Second)
		}
		if m := <-got; m != "slowly" {
			t.Errorf("message %q", m)
		}
		_ = c.Close()
		<-ends
	})
}

func TestAlive_ALongOnMessageIsNotThePeersSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{OnMessage: func([]byte) { time.Sleep(10 * time.Minute) }}
		c, conn, ends := pipe(t, o)
		conn.Start()
		go func() {
			for {
				if _, _, err := c.frame(); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		c.put(t, masked(finText, "x"))
		<-ends
		if took := time.Since(began); took != 11*time.Minute {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestAlive_AConnectionNeverStartedEndsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, ends := pipe(t, Options{})
		go func() {
			for {
				if _, _, err := c.frame(); err != nil {
					return
				}
			}
		}()
		if got := <-ends; got.code != 1006 {
			t.Errorf("OnClose%v", got)
		}
	})
}

func TestClose_WaitsForThePeersAnswerNoLongerThanTheWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, conn, ends := pipe(t, Options{})
		conn.Start()
		began := time.Now()
		conn.Close(4000, "restart")
		time.Sleep(3 * time.Second)
		c.wantClose(t, 4000)
		if got := <-ends; got != (ended{4000, "restart"}) {
			t.Errorf("OnClose%v", got)
		}
		if took := time.Since(began); took != 13*time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestLibrary_AControlFrameThatStallsEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, conn, ends := pipe(t, Options{})
		conn.Start()
		c.put(t, masked(finPing, "half")[:8])
		if got := <-ends; got.code != 1006 {
			t.Errorf("OnClose%v", got)
		}
	})
}
