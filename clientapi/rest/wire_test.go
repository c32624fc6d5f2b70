// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley.chat/clientapi/rest"
	"parley.chat/core/account"
	"parley.chat/core/account/accounttest"
	"parley.chat/protocol/fault"
	wire "parley.chat/protocol/rest"
)

// speak sends bytes to a real server and returns all it answers.
func speak(t *testing.T, h http.Handler, request string) *http.Response {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestServer_RefusesALongBodyBeforeItIsSent(t *testing.T) {
	resp := speak(t, newRoom(t).handler, "POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n")
	if resp.StatusCode != 413 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestServer_ChunkedBody(t *testing.T) {
	resp := speak(t, newRoom(t).handler, "POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
	if resp.StatusCode != 201 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestServer_HijackedConnectionIsLoggedAsUpgrade(t *testing.T) {
	var log bytes.Buffer
	done := make(chan struct{})
	h := rest.New(rest.Config{Auth: authFake{}, Log: slog.New(slog.NewTextHandler(&log, nil)), Routes: []rest.Route{
		{Method: "GET", Path: "/ws", Stream: func(_ *rest.Call, w http.ResponseWriter) error {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return err
			}
			_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n")
			_ = conn.Close()
			return err
		}},
	}})
	resp := speak(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		h.ServeHTTP(w, r)
	}), "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
	<-done
	if resp.StatusCode != 101 || !strings.Contains(log.String(), "status=101") {
		t.Errorf("status %d, log %s", resp.StatusCode, &log)
	}
}

func TestServer_ErrorAfterTheFirstByteCutsTheConnection(t *testing.T) {
	h := rest.New(rest.Config{Auth: authFake{}, Log: slog.New(slog.DiscardHandler), Routes: []rest.Route{
		{Method: "GET", Path: "/half", Stream: func(_ *rest.Call, w http.ResponseWriter) error {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			return fault.New(fault.Internal, "boom")
		}},
		{Method: "GET", Path: "/panic", Stream: func(_ *rest.Call, w http.ResponseWriter) error {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic("boom")
		}},
	}})
	for _, path := range []string{"/half", "/panic"} {
		resp := speak(t, h, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		body, err := io.ReadAll(resp.Body)
		if err == nil || string(body) != "half" {
			t.Errorf("%s: a cut answer reads as whole: %q, %v", path, body, err)
		}
	}
}

func TestServer_ClientThatLeftGetsNoAnswerAndNoBlame(t *testing.T) {
	var log bytes.Buffer
	entered, done := make(chan struct{}), make(chan struct{})
	h := rest.New(rest.Config{Auth: authFake{}, Log: slog.New(slog.NewTextHandler(&log, nil)), Routes: []rest.Route{
		{Method: "GET", Path: "/wait", Status: 200, Handle: func(c *rest.Call) (any, error) {
			close(entered)
			<-c.Context().Done()
			return nil, fmt.Errorf("read: %w", c.Context().Err())
		}},
	}})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	_ = conn.Close()
	<-done
	if got := log.String(); !strings.Contains(got, "status=499") || strings.Contains(got, "level=ERROR") {
		t.Errorf("log %s", got)
	}
}

// checkAnswer is what holds for every answer to every request.
func checkAnswer(t *testing.T, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code >= 500 || w.Code < 200 {
		t.Errorf("%s: status %d: %s", what, w.Code, w.Body)
	}
	if w.Code < 400 {
		return
	}
	var p wire.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Errorf("%s: %d %q: %v", what, w.Code, w.Body, err)
		return
	}
	info := fault.Lookup(fault.Code(p.Code))
	if info.Status != w.Code || p.Status != w.Code || (fault.Code(p.Code) != fault.Internal && info == fault.Lookup(fault.Internal)) {
		t.Errorf("%s: %d is not in the catalogue: %+v", what, w.Code, p)
	}
	if w.Code == 429 && w.Header().Get("Retry-After") == "" || w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" || w.Code == 405 && w.Header().Get("Allow") == "" {
		t.Errorf("%s: %d without its header", what, w.Code)
	}
}

func FuzzRouter(f *testing.F) {
	cheap := account.NewArgon2(account.Cost{MemoryKiB: 8, Passes: 1, Lanes: 1}, 4, time.Minute)
	for _, rt := range rest.AccountRoutes(nil) {
		f.Add(rt.Method, rt.Path, "application/json", "", `{"username":"alice","password":"`+password+`","phoneNumber":"+16502530000"}`, true)
	}
	f.Add("GET", "/api/v1/users/%00", "", "https://x.example", "", true)
	f.Add("DELETE", "/api/v1/devices/01ARZ3NDEKTSV4RRFFQ69G5FAV?access_token=x", "", "", "", true)
	f.Add("PUT", "/api/v1/users/me", "application/json; charset=utf-8", "", `{"displayName":"\u0000","avatarUrl":"http://["}`, true)
	f.Add("POST", "/api/v1/register", "text/plain", "", "[1", false)
	f.Add("OPTIONS", "*", "", "null", "", false)
	f.Fuzz(func(t *testing.T, method, target, contentType, origin, body string, authorized bool) {
		u, err := url.ParseRequestURI(target)
		if err != nil || len(body) > 1<<16 {
			t.Skip()
		}
		s := serverOn(accounttest.NewMemory(), cheap, nil)
		session := s.register(t, "zoe")
		r := &http.Request{
			Method: method, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "localhost", RemoteAddr: "192.0.2.1:5",
			Header: http.Header{"Content-Type": {contentType}, "Origin": {origin}},
			Body:   io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), RequestURI: target,
		}
		if authorized {
			r.Header.Set("Authorization", "Bearer "+session.AccessToken)
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		checkAnswer(t, method+" "+target, w)
	})
}
