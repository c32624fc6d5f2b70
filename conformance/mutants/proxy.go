// SPDX-License-Identifier: Apache-2.0

package mutants

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/coder/websocket"
)

// Hooks are where a mutant changes something; nil ones change nothing.
type Hooks struct {
	Request func(r *http.Request, body []byte) []byte            // before it goes to the server
	Instead func(r *http.Request, body []byte) *Answer           // an answer without asking the server, or nil
	Answer  func(r *http.Request, a *Answer)                     // on the way back
	Frame   func(fromServer bool, raw []byte) (out [][]byte)     // what to pass on in place of a frame
	Close   func(code websocket.StatusCode) websocket.StatusCode // of the server
}

// Answer is an answer of the server that can be changed.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Proxy is a wrong server in front of a right one.
type Proxy struct {
	upstream *url.URL
	hooks    Hooks
	mu       sync.Mutex // around every hook
}

// NewProxy stands in front of the server at an address like http://127.0.0.1:8080.
func NewProxy(upstream string, hooks Hooks) (*Proxy, error) {
	u, err := url.Parse(upstream)
	if err != nil {
		return nil, fmt.Errorf("read the address: %w", err)
	}
	return &Proxy{upstream: u, hooks: hooks}, nil
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		p.socket(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if a := p.before(r, &body); a != nil {
		a.write(w)
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	forward := &httputil.ReverseProxy{
		FlushInterval:  -1,
		Rewrite:        func(x *httputil.ProxyRequest) { x.SetURL(p.upstream); x.Out.ContentLength = int64(len(body)) },
		ModifyResponse: func(res *http.Response) error { return p.after(r, res) },
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	forward.ServeHTTP(w, r)
}

func (p *Proxy) before(r *http.Request, body *[]byte) *Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hooks.Instead != nil {
		if a := p.hooks.Instead(r, *body); a != nil {
			return a
		}
	}
	if p.hooks.Request != nil {
		*body = p.hooks.Request(r, *body)
	}
	return nil
}

func (p *Proxy) after(r *http.Request, res *http.Response) error {
	if p.hooks.Answer == nil || strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	a := &Answer{Status: res.StatusCode, Header: res.Header, Body: body}
	p.mu.Lock()
	p.hooks.Answer(r, a)
	p.mu.Unlock()
	res.StatusCode, res.Body, res.ContentLength = a.Status, io.NopCloser(bytes.NewReader(a.Body)), int64(len(a.Body))
	res.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	return nil
}

func (a *Answer) write(w http.ResponseWriter) {
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// socket opens a socket to the server first, so that a refusal goes back as it is.
func (p *Proxy) socket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	header := http.Header{}
	for _, name := range []string{"Authorization", "Origin", "Cookie"} {
		if v := r.Header.Values(name); len(v) > 0 {
			header[name] = v
		}
	}
	var offered []string
	for _, s := range strings.Split(r.Header.Get("Sec-WebSocket-Protocol"), ",") {
		if s = strings.TrimSpace(s); s != "" {
			offered = append(offered, s)
		}
	}
	up, res, err := websocket.Dial(ctx, p.upstream.String()+r.URL.RequestURI(), &websocket.DialOptions{HTTPHeader: header, Subprotocols: offered})
	if err != nil {
		refuse(w, res)
		return
	}
	defer func() { _ = up.CloseNow() }()
	down, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{up.Subprotocol()}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = down.CloseNow() }()
	up.SetReadLimit(-1)
	down.SetReadLimit(-1)
	go func() {
		defer cancel()
		_ = p.pump(ctx, up, down, false)
	}()
	err = p.pump(ctx, down, up, true)
	if code := websocket.CloseStatus(err); code > 0 {
		if p.hooks.Close != nil {
			code = p.hooks.Close(code)
		}
		_ = down.Close(code, "")
	}
}

func refuse(w http.ResponseWriter, res *http.Response) {
	if res == nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	body, _ := io.ReadAll(res.Body)
	res.Header.Del("Content-Length")
	(&Answer{Status: res.StatusCode, Header: res.Header, Body: body}).write(w)
}

// pump passes frames on until one side ends.
func (p *Proxy) pump(ctx context.Context, to, from *websocket.Conn, fromServer bool) error {
	for {
		kind, raw, err := from.Read(ctx)
		if err != nil {
			return err
		}
		out := [][]byte{raw}
		if p.hooks.Frame != nil {
			p.mu.Lock()
			out = p.hooks.Frame(fromServer, raw)
			p.mu.Unlock()
		}
		for _, f := range out {
			if err := to.Write(ctx, kind, f); err != nil {
				return errors.Join(err, ctx.Err())
			}
		}
	}
}
