// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

func TestMain(m *testing.M) { Main(m) }

func TestServer_StopsRestartsAndLosesItsDatabase(t *testing.T) {
	for name, opts := range map[string][]Option{"one": nil, "two": {TwoDatabases}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Start(t, opts...)
			us := s.Users(t, "alice", "bob")
			conv, url := us[0].Direct(us[1]), s.URL
			sock := us[1].Socket(nil)
			ack := us[0].Post(conv, "hello")
			if e := sock.Received(ack.MessageID); e.Content != "hello" {
				t.Errorf("received %+v", e)
			}
			s.Restart()
			if s.URL != url || !s.Ready() {
				t.Errorf("after the restart at %s, before at %s", s.URL, url)
			}
			if code, _ := sock.Closed(); code != 4000 {
				t.Errorf("the socket closed with %d", code)
			}
			s.StopDatabase()
			s.Until("readiness fails", func() bool { return !s.Ready() })
			s.StartDatabase()
			s.Until("it is ready", s.Ready)
			us[0].Refused(fault.UnknownConversation, "GET", "/conversations/c", nil)
			if s.Gauge("parley_timeline_ready") != 1 || s.Gauge("no_such_metric") != -1 {
				t.Error("the gauges are wrong")
			}
		})
	}
}

func TestLeaks_NamesAGoroutineOfOurs(t *testing.T) {
	if l := leaks(); len(l) > 0 {
		t.Skipf("other tests run: %d", len(l))
	}
	stop, running := make(chan struct{}), make(chan struct{})
	go func() { close(running); <-stop }()
	<-running
	found := slices.ContainsFunc(leaks(), func(s string) bool { return strings.Contains(s, "TestLeaks_NamesAGoroutineOfOurs") })
	close(stop)
	if !found {
		t.Errorf("not among %q", leaks())
	}
}

func TestJournal_KeepsTheEndAndEveryPanic(t *testing.T) {
	j := newJournal()
	log := slog.New(j).With("part", "x").WithGroup("g")
	log.Error("panic in a route", slog.String("stack", "here"))
	log.Info("request", slog.Int("status", 200))
	for range 2000 {
		log.Info(strings.Repeat("x", 100))
	}
	log.Info("the end")
	if tail := j.tail(); len(tail) > 2*journalBytes || !strings.Contains(tail, "the end") || strings.Contains(tail, "status") {
		t.Errorf("the tail has %d bytes", len(tail))
	}
	if len(j.kept.panics) != 1 {
		t.Errorf("%d panics", len(j.kept.panics))
	}
}

func TestGuard_SeesWhatABookDoesNot(t *testing.T) {
	s := Start(t)
	u := s.User(t, "alice")
	if u.Name() != "alice" || u.DeviceID == "" {
		t.Errorf("registered %+v", u.Session.UserID)
	}
	sock := u.Socket(nil)
	sock.Alive()
	var seen []string
	sock.Watch(func(f Frame) { seen = append(seen, f.Type) })
	sock.Send("no_such_type", struct{}{})
	sock.Refused(fault.UnknownType)
	sock.Drop() // After it nothing is read, so seen is ours.
	if !slices.Contains(seen, frame.ErrorFrame) {
		t.Errorf("watched %v", seen)
	}
}
