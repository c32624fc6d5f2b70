// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/rest"
	"parley.chat/sdk/sdktest"
)

const password = "correct horse"

// probe is a running client and all it told.
type probe struct {
	*Client
	cancel context.CancelFunc
	ended  chan error

	mu   sync.Mutex
	seen []Update
	more chan struct{} // closed when seen grows
}

// login makes a client of the user that is not running.
func login(t *testing.T, f *sdktest.Server, user string, o Options) *Client {
	t.Helper()
	o.BaseURL = f.URL
	if o.MinBackoff == 0 {
		o.MinBackoff, o.MaxBackoff = time.Millisecond, 20*time.Millisecond
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	_, known, err := c.Resume(t.Context())
	if err == nil && !known {
		_, err = c.Register(t.Context(), rest.Register{Username: user, Password: password})
		if fault.Is(err, fault.UsernameTaken) {
			_, err = c.Login(t.Context(), rest.Login{Username: user, Password: password})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// join makes a client of the user and runs it until the test ends.
func join(t *testing.T, f *sdktest.Server, user string, o Options) *probe {
	t.Helper()
	p := &probe{Client: login(t, f, user, o), ended: make(chan error, 1), more: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	var wg sync.WaitGroup
	wg.Go(func() { p.ended <- p.Run(ctx) })
	wg.Go(func() { p.collect(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return p
}

func (p *probe) collect(ctx context.Context) {
	for {
		select {
		case u := <-p.Events():
			p.mu.Lock()
			p.seen = append(p.seen, u)
			close(p.more)
			p.more = make(chan struct{})
			p.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// until waits until the updates so far satisfy ok.
func (p *probe) until(t *testing.T, what string, ok func([]Update) bool) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		p.mu.Lock()
		done, more := ok(p.seen), p.more
		p.mu.Unlock()
		if done {
			return
		}
		select {
		case <-more:
		case <-timeout:
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Fatalf("no %s; texts %q; last of %d updates: %#v", what, texts(p.seen), len(p.seen), p.seen[max(0, len(p.seen)-3):])
		}
	}
}

func (p *probe) untilLive(t *testing.T, times int) {
	t.Helper()
	p.until(t, "live connection", func(us []Update) bool { return count(us, isLive) >= times })
}

func (p *probe) untilTexts(t *testing.T, want ...string) {
	t.Helper()
	p.until(t, "messages", func(us []Update) bool { return len(texts(us)) >= len(want) })
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := texts(p.seen); !slices.Equal(got, want) {
		t.Fatalf("messages %q, want %q", got, want)
	}
}

// stop ends Run and returns what it returned.
func (p *probe) stop(t *testing.T) error {
	t.Helper()
	p.cancel()
	return p.over(t)
}

func (p *probe) over(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("Run does not end")
		return errors.New("unreachable")
	}
}

func texts(us []Update) []string {
	var out []string
	for _, u := range us {
		if m, ok := u.(Message); ok {
			out = append(out, m.Content)
		}
	}
	return out
}

func count(us []Update, ok func(Update) bool) int {
	n := 0
	for _, u := range us {
		if ok(u) {
			n++
		}
	}
	return n
}

func isLive(u Update) bool {
	c, ok := u.(Connection)
	return ok && c.State == Live
}
