// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Times and numbers of a connection.
const (
	headerTime      = 10 * time.Second
	requestTime     = 30 * time.Second
	connsPerHost    = 8
	idleConns       = 256
	idleTime        = 90 * time.Second
	answerHeaders   = 16 << 10
	handshakeTime   = 10 * time.Second
	idleConnPerHost = 2
)

// target is the key of a context value: the host and port to dial for a request whose URL names the host of the certificate.
type target struct{}

// newTransport makes the transport of everything that goes to other servers. spec: FED-FIND-5 FED-FIND-6
func newTransport(d *Dialer, roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy: nil, // A proxy would resolve and dial for us, unchecked.
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			if other, ok := ctx.Value(target{}).(string); ok {
				addr = other
			}
			return d.Dial(ctx, addr)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout:    handshakeTime,
		ResponseHeaderTimeout:  headerTime,
		MaxResponseHeaderBytes: answerHeaders,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxConnsPerHost:        connsPerHost,
		MaxIdleConnsPerHost:    idleConnPerHost,
		MaxIdleConns:           idleConns,
		IdleConnTimeout:        idleTime,
	}
}

// Answer is what a server answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// do sends one request as it is and reads at most so many bytes of the answer.
func do(transport http.RoundTripper, r *http.Request, most int64) (Answer, error) {
	r.Header.Set("Accept-Encoding", "identity")
	res, err := transport.RoundTrip(r) // Not a Client: redirects are answers like others.
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	if e := res.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return Answer{}, fmt.Errorf("the answer is encoded as %q, which was not asked for", e)
	}
	if res.ContentLength > most {
		return Answer{}, tooLong(most)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err != nil {
		return Answer{}, fmt.Errorf("read answer: %w", err)
	}
	if int64(len(body)) > most {
		return Answer{}, tooLong(most)
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// ErrTooLong is the cause when an answer is larger than it may be.
var ErrTooLong = errors.New("the answer is too long")

func tooLong(most int64) error { return fmt.Errorf("%w: more than %d bytes", ErrTooLong, most) }
