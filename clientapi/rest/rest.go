// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"parley.chat/clientapi/op"
)

// Authenticator tells whose access token it is; its faults are unauthenticated and token_expired.
type Authenticator interface {
	Authenticate(ctx context.Context, accessToken string) (op.Caller, error)
}

// Config is what the door is made of. Auth and Log are required.
type Config struct {
	Auth           Authenticator
	Routes         []Route
	Log            *slog.Logger
	Metrics        prometheus.Registerer // nil: nothing is measured
	TrustedProxies []netip.Prefix        // peers whose X-Forwarded-For is believed
	Requests       *op.Requests          // bounds what one user asks in all; nil: nobody is limited
	AtOnce         int                   // requests of one user under way, and of one address without a user; 0: no bound
	Away           func(error) bool      // errors that mean unavailable instead of internal; may be nil
}

type door struct {
	Config
	router  *chi.Mux
	seconds *prometheus.HistogramVec
	busy    busy
}

// New makes the handler of all routes. It panics on a malformed route table, which is a mistake of the program.
func New(cfg Config) http.Handler {
	d := &door{Config: cfg, router: chi.NewRouter()}
	if d.Away == nil {
		d.Away = func(error) bool { return false }
	}
	if cfg.Metrics != nil {
		d.seconds = requestSeconds(cfg.Metrics)
	}
	d.router.Use(d.observe)
	d.router.NotFound(d.notFound)
	d.router.MethodNotAllowed(d.methodNotAllowed)
	for _, rt := range cfg.Routes {
		rt.check()
		d.router.Method(rt.Method, rt.Path, d.serve(rt))
	}
	return d.router
}
