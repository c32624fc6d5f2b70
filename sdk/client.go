// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Options say how to make a Client. Only BaseURL is required.
type Options struct {
	BaseURL string       // of the homeserver, http or https
	HTTP    *http.Client // nil: a client of its own that follows no redirects
	Store   Store        // nil: memory
	Log     *slog.Logger // nil: nothing is logged

	// FullHistory makes the first sync of a device fetch all it may read. Otherwise a conversation begins with
	// the newest events the server gives, and what is before is told by Summary's Gap.
	FullHistory bool
	// Quiet keeps Run from saying that the user is online; SetOnline(true) ends that.
	Quiet bool
	// Buffer is how many updates wait in Events before the connection is read no further; 0 means 256.
	Buffer int
	// OutboxLimit is how many messages may wait to be acknowledged; 0 means 1000.
	OutboxLimit int
	// MinBackoff and MaxBackoff bound the pause before a reconnect; 0 means 250 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// OnFrame, if set, sees every frame on the wire. It must be quick and keep nothing of raw.
	OnFrame func(sent bool, raw []byte)
}

// The rhythm of a connection.
const (
	callTimeout     = 30 * time.Second
	writeTimeout    = 15 * time.Second
	pingEvery       = 25 * time.Second
	pingTimeout     = 15 * time.Second
	syncTimeout     = 30 * time.Second       // from the sync frame to the first answer
	ackTimeout      = 20 * time.Second       // after it the same frame is sent again
	acceptedTimeout = 2 * time.Minute        // … of a message that the server has and its hub has not
	receiptEvery    = 200 * time.Millisecond // per conversation
	receiptKeep     = time.Minute            // receipts this young are repeated on the next connection
	holdFor         = 150 * time.Millisecond // how long a hole may close by itself
	saveEvery       = 200 * time.Millisecond
	maxHeld         = 512 // events held back before a hole is fetched at once
)

// Client is one device of a user. Make it with New. It is safe for concurrent use; see the package comment for Run.
type Client struct {
	opts    Options
	base    string
	http    *http.Client
	store   Store
	log     *slog.Logger
	events  chan Update
	auth    auth
	outbox  *outbox
	receipt *receipts
	moment  *moment
	running atomic.Bool
}

// New makes a client. It does no I/O: go on with Resume, Login or Register, then Run.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("base URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("base URL %q: want http:// or https:// and a host", o.BaseURL)
	}
	o = withDefaults(o)
	wake := make(chan struct{}, 1)
	return &Client{
		opts: o, base: strings.TrimSuffix(o.BaseURL, "/"), http: o.HTTP, store: o.Store, log: o.Log,
		events:  make(chan Update, o.Buffer),
		auth:    auth{turn: make(chan struct{}, 1)},
		outbox:  newOutbox(o.OutboxLimit, wake),
		receipt: newReceipts(wake),
		moment:  newMoment(o.Quiet, wake),
	}, nil
}

func withDefaults(o Options) Options {
	if o.HTTP == nil {
		o.HTTP = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if o.Store == nil {
		o.Store = NewMemoryStore()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Buffer <= 0 {
		o.Buffer = 256
	}
	if o.OutboxLimit <= 0 {
		o.OutboxLimit = 1000
	}
	if o.MinBackoff <= 0 {
		o.MinBackoff = 250 * time.Millisecond
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = 30 * time.Second
	}
	return o
}

// Events is where Run hands over updates. The channel is bounded and never closed.
func (c *Client) Events() <-chan Update { return c.events }

// errNoSession is what calls answer before Resume, Login or Register.
var errNoSession = errors.New("not logged in")

// emit hands one update to the application and waits until there is room for it.
func (c *Client) emit(ctx context.Context, u Update) error {
	select {
	case c.events <- u:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
