// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// recorder remembers of an answer what the access line tells.
type recorder struct {
	http.ResponseWriter
	id     string
	client netip.Addr
	status int
	user   id.User
	code   fault.Code
}

func (w *recorder) note(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// WriteHeader passes the first status on; informational ones do not count.
func (w *recorder) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.note(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	w.note(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// Hijack hands the connection over; the access line reads 101.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.note(http.StatusSwitchingProtocols)
	}
	return conn, buf, err
}

// Unwrap lets http.ResponseController reach deadlines and Flush.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// hurry bounds the time for writing what follows, 0 for no bound: a client that does not read must not hold its answer.
func (w *recorder) hurry(d time.Duration) {
	var at time.Time
	if d > 0 {
		at = time.Now().Add(d)
	}
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(at) // A transport without deadlines has its own limits.
}

// observe is the outermost step: request id, headers, recovery, access line, measurement.
func (d *door) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, id: rand.Text(), client: d.client(r)}
		start := time.Now()
		defer d.finish(rec, r, start)
		setHeaders(rec.Header(), rec.id)
		if r.ContentLength != 0 { // Read lifts it again: a body that nobody reads, or that never ends, must not hold the connection.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
		}
		rec.hurry(0) // The connection may have one of an answer before.
		if isPreflight(r) {
			preflight(rec)
			return
		}
		next.ServeHTTP(rec, r)
	})
}

// finish turns a panic into internal, then writes the access line whatever happened.
func (d *door) finish(w *recorder, r *http.Request, start time.Time) {
	p := recover()
	err, _ := p.(error)
	abort := errors.Is(err, http.ErrAbortHandler)
	if p != nil && !abort {
		d.Log.Error("panic in a route", slog.String("request", w.id), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		w.code = fault.Internal
		if abort = w.status != 0; !abort {
			writeProblem(w, fault.New(fault.Internal, "internal error, reference %s", w.id))
		}
	}
	d.report(w, r, time.Since(start))
	if abort {
		panic(http.ErrAbortHandler)
	}
}

func (d *door) report(w *recorder, r *http.Request, took time.Duration) {
	route, method := "unmatched", "other"
	if pattern := chi.RouteContext(r.Context()).RoutePattern(); pattern != "" && w.code != fault.UnknownRoute {
		route = pattern
	}
	switch r.Method {
	case "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD":
		method = r.Method
	}
	if d.seconds != nil {
		d.seconds.WithLabelValues(method, route, strconv.Itoa(w.status)).Observe(took.Seconds())
	}
	d.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request", w.id), slog.String("method", method), slog.String("route", route), slog.Int("status", w.status),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("user", string(w.user)), slog.String("code", string(w.code)))
}

func requestSeconds(reg prometheus.Registerer) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "parley_rest_request_seconds",
		Help:    "Time from the head of a request to the end of its answer.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 30},
	}, []string{"method", "route", "status"})
	err := reg.Register(h)
	if have, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return have.ExistingCollector.(*prometheus.HistogramVec)
	}
	return h
}
