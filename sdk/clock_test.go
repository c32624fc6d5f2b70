// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk/sdktest"
)

// pipes is a listener in memory, so that a whole connection lives within a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	dead  atomic.Pointer[atomic.Bool] // of the newest connection
}

// mortal is a connection that can die without a word.
type mortal struct {
	net.Conn
	dead *atomic.Bool
}

func (m mortal) Write(b []byte) (int, error) {
	if m.dead.Load() {
		return len(b), nil
	}
	return m.Conn.Write(b)
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		m := mortal{here, &atomic.Bool{}}
		p.dead.Store(m.dead)
		return m, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// world is what a test in fake time has.
type world struct {
	p    *pipes
	f    *sdktest.Server
	c    *Client
	seen func() []Update
}

// bubble runs a client against a server in fake time in a bubble.
func bubble(t *testing.T, do func(t *testing.T, w world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		f := sdktest.NewOn(p)
		transport := &http.Transport{DialContext: p.dial}
		c, err := New(Options{BaseURL: "http://x", HTTP: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Register(t.Context(), rest.Register{Username: "alice", Password: password}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var seen []Update
		var wg sync.WaitGroup
		wg.Go(func() { _ = c.Run(ctx) })
		wg.Go(func() {
			for {
				select {
				case u := <-c.Events():
					mu.Lock()
					seen = append(seen, u)
					mu.Unlock()
				case <-ctx.Done():
					return
				}
			}
		})
		synctest.Wait()
		do(t, world{p, f, c, func() []Update {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(seen)
		}})
		cancel()
		wg.Wait()
		f.Stop()
		transport.CloseIdleConnections()
	})
}

func TestRun_ReceiptsLeaveAtMostEvery200Milliseconds(t *testing.T) {
	bubble(t, func(t *testing.T, w world) {
		conv := w.f.Converse("bob@x", "alice@x")
		for range 100 {
			w.f.Say(conv, "bob@x", "again")
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := len(w.f.Received(frame.DeliveryAck)); got < 5 || got > 6 {
			t.Errorf("%d receipts in a second", got)
		}
		if n := len(texts(w.seen())); n != 100 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestRun_UnansweredSendIsRepeatedOnTheSameConnection(t *testing.T) {
	bubble(t, func(t *testing.T, w world) {
		w.f.OnSend = func(n int, _ frame.Send) sdktest.Verdict { return sdktest.Verdict{NoAck: n == 1} }
		conv := w.f.Converse("alice@x")
		began := time.Now()
		if _, err := w.c.SendText(t.Context(), conv, "once"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < ackTimeout || took > ackTimeout+time.Second {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		if got := w.f.Stored(conv); !slices.Equal(got, []string{"once"}) {
			t.Errorf("stored %q", got)
		}
		if n := count(w.seen(), isLive); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestRun_HoleThatDoesNotCloseIsFetchedAfterAMoment(t *testing.T) {
	bubble(t, func(t *testing.T, w world) {
		conv := w.f.Converse("bob@x", "alice@x")
		w.f.OnLive = func(e frame.Event) []frame.Event {
			if e.Content == "lost" {
				return nil
			}
			return []frame.Event{e}
		}
		w.f.Say(conv, "bob@x", "lost")
		w.f.Say(conv, "bob@x", "after")
		time.Sleep(holdFor - time.Millisecond)
		synctest.Wait()
		if got := texts(w.seen()); len(got) != 0 {
			t.Errorf("too early: %q", got)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := texts(w.seen()); !slices.Equal(got, []string{"lost", "after"}) {
			t.Errorf("messages %q", got)
		}
	})
}

func TestRun_LateEventIsPutInItsPlaceWithoutAFetch(t *testing.T) {
	bubble(t, func(t *testing.T, w world) {
		conv := w.f.Converse("bob@x", "alice@x")
		var late []frame.Event
		w.f.OnLive = func(e frame.Event) []frame.Event {
			late = append(late, e)
			if len(late) < 3 {
				return nil
			}
			slices.Reverse(late)
			return late
		}
		for _, text := range []string{"one", "two", "three"} {
			w.f.Say(conv, "bob@x", text)
		}
		time.Sleep(holdFor - time.Millisecond)
		synctest.Wait()
		if got := texts(w.seen()); !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Errorf("messages %q", got)
		}
		if n := w.f.Called("GET messages"); n != 0 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestRun_TokensAreRefreshedWhileIdle(t *testing.T) {
	bubble(t, func(t *testing.T, w world) {
		before, _ := w.c.Session()
		time.Sleep(time.Hour)
		synctest.Wait()
		after, _ := w.c.Session()
		if !after.ExpiresAt.After(time.Now()) || after.AccessToken == before.AccessToken {
			t.Error("the tokens are old")
		}
		// Ten minutes less the margin each, noticed at the next ping.
		if n := w.f.Called("POST refresh"); n < 6 || n > 7 {
			t.Errorf("%d refreshes in an hour", n)
		}
		if n := count(w.seen(), isLive); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestRun_PausesGrowWhileTheServerDropsEveryConnection(t *testing.T) {
	bubble(t, func(t *testing.T, w world) {
		for range 10 * 60 * 10 {
			w.f.CloseAll(1006)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		// With the pause at its maximum of 30 s, ten minutes hold 20 to 40 attempts, and a few short ones before.
		if n := count(w.seen(), isLive); n < 20 || n > 50 {
			t.Errorf("%d connections in ten minutes", n)
		}
	})
}

func TestRun_SilentDeathOfAConnectionIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T, w world) {
		conv := w.f.Converse("alice@x")
		w.p.dead.Load().Store(true)
		began := time.Now()
		if _, err := w.c.SendText(t.Context(), conv, "once"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > pingEvery+pingTimeout+time.Second {
			t.Errorf("took %v", took)
		}
		if got := w.f.Stored(conv); !slices.Equal(got, []string{"once"}) {
			t.Errorf("stored %q", got)
		}
	})
}
