// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"parley.chat/protocol/fault"
	wire "parley.chat/protocol/rest"
)

// statusGone is what the log says of a client that left before the answer.
const statusGone = 499

// defaultRetry is sent with every rate_limited, unavailable and draining that names no delay itself.
const defaultRetry = time.Second

// Encode writes v as the API's JSON: empty lists as [], fields marked omitempty left out when they are zero.
func Encode(v any) ([]byte, error) {
	return json.Marshal(v, jsonv1.OmitEmptyWithLegacySemantics(true))
}

func (d *door) answer(w *recorder, r *http.Request, status int, out any) {
	w.hurry(writeTime)
	if status == http.StatusNoContent || status == http.StatusAccepted && out == nil {
		w.WriteHeader(status)
		return
	}
	body, err := Encode(out)
	if err != nil {
		d.problem(w, r, fmt.Errorf("encode the answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // The client is gone; nothing was promised to it.
}

// problem answers with a fault. After the first byte of an answer it can only cut the connection.
func (d *door) problem(w *recorder, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		w.note(statusGone)
		return
	}
	f := d.fault(w, err)
	w.code = f.Code
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	w.hurry(writeTime)
	writeProblem(w, f)
}

// fault finds what the client may know of err, and logs what only the operator may.
func (d *door) fault(w *recorder, err error) *fault.Error {
	f := fault.From(err)
	if f.Code == fault.Internal && (d.Away(err) || errors.Is(err, context.DeadlineExceeded)) {
		f = fault.New(fault.Unavailable, "the server cannot do this now").Because(err)
	}
	info := fault.Lookup(f.Code)
	if info.Status >= http.StatusInternalServerError && f.Unwrap() != nil {
		level := slog.LevelError
		if f.Code == fault.ServerUnreachable || f.Code == fault.HubUnavailable { // Nothing is amiss here.
			level = slog.LevelInfo
		}
		d.Log.Log(context.Background(), level, "request not served", slog.String("request", w.id), slog.String("code", string(f.Code)), slog.Any("error", err))
	}
	if f.Code == fault.Internal {
		return fault.New(fault.Internal, "internal error, reference %s", w.id)
	}
	return f
}

func writeProblem(w http.ResponseWriter, f *fault.Error) {
	info := fault.Lookup(f.Code)
	after := f.RetryAfter
	if after <= 0 && (info.Status == http.StatusTooManyRequests || info.Status == http.StatusServiceUnavailable) {
		after = defaultRetry
	}
	p := wire.Problem{
		Type: "/docs/errors#" + string(f.Code), Title: info.Meaning, Status: info.Status, Detail: f.Message,
		Code: string(f.Code), Field: f.Field, RetryAfterMs: roundUp(after, time.Millisecond),
	}
	h := w.Header()
	if after > 0 {
		h.Set("Retry-After", strconv.FormatInt(roundUp(after, time.Second), 10))
	}
	if info.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="parley"`)
	}
	h.Set("Content-Type", "application/problem+json")
	body, err := Encode(p)
	if err != nil { // A detail that is not UTF-8 must not cost the client its code.
		p.Detail, p.Field = strings.ToValidUTF8(p.Detail, "\uFFFD"), strings.ToValidUTF8(p.Field, "\uFFFD")
		body, _ = Encode(p)
	}
	w.WriteHeader(info.Status)
	_, _ = w.Write(body)
}

func roundUp(d, step time.Duration) int64 { return int64((d + step - 1) / step) }

func (d *door) notFound(w http.ResponseWriter, r *http.Request) {
	d.problem(w.(*recorder), r, fault.New(fault.UnknownRoute, "no such resource"))
}

func (d *door) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allowed := d.allowed(r)
	if len(allowed) == 0 {
		d.notFound(w, r) // The router answers so for a method it has never heard of, whatever the path.
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	d.problem(w.(*recorder), r, fault.New(fault.MethodNotAllowed, "the resource knows %s", strings.Join(allowed, ", ")))
}

func (d *door) allowed(r *http.Request) []string {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	var out []string
	for _, m := range [...]string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if d.router.Match(chi.NewRouteContext(), m, path) {
			out = append(out, m)
		}
	}
	return out
}
