// SPDX-License-Identifier: Apache-2.0

package specguard

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"parley.chat/spec"
)

func TestFind_TheMostLiteralPathWins(t *testing.T) {
	l := theLaw()
	for _, c := range []struct{ method, path, want, param, value string }{
		{"GET", "/api/v1/users/me", "api/v1/users/me", "", ""},
		{"GET", "/api/v1/users/bob@b.example", "api/v1/users/{userId}", "userId", "bob@b.example"},
		{"GET", "/api/v1/users/bob%40b.example", "api/v1/users/{userId}", "userId", "bob@b.example"},
		{"DELETE", "/api/v1/conversations/c1/members/bob%40b.example", "api/v1/conversations/{conversationId}/members/{userId}", "conversationId", "c1"},
		{"GET", "/.well-known/parley/client", ".well-known/parley/client", "", ""},
	} {
		o, values, known := l.find(c.method, c.path)
		if o == nil || !known || strings.Join(o.segments, "/") != c.want || values[c.param] != c.value {
			t.Errorf("%s %s found %+v with %v", c.method, c.path, o, values)
		}
	}
}

func TestFind_UnknownPathsAndMethodsAreToldApart(t *testing.T) {
	l := theLaw()
	for path, want := range map[string]bool{
		"/api/v1/users/me":       true,
		"/api/v1/users/":         false,
		"/api/v1/users":          false,
		"/api/v1/users/me/":      false,
		"/api/v1/users/%zz":      false,
		"/api/v1/users/me/x/y/z": false,
		"/":                      false,
	} {
		if o, _, known := l.find("DELETE", path); o != nil || known != want {
			t.Errorf("%s: operation %v, known %v, want %v", path, o, known, want)
		}
	}
}

func TestCompile_ABrokenSpecificationIsAnError(t *testing.T) {
	good := fstest.MapFS{}
	for _, name := range []string{"openapi.yaml"} {
		raw, err := spec.Files().Open(name)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(raw)
		good[name] = &fstest.MapFile{Data: b}
	}
	for name, files := range map[string]fstest.MapFS{
		"nothing":         {},
		"lost schemas":    good,
		"no OpenAPI":      {"openapi.yaml": {Data: []byte("a: b")}},
		"broken YAML":     {"openapi.yaml": {Data: []byte("a: [")}},
		"broken schema":   {"openapi.yaml": {Data: []byte(minimal)}, "schemas/server.x.json": {Data: []byte(`{"type": 7}`)}},
		"unreadable JSON": {"openapi.yaml": {Data: []byte(minimal)}, "schemas/server.x.json": {Data: []byte(`{`)}},
	} {
		if _, err := compile(files); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
	if _, err := compile(fstest.MapFS{"openapi.yaml": {Data: []byte(minimal)}}); err != nil {
		t.Errorf("the smallest document: %v", err)
	}
}

const minimal = `{openapi: 3.1.0, info: {title: t, version: "1"}, paths: {/a: {get: {x-errors: [], responses: {"200": {description: d}}}}}}`

func TestTransport_PreflightsAndHeadPassUnread(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer srv.Close()
	rec := &recorder{TB: t}
	client := &http.Client{Transport: Transport(rec, srv.Client().Transport)}
	for _, method := range []string{"OPTIONS", "HEAD"} {
		req, _ := http.NewRequest(method, srv.URL+"/api/v1/conversations", nil)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	if len(rec.findings) > 0 {
		t.Errorf("findings %q", rec.findings)
	}
}

func TestTransport_ABodyThatCannotBeReadIsTheErrorOfTheRequest(t *testing.T) {
	req := httptest.NewRequest("POST", "http://localhost/api/v1/login", failingBody{})
	if _, err := Transport(&recorder{TB: t}, failing{}).RoundTrip(req); !errors.Is(err, errBody) {
		t.Errorf("error %v", err)
	}
}

func TestTransport_AnAnswerCutOffIsTheErrorOfTheRequest(t *testing.T) {
	req := httptest.NewRequest("GET", "http://localhost/api/v1/devices", nil)
	cut := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(failingBody{})}, nil
	})
	if _, err := Transport(&recorder{TB: t}, cut).RoundTrip(req); !errors.Is(err, errBody) {
		t.Errorf("error %v", err)
	}
}

func TestTransport_ServesManyGoroutines(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) }))
	defer srv.Close()
	rec := &recorder{TB: t}
	client := &http.Client{Transport: Transport(rec, srv.Client().Transport)}
	var wg sync.WaitGroup
	const many = 16
	for range many {
		wg.Go(func() {
			res, err := client.Get(srv.URL + "/api/v1/devices")
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
		})
	}
	wg.Wait()
	if len(rec.findings) != many {
		t.Errorf("%d findings, want one of each", len(rec.findings))
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(`{"type":"resync","data":{"code":"slow_reader"}}`))
	f.Add([]byte(`{"type":"sync","data":{"messages":[],"conversations":[],"receipts":[],"cursor":"x","hasMore":false}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		Frame(&recorder{TB: t}, raw) // It must find fault, not panic.
		ClientFrame(&recorder{TB: t}, raw)
	})
}

var errBody = errors.New("no more bytes")

type failingBody struct{}

func (failingBody) Read([]byte) (int, error) { return 0, errBody }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
