// SPDX-License-Identifier: Apache-2.0

package door

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley.chat/federation/auth"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Call is one verified request.
type Call struct {
	Origin  id.Server
	Body    []byte
	request *http.Request
}

// Path returns a named part of the route's pattern.
func (c *Call) Path(name string) string { return c.request.PathValue(name) }

// Query returns the first value of a query parameter, "" if there is none.
func (c *Call) Query(name string) string { return c.request.URL.Query().Get(name) }

// Handle does an operation and returns its answer, nil for {}, or a fault.
type Handle func(ctx context.Context, c *Call) (any, error)

// Route is one operation. The pattern is that of http.ServeMux without method and host.
type Route struct {
	Method, Pattern string
	Handle          Handle
}

// Config makes a door. Auth and Log are needed.
type Config struct {
	Auth   auth.RequestAuth
	Routes []Route
	Rates  Rates
	Log    *slog.Logger
	// Address is the client's, from the connection if nil.
	Address func(*http.Request) netip.Addr
	// Heard is told of every server whose request was verified; it does not block. May be nil.
	Heard func(id.Server)
	// Away tells errors that mean: the database is away.
	Away    func(error) bool
	Metrics prometheus.Registerer // nil: none
	Now     func() time.Time      // nil: the clock of the machine
}

// Bounds of what strangers may hold: a request is read and its signature checked before it is known whose it is.
const (
	bodyTime  = 30 * time.Second
	underWay  = 256
	pauseFull = time.Second
)

type door struct {
	c        Config
	slots    chan struct{} // one for each request under way
	limits   *limits
	requests *prometheus.CounterVec
}

// New returns the handler of everything below /federation/ that must be signed.
func New(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Address == nil {
		c.Address = peerAddress
	}
	if c.Away == nil {
		c.Away = func(error) bool { return false }
	}
	d := &door{c: c, slots: make(chan struct{}, underWay), limits: newLimits(c.Rates, c.Now)}
	d.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "parley_federation_requests_total", Help: "Requests of other servers, by route and code; code is empty for success.",
	}, []string{"route", "code"})
	if c.Metrics != nil {
		c.Metrics.MustRegister(d.requests)
	}
	mux := http.NewServeMux()
	for _, rt := range c.Routes {
		mux.HandleFunc(rt.Method+" "+rt.Pattern, func(w http.ResponseWriter, r *http.Request) { d.serve(w, r, rt) })
	}
	return d.guard(mux)
}

// guard answers everything that no route has as unknown_route: the mux would redirect an unclean path.
func (d *door) guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth.CheckTarget(r.Method, r.URL) != nil {
			d.problem(w, fault.New(fault.UnknownRoute, "no such resource"))
			return
		}
		if _, pattern := mux.Handler(r); pattern == "" {
			d.problem(w, fault.New(fault.UnknownRoute, "no such resource"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serve is the walk.
func (d *door) serve(w http.ResponseWriter, r *http.Request, rt Route) {
	start := d.c.Now()
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // A recorder of a test has none.
	who, out, err := d.walk(r, rt)
	code := fault.Code("")
	if err != nil {
		f := d.fault(err)
		code = f.Code
		d.problem(w, f)
	} else {
		d.answer(w, out)
	}
	d.requests.WithLabelValues(rt.Pattern, string(code)).Inc()
	level := slog.LevelInfo
	if err == nil || code == fault.RateLimited { // A flood must not fill the log too.
		level = slog.LevelDebug
	}
	d.c.Log.Log(r.Context(), level, "request of a server", slog.String("server", string(who)), slog.String("route", rt.Pattern),
		slog.String("code", string(code)), slog.Any("error", err), slog.Duration("took", d.c.Now().Sub(start)))
}

func (d *door) walk(r *http.Request, rt Route) (who id.Server, out any, err error) {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	default:
		return "", nil, fault.Retry(fault.Unavailable, pauseFull, "this server is busy with other servers")
	}
	from := d.c.Address(r)
	if err := d.limits.before(from); err != nil {
		return "", nil, err
	}
	v, err := d.c.Auth.Verify(r)
	if err != nil {
		if fault.Is(err, fault.SignatureInvalid) {
			d.limits.failed(from)
		}
		return "", nil, err
	}
	if err := d.limits.verified(v.Origin, len(v.Body)); err != nil {
		return v.Origin, nil, err
	}
	if d.c.Heard != nil {
		d.c.Heard(v.Origin)
	}
	out, err = rt.Handle(r.Context(), &Call{Origin: v.Origin, Body: v.Body, request: r})
	return v.Origin, out, err
}

// fault returns what is told. A database that is away is not our peer's mistake.
func (d *door) fault(err error) *fault.Error {
	if _, ok := errors.AsType[*fault.Error](err); !ok && (d.c.Away(err) || errors.Is(err, context.Canceled)) { // Or the peer gave up.
		return fault.New(fault.Unavailable, "this server cannot do that now").Because(err)
	}
	return fault.From(err)
}

func peerAddress(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified()
	}
	return a.Addr()
}
