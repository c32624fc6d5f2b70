// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley.chat/server/config"
)

func TestReady_FollowsTheServer(t *testing.T) {
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
	}))
	t.Setenv("PARLEY_LISTEN", srv.Listener.Addr().String())
	if err := ready(t.Context(), nil, io.Discard); err != nil {
		t.Error(err)
	}
	status = http.StatusServiceUnavailable
	if err := ready(t.Context(), nil, io.Discard); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v", err)
	}
	srv.Close()
	if ready(t.Context(), nil, io.Discard) == nil {
		t.Error("nothing listens, and it is ready")
	}
}

func TestReadyURL_LeadsToThisMachine(t *testing.T) {
	for listen, want := range map[string]string{
		":8080": "http://localhost:8080/readyz", "0.0.0.0:80": "http://localhost:80/readyz", "[::]:80": "http://localhost:80/readyz",
		"10.0.0.1:80": "http://10.0.0.1:80/readyz", "chat:80": "http://chat:80/readyz", "[::1]:80": "http://[::1]:80/readyz",
	} {
		if got := readyURL(config.Config{Listen: listen}); got != want {
			t.Errorf("%s: %s", listen, got)
		}
	}
	if got := readyURL(config.Config{Listen: ":443", TLS: config.TLS{Cert: "x"}}); got != "https://localhost:443/readyz" {
		t.Error(got)
	}
}

func TestTestCA_MakesFilesAndNamesThem(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	if err := testCA([]string{"-dir", dir, "a.test", "b.test"}, &out); err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "a.test.pem") + "\n" + filepath.Join(dir, "b.test.pem") + "\n"; out.String() != want {
		t.Errorf("printed %q", out.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "ca.pem")); err != nil {
		t.Error(err)
	}
	if testCA(nil, io.Discard) == nil || testCA([]string{"A"}, io.Discard) == nil {
		t.Error("no name, or a bad one, is taken")
	}
}
