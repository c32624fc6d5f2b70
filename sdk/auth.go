// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/rest"
)

const refreshAttempts = 4

// auth holds the session and the one turn to refresh it.
type auth struct {
	session atomic.Pointer[Session]
	turn    chan struct{}
}

// fresh returns the session with an access token that lives a little longer.
func (c *Client) fresh(ctx context.Context) (*Session, error) {
	s := c.auth.session.Load()
	if s == nil {
		return nil, errNoSession
	}
	margin := min(s.ExpiresAt.Sub(s.IssuedAt)/5, time.Minute)
	if time.Now().Before(s.ExpiresAt.Add(-margin)) {
		return s, nil
	}
	next, err := c.refresh(ctx, s)
	if err != nil && !SessionEnded(err) && ctx.Err() == nil && time.Now().Before(s.ExpiresAt) {
		return s, nil // The old one still does; the next call tries again.
	}
	return next, err
}

// refresh replaces the session old. Callers queue for the turn, and who finds the session replaced takes the new one.
func (c *Client) refresh(ctx context.Context, old *Session) (*Session, error) {
	select {
	case c.auth.turn <- struct{}{}:
		defer func() { <-c.auth.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s := c.auth.session.Load(); s != old {
		if s == nil {
			return nil, errNoSession
		}
		return s, nil
	}
	answer, err := c.askRefresh(ctx, old.RefreshToken)
	if err != nil {
		return nil, err
	}
	next := sessionOf(answer, time.Now())
	// The old refresh token ends when the new access token is first used: so store before use.
	if err := c.store.Update(context.WithoutCancel(ctx), func(st *State) { st.Session = next }); err != nil {
		c.log.WarnContext(ctx, "refreshed session not stored", "error", err)
	}
	// A logout meanwhile wins.
	if !c.auth.session.CompareAndSwap(old, next) {
		return nil, errNoSession
	}
	return next, nil
}

// askRefresh repeats with the same token while the answer does not arrive: the server keeps the old one valid until
// the new one is used.
func (c *Client) askRefresh(ctx context.Context, token string) (rest.Session, error) {
	pauses := backoff{low: c.opts.MinBackoff, high: c.opts.MaxBackoff}
	for attempt := 1; ; attempt++ {
		var answer rest.Session
		err := c.exchange(ctx, http.MethodPost, "/api/v1/refresh", "", rest.Refresh{RefreshToken: token}, &answer)
		if err == nil {
			return answer, nil
		}
		if retryRule(err) != retryLater || attempt == refreshAttempts || ctx.Err() != nil {
			return rest.Session{}, fmt.Errorf("refresh: %w", err)
		}
		if err := pause(ctx, max(pauses.next(), waitOf(err))); err != nil {
			return rest.Session{}, fmt.Errorf("refresh: %w", err)
		}
	}
}

func sessionOf(a rest.Session, now time.Time) *Session {
	return &Session{
		UserID: a.UserID, DeviceID: a.DeviceID, AccessToken: a.AccessToken, RefreshToken: a.RefreshToken,
		IssuedAt: now, ExpiresAt: now.Add(time.Duration(a.ExpiresIn) * time.Second),
	}
}

// SessionEnded tells of an error of any call, or of Run, that only logging in again helps.
func SessionEnded(err error) bool {
	var f *fault.Error
	if errors.Is(err, errNoSession) {
		return true
	}
	if !errors.As(err, &f) {
		return false
	}
	switch f.Code {
	case fault.RefreshInvalid, fault.DeviceRemoved, fault.AccountDeactivated, fault.Unauthenticated:
		return true
	}
	return false
}
