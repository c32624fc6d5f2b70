// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Way is how a server under test is reached by other servers.
type Way struct {
	Name    string      // the server's
	Address string      // host and port to connect to
	TLS     *tls.Config // nil: without TLS, for a server whose TLS is before it
}

// Answer is what a server answered.
type Answer struct {
	Status int // 0 in HTTP/2
	Header http.Header
	Body   []byte
}

// Code returns the code of a problem, "" if there is none.
func (a *Answer) Code() string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.Body, &p) // What is no problem has no code.
	return p.Code
}

// Read reads the body into a value as encoding/json does.
func (a *Answer) Read(into any) error { return json.Unmarshal(a.Body, into) }

const (
	maxAnswer = 4 << 20
	sendTime  = 40 * time.Second
)

// Dial opens a connection, with the protocols that TLS is to agree on.
func (w Way) Dial(ctx context.Context, protocols ...string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	plain := &net.Dialer{}
	if w.TLS == nil {
		return plain.DialContext(ctx, "tcp", w.Address)
	}
	cfg := w.TLS.Clone()
	cfg.NextProtos = protocols
	return (&tls.Dialer{NetDialer: plain, Config: cfg}).DialContext(ctx, "tcp", w.Address)
}

// Head returns the request up to its body as it goes over the wire, saying that the body has so many bytes; -1: none is said.
func (r *Request) Head(length int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.Target, r.Host)
	for _, h := range r.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if length >= 0 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", length)
	}
	b.WriteString("Accept-Encoding: identity\r\nConnection: close\r\n\r\n")
	return b.Bytes()
}

// Send sends the bytes of a request over a connection of its own; nothing is checked or corrected.
func (w Way) Send(ctx context.Context, r *Request) (*Answer, error) {
	conn, err := w.Dial(ctx, "http/1.1")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(sendTime))
	wrong := make(chan error, 1)
	go func() { // A server may answer before it has read everything.
		_, err := conn.Write(append(r.Head(len(r.Body)), r.Body...))
		wrong <- err
	}()
	a, err := ReadAnswer(bufio.NewReader(conn))
	if err != nil {
		_ = conn.Close()
		if failed := <-wrong; failed != nil {
			err = failed
		}
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.Target, err)
	}
	return a, nil
}

// ReadAnswer reads one answer of HTTP/1.1.
func ReadAnswer(in *bufio.Reader) (*Answer, error) {
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: raw}, nil
}
