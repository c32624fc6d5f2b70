// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func TestPoll_WakesWhenSomethingMoves(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	b := testenv.NewBook()
	check(t, us[1].Pull(b))
	type result struct {
		page  frame.Sync
		fault *fault.Error
		took  time.Duration
	}
	poll := func(timeout int) chan result {
		done := make(chan result, 1)
		go func() {
			start := time.Now()
			var r result
			r.fault = us[1].Call("GET", fmt.Sprintf("/sync?timeout=%d&cursor=%s", timeout, url.QueryEscape(b.Cursor())), nil, &r.page)
			r.took = time.Since(start)
			done <- r
		}()
		return done
	}
	idle := <-poll(300)
	if idle.fault != nil || idle.took < 250*time.Millisecond || len(idle.page.Messages) != 0 || idle.page.Cursor == "" {
		t.Errorf("an idle poll: %+v", idle)
	}
	waiting := poll(60_000)
	srv.Until("the poll waits", func() bool { return srv.Gauge("parley_fanout_sessions") == 1 })
	ack := us[0].Post(conv, "wake up")
	r := <-waiting
	if r.fault != nil || r.took > 20*time.Second || len(r.page.Messages) != 1 || r.page.Messages[0].MessageID != ack.MessageID {
		t.Errorf("the poll answered %+v", r)
	}
	check(t, b.Page(r.page))
	if r := <-poll(0); r.fault != nil || len(r.page.Messages) != 0 {
		t.Errorf("after it: %+v", r)
	}
	// Logging out ends a poll at once.
	gone := us[1].Device()
	ended := make(chan *fault.Error, 1)
	go func() { ended <- gone.Call("GET", "/sync?timeout=60000&cursor="+url.QueryEscape(b.Cursor()), nil, nil) }()
	srv.Until("the poll waits", func() bool { return srv.Gauge("parley_fanout_sessions") == 1 })
	us[1].Do("DELETE", "/devices/"+gone.DeviceID, nil, nil)
	if f := <-ended; f == nil || f.Code != fault.DeviceRemoved {
		t.Errorf("the poll of a removed device got %v", f)
	}
}

func TestPoll_DoesNotHoldUpAStop(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	u := srv.User(t, "alice")
	b := testenv.NewBook()
	check(t, u.Pull(b))
	ended := make(chan *fault.Error, 1)
	go func() { ended <- u.Call("GET", "/sync?timeout=60000&cursor="+url.QueryEscape(b.Cursor()), nil, nil) }()
	srv.Until("the poll waits", func() bool { return srv.Gauge("parley_fanout_sessions") == 1 })
	start := time.Now()
	srv.Stop()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if f := <-ended; f == nil || f.Code != fault.Draining {
		t.Errorf("the poll got %v, want draining", f)
	}
}

func TestEvents_AreTheFramesOfASocket(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	us[0].Post(conv, "before")
	book := testenv.NewBook()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := us[1].Events(ctx, book, "")
	socket := us[1].Socket(nil)
	check(t, stream.Until(func() bool { return book.Cursor() != "" }))
	var last string
	for i := range 10 {
		last = us[0].Post(conv, fmt.Sprint("<&>\u2028", i)).MessageID
	}
	us[0].Do("POST", "/conversations", rest.CreateConversation{Type: "group", Name: "g", Members: []string{us[1].ID}}, nil)
	socket.Received(last)
	group := socket.Updated(frame.TypeCreate)
	for group.ConversationID == conv {
		group = socket.Updated(frame.TypeCreate)
	}
	check(t, stream.Until(func() bool { return book.Has(group.ConversationID, 0) && book.Has(conv, 11) }))
	for _, c := range []string{conv, group.ConversationID} {
		if a, b := book.Events(c), socket.Book.Events(c); !slices.EqualFunc(a, b, func(x, y frame.Event) bool { return x.MessageID == y.MessageID && x.Content == y.Content }) {
			t.Errorf("stream %+v\nsocket %+v", a, b)
		}
	}
	cancel()
	check(t, stream.End())
	us[0].Post(conv, "while away")
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	again := us[1].Events(ctx, book, book.Cursor())
	check(t, again.Until(func() bool { return book.Has(conv, 12) }))
	check(t, book.Dense(conv, 0, 12))
	us[1].Refused(fault.InvalidCursor, "GET", "/events?cursor=AAAA", nil)
	us[1].Do("POST", "/logout", nil, nil)
	if code := again.Farewell(); code != string(fault.DeviceRemoved) {
		t.Errorf("the stream of a device that logged out ended with %q", code)
	}
}
