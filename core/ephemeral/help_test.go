// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/fanout"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const (
	alice = id.User("alice@a")
	bob   = id.User("bob@a")
	carol = id.User("carol@a")
	ghost = id.User("ghost@a") // has no account
)

// world is a Presence that runs in a bubble, with everything around it.
type world struct {
	*Presence
	t     *testing.T
	out   *wire
	store *shelf
	rules *law
	end   func() // ends Run and waits
}

// wire is where frames go; full says that there is no room.
type wire struct {
	mu     sync.Mutex
	full   bool
	passed []fanout.Passing
}

func (w *wire) Tell(p fanout.Passing) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full {
		return false
	}
	w.passed = append(w.passed, p)
	return true
}

func (w *wire) setFull(full bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.full = full
}

// take returns what came since the last call, a line for each frame.
func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, p := range w.passed {
		var f struct {
			Type string
			Data json.RawMessage
		}
		if err := json.Unmarshal(p.Frame.Payload(), &f); err != nil {
			panic(err)
		}
		out = append(out, fmt.Sprintf("%v%v %s", p.To, p.Only, f.Data))
	}
	w.passed = nil
	return out
}

// shelf is a store.
type shelf struct {
	mu     sync.Mutex
	rows   map[id.User]int64
	err    error
	writes int
	slow   time.Duration
}

func (s *shelf) LastSeen(_ context.Context, users []id.User) (map[id.User]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[id.User]int64{}
	for _, u := range users {
		if at, ok := s.rows[u]; ok {
			out[u] = at
		}
	}
	return out, s.err
}

func (s *shelf) TouchUsers(_ context.Context, seen map[id.User]int64) error {
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.err != nil {
		return s.err
	}
	for u, at := range seen {
		if before, ok := s.rows[u]; ok {
			s.rows[u] = max(before, at)
		}
	}
	return nil
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) row(u id.User) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[u]
}

// law lets everybody see everybody but those pairs that it names.
type law struct {
	mu   sync.Mutex
	some map[[2]id.User]Sight // viewer, seen
	deaf map[id.User]bool
	err  error
}

func (l *law) Sights(ctx context.Context, viewer id.User, of []id.User) ([]Sight, error) {
	out, _ := Everyone{}.Sights(ctx, viewer, of)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, u := range of {
		if s, ok := l.some[[2]id.User{viewer, u}]; ok {
			out[i] = s
		}
	}
	return out, l.err
}

func (l *law) Hears(_ context.Context, _ id.User, _ id.Conversation, members []id.User) ([]id.User, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(members), func(u id.User) bool { return l.deaf[u] }), l.err
}

func (l *law) set(viewer, of id.User, s Sight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.some[[2]id.User{viewer, of}] = s
}

func (l *law) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

var errAway = errors.New("away")

// within runs f in a bubble with a Presence that runs; the bubble's time begins at a full minute.
func within(t *testing.T, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, out: &wire{}, store: &shelf{rows: map[id.User]int64{alice: 0, bob: 0, carol: 0}},
			rules: &law{some: map[[2]id.User]Sight{}, deaf: map[id.User]bool{}},
		}
		w.Presence = New(Options{Out: w.out, Store: w.store, Rules: w.rules})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		w.end = sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("run: %v", err)
			}
		})
		defer w.end()
		f(w)
	})
}

// after lets time pass and everything settle.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// told demands exactly these frames since the last look.
func (w *world) told(want ...string) {
	w.t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, w.out.take()); diff != "" {
		w.t.Errorf("frames (-want +got):\n%s", diff)
	}
}

func (w *world) watches(c *Connection, users ...id.User) {
	w.t.Helper()
	if err := c.Watch(w.t.Context(), users, nil, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) sees(viewer, of id.User, status string, seen int64) {
	w.t.Helper()
	got, err := w.Get(w.t.Context(), viewer, of)
	want := frame.Presence{UserID: string(of), Status: status, LastSeen: seen}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		w.t.Errorf("%s sees %s, %v: %s", viewer, of, err, diff)
	}
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("the error is %v, want %s", err, code)
	}
}

func line(session string, viewer id.User, data string) string {
	return fmt.Sprintf("[%s][%s] %s", viewer, session, data)
}

func online(u id.User) string { return fmt.Sprintf(`{"userId":%q,"status":"online"}`, string(u)) }

func offline(u id.User, seen int64) string {
	if seen == 0 {
		return fmt.Sprintf(`{"userId":%q,"status":"offline"}`, string(u))
	}
	return fmt.Sprintf(`{"userId":%q,"status":"offline","lastSeen":%d}`, string(u), seen)
}

func minute() int64 { return coarse(time.Now().UnixMilli()) }

func (p *Presence) people() int {
	n := 0
	for i := range p.shards {
		p.shards[i].mu.Lock()
		n += len(p.shards[i].users)
		p.shards[i].mu.Unlock()
	}
	return n
}

func (w *wheel) places() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for users := range maps.Values(w.at) {
		n += len(users)
	}
	return n
}
