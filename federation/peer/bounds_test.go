// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley.chat/protocol/id"
)

// endless writes until nobody listens: attack case 21.
func endless(w http.ResponseWriter, _ *http.Request) {
	block := bytes.Repeat([]byte(" "), 32<<10)
	for range 4096 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func TestClient_EndlessAnswersEnd(t *testing.T) {
	s := newSite(t, true, endless)
	if _, _, err := s.client.finder.wellKnown(t.Context(), home); !errors.Is(err, ErrTooLong) {
		t.Errorf("well-known: %v", err)
	}
	if _, err := s.client.Keys(t.Context(), home); !errors.Is(err, ErrTooLong) {
		t.Errorf("keys: %v", err)
	}
}

func TestClient_AnAnswerThatSaysItIsTooLongIsNotRead(t *testing.T) {
	s := newSite(t, true, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000000")
		w.WriteHeader(http.StatusOK)
	})
	if _, err := s.client.Keys(t.Context(), home); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v", err)
	}
}

func TestClient_CompressedAnswersAreRefused(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = io.Copy(z, io.LimitReader(zeros{}, 10<<20))
	_ = z.Close()
	encodings := make(chan string, 10)
	s := newSite(t, true, func(w http.ResponseWriter, r *http.Request) {
		encodings <- r.Header.Get("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	})
	_, err := s.client.Keys(t.Context(), home)
	if err == nil || !strings.Contains(err.Error(), "not asked for") {
		t.Errorf("got %v", err)
	}
	if e := <-encodings; e != "identity" {
		t.Errorf("Accept-Encoding was %q", e)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestClient_SlowAnswersEndWithTheirTime(t *testing.T) {
	release := make(chan struct{})
	s := newSite(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write([]byte("{"))
		select { // One byte, and then nothing.
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "https://"+hostPort(home, s.port)+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := do(s.client.transport, r, 100); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	tr := s.client.transport
	if tr.ResponseHeaderTimeout != 10*time.Second || tr.TLSHandshakeTimeout == 0 || tr.MaxConnsPerHost == 0 || tr.MaxResponseHeaderBytes == 0 || wellKnownTime != 5*time.Second {
		t.Error("a bound is missing")
	}
}

func TestClient_TheCertificateIsForTheName(t *testing.T) {
	s := newSite(t, true, func(http.ResponseWriter, *http.Request) {})
	s.zone.host("other.test", "127.0.0.1")
	if _, err := s.client.Keys(t.Context(), "other.test"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate for example.com stands for other.test: %v", err)
	}
	strangers := NewClient(Options{Dialer: s.client.o.Dialer, DefaultPort: s.port})
	if _, err := strangers.Keys(t.Context(), home); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("an authority nobody knows: %v", err)
	}
}

func TestClient_AdmitHoldsForWhatWeSend(t *testing.T) {
	s := newSite(t, true, func(http.ResponseWriter, *http.Request) {})
	no := errors.New("no")
	s.client.o.Admit = func(id.Server) error { return no }
	if _, err := s.client.Do(t.Context(), Request{To: home, Method: "GET", Path: "/x", IsUnsigned: true}); !errors.Is(err, no) || s.was(home+"/x") {
		t.Errorf("got %v", err)
	}
}

func TestClient_SpeaksHTTP2WithOurNameAsHost(t *testing.T) {
	protos := make(chan string, 10)
	s := newSite(t, true, func(w http.ResponseWriter, r *http.Request) { protos <- r.Proto + " " + r.Host })
	if _, err := s.client.Do(t.Context(), Request{To: home, Method: "GET", Path: "/x", IsUnsigned: true}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // The well-known file and /x.
		if got := <-protos; got != "HTTP/2.0 "+home {
			t.Errorf("got %s", got)
		}
	}
}

func TestCache_KeepsWhatWasUsedLast(t *testing.T) {
	c := newCache[int](2)
	c.put("a", 1)
	c.put("b", 2)
	c.get("a")
	c.put("c", 3)
	if _, ok := c.get("b"); ok || len(c.keys) != 2 || c.order.Len() != 2 {
		t.Error("the one that rested longest did not make room")
	}
	c.put("a", 4)
	if v, _ := c.get("a"); v != 4 {
		t.Errorf("a is %d", v)
	}
}
