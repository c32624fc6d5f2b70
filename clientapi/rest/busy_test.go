// SPDX-License-Identifier: Apache-2.0

package rest_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"parley.chat/clientapi/rest"
)

func TestRequests_AtATimeAreBoundedByUserAndWaitingOnesByDevice(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	hold := func(*rest.Call) (any, error) {
		entered <- struct{}{}
		<-release
		return 1, nil
	}
	h := rest.New(rest.Config{Auth: authFake{}, AtOnce: 3, Log: slog.New(slog.DiscardHandler), Routes: []rest.Route{
		{Method: "GET", Path: "/user", Auth: true, Status: 200, Handle: hold},
		{Method: "GET", Path: "/open", Status: 200, Handle: hold},
		{Method: "GET", Path: "/wait", Auth: true, Waits: true, Status: 200, Handle: hold},
	}})
	call := func(path string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
		if path != "/open" {
			r.Header.Set("Authorization", "Bearer good")
		}
		h.ServeHTTP(w, r)
		return w
	}
	for path, most := range map[string]int{"/user": 3, "/open": 3, "/wait": rest.WaitsPerDevice} {
		done := make(chan int, most)
		for range most {
			go func() { done <- call(path).Code }()
			<-entered
		}
		if w := call(path); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: one more than %d answers %d", path, most, w.Code)
		}
		for range most {
			release <- struct{}{}
			if code := <-done; code != 200 {
				t.Errorf("%s: one of those at a time answers %d", path, code)
			}
		}
		go func() { <-entered; release <- struct{}{} }()
		if w := call(path); w.Code != 200 {
			t.Errorf("%s: after the others %d", path, w.Code)
		}
	}
}
