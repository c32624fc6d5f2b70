// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-chi/chi/v5"

	"parley.chat/clientapi/op"
)

// Route is one row of the table. Exactly one of Handle and Stream is set.
type Route struct {
	Method string
	Path   string // chi pattern, as /api/v1/devices/{deviceId}
	Auth   bool   // an access token is required; Call.Caller is set
	Status int    // of a good answer; 204 has no body
	Handle Handle
	// Stream writes the answer itself (SSE, upgrade). An error it returns before writing becomes a problem.
	Stream func(c *Call, w http.ResponseWriter) error
	// Timeout ends the request's context; 0 means 30 s for Handle and none for Stream.
	Timeout time.Duration
	// Waits marks routes that a device keeps open: they are bounded by device.
	Waits bool
}

// Handle answers a request with a value that is sent as JSON, or with a fault. Make it with Body if there is a body.
type Handle func(*Call) (any, error)

const defaultTimeout = 30 * time.Second

func (rt Route) check() {
	if (rt.Handle == nil) == (rt.Stream == nil) || (rt.Handle != nil && rt.Status == 0) {
		panic(fmt.Sprintf("rest: route %s %s is incomplete", rt.Method, rt.Path))
	}
}

func (rt Route) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	switch {
	case rt.Timeout > 0:
		return context.WithTimeout(ctx, rt.Timeout)
	case rt.Stream != nil:
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, defaultTimeout)
}

// Call is one request as a route sees it.
type Call struct {
	Caller op.Caller  // who asks; zero on routes without Auth
	Client netip.Addr // where from; the zero address if unknown
	r      *http.Request
	w      *recorder
	status int
	leave  func()
}

// Context ends when the client goes away or the route's time is over.
func (c *Call) Context() context.Context { return c.r.Context() }

// Request is the request itself, for routes that stream. Its body has been neither read nor limited.
func (c *Call) Request() *http.Request { return c.r }

// Param returns a path parameter, percent-decoded once.
func (c *Call) Param(name string) string {
	s := chi.URLParam(c.r, name)
	if c.r.URL.RawPath == "" {
		return s // Routed by the decoded path already.
	}
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// Header returns a request header.
func (c *Call) Header(name string) string { return c.r.Header.Get(name) }

// accepted answers 202 instead of the route's status for what the hub has not ordered yet. spec: MSG-ACK-2
func (c *Call) accepted(isAccepted bool, err error) (any, error) {
	if isAccepted {
		c.Status(http.StatusAccepted)
	}
	return nil, err
}

// Status replaces the route's status of a good answer.
func (c *Call) Status(status int) { c.status = status }

func (d *door) serve(rt Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := rt.limit(r.Context())
		defer cancel()
		rec := w.(*recorder)
		c := &Call{Client: rec.client, r: r.WithContext(ctx), w: rec, status: rt.Status}
		defer func() {
			if c.leave != nil {
				c.leave()
			}
		}()
		out, err := d.run(rt, c)
		switch {
		case err != nil:
			d.problem(rec, r, err)
		case rt.Handle != nil:
			d.answer(rec, r, c.status, out)
		}
	}
}

func (d *door) run(rt Route, c *Call) (any, error) {
	if err := d.authenticate(rt, c); err != nil {
		return nil, err
	}
	if rt.Auth {
		if err := d.Requests.Request(c.Caller); err != nil {
			return nil, err
		}
	}
	var err error
	if c.leave, err = d.occupy(rt, c); err != nil {
		return nil, err
	}
	if rt.Stream != nil {
		return nil, rt.Stream(c, c.w)
	}
	return rt.Handle(c)
}
