// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/sdk/sdktest"
)

// says is what a moment has to tell at a time, and how long until there is more.
func says(t *testing.T, m *moment, now time.Time) (out []string, wait time.Duration) {
	t.Helper()
	for {
		kind, data, wait := m.next(now)
		if data == nil {
			return out, wait
		}
		raw, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, kind+" "+string(raw))
	}
}

func offlineClient(t *testing.T, o Options) *Client {
	t.Helper()
	o.BaseURL = "http://localhost"
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantSaid(t *testing.T, m *moment, now time.Time, wait time.Duration, want ...string) {
	t.Helper()
	got, rest := says(t, m, now)
	if diff := cmp.Diff(want, got); diff != "" || rest != wait {
		t.Errorf("until the next %v, want %v: %s", rest, wait, diff)
	}
}

func TestMoment_BeatsEvery30SecondsAndRenewsEveryMinute(t *testing.T) {
	c := offlineClient(t, Options{})
	if err := c.Watch("bob@x", "ann@x"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	const first = `presence {"heartbeat":true,"subscribe":["ann@x","bob@x"]}`
	wantSaid(t, c.moment, begin, beatEvery, first)
	wantSaid(t, c.moment, begin.Add(20*time.Second), 10*time.Second)
	wantSaid(t, c.moment, begin.Add(30*time.Second), beatEvery, `presence {"heartbeat":true}`)
	wantSaid(t, c.moment, begin.Add(60*time.Second), beatEvery, first)
	c.Unwatch("ann@x", "carol@x")
	wantSaid(t, c.moment, begin.Add(61*time.Second), beatEvery, `presence {"heartbeat":true,"unsubscribe":["ann@x"]}`)
	c.moment.reconnected()
	wantSaid(t, c.moment, begin.Add(62*time.Second), beatEvery, `presence {"heartbeat":true,"subscribe":["bob@x"]}`)
}

func TestMoment_WhoIsQuietOrAwayWatchesWithoutBeingSeen(t *testing.T) {
	now := time.Now()
	c := offlineClient(t, Options{Quiet: true})
	wantSaid(t, c.moment, now, time.Hour)
	_ = c.Watch("bob@x")
	wantSaid(t, c.moment, now, renewEvery, `presence {"status":"offline","subscribe":["bob@x"]}`)
	c.SetOnline(true)
	wantSaid(t, c.moment, now, beatEvery, `presence {"heartbeat":true}`)
	c.SetOnline(false)
	wantSaid(t, c.moment, now, renewEvery, `presence {"status":"offline"}`)
	c.moment.reconnected()
	wantSaid(t, c.moment, now, renewEvery, `presence {"status":"offline","subscribe":["bob@x"]}`)
}

func TestWatch_IsBounded(t *testing.T) {
	c := offlineClient(t, Options{})
	for i := range maxWatched {
		if err := c.Watch(fmt.Sprint("user", i, "@x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Watch("one@more"); !fault.Is(err, fault.TooManySubscriptions) {
		t.Errorf("the error is %v", err)
	}
	if err := c.Watch("user1@x"); err != nil {
		t.Errorf("the same again: %v", err)
	}
	for range 5 {
		c.Unwatch("user1@x")
		_ = c.Watch("user1@x")
	}
	if n := len(c.moment.drop); n > maxWatched {
		t.Errorf("%d users wait to be dropped", n)
	}
}

func TestTyping_IsToldOnceInTwoSecondsAndItsEndAtOnce(t *testing.T) {
	c := offlineClient(t, Options{Quiet: true})
	c.Typing("c1", false)
	for range 20 {
		c.Typing("c1", true)
	}
	on, off := `typing {"conversationId":"c1","isTyping":true}`, `typing {"conversationId":"c1","isTyping":false}`
	now := time.Now()
	wantSaid(t, c.moment, now, time.Hour, on)
	c.Typing("c1", true)
	wantSaid(t, c.moment, now, time.Hour)
	c.Typing("c1", false)
	wantSaid(t, c.moment, now, time.Hour, off)
	wantSaid(t, c.moment, now.Add(time.Minute), time.Hour)
	if n := len(c.moment.typing); n != 0 {
		t.Errorf("%d marks are kept", n)
	}
}

func TestRun_SaysOnlineWhenLiveAndHandsTheMomentOver(t *testing.T) {
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	var mu sync.Mutex
	var sent []string
	bob := join(t, f, "bob", Options{OnFrame: func(out bool, raw []byte) {
		mu.Lock()
		defer mu.Unlock()
		if out && strings.Contains(string(raw), `"type":"presence"`) {
			sent = append(sent, string(raw))
		}
	}})
	bob.untilLive(t, 1)
	deadline := time.Now().Add(5 * time.Second)
	for {
		mu.Lock()
		n := len(sent)
		mu.Unlock()
		if n > 0 || time.Now().After(deadline) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	mu.Lock()
	if diff := cmp.Diff([]string{`{"type":"presence","data":{"heartbeat":true}}`}, sent); diff != "" {
		t.Error(diff)
	}
	mu.Unlock()
	want := []Update{
		Presence{frame.Presence{UserID: "alice@x", Status: "online"}},
		Typing{frame.Typing{ConversationID: conv, UserID: "alice@x", IsTyping: true}},
	}
	f.Everyone(frame.PresenceFrame, want[0].(Presence).Presence)
	f.Everyone(frame.TypingFrame, want[1].(Typing).Typing)
	for _, w := range want {
		bob.until(t, "what is of the moment", func(all []Update) bool {
			return slices.ContainsFunc(all, func(u Update) bool { return cmp.Equal(u, w) })
		})
	}
}
