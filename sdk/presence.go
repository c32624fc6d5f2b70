// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// Presence tells the state of a user whom Watch named: first as it is, then what changed.
type Presence struct{ frame.Presence }

// Typing tells that a member writes, or no more. Take it for ended after TypingTTL without another one, and with a message of
// that member.
type Typing struct{ frame.Typing }

func (Presence) update() {}
func (Typing) update()   {}

// TypingTTL is how long a Typing stands.
const TypingTTL = 3 * time.Second

const (
	beatEvery   = 30 * time.Second
	renewEvery  = 60 * time.Second // of subscriptions, whose lease is twice as long
	typingEvery = 2 * time.Second
	maxWatched  = 100
)

// moment is what Run says of the moment: that the user is there, whom to watch, where the user types.
type moment struct {
	mu     sync.Mutex
	quiet  bool // never says online by itself
	away   bool
	said   bool                 // away or online was told on this connection
	beatAt time.Time            // of the next heartbeat
	watch  map[string]time.Time // user: when to subscribe anew, zero for at once
	drop   []string             // users to unsubscribe from
	typing map[string]*typed    // by conversation
	wake   chan struct{}
}

// typed is where the user types: what is to be told, and when it was told last.
type typed struct {
	on, due bool
	at      time.Time
}

func newMoment(quiet bool, wake chan struct{}) *moment {
	return &moment{quiet: quiet, watch: map[string]time.Time{}, typing: map[string]*typed{}, wake: wake}
}

// reconnected has everything told again: a new connection knows nothing of it.
func (m *moment) reconnected() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said, m.beatAt, m.drop = false, time.Time{}, nil
	clear(m.typing)
	for u := range m.watch {
		m.watch[u] = time.Time{}
	}
}

// next returns a frame to write now. Without one it tells how long until there may be.
func (m *moment) next(now time.Time) (string, any, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for conv, t := range m.typing {
		if t.due {
			t.due = false
			on := t.on
			return frame.TypingFrame, frame.TypingRequest{ConversationID: conv, IsTyping: &on}, 0
		}
		if now.Sub(t.at) > TypingTTL {
			delete(m.typing, conv)
		}
	}
	return m.presence(now)
}

// presence makes a presence frame of all that is due; the caller holds mu. While the user is away, or quiet, each frame says so,
// because a frame alone would mean online.
func (m *moment) presence(now time.Time) (string, any, time.Duration) {
	hidden := m.away || m.quiet
	in := frame.PresenceRequest{Unsubscribe: m.drop}
	wait := time.Hour
	for u, at := range m.watch {
		if !now.Before(at) {
			in.Subscribe = append(in.Subscribe, u)
			m.watch[u] = now.Add(renewEvery)
		}
		wait = min(wait, m.watch[u].Sub(now))
	}
	due := len(in.Subscribe)+len(in.Unsubscribe) > 0 || hidden && !m.said && m.away
	if !hidden {
		due = due || !now.Before(m.beatAt)
		wait = min(wait, m.beatAt.Sub(now))
	}
	if !due {
		return "", nil, max(wait, 0)
	}
	in.Heartbeat = !hidden
	if hidden {
		in.Status = "offline"
	}
	slices.Sort(in.Subscribe)
	m.drop, m.said, m.beatAt = nil, true, now.Add(beatEvery)
	return frame.PresenceFrame, in, 0
}

// Watch has the presence of users told in Events while Run is live, until Unwatch: for those the user of the application looks at.
// It returns at once. At most 100 users can be watched, and all have to exist.
func (c *Client) Watch(userIDs ...string) error {
	m := c.moment
	m.mu.Lock()
	defer m.mu.Unlock()
	all := maps.Clone(m.watch)
	for _, u := range userIDs {
		all[u] = time.Time{}
	}
	if len(all) > maxWatched {
		return fault.New(fault.TooManySubscriptions, "at most %d users can be watched", maxWatched)
	}
	m.watch = all
	poke(m.wake)
	return nil
}

// Unwatch ends Watch for the users. It returns at once.
func (c *Client) Unwatch(userIDs ...string) {
	m := c.moment
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range userIDs {
		if _, ok := m.watch[u]; ok {
			delete(m.watch, u)
			if len(m.drop) < maxWatched {
				m.drop = append(m.drop, u)
			}
		}
	}
	poke(m.wake)
}

// SetOnline tells whether the user is at the application. Run says online by itself, unless Options.Quiet is set; call it with false
// when the application goes to the background.
func (c *Client) SetOnline(online bool) {
	m := c.moment
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away, m.quiet, m.said, m.beatAt = !online, m.quiet && !online, false, time.Time{}
	poke(m.wake)
}

// Typing tells the members that the user writes, or no more. Call it as often as a key is pressed: what is told is told again every
// two seconds at most. It returns at once and is lost while not connected.
func (c *Client) Typing(conversationID string, isTyping bool) {
	m, now := c.moment, time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.typing[conversationID]
	switch {
	case t == nil && !isTyping:
		return
	case t == nil:
		t = &typed{}
		m.typing[conversationID] = t
	case t.on == isTyping && now.Sub(t.at) < typingEvery:
		return
	}
	t.on, t.due, t.at = isTyping, true, now
	poke(m.wake)
}

// PresenceOf reads what the user may see of another now.
func (c *Client) PresenceOf(ctx context.Context, userID string) (frame.Presence, error) {
	var out frame.Presence
	err := c.call(ctx, http.MethodGet, "/api/v1/users/"+url.PathEscape(userID)+"/presence", nil, &out)
	if err != nil {
		return out, fmt.Errorf("presence of %s: %w", userID, err)
	}
	return out, nil
}

func (c *conn) present(ctx context.Context, p frame.Presence) error {
	return c.c.emit(ctx, Presence{p})
}

func (c *conn) typed(ctx context.Context, t frame.Typing) error { return c.c.emit(ctx, Typing{t}) }
