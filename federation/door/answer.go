// SPDX-License-Identifier: Apache-2.0

package door

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/rest"
)

// defaultRetry is when to try again if a fault that passes does not say so.
const defaultRetry = time.Second

func (d *door) answer(w http.ResponseWriter, out any) {
	if out == nil {
		out = struct{}{}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		d.problem(w, fault.New(fault.Internal, "internal error"))
		return
	}
	head(w, "application/json")
	_, _ = w.Write(raw) // The peer is gone; it asks again.
}

func (d *door) problem(w http.ResponseWriter, f *fault.Error) { WriteProblem(w, f) }

// WriteProblem answers with a fault of the catalogue.
func WriteProblem(w http.ResponseWriter, f *fault.Error) {
	info := fault.Lookup(f.Code)
	p := rest.Problem{Type: "/docs/errors#" + string(f.Code), Title: info.Meaning, Status: info.Status, Detail: f.Message, Code: string(f.Code), Field: f.Field}
	after := f.RetryAfter
	if after <= 0 && (info.Status == http.StatusTooManyRequests || info.Status == http.StatusServiceUnavailable) {
		after = defaultRetry
	}
	if after > 0 {
		p.RetryAfterMs = int64((after + time.Millisecond - 1) / time.Millisecond)
		w.Header().Set("Retry-After", strconv.FormatInt(int64((after+time.Second-1)/time.Second), 10))
	}
	if info.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Signature realm="parley"`)
	}
	raw, err := json.Marshal(p)
	if err != nil { // A detail that is not UTF-8.
		p.Detail, p.Field = "", ""
		raw, _ = json.Marshal(p)
	}
	head(w, "application/problem+json")
	w.WriteHeader(info.Status)
	_, _ = w.Write(raw)
}

func head(w http.ResponseWriter, media string) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}
