// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

// paper is a screen that keeps what is shown.
type paper struct {
	lines []string
	shown string
}

func (p *paper) read() (string, error) { return "", errors.New("nothing is typed on paper") }
func (p *paper) print(line string)     { p.lines = append(p.lines, line) }
func (p *paper) prompt(s string)       { p.shown = s }
func (p *paper) close()                {}

// appOf is an app of alice@x with nothing running.
func appOf(t *testing.T, f *sdktest.Server, plain bool) (*app, *paper) {
	t.Helper()
	c, err := sdk.New(sdk.Options{BaseURL: f.URL})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(t.Context(), rest.Register{Username: "alice", Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	p := &paper{}
	return newApp(c, p, plain), p
}

// took returns the lines since the last call, without the time of day.
func (p *paper) took() []string {
	var out []string
	for _, line := range p.lines {
		if len(line) > 5 && line[2] == ':' {
			line = line[6:]
		}
		out = append(out, line)
	}
	p.lines = nil
	return out
}

func said(conv string, seq int64, sender, text string) sdk.Message {
	now := time.Now().UnixMilli()
	return sdk.Message{Event: frame.Event{
		ConversationID: conv, Seq: seq, Type: frame.TypeMessage, SenderID: sender, Content: text, Timestamp: now,
		MessageID: id.NewMessage(now, seq, [32]byte{}).String(),
	}}
}

func connected() sdk.Connection { return sdk.Connection{State: sdk.Live} }

func (a *app) all(us ...sdk.Update) {
	for _, u := range us {
		a.update(context.Background(), u)
	}
	a.redraw()
}

func TestApp_ConnectionStateIsToldOncePerOutage(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), false)
	waiting := sdk.Connection{State: sdk.Waiting, Err: errors.New("x")}
	a.all()
	if p.shown != "(offline) > " {
		t.Errorf("prompt %q", p.shown)
	}
	a.all(waiting, waiting, sdk.Connection{State: sdk.Connecting}, waiting, connected())
	if d := cmp.Diff([]string{"cannot reach the server (connection lost); trying again", "connected", "No conversations yet: /dm NAME begins one."}, p.took()); d != "" {
		t.Error(d)
	}
	a.all(connected())
	if got := p.took(); got != nil {
		t.Errorf("said %q", got)
	}
	if p.shown != "> " {
		t.Errorf("prompt %q", p.shown)
	}
}

func TestApp_WhatCameBeforeTheFirstConnectionIsOnlyListed(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), true)
	a.all(
		sdk.Summary{Conversation: frame.Conversation{ConversationID: "c", PeerID: "bob@x", HeadSeq: 2, UnreadCount: 1}},
		said("c", 2, "bob@x", "old"), connected(),
	)
	if d := cmp.Diff([]string{"connected", "  1  bob (1 unread)"}, p.took()); d != "" {
		t.Error(d)
	}
	a.all(said("c", 3, "bob@x", "new\nlines"))
	if d := cmp.Diff([]string{"(bob) bob: new⏎lines"}, p.took()); d != "" {
		t.Error(d)
	}
	if n := a.get("c").UnreadCount; n != 2 {
		t.Errorf("%d unread", n)
	}
}

func TestApp_OpenConversationShowsEachEventOnce(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), true)
	a.all(connected())
	p.took()
	a.open = "c"
	m := said("c", 1, "bob@x", "hello")
	a.all(m, m, said("c", 2, "alice@x", "from my other device"))
	a.all(sdk.StateChange{Event: frame.Event{ConversationID: "c", Seq: 3, Type: frame.TypeMemberLeave, SenderID: "bob@x", Timestamp: time.Now().UnixMilli()}})
	want := []string{"#1 bob: hello", "#2 you: from my other device  ✓", "* bob left"}
	if d := cmp.Diff(want, p.took()); d != "" {
		t.Error(d)
	}
	if n := a.get("c").UnreadCount; n != 0 {
		t.Errorf("%d unread", n)
	}
}

func TestApp_RefusedMessageIsToldAndMarked(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), false)
	a.all(connected())
	a.open = "c"
	if err := a.do(t.Context(), "into the void"); err != nil {
		t.Fatal(err)
	}
	a.redraw()
	if !strings.HasPrefix(p.shown, "[…] ") {
		t.Errorf("prompt %q", p.shown)
	}
	p.took()
	tempID := a.get("c").own[0].tempID
	a.all(sdk.SendFailed{Send: frame.Send{ConversationID: "c", TempID: tempID, Content: "into the void"}, Err: fault.New(fault.NotMember, "no longer")})
	if d := cmp.Diff([]string{"✗ into the void: no longer"}, p.took()); d != "" {
		t.Error(d)
	}
	if !strings.HasPrefix(p.shown, "[✗] ") {
		t.Errorf("prompt %q", p.shown)
	}
	// A receipt later does not bring it back to life.
	a.all(sdk.Receipt{Receipt: frame.Receipt{ConversationID: "c", UserID: "bob@x", DeliveredSeq: 9, ReadSeq: 9}})
	if got := a.get("c").own[0].tick; got != tickFailed {
		t.Errorf("tick %q", got)
	}
}

