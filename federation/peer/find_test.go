// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"parley.chat/protocol/id"
)

func TestFind_InTheOrderOfTheSpecification(t *testing.T) {
	file := map[string]any{}
	status := http.StatusOK
	s := newSite(t, true, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); answerJSON(w, file) })
	fresh := func() *Finder { return NewClient(s.client.o).finder }
	port := s.port
	check := func(what string, server id.Server, via, tlsName, target string) {
		t.Helper()
		p, err := fresh().Find(t.Context(), server)
		if err != nil || p.Via != via || p.TLSName != tlsName || len(p.Targets) != 1 || p.Targets[0] != target {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
	check("a port in the name", "a.test:8448", "name", "a.test", "a.test:8448")
	check("a file without server", home, "well-known", home, hostPort(home, port))
	file["server"] = "chat.example.com:8448"
	check("a file with host and port", home, "well-known", "chat.example.com", "chat.example.com:8448")
	file["server"] = "chat.example.com"
	check("a file with a host", home, "well-known", "chat.example.com", hostPort("chat.example.com", port))
	status = http.StatusNotFound
	check("no file", home, "port", home, hostPort(home, port))
	s.zone.srv[home] = []*net.SRV{{Target: "Srv.Example.com.", Port: 8449}}
	check("no file and SRV", home, "srv", home, "srv.example.com:8449")
	s.zone.host("down.test", "127.0.0.1")
	check("no certificate", "down.test", "port", "down.test", hostPort("down.test", port))
}

func TestFind_WhatSaysThatItIsNoServerIsBelieved(t *testing.T) {
	file := map[string]any{}
	s := newSite(t, true, func(w http.ResponseWriter, r *http.Request) {
		if file == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		answerJSON(w, file)
	})
	for name, f := range map[string]map[string]any{
		"another name": {"serverName": "other.example"}, "an address": {"server": "10.0.0.1"}, "a path": {"server": "a.test/x"},
		"an unknown scheme": {"requestAuth": []string{"rfc9421-ed25519-v1"}}, "no scheme": {"requestAuth": []string{}}, "a bad port": {"server": "a.test:70000"},
	} {
		file = f
		if _, err := NewClient(s.client.o).finder.Find(t.Context(), home); !errors.Is(err, ErrNotAServer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	file = nil
	for name, list := range map[string][]*net.SRV{"no service": {{Target: ".", Port: 0}}, "an address": {{Target: "10.0.0.1.", Port: 443}}, "no port": {{Target: "a.test.", Port: 0}}} {
		s.zone.srv[home] = list
		if _, err := NewClient(s.client.o).finder.Find(t.Context(), home); !errors.Is(err, ErrNotAServer) {
			t.Errorf("SRV with %s: %v", name, err)
		}
	}
}

func TestFind_IsRememberedAsLongAsItMay(t *testing.T) {
	var asked atomic.Int64
	status := http.StatusOK
	control := ""
	s := newSite(t, true, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Cache-Control", control)
		w.WriteHeader(status)
		answerJSON(w, map[string]any{})
	})
	find := func(want int64, what string) {
		t.Helper()
		if _, err := s.client.finder.Find(t.Context(), home); err != nil || asked.Load() != want {
			t.Errorf("%s: asked %d times, want %d (%v)", what, asked.Load(), want, err)
		}
	}
	find(1, "at first")
	s.clock.add(59 * time.Minute)
	find(1, "within the hour")
	control = "public, max-age=7200"
	s.clock.add(2 * time.Minute)
	find(2, "after the hour")
	s.clock.add(119 * time.Minute)
	find(2, "within max-age")
	control = "max-age=999999999"
	s.clock.add(2 * time.Minute)
	find(3, "after max-age")
	s.clock.add(24*time.Hour + time.Second)
	find(4, "after a day")
	s.client.finder.doubt(home)
	s.clock.add(61 * time.Second)
	status = http.StatusServiceUnavailable
	find(5, "after doubt")
	find(5, "nothing found is remembered too")
	s.clock.add(time.Hour + time.Second)
	find(6, "for an hour")
}

func TestClient_SRVTargetsAreTriedInOrderUnderOneName(t *testing.T) {
	s := newSite(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == WellKnown {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	s.zone.host("up.test", "127.0.0.1")
	s.zone.srv[home] = []*net.SRV{{Target: "gone.test.", Port: s.port}, {Target: "up.test.", Port: s.port}}
	a, err := s.client.Do(t.Context(), Request{To: home, Method: "GET", Path: "/x", IsUnsigned: true})
	if err != nil || a.Status != http.StatusOK || !s.was(home+"/x") {
		t.Errorf("got %d, %v", a.Status, err)
	}
}

func FuzzWellKnown(f *testing.F) {
	f.Add([]byte(`{"server":"a.test:8448","serverName":"example.org","requestAuth":["cavage12-ed25519-v1"]}`))
	f.Add([]byte(`{"server":"10.0.0.1"}`))
	f.Add([]byte(`{"server":"0x7f.1","server":"a"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := readWellKnown(raw, "example.org", 443)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatal("not JSON")
		}
		if !id.Server(p.TLSName).IsDomain() || p.Port == 0 || len(p.Targets) != 1 || !id.Server(p.Targets[0]).IsDomain() {
			t.Fatalf("a place that is none: %+v", p)
		}
	})
}
