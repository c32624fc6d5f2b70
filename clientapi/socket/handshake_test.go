// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("error %v, want %v", got, want)
	}
}

// upgradeRequest is a correct handshake to chat.example, changed by edits of header and value.
func upgradeRequest(edits ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://chat.example/ws", nil)
	for i, kv := 0, append([]string{
		"Connection", "keep-alive, Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13",
		"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol", proto,
	}, edits...); i < len(kv); i += 2 {
		r.Header.Set(kv[i], kv[i+1])
	}
	return r
}

func TestAccept_RefusesBeforeHijack(t *testing.T) {
	cases := []struct {
		name  string
		edits []string
		want  error
	}{
		{"no upgrade", []string{"Connection", "close"}, ErrNotWebSocket},
		{"other upgrade", []string{"Upgrade", "h2c"}, ErrNotWebSocket},
		{"old version", []string{"Sec-WebSocket-Version", "8"}, ErrNotWebSocket},
		{"short key", []string{"Sec-WebSocket-Key", "AAAA"}, ErrNotWebSocket},
		{"no key", []string{"Sec-WebSocket-Key", ""}, ErrNotWebSocket},
		{"foreign origin", []string{"Origin", "https://evil.example"}, ErrOrigin},
		{"no subprotocol", []string{"Sec-WebSocket-Protocol", ""}, ErrSubprotocol},
		{"other subprotocol", []string{"Sec-WebSocket-Protocol", "parley.v2, mqtt"}, ErrSubprotocol},
		{"other case", []string{"Sec-WebSocket-Protocol", "Parley.V1"}, ErrSubprotocol},
		{"no hijacker", nil, http.ErrNotSupported},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			_, err := Accept(w, upgradeRequest(c.edits...), Options{Subprotocol: proto})
			wantErr(t, err, c.want)
			if w.Body.Len() > 0 {
				t.Errorf("body written: %q", w.Body)
			}
		})
	}
}

func TestAccept_RefusesOtherMethodsAndVersionsOfHTTP(t *testing.T) {
	post := upgradeRequest()
	post.Method = http.MethodPost
	_, err := Accept(httptest.NewRecorder(), post, Options{})
	wantErr(t, err, ErrNotWebSocket)
	two := upgradeRequest()
	two.ProtoMajor, two.ProtoMinor = 2, 0
	_, err = Accept(httptest.NewRecorder(), two, Options{})
	wantErr(t, err, ErrNotWebSocket)
	old := upgradeRequest()
	old.ProtoMinor = 0
	_, err = Accept(httptest.NewRecorder(), old, Options{})
	wantErr(t, err, ErrNotWebSocket)
}

func TestAccept_NamesItsVersionToAnotherOne(t *testing.T) {
	w := httptest.NewRecorder()
	_, err := Accept(w, upgradeRequest("Sec-WebSocket-Version", "12"), Options{Subprotocol: proto})
	wantErr(t, err, ErrNotWebSocket)
	if got := w.Header().Get("Sec-WebSocket-Version"); got != "13" {
		t.Errorf("Sec-WebSocket-Version: %q", got)
	}
}

func TestOriginAllowed(t *testing.T) {
	cases := []struct {
		origin   string
		patterns []string
		want     bool
	}{
		{"https://chat.example", nil, true},
		{"https://CHAT.example", nil, true},
		{"https://chat.example:8443", nil, false},
		{"https://chat.example.evil", nil, false},
		{"https://evil.example", nil, false},
		{"https://app.example", []string{"app.example"}, true},
		{"https://App.example", []string{"aPP.example"}, true},
		{"https://a.app.example", []string{"*.app.example"}, true},
		{"http://app.example", []string{"https://app.example"}, false},
		{"https://app.example", []string{"https://app.example"}, true},
		{"https://app.example", []string{"[bad", "app.example"}, true},
		{"null", []string{"*"}, false},
		{"https://", []string{"*"}, false},
		{"://", []string{"*"}, false},
		{"", []string{"*"}, false},
	}
	for _, c := range cases {
		if got := originAllowed(upgradeRequest("Origin", c.origin), c.patterns); got != c.want {
			t.Errorf("origin %q with %q: %v", c.origin, c.patterns, got)
		}
	}
	if !originAllowed(upgradeRequest(), nil) {
		t.Error("a client without Origin was refused")
	}
	twice := upgradeRequest("Origin", "https://chat.example")
	twice.Header.Add("Origin", "https://evil.example")
	if originAllowed(twice, nil) {
		t.Error("two origins were allowed")
	}
}

func TestOffered_ListsAllValuesInOrder(t *testing.T) {
	r := upgradeRequest("Sec-WebSocket-Protocol", "parley.v1 , ticket.abc")
	r.Header.Add("Sec-WebSocket-Protocol", ",x")
	if diff := cmp.Diff([]string{"parley.v1", "ticket.abc", "x"}, Offered(r)); diff != "" {
		t.Error(diff)
	}
	if got := Offered(httptest.NewRequest(http.MethodGet, "/", nil)); got != nil {
		t.Errorf("offered %q", got)
	}
}
