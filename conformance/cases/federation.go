// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

const federation = "FEDERATION"

// peer is another homeserver, played by the suite. Nobody met it before the case.
type peer struct {
	*mock.Home
	t *suite.T
}

func federationCases() []*suite.Case {
	a := &area{profile: federation, feature: "federation"}
	keyCases(a)
	signingCases(a)
	askingCases(a)
	findingCases(a)
	hubCases(a)
	nearCases(a)
	peopleCases(a)
	return a.list
}

// newPeer makes a homeserver with a port in its name.
func newPeer(t *suite.T) *peer {
	home, err := t.Env.Mock.Home()
	if err != nil {
		t.Broken("%v", err)
	}
	return watch(t, home)
}

// named makes a homeserver that is found by its well-known file.
func namedPeer(t *suite.T) *peer {
	home, err := t.Env.Mock.Spare()
	if errors.Is(err, mock.ErrNoName) {
		t.Impossible("needs a further name of the mock homeserver: --mock NAME=LISTEN")
	}
	return watch(t, home)
}

func watch(t *suite.T, home *mock.Home) *peer {
	home.Watch = func(what, sent, got string) {
		t.Rec.Add(client.Exchange{At: time.Now(), Who: what, Kind: "http", Sent: sent, Got: got}, nil)
	}
	t.Cleanup(home.Close)
	return &peer{home, t}
}

// done fails the case if the server under test asked anything in a way that it must not.
func (p *peer) done() {
	if faults := p.Faults(); len(faults) > 0 {
		p.t.Fail("the server's request to %s: %s", p.Name, faults[0])
	}
}

// send sends what make returns, and again what it returns then if the server says that it is too early.
func (p *peer) send(make func() *mock.Request) *mock.Answer {
	for {
		a, err := p.Send(p.t.Context(), make())
		if err != nil {
			p.t.Fail("no answer: %v", err)
		}
		if a.Status != http.StatusTooManyRequests {
			return a
		}
		wait, _ := time.ParseDuration(a.Header.Get("Retry-After") + "s")
		p.t.Pause(max(wait, time.Second))
	}
}

// ping makes an honest request.
func (p *peer) ping() *mock.Request { return p.Signed().Sign("POST", mock.PingPath, []byte("{}")) }

// pings wants an honest ping to be answered.
func (p *peer) pings() { wantPong(p.t, p.send(p.ping), "an honest ping") }

func wantPong(t *suite.T, a *mock.Answer, what string) {
	var pong struct {
		ServerName string
		Time       int64
	}
	err := a.Read(&pong)
	if a.Status != http.StatusOK || err != nil {
		t.Fail("%s: status %d %s, want 200", what, a.Status, a.Code())
	}
	off := time.Since(time.UnixMilli(pong.Time))
	t.Expect(pong.ServerName == t.Env.ServerName() && off.Abs() < 5*time.Minute, "%s: the answer is of %q at %d", what, pong.ServerName, pong.Time)
}

// wantRefusal wants a problem with the code and the status the catalogue has for it.
func wantRefusal(t *suite.T, a *mock.Answer, code, what string) {
	line, known := t.Env.Server.Law().Catalogue(code)
	if !known {
		t.Broken("the case asks for code %s, which errors.yaml does not have", code)
	}
	t.Expect(a.Code() == code && a.Status == line.Status, "%s: status %d %q, want %d %s", what, a.Status, a.Code(), line.Status, code)
	media := a.Header.Get("Content-Type")
	t.Expect(strings.HasPrefix(media, "application/problem+json"), "%s: a problem of type %q", what, media)
}

// unsigned wants signature_invalid for what make returns.
func (p *peer) unsigned(what string, make func() *mock.Request) {
	wantRefusal(p.t, p.send(make), "signature_invalid", what)
}

// spoilt wants signature_invalid for a ping that was spoilt after it was signed.
func (p *peer) spoilt(what string, spoil func(r *mock.Request)) {
	p.unsigned(what, func() *mock.Request {
		r := p.ping()
		spoil(r)
		return r
	})
}

// signedWith wants signature_invalid for a ping that is signed in another way.
func (p *peer) signedWith(what string, change func(s *mock.Signed)) {
	p.unsigned(what, func() *mock.Request {
		s := p.Signed()
		change(&s)
		return s.Sign("POST", mock.PingPath, []byte("{}"))
	})
}

// quietly runs something that the server under test must not see, and takes what it did see.
func (p *peer) visits(path string) int { return len(p.Visits(path)) }

// certificate returns the pair of files for a name, nil if there is none.
func certificate(t *suite.T, name string) *tls.Certificate {
	for _, c := range t.Env.Mock.Certificates() {
		if c.Leaf != nil && c.Leaf.VerifyHostname(name) == nil {
			return &c
		}
	}
	return nil
}

// within bounds a step of a case by a time of its own.
func within(t *suite.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
