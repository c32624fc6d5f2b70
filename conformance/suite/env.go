// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/mock"
)

// Options are the operator's choices.
type Options struct {
	URL               string
	Peer              string // address of a second homeserver, "" for none
	Given             []*Account
	RegistrationToken string
	MaxAccounts       int // how many the run may register; 0 for 80
	Seed              uint64
	Strict            bool
	Parallel          int  // 0 for 4
	Once              bool // no retry
	Lab               Lab
	Mock              *Mock                             // nil: the suite is no homeserver itself
	Progress          func(done, all int, last *Result) // called by one goroutine at a time; may be nil
}

// Env is what the cases of a run share.
type Env struct {
	Server  *client.Server
	Peer    *client.Server // nil without one
	Book    *Book
	RunID   string // six characters that no run before had
	Lab     Lab
	Mock    *mock.Net // nil without one
	options Options

	federates bool

	Discovery *client.Response
	pool      *pool
}

// ErrUnreachable says that there is no server to be checked.
var ErrUnreachable = errors.New("the server does not answer")

// NewEnv reads the specification and the server's discovery document.
func NewEnv(ctx context.Context, files fs.FS, o Options) (*Env, error) {
	if o.MaxAccounts == 0 {
		o.MaxAccounts = 80
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	book, err := ReadBook(files)
	if err != nil {
		return nil, err
	}
	law, err := client.NewLaw(files, o.Strict)
	if err != nil {
		return nil, err
	}
	e := &Env{Book: book, Lab: o.Lab, options: o, RunID: strings.ToLower(random(6))}
	if e.Server, err = client.NewServer(o.URL, law); err != nil {
		return nil, err
	}
	if o.Peer != "" {
		if e.Peer, err = client.NewServer(o.Peer, law); err != nil {
			return nil, err
		}
	}
	e.pool = &pool{env: e, out: map[*Account]struct{}{}, back: make(chan struct{}), free: o.Given, all: len(o.Given)}
	e.Discovery, err = e.Server.Do(ctx, &client.Recorder{}, "suite", client.Request{Method: "GET", Path: "/.well-known/parley/client"})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if e.Discovery.Status != http.StatusOK {
		return nil, fmt.Errorf("%w as a homeserver: GET /.well-known/parley/client is %d", ErrUnreachable, e.Discovery.Status)
	}
	if err := e.openMock(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// Claims reports whether the server offers a feature: it says so, or every server has to.
func (e *Env) Claims(feature string) bool {
	if feature == "" || e.Book.Features[feature].Core {
		return true
	}
	if feature == "federation" && e.federates {
		return true
	}
	return slices.Contains(e.Discovery.At("features").Texts(), feature)
}

// Limit returns a limit of this server: what discovery tells, else the value of limits.yaml.
func (e *Env) Limit(name string) int64 {
	if n := e.Discovery.At("limits", name).Int(); n != client.Missing {
		return n
	}
	return e.Book.Limits[name].Value
}

// ServerName returns the name users of the server are known under.
func (e *Env) ServerName() string { return e.Discovery.At("serverName").Text() }

// RegistrationToken returns the operator's token, "" without one.
func (e *Env) RegistrationToken() string { return e.options.RegistrationToken }

// CanRegister reports whether the run makes accounts itself.
func (e *Env) CanRegister() bool { return e.options.Given == nil }

// Room returns how many accounts a case could lease at the same time if it ran alone.
func (e *Env) Room() int {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	if e.options.Given != nil || e.pool.shut != nil {
		return len(e.pool.free)
	}
	return len(e.pool.free) + e.options.MaxAccounts - e.pool.made
}

// Password makes a password nobody can guess.
func (e *Env) Password() string { return "pw-" + random(20) }

// Lease gives a case its accounts until the case has ended.
func (t *T) Lease(n int, fresh bool) []*Account {
	list, err := t.Env.pool.lease(t.ctx, t.Rec, n, fresh)
	switch {
	case errors.Is(err, errNoAccount):
		t.Impossible("%v", err)
	case err != nil:
		t.Fail("no accounts for the case: %v", err)
	}
	t.Cleanup(func() { t.Env.pool.giveBack(list) })
	return list
}

// patient asks again when the server says that it is too early, as long as the context allows.
func (e *Env) patient(ctx context.Context, rec *client.Recorder, who string, in client.Request) (*client.Response, error) {
	for {
		res, err := e.Server.Do(ctx, rec, who, in)
		e.pool.note(in, res)
		if err != nil || res.Status != http.StatusTooManyRequests {
			return res, err
		}
		wait := time.Duration(res.At("retryAfterMs").Int()) * time.Millisecond
		if deadline, ok := ctx.Deadline(); wait <= 0 || (ok && time.Now().Add(wait).After(deadline)) {
			return res, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return res, nil
		}
	}
}

// Ask sends a request and waits out rate limits; it is Do for cases that are not about them.
func (t *T) Ask(who string, in client.Request) *client.Response {
	for {
		res, err := t.Env.patient(t.ctx, t.Rec, who, in)
		t.noAnswer(err)
		wait := res.At("retryAfterMs").Int()
		if !t.outage || res.Status != http.StatusServiceUnavailable || wait < 1 {
			return res
		}
		t.Pause(time.Duration(wait) * time.Millisecond)
	}
}

// Do sends a request as it is.
func (t *T) Do(who string, in client.Request) *client.Response {
	res, err := t.Env.Server.Do(t.ctx, t.Rec, who, in)
	t.Env.pool.note(in, res)
	t.noAnswer(err)
	return res
}

func (t *T) noAnswer(err error) {
	if err == nil {
		return
	}
	if t.ctx.Err() != nil {
		t.Fail("the time of the case (%v) is over: %v", t.of.timeout(), err)
	}
	t.Fail("%v", err)
}

func random(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails
	return base32.StdEncoding.EncodeToString(raw)[:n]
}
