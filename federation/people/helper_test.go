// SPDX-License-Identifier: Apache-2.0

package people_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/federation/people"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

const (
	alice = id.User("alice@a.test")
	amy   = id.User("amy@a.test")
	bob   = id.User("bob@b.test")
	ben   = id.User("ben@b.test")
	ghost = id.User("ghost@b.test") // has no account
)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.UnixMilli(1_795_400_000_000)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// house is what a server knows of its users.
type house struct {
	mu       sync.Mutex
	profiles map[id.User]people.Profile
	closed   map[id.User]bool // to whom cannot be added
	online   map[id.User]bool
	hidden   map[[2]id.User]bool // viewer, seen
	previews int
	err      error
}

func newHouse(users ...id.User) *house {
	h := &house{profiles: map[id.User]people.Profile{}, closed: map[id.User]bool{}, online: map[id.User]bool{}, hidden: map[[2]id.User]bool{}}
	for _, u := range users {
		h.profiles[u] = people.Profile{DisplayName: "The " + u.Username(), AvatarURL: "https://" + string(u.Server()) + "/" + u.Username()}
	}
	return h
}

func (h *house) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *house) Profiles(_ context.Context, users []id.User) (map[id.User]people.Profile, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[id.User]people.Profile{}
	for _, u := range users {
		if p, ok := h.profiles[u]; ok {
			out[u] = p
		}
	}
	return out, h.err
}

func (h *house) MayAdd(_ context.Context, u, _ id.User) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.closed[u], h.err
}

func (h *house) Presence(_ context.Context, viewer id.User, users []id.User) (map[id.User]frame.Presence, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[id.User]frame.Presence{}
	for _, u := range users {
		if _, ok := h.profiles[u]; !ok {
			continue
		}
		out[u] = frame.Presence{UserID: string(u), Status: "offline", LastSeen: 60_000}
		switch {
		case h.hidden[[2]id.User{viewer, u}]:
			out[u] = frame.Presence{UserID: string(u), Status: "offline"}
		case h.online[u]:
			out[u] = frame.Presence{UserID: string(u), Status: "online"}
		}
	}
	return out, h.err
}

func (h *house) Preview(_ context.Context, viewer id.User, c id.Conversation, linkID, secret string) (rest.LinkPreview, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.previews++
	if linkID != "L" || secret != "S" {
		return rest.LinkPreview{}, fault.New(fault.LinkInvalid, "this is not an invite link")
	}
	return rest.LinkPreview{ConversationID: string(c), Name: "for " + string(viewer), MemberCount: 2}, nil
}

// wire joins servers within the process: what one asks, the other answers. It counts, and can be cut.
type wire struct {
	self id.Server

	mu      sync.Mutex
	to      map[id.Server]func(path string, origin id.Server, body []byte) (any, error)
	asked   []string
	cut     bool
	refused *fault.Error
	hold    chan struct{} // nil: nothing waits
	twist   func(path string, answer []byte) []byte
}

func newWire(self id.Server) *wire {
	return &wire{self: self, to: map[id.Server]func(string, id.Server, []byte) (any, error){}}
}

func (w *wire) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

func (w *wire) Call(ctx context.Context, to id.Server, path string, in, out any) error {
	w.mu.Lock()
	w.asked = append(w.asked, path)
	do, cut, refused, hold, twist := w.to[to], w.cut, w.refused, w.hold, w.twist
	w.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch {
	case cut:
		return errors.New("connection refused")
	case refused != nil:
		return refused
	case do == nil:
		return fault.New(fault.UnknownUser, "there is no such server")
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := do(path, w.self, body)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	if twist != nil {
		raw = twist(path, raw)
	}
	return json.Unmarshal(raw, out)
}

// serve makes the operations of answers reachable as a server.
func (w *wire) serve(as id.Server, a *people.Answers) {
	ctx := context.Background()
	w.set(func() {
		w.to[as] = func(path string, origin id.Server, body []byte) (any, error) {
			switch path {
			case replica.UsersPath:
				return a.Users(ctx, origin, body)
			case replica.InvitesPath:
				return a.Invites(ctx, origin, body)
			case replica.PresencePath:
				return a.Presence(ctx, origin, body)
			case replica.LinksPath:
				return a.Links(ctx, origin, body)
			}
			return nil, fault.New(fault.UnknownRoute, "no such resource")
		}
	})
}

// pair is server a.test that asks, and b.test that answers.
type pair struct {
	*people.Directory
	wire    *wire
	house   *house
	answers *people.Answers
	clock   *clock
}

func newPair(t *testing.T, rates people.Rates) *pair {
	t.Helper()
	p := &pair{wire: newWire("a.test"), house: newHouse(bob, ben), clock: newClock()}
	p.answers = people.NewAnswers(people.AnswerOptions{Self: "b.test", Local: p.house, Rates: rates, Now: p.clock.now})
	p.wire.serve("b.test", p.answers)
	p.Directory = people.NewDirectory(people.Options{Self: "a.test", Caller: p.wire, Now: p.clock.now})
	return p
}

func wantCode(t *testing.T, what string, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not come true: %s", what)
		}
	}
}
