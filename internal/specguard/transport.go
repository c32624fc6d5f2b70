// SPDX-License-Identifier: Apache-2.0

package specguard

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"testing"
)

// Transport returns a transport that passes requests to next and reports to t every request and answer that breaks the
// law. The answer's body can be read as usual. Safe for use by several goroutines as far as next is.
func Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	return &guard{t: t, next: next, law: theLaw()}
}

type guard struct {
	t    testing.TB
	next http.RoundTripper
	law  *law
}

// exchange is one request and its answer, as far as the guard reads them.
type exchange struct {
	req      *http.Request
	sent     []byte
	res      *http.Response
	received []byte
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if unguarded(req) {
		return g.next.RoundTrip(req)
	}
	x := exchange{req: req}
	var err error
	if x.req, x.sent, err = takeBody(req); err != nil {
		return nil, err
	}
	if x.res, err = g.next.RoundTrip(x.req); err != nil {
		return nil, err
	}
	if passes(x.res) {
		return x.res, nil
	}
	if err := x.readResponse(); err != nil {
		return nil, err
	}
	for _, finding := range g.law.check(x) {
		g.t.Errorf("specguard: %s %s answered %d: %s\nrequest: %s\nbody: %s",
			req.Method, req.URL.Path, x.res.StatusCode, finding, excerpt(x.sent), excerpt(x.received))
	}
	return x.res, nil
}

// unguarded tells whether a request is about pages or numbers for people, or only asks what a browser may ask.
func unguarded(req *http.Request) bool {
	p := req.URL.Path
	return req.Method == http.MethodOptions || p == "/metrics" || p == "/docs" || strings.HasPrefix(p, "/docs/") || strings.HasPrefix(p, "/debug/")
}

// passes tells whether an answer is a protocol upgrade or an event stream, which must not be read to its end.
func passes(res *http.Response) bool {
	return res.StatusCode == http.StatusSwitchingProtocols || mediaType(res.Header) == "text/event-stream"
}

// takeBody reads the request's body and returns a copy of the request with the same body, since a RoundTripper must
// not change its request.
func takeBody(req *http.Request) (*http.Request, []byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil, nil
	}
	raw, err := io.ReadAll(req.Body)
	_ = req.Body.Close()
	if err != nil {
		return nil, nil, fmt.Errorf("read request: %w", err)
	}
	c := req.Clone(req.Context())
	c.Body = io.NopCloser(bytes.NewReader(raw))
	return c, raw, nil
}

func (x *exchange) readResponse() error {
	raw, err := io.ReadAll(x.res.Body)
	_ = x.res.Body.Close()
	if err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	x.received = raw
	x.res.Body = io.NopCloser(bytes.NewReader(raw))
	return nil
}

func mediaType(h http.Header) string {
	m, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return h.Get("Content-Type")
	}
	if c, ok := params["charset"]; ok && !strings.EqualFold(c, "utf-8") {
		return h.Get("Content-Type")
	}
	return m
}

func excerpt(b []byte) string {
	const most = 2000
	if len(b) > most {
		return fmt.Sprintf("%s… (%d bytes)", b[:most], len(b))
	}
	return string(b)
}
