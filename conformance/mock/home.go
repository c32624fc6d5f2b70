// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Home is one homeserver of a Net. It is honest until a case says otherwise.
type Home struct {
	Name string
	Key  Key
	// Watch hears of every exchange; set it before anybody knows the name.
	Watch func(what, sent, got string)

	net      *Net
	listener net.Listener
	mu       sync.Mutex
	handlers map[string]Handler
	visits   []*Visit
	faults   []string
	nonces   map[string]bool
}

// Visit is a request that came to a homeserver.
type Visit struct {
	At         time.Time
	Proto, SNI string
	Request    *Request
	Origin     string // who signed it; "" if nobody did or the signature is not good
}

// Handler answers a request.
type Handler func(w http.ResponseWriter, v *Visit)

// Paths that need no signature.
const (
	WellKnownPath = "/.well-known/parley/server"
	KeysPath      = "/federation/v1/keys"
	PingPath      = "/federation/v1/ping"
)

func newHome(n *Net, name string) *Home {
	h := &Home{Name: name, Key: NewKey("m1"), net: n, handlers: map[string]Handler{}, nonces: map[string]bool{}}
	h.Handle(WellKnownPath, func(w http.ResponseWriter, _ *Visit) {
		Reply(w, Object{"serverName": name, "requestAuth": []any{Scheme}, "keys": Object{h.Key.ID: h.Key.Public()}})
	})
	h.Handle(KeysPath, func(w http.ResponseWriter, _ *Visit) {
		Reply(w, SignKeys(Keys(name, time.Now(), h.Key), h.Key))
	})
	h.Handle(PingPath, func(w http.ResponseWriter, _ *Visit) {
		Reply(w, Object{"serverName": name, "time": time.Now().UnixMilli()})
	})
	return h
}

// Reply answers 200 with an object.
func Reply(w http.ResponseWriter, o Object) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, Encode(o)) // Who asked is gone.
}

// Refuse answers with a problem.
func Refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, Encode(Object{"type": "/docs/errors#" + code, "title": code, "status": status, "code": code}))
}

// Handle says how a path is answered from now on.
func (h *Home) Handle(path string, f Handler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.handlers[path] = f
}

// Close lets nobody connect any more. Requests to its name find nobody.
func (h *Home) Close() {
	h.net.mu.Lock()
	delete(h.net.homes, h.Name)
	h.net.mu.Unlock()
	if h.listener != nil {
		_ = h.listener.Close()
	}
}

// Visits returns what came to a path, in order.
func (h *Home) Visits(path string) []*Visit {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*Visit
	for _, v := range h.visits {
		if at, _, _ := strings.Cut(v.Request.Target, "?"); at == path {
			out = append(out, v)
		}
	}
	return out
}

// Faults returns what was wrong with the requests of the server under test.
func (h *Home) Faults() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.faults)
}

// Fault notes something the server under test did wrong.
func (h *Home) Fault(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

const maxVisit = 8 << 20

func (h *Home) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxVisit))
	if err != nil {
		return // It broke off: nothing to answer.
	}
	v := &Visit{At: time.Now(), Proto: r.Proto, Request: &Request{Method: r.Method, Target: r.RequestURI, Host: r.Host, Body: body}}
	if r.TLS != nil {
		v.SNI = r.TLS.ServerName
	}
	for name, values := range r.Header {
		for _, value := range values {
			v.Request.Add(name, value)
		}
	}
	path := r.URL.Path
	isOpen := path == WellKnownPath || path == KeysPath
	if !isOpen {
		err = h.judge(v)
	}
	h.mu.Lock()
	h.visits = append(h.visits, v)
	f := h.handlers[path]
	h.mu.Unlock()
	watched := &watched{ResponseWriter: w}
	defer func() {
		if h.Watch != nil {
			h.Watch(h.Name, string(v.Request.Head(-1))+string(body), watched.text())
		}
	}()
	switch {
	case err != nil:
		h.Fault("%s %s of %s: %v", r.Method, r.RequestURI, r.RemoteAddr, err)
		Refuse(watched, http.StatusUnauthorized, "signature_invalid")
	case f == nil:
		Refuse(watched, http.StatusNotFound, "unknown_route")
	default:
		f(watched, v)
	}
}

// judge verifies a request and keeps its nonce.
func (h *Home) judge(v *Visit) error {
	origin, err := Judge(v.Request, h.Name, v.At, h.net.key)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	nonce := v.Request.Get("X-Parley-Nonce")
	if h.nonces[nonce] {
		return fmt.Errorf("the nonce %s came a second time", nonce)
	}
	h.nonces[nonce] = true
	v.Origin = origin
	return nil
}

// Signed returns what an honest request of this homeserver is signed with.
func (h *Home) Signed() Signed {
	return Signed{Key: h.Key, Origin: h.Name, Destination: h.net.Way.Name}
}

// Post sends an honest request with an object as its body.
func (h *Home) Post(ctx context.Context, path string, body Object) (*Answer, error) {
	return h.Send(ctx, h.Signed().Sign("POST", path, []byte(Encode(body))))
}

// Send sends a request to the server under test as it is.
func (h *Home) Send(ctx context.Context, r *Request) (*Answer, error) {
	a, err := h.net.Way.Send(ctx, r)
	if h.Watch != nil {
		got := fmt.Sprint("no answer: ", err)
		if err == nil {
			got = fmt.Sprintf("%d\n\n%s", a.Status, a.Body)
		}
		h.Watch(h.net.Way.Name, string(r.Head(len(r.Body)))+string(r.Body), got)
	}
	return a, err
}

// watched keeps the beginning of an answer for the record.
type watched struct {
	http.ResponseWriter
	status int
	body   []byte
}

const maxWatched = 16 << 10

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *watched) Write(raw []byte) (int, error) {
	if room := maxWatched - len(w.body); room > 0 {
		w.body = append(w.body, raw[:min(room, len(raw))]...)
	}
	return w.ResponseWriter.Write(raw)
}

// Unwrap lets http.ResponseController through.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watched) text() string {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	return fmt.Sprintf("%d\n\n%s", status, w.body)
}

// Value reads a body as JSON with the numbers as they are written, for looking at: nothing is checked.
func (v *Visit) Value() (map[string]any, error) {
	d := json.NewDecoder(strings.NewReader(string(v.Request.Body)))
	d.UseNumber()
	var out map[string]any
	err := d.Decode(&out)
	return out, err
}
