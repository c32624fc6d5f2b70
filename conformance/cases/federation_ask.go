// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

func askingCases(a *area) {
	a.add("FED-PING", "a signed ping is answered with name and time", "FED-PING-1 FED-AUTH-1", pinging)
	a.add("FED-PING-BODY", "a body that is no JSON object is refused", "FED-PING-1 ENC-JSON-1 ENC-JSON-2", pingBody)
	a.add("FED-DENIED", "a server that the operator does not want is refused before its keys are asked", "FED-LIMIT-4", denied)
	a.add("FED-BODY-SIZE", "a body of more than 1 MiB is refused", "FED-ASK-1", bodySize)
	a.add("FED-BODY-SLOW", "a body that never ends to come is given up", "FED-ASK-2", bodySlow, slow(3*time.Minute))
	a.add("FED-ANSWER-ENDLESS", "an answer that does not end is given up", "FED-ASK-2", answerEndless, slow(2*time.Minute))
	a.add("FED-ANSWER-SLOW", "an answer that drips is given up", "FED-ASK-2", answerSlow, slow(3*time.Minute))
	a.add("FED-ANSWER-PACKED", "an answer that unpacks to far more is refused", "FED-ASK-2", answerPacked)
	a.add("FED-ANSWER-REDIRECT", "no request follows a redirect", "FED-FIND-1", answerRedirect)
}

func pinging(t *suite.T) {
	p := newPeer(t)
	p.pings()
	p.pings()
	wantPong(t, p.send(func() *mock.Request {
		return p.Signed().Sign("POST", mock.PingPath, []byte(`{"unknown":{"a":[1,2]}}`))
	}), "a ping with a member nobody knows")
	t.Expect(p.visits(mock.KeysPath) == 1, "three pings made the server ask for keys %d times", p.visits(mock.KeysPath))
	p.done()
}

func pingBody(t *suite.T) {
	p := newPeer(t)
	p.pings()
	for what, c := range map[string]struct{ body, code string }{
		"nothing": {"", "malformed_json"}, "half an object": {`{"a":`, "malformed_json"}, "two objects": {`{}{}`, "malformed_json"},
		"a member twice": {`{"a":1,"a":2}`, "malformed_json"}, "no UTF-8": {"{\"a\":\"\xff\"}", "malformed_json"}, "a list": {"[]", "invalid_field"},
	} {
		a := p.send(func() *mock.Request { return p.Signed().Sign("POST", mock.PingPath, []byte(c.body)) })
		wantRefusal(t, a, c.code, "a body of "+what)
	}
	p.done()
}

func denied(t *suite.T) {
	name := t.Env.MockDenied()
	if name == "" {
		t.Impossible("needs a name that the server does not federate with: --mock-denied")
	}
	p := watch(t, t.Env.Mock.Named(name))
	for range 2 {
		wantRefusal(t, p.send(p.ping), "server_refused", "a ping of "+name)
	}
	t.Expect(p.visits(mock.KeysPath) == 0, "%s was asked for its keys %d times", name, p.visits(mock.KeysPath))
	p.done()
}

func bodySize(t *suite.T) {
	p := newPeer(t)
	p.pings()
	body := func(n int) []byte { return []byte("{" + strings.Repeat(" ", n-2) + "}") }
	wantPong(t, p.send(func() *mock.Request { return p.Signed().Sign("POST", mock.PingPath, body(1<<20)) }), "a body of 1 MiB")
	wantRefusal(t, p.send(func() *mock.Request { return p.Signed().Sign("POST", mock.PingPath, body(1<<20+1)) }), "body_too_large", "one byte more")
	wantRefusal(t, p.send(func() *mock.Request { return p.Signed().Sign("POST", mock.PingPath, body(6<<20)) }), "body_too_large", "6 MiB")
	p.done()
	for {
		a := announced(t, p)
		if a.Status != http.StatusTooManyRequests {
			wantRefusal(t, a, "body_too_large", "100 GiB announced")
			return
		}
		t.Pause(time.Second)
	}
}

