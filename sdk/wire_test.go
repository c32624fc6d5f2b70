// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"parley.chat/protocol/rest"
	"parley.chat/sdk"
)

// wire is a server that keeps the last call and its body, and answers what it is told; nil is 204.
type wire struct {
	call, body string
	answer     any
}

// recorded is a client of alice, logged in, in front of a wire.
func recorded(t *testing.T) (*sdk.Client, *wire) {
	t.Helper()
	w := &wire{answer: rest.Session{UserID: "alice@x", DeviceID: "d", AccessToken: "a", RefreshToken: "r", ExpiresIn: 600}}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	c, err := sdk.New(sdk.Options{BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(t.Context(), rest.Register{Username: "alice", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	return c, w
}

func (w *wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	w.call, w.body = r.Method+" "+r.URL.RequestURI(), string(raw)
	if w.answer == nil {
		out.WriteHeader(http.StatusNoContent)
		return
	}
	_ = json.NewEncoder(out).Encode(w.answer)
}
