// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

func is(user, status string, seen int64) sdk.Presence {
	return sdk.Presence{Presence: frame.Presence{UserID: user, Status: status, LastSeen: seen}}
}

func writes(conv, user string, on bool) sdk.Typing {
	return sdk.Typing{Typing: frame.Typing{ConversationID: conv, UserID: user, IsTyping: on}}
}

func opened(t *testing.T) (*app, *paper) {
	t.Helper()
	a, p := appOf(t, sdktest.New(t), false)
	a.all(
		sdk.Summary{Conversation: frame.Conversation{ConversationID: "c", Type: "direct", PeerID: "bob@x"}},
		sdk.Summary{Conversation: frame.Conversation{ConversationID: "g", Type: "group", Name: "all"}},
		connected(),
	)
	a.open = "c"
	a.redraw()
	p.took()
	return a, p
}

func TestPresence_OfThePeerIsToldWhenItChanges(t *testing.T) {
	a, p := opened(t)
	if a.watched != "bob@x" {
		t.Fatalf("watches %q", a.watched)
	}
	shown := p.shown
	a.all(is("bob@x", "offline", 0), is("bob@x", "offline", 0), is("carol@x", "online", 0))
	if got := p.took(); got != nil {
		t.Errorf("said %q of who is not there", got)
	}
	a.all(is("bob@x", "online", 0), is("bob@x", "online", 0), is("bob@x", "offline", 0))
	if d := cmp.Diff([]string{"bob is online", "bob is offline"}, p.took()); d != "" {
		t.Error(d)
	}
	if p.shown != shown {
		t.Errorf("the prompt became %q", p.shown)
	}
	a.open = "g"
	a.redraw()
	a.all(is("bob@x", "online", 0))
	if got := p.took(); got != nil || a.watched != "" {
		t.Errorf("said %q, watches %q", got, a.watched)
	}
}

func TestPresence_StatesInWords(t *testing.T) {
	now := time.Date(2026, 5, 4, 15, 30, 0, 0, time.UTC)
	for want, p := range map[string]frame.Presence{
		"online":                   {Status: "online"},
		"offline":                  {Status: "offline"},
		"offline, last seen 09:05": {Status: "offline", LastSeen: time.Date(2026, 5, 4, 9, 5, 0, 0, time.UTC).UnixMilli()},
		"offline, last seen 31 December 2025 23:59": {Status: "offline", LastSeen: time.Date(2025, 12, 31, 23, 59, 0, 0, time.UTC).UnixMilli()},
	} {
		if got := state(p, now); got != want {
			t.Errorf("%+v is %q, want %q", p, got, want)
		}
	}
}

func TestTyping_IsSaidOnceInAWhileAndInTheOpenConversationOnly(t *testing.T) {
	a, p := opened(t)
	a.all(writes("c", "bob@x", true), writes("c", "bob@x", true), writes("c", "bob@x", false), writes("g", "carol@x", true))
	if d := cmp.Diff([]string{"bob is typing…"}, p.took()); d != "" {
		t.Error(d)
	}
	a.typed(writes("c", "bob@x", true).Typing, time.Now().Add(typingPause))
	if d := cmp.Diff([]string{"bob is typing…"}, p.took()); d != "" {
		t.Error(d)
	}
	if n := len(a.typing); n != 1 {
		t.Errorf("%d are remembered", n)
	}
}

// keyboard is a screen that knows what is typed.
type keyboard struct {
	paper
	press func(line string)
}

func (k *keyboard) onKey(f func(line string)) { k.press = f }

func TestTyping_IsToldOfTextAndNotOfCommands(t *testing.T) {
	var sent []string
	var mu sync.Mutex
	f := sdktest.New(t)
	conv := f.Converse("alice@x", "bob@x")
	c, err := sdk.New(sdk.Options{BaseURL: f.URL, OnFrame: func(out bool, raw []byte) {
		mu.Lock()
		defer mu.Unlock()
		if out && strings.Contains(string(raw), `"type":"typing"`) {
			sent = append(sent, string(raw))
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(t.Context(), rest.Register{Username: "alice", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	k := &keyboard{}
	a := newApp(c, k, false)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for live := false; !live; {
		u := <-c.Events()
		a.update(ctx, u)
		l, ok := u.(sdk.Connection)
		live = ok && l.State == sdk.Live
	}
	press := func(line string) {
		k.press(line)
		a.key(<-a.keys)
	}
	press("nobody is there")
	a.open = conv
	press("/o")
	press("h")
	k.press("he")
	k.press("hel") // Before the app looked: one is enough.
	a.key(<-a.keys)
	deadline := time.Now().Add(5 * time.Second)
	for count := 0; count == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		mu.Lock()
		count = len(sent)
		mu.Unlock()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	want := []string{`{"type":"typing","data":{"conversationId":"` + conv + `","isTyping":true}}`}
	if d := cmp.Diff(want, sent); d != "" {
		t.Error(d)
	}
}