// announced sends the head of a request with a body of 100 GiB, and returns what is answered before any of it comes.
func announced(t *suite.T, p *peer) *mock.Answer {
	conn, err := t.Env.Mock.Way.Dial(t.Context(), "http/1.1")
	t.Expect(err == nil, "connect: %v", err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = conn.Write(p.ping().Head(100 << 30))
	a, err := mock.ReadAnswer(bufio.NewReader(conn))
	t.Expect(err == nil, "100 GiB announced: no answer before they come: %v", err)
	return a
}

// bodySlow sends a byte a second. Whether the server answers or hangs up is its choice; that the connection ends is not.
func bodySlow(t *suite.T) {
	p := newPeer(t)
	p.pings()
	conn, err := t.Env.Mock.Way.Dial(t.Context(), "http/1.1")
	t.Expect(err == nil, "connect: %v", err)
	defer conn.Close()
	_, err = conn.Write(p.ping().Head(4096))
	t.Expect(err == nil, "send: %v", err)
	begin := time.Now()
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		close(ended)
	}()
	for tick := time.NewTicker(time.Second); ; {
		select {
		case <-ended:
			tick.Stop()
			return
		case <-tick.C:
			_, _ = conn.Write([]byte(" "))
		}
		t.Expect(time.Since(begin) < 2*time.Minute, "after two minutes of a byte a second the server still waits for the body")
	}
}

// badKeys lets a new homeserver answer the question for its keys with f, and wants its ping to be refused in a bounded time.
func badKeys(t *suite.T, what string, most time.Duration, f mock.Handler) *peer {
	p := newPeer(t)
	p.Handle(mock.KeysPath, f)
	ctx, cancel := within(t, most)
	defer cancel()
	a, err := p.Send(ctx, p.ping())
	t.Expect(err == nil, "%s: a ping is not answered within %v: %v", what, most, err)
	if a.Status == http.StatusTooManyRequests {
		t.Pause(time.Minute)
		return badKeys(t, what, most, f)
	}
	wantRefusal(t, a, "signature_invalid", what)
	p.done()
	return p
}

func answerEndless(t *suite.T) {
	var sent atomic.Int64
	ended := make(chan struct{})
	badKeys(t, "keys without an end", time.Minute, func(w http.ResponseWriter, _ *mock.Visit) {
		defer close(ended)
		chunk := bytes.Repeat([]byte(" "), 64<<10)
		for sent.Load() < 1<<30 {
			n, err := w.Write(chunk)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	select {
	case <-ended:
	case <-t.Context().Done():
	}
	t.Expect(sent.Load() < 256<<20, "the server took %d bytes of an answer that may have 64 KiB", sent.Load())
}

func answerSlow(t *suite.T) {
	ended := make(chan struct{})
	badKeys(t, "keys that come a byte a second", 100*time.Second, func(w http.ResponseWriter, v *mock.Visit) {
		defer close(ended)
		for range 150 {
			if _, err := w.Write([]byte(" ")); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			time.Sleep(time.Second)
		}
	})
	select {
	case <-ended:
	case <-t.Context().Done():
		t.Fail("the server still reads an answer that comes a byte a second")
	}
}

func answerPacked(t *suite.T) {
	badKeys(t, "packed keys", time.Minute, func(w http.ResponseWriter, v *mock.Visit) {
		if accepted := v.Request.Get("Accept-Encoding"); accepted != "" && accepted != "identity" {
			return // An answer without a body: it accepts what it should not, which the next expectation tells.
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		chunk := make([]byte, 1<<20)
		for range 64 {
			if _, err := z.Write(chunk); err != nil {
				return
			}
		}
		_ = z.Close()
	})
	p := newPeer(t)
	p.pings()
	for _, v := range p.Visits(mock.KeysPath) {
		accepted := v.Request.Get("Accept-Encoding")
		t.Expect(accepted == "identity", "the server asks with Accept-Encoding %q", accepted)
	}
}

func answerRedirect(t *suite.T) {
	other := newPeer(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		badKeys(t, "keys that are elsewhere", time.Minute, func(w http.ResponseWriter, _ *mock.Visit) {
			w.Header().Set("Location", "https://"+other.Name+mock.KeysPath)
			w.WriteHeader(status)
		})
	}
	t.Expect(other.visits(mock.KeysPath) == 0, "the server followed a redirect")
}