func TestApp_PromptShowsHowFarTheLastMessageGot(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), false)
	a.all(connected(), sdk.Summary{Conversation: frame.Conversation{ConversationID: "c", PeerID: "bob@x", HeadSeq: 0}})
	a.open = "c"
	if err := a.do(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	ack := frame.Ack{ConversationID: "c", TempID: a.get("c").own[0].tempID, Seq: 1}
	receipt := func(delivered, read int64) sdk.Update {
		return sdk.Receipt{Receipt: frame.Receipt{ConversationID: "c", UserID: "bob@x", DeliveredSeq: delivered, ReadSeq: read}}
	}
	for _, step := range []struct {
		u    sdk.Update
		want string
	}{
		{sdk.Acked{Ack: ack}, "[✓] bob> "},
		{receipt(1, -1), "[✓✓] bob> "},
		{receipt(1, 1), "[✓✓ read] bob> "},
		{sdk.Connection{State: sdk.Waiting}, "(offline) [✓✓ read] bob> "},
	} {
		a.all(step.u)
		if p.shown != step.want {
			t.Errorf("prompt %q, want %q", p.shown, step.want)
		}
	}
}

func TestApp_MembershipEndsAndBeginsWithEvents(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), true)
	a.all(connected(), sdk.Summary{Conversation: frame.Conversation{ConversationID: "c", Name: "band", HeadSeq: 0, Membership: "joined"}})
	p.took()
	change := func(seq int64, kind string) sdk.Update {
		return sdk.StateChange{Event: frame.Event{ConversationID: "c", Seq: seq, Type: kind, SenderID: "bob@x", Change: &frame.Change{UserIDs: []string{"alice@x"}}}}
	}
	a.all(change(1, frame.TypeMemberRemove))
	if n := len(a.list(false)); n != 0 {
		t.Errorf("%d listed after the removal", n)
	}
	a.all(change(2, frame.TypeMemberAdd))
	if n := len(a.list(false)); n != 1 {
		t.Errorf("%d listed after the adding", n)
	}
	if d := cmp.Diff([]string{"(band) bob removed you", "(band) bob added you"}, p.took()); d != "" {
		t.Error(d)
	}
}

func TestApp_CommandsFailWithoutHarm(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	for line, want := range map[string]string{
		"/history":      "! no conversation is open: /list, then /open N, or /dm NAME",
		"text":          "! no conversation is open: /list, then /open N, or /dm NAME",
		"/open x":       "! no conversation \"x\": /list shows them, /dm NAME begins one",
		`/group "open`:  "! a quote is not closed",
		"/rename":       "! usage: /rename NAME",
		"/\x1b[31mevil": "! unknown command /\uFFFD[31mevil; /help lists them",
		"/remove":       "! usage: /remove USER",
		"   ":           "",
	} {
		a.line(t.Context(), line)
		if got := strings.Join(p.took(), "|"); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	f.Close()
	a.line(t.Context(), "/dm bob")
	if got := p.took(); len(got) != 1 || !strings.HasPrefix(got[0], "! cannot reach the server") {
		t.Errorf("said %q", got)
	}
	a.line(t.Context(), "/list")
	if got := p.took(); len(got) != 2 || !strings.HasSuffix(got[0], "this is as known:") {
		t.Errorf("said %q", got)
	}
	if a.leaving {
		t.Error("an error ends the app")
	}
}

func TestApp_HistoryShowsTheNewestOldestFirst(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	a.open = f.Converse("alice@x", "bob@x")
	for _, text := range []string{"one", "two", "three"} {
		f.Say(a.open, "bob@x", text)
	}
	a.line(t.Context(), "/history 2")
	got := p.took()
	if len(got) != 2 || !strings.HasSuffix(got[0], "#2 bob: two") || !strings.HasSuffix(got[1], "#3 bob: three") {
		t.Errorf("said %q", got)
	}
	for _, bad := range []string{"/history 0", "/history 201", "/history x"} {
		a.line(t.Context(), bad)
		if got := p.took(); !slices.Equal(got, []string{"! usage: /history [1 to 200]"}) {
			t.Errorf("%s said %q", bad, got)
		}
	}
}
