// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const maxAnswer = 8 << 20

// Server is a homeserver by its address, with the law it is held against. It is read-only.
type Server struct {
	base *url.URL
	law  *Law
	http *http.Client
}

// NewServer takes an address like https://chat.example.
func NewServer(address string, law *Law) (*Server, error) {
	u, err := url.Parse(strings.TrimRight(address, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is not the address of a server, like https://chat.example", address)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	transport.DisableCompression = true
	return &Server{base: u, law: law, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// URL returns the address, without a slash at the end.
func (s *Server) URL() string { return s.base.String() }

// Law returns the law the server is held against.
func (s *Server) Law() *Law { return s.law }

// Request is what to send. Path has the query and may be escaped; Body, if nil, is made of JSON unless that is nil too.
type Request struct {
	Method, Path string
	Token        string // access token, "" for none
	Header       http.Header
	Body         []byte
	JSON         any
}

// Response is an answer. The Value is its body, absent if that is no JSON.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Value
}

// Code returns the code of a problem, "" if the answer is good.
func (r *Response) Code() string {
	if r.Status < 400 {
		return ""
	}
	return r.At("code").Text()
}

// Do sends a request, records it under the name who, and checks the answer against the law.
func (s *Server) Do(ctx context.Context, rec *Recorder, who string, in Request) (*Response, error) {
	req, body, err := s.request(ctx, in)
	if err != nil {
		return nil, err
	}
	x := Exchange{At: time.Now(), Who: who, Kind: "http", Sent: showRequest(req, body)}
	res, err := s.http.Do(req)
	if err != nil {
		x.Got = "no answer: " + err.Error()
		rec.Add(x, nil)
		return nil, fmt.Errorf("%s %s: no answer: %w", in.Method, in.Path, err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	out := response(res, raw)
	x.Got = showResponse(res, raw)
	if err != nil {
		rec.Add(x, nil)
		return nil, fmt.Errorf("%s %s: the answer broke off: %w", in.Method, in.Path, err)
	}
	rec.Add(x, s.law.CheckResponse(in.Method, req.URL.EscapedPath(), out))
	return out, nil
}

func (s *Server) request(ctx context.Context, in Request) (*http.Request, []byte, error) {
	body := in.Body
	if body == nil && in.JSON != nil {
		raw, err := json.Marshal(in.JSON)
		if err != nil {
			return nil, nil, fmt.Errorf("encode the body: %w", err)
		}
		body = raw
	}
	req, err := http.NewRequestWithContext(ctx, in.Method, s.base.String()+in.Path, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("make the request: %w", err)
	}
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		req.Header.Set("Content-Type", "application/json")
	}
	if in.Token != "" {
		req.Header.Set("Authorization", "Bearer "+in.Token)
	}
	for key, values := range in.Header {
		req.Header[http.CanonicalHeaderKey(key)] = values
	}
	return req, body, nil
}

func response(res *http.Response, raw []byte) *Response {
	v, err := Parse(raw)
	if err != nil {
		v = Value{absent{}}
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: raw, Value: v}
}

func showRequest(req *http.Request, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", req.Method, req.URL.RequestURI())
	showHeader(&b, req.Header)
	return b.String() + "\n" + string(body)
}

func showResponse(res *http.Response, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", res.Proto, res.Status)
	showHeader(&b, res.Header)
	return b.String() + "\n" + string(body)
}

func showHeader(b *strings.Builder, h http.Header) {
	var names []string
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			fmt.Fprintf(b, "%s: %s\n", name, value)
		}
	}
}
