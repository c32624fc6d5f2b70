// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/federation/auth"
	"parley.chat/protocol/id"
)

// Options make a Client.
type Options struct {
	Auth     auth.RequestAuth // nil: a client that only fetches what needs no signature
	Dialer   *Dialer
	Roots    *x509.CertPool // nil: those of the machine
	Resolver Resolver       // for SRV; nil: that of the machine
	// Admit may refuse a destination with a fault; nil admits all.
	Admit func(id.Server) error
	// DefaultPort is where servers are without further word, 443 if 0. Tests change it.
	DefaultPort uint16
	// Now is the clock of the caches, that of the machine if nil.
	Now func() time.Time
}

// Client talks to other servers. Make it with NewClient; Close lets its connections go.
type Client struct {
	o         Options
	transport *http.Transport
	finder    *Finder
}

// NewClient makes a client with its finder.
func NewClient(o Options) *Client {
	if o.DefaultPort == 0 {
		o.DefaultPort = 443
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dialer == nil {
		o.Dialer = NewDialer(o.Resolver, nil)
	}
	if o.Resolver == nil {
		o.Resolver = o.Dialer.resolver
	}
	c := &Client{o: o, transport: newTransport(o.Dialer, o.Roots)}
	c.finder = &Finder{transport: c.transport, resolver: o.Resolver, defaultPort: o.DefaultPort, now: o.Now, known: newCache[found](places)}
	return c
}

// Finder is the client's own.
func (c *Client) Finder() *Finder { return c.finder }

// Close closes idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Request is one request to another server.
type Request struct {
	To         id.Server
	Method     string
	Path       string // as in auth.CheckTarget, with a query if there is one
	Body       []byte // JSON, nil for none
	MaxAnswer  int64  // bytes, DefaultAnswer if 0
	IsUnsigned bool
}

// DefaultAnswer is the largest answer that is read, in bytes.
const DefaultAnswer = 1 << 20

// Do sends the request, signed, and returns the answer whatever its status is. A second attempt is another call: it signs anew.
// The error wraps ErrForbidden, ErrNotAServer or ErrTooLong where those are the cause.
func (c *Client) Do(ctx context.Context, in Request) (Answer, error) {
	if c.o.Admit != nil {
		if err := c.o.Admit(in.To); err != nil {
			return Answer{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	place, err := c.finder.Find(ctx, in.To)
	if err != nil {
		return Answer{}, err
	}
	if in.MaxAnswer <= 0 {
		in.MaxAnswer = DefaultAnswer
	}
	var failures []error
	for _, t := range place.Targets {
		a, dialled, err := c.attempt(context.WithValue(ctx, target{}, t), place, in)
		if err == nil {
			return a, nil
		}
		failures = append(failures, err)
		if dialled { // It may have been heard: only the caller knows whether to say it again.
			break
		}
	}
	c.finder.doubt(in.To)
	return Answer{}, fmt.Errorf("%s %s at %s: %w", in.Method, in.Path, in.To, errors.Join(failures...))
}

// attempt reports too whether a connection was had.
func (c *Client) attempt(ctx context.Context, place Place, in Request) (a Answer, dialled bool, err error) {
	r, err := http.NewRequestWithContext(ctx, in.Method, "https://"+hostPort(place.TLSName, place.Port)+in.Path, bytes.NewReader(in.Body))
	if err != nil {
		return Answer{}, true, err
	}
	r.GetBody = nil // With it the transport would send the same nonce again on a broken connection.
	if len(in.Body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Host = string(in.To)
	if !in.IsUnsigned {
		if c.o.Auth == nil {
			return Answer{}, true, errors.New("this client has no key to sign with")
		}
		if err := c.o.Auth.Sign(r, in.To, in.Body); err != nil {
			return Answer{}, true, err
		}
	}
	var got atomic.Bool
	a, err = do(c.transport, r.WithContext(traceDial(ctx, &got)), in.MaxAnswer)
	return a, got.Load(), err
}

// Refusal is an answer that is not 2xx, as the other server explains it. What it says is not to be trusted, only shown.
type Refusal struct {
	Server id.Server
	Status int
	Code   string // "" if the answer is no problem of the catalogue
	Detail string
	// RetryAfter is when it wants to be asked again, 0 if it does not say.
	RetryAfter time.Duration
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s answers %d %.64q: %.200q", r.Server, r.Status, r.Code, r.Detail)
}

// Call posts in as JSON, signed, and reads the answer into out. An answer other than 2xx is a *Refusal.
func (c *Client) Call(ctx context.Context, to id.Server, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s: %w", path, err)
	}
	a, err := c.Do(ctx, Request{To: to, Method: http.MethodPost, Path: path, Body: body})
	if err != nil {
		return err
	}
	return a.Read(to, out)
}

// Read reads an answer of 2xx into out; any other is a *Refusal.
func (a Answer) Read(from id.Server, out any) error {
	if a.Status < 200 || a.Status > 299 {
		r := &Refusal{Server: from, Status: a.Status}
		var p struct {
			Code         string `json:"code"`
			Detail       string `json:"detail"`
			RetryAfterMS int64  `json:"retryAfterMs"`
		}
		if json.Unmarshal(a.Body, &p) == nil {
			r.Code, r.Detail = p.Code, p.Detail
		}
		r.RetryAfter = a.retryAfter(p.RetryAfterMS)
		return r
	}
	if err := json.Unmarshal(a.Body, out); err != nil {
		return fmt.Errorf("the answer of %s: %w", from, err)
	}
	return nil
}

// maxRetry is the longest time to wait that is believed.
const maxRetry = 24 * time.Hour

// retryAfter is when the server wants to be asked again, by its problem or else by its header; 0 if it does not say.
func (a Answer) retryAfter(ms int64) time.Duration {
	if seconds, err := strconv.ParseInt(a.Header.Get("Retry-After"), 10, 32); ms <= 0 && err == nil {
		ms = 1000 * seconds
	}
	return time.Duration(max(0, min(ms, maxRetry.Milliseconds()))) * time.Millisecond
}

// Pong is the answer of a ping.
type Pong struct {
	ServerName string `json:"serverName"`
	Time       int64  `json:"time"` // Unix milliseconds there
}

// PingPath is the path of a ping.
const PingPath = "/federation/v1/ping"

// Ping makes a signed round trip.
func (c *Client) Ping(ctx context.Context, to id.Server) (Pong, error) {
	var out Pong
	if err := c.Call(ctx, to, PingPath, struct{}{}, &out); err != nil {
		return Pong{}, err
	}
	if out.ServerName != string(to) {
		return Pong{}, fmt.Errorf("ping %s: %.255q answered", to, out.ServerName)
	}
	return out, nil
}
