// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// Register makes an account and logs this client in as its first device.
func (c *Client) Register(ctx context.Context, in rest.Register) (Session, error) {
	return c.enter(ctx, "/api/v1/register", in)
}

// Login logs in. A DeviceID keeps that device; if it is the one in the store, its cursor and outbox stay too.
func (c *Client) Login(ctx context.Context, in rest.Login) (Session, error) {
	return c.enter(ctx, "/api/v1/login", in)
}

func (c *Client) enter(ctx context.Context, path string, in any) (Session, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var answer rest.Session
	if err := c.exchange(ctx, http.MethodPost, path, "", in, &answer); err != nil {
		return Session{}, err
	}
	s := sessionOf(answer, time.Now())
	var queued []frame.Send
	err := c.store.Update(ctx, func(st *State) {
		// A cursor belongs to a user and tempIds to a device: another device begins with nothing.
		if old := st.Session; old == nil || old.UserID != s.UserID || old.DeviceID != s.DeviceID {
			*st = State{}
		}
		st.Session = s
		queued = append(queued, st.Outbox...)
	})
	if err != nil {
		return Session{}, fmt.Errorf("store session: %w", err)
	}
	c.auth.session.Store(s)
	c.outbox.restore(queued)
	return *s, nil
}

// Resume takes the session from the store. It does no call: a session that ended meanwhile shows at the first one.
// It answers false if there is none.
func (c *Client) Resume(ctx context.Context) (Session, bool, error) {
	st, err := c.store.Load(ctx)
	if err != nil {
		return Session{}, false, fmt.Errorf("load session: %w", err)
	}
	if st.Session == nil {
		return Session{}, false, nil
	}
	c.auth.session.Store(st.Session)
	c.outbox.restore(st.Outbox)
	return *st.Session, true, nil
}

// Session returns the session in use, and false before there is one.
func (c *Client) Session() (Session, bool) {
	s := c.auth.session.Load()
	if s == nil {
		return Session{}, false
	}
	return *s, true
}

// Logout ends the session on the server and forgets everything stored. It forgets also if the server says the session
// ended before; on any other error nothing changes.
func (c *Client) Logout(ctx context.Context) error {
	if err := c.call(ctx, http.MethodPost, "/api/v1/logout", nil, nil); err != nil && !SessionEnded(err) {
		return err
	}
	c.auth.session.Store(nil)
	c.outbox.restore(nil)
	return c.store.Update(ctx, func(st *State) { *st = State{} })
}

// Devices lists the devices of the account.
func (c *Client) Devices(ctx context.Context) ([]rest.Device, error) {
	var out rest.Devices
	err := c.call(ctx, http.MethodGet, "/api/v1/devices", nil, &out)
	return out.Devices, err
}

// RemoveDevice logs a device out and removes it.
func (c *Client) RemoveDevice(ctx context.Context, deviceID string) error {
	return c.call(ctx, http.MethodDelete, "/api/v1/devices/"+url.PathEscape(deviceID), nil, nil)
}

// ChangePassword changes the password of the account.
func (c *Client) ChangePassword(ctx context.Context, in rest.ChangePassword) error {
	return c.call(ctx, http.MethodPost, "/api/v1/users/me/password", in, nil)
}

// Me returns the own profile.
func (c *Client) Me(ctx context.Context) (rest.Profile, error) {
	var out rest.Profile
	err := c.call(ctx, http.MethodGet, "/api/v1/users/me", nil, &out)
	return out, err
}

// EditProfile changes the own profile and returns it.
func (c *Client) EditProfile(ctx context.Context, in rest.EditProfile) (rest.Profile, error) {
	var out rest.Profile
	err := c.call(ctx, http.MethodPut, "/api/v1/users/me", in, &out)
	return out, err
}

// Profile returns what another user shows.
func (c *Client) Profile(ctx context.Context, userID string) (rest.Profile, error) {
	var out rest.Profile
	err := c.call(ctx, http.MethodGet, "/api/v1/users/"+url.PathEscape(userID), nil, &out)
	return out, err
}
