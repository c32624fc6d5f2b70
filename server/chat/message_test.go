// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/frame"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

func onMessage(seq int64, target sdk.Message, typ, sender string) sdk.MessageChange {
	return sdk.MessageChange{Event: frame.Event{
		ConversationID: "c", Seq: seq, Type: typ, SenderID: sender, TargetMessageID: target.MessageID, Timestamp: time.Now().UnixMilli(),
	}}
}

func TestMessage_ChangesAreToldAndKept(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), true)
	a.all(connected())
	p.took()
	a.open = "c"
	m := said("c", 1, "bob@x", "helo")
	m.ContentType = "text"
	edit, add, del := onMessage(2, m, frame.TypeEdit, "bob@x"), onMessage(3, m, frame.TypeReaction, "carol@x"), onMessage(4, m, frame.TypeDelete, "bob@x")
	edit.Content = "hello\x1b[2J"
	add.Emoji, add.Action = "x", "add"
	a.all(m, edit, add)
	kept := a.get("c").kept(m.MessageID)
	if line := a.format(a.get("c"), *kept); !strings.Contains(line, "hello") || !strings.Contains(line, "(edited)") || !strings.Contains(line, "[x 1]") {
		t.Errorf("the message is shown as %q", line)
	}
	off := add
	off.Seq, off.Action = 4, "remove"
	del.Seq = 5
	a.all(off, del)
	want := []string{"#1 bob: helo", "* bob edited #1: " + clean(edit.Content), "* carol put x on #1", "* carol took x off #1", "* bob deleted #1"}
	if d := cmp.Diff(want, p.took()); d != "" {
		t.Error(d)
	}
	if line := a.format(a.get("c"), *kept); !strings.HasSuffix(line, "bob: (deleted by bob)") {
		t.Errorf("the deleted message is shown as %q", line)
	}
	if _, err := a.find(t.Context(), "last", false); err == nil {
		t.Error("a deleted message is the last one")
	}
	a.all(onMessage(6, m, frame.TypeEdit, "bob@x")) // Erased with its message.
	if got := p.took(); len(got) != 1 || got[0] != "* bob edited a message that is gone" {
		t.Errorf("said %q", got)
	}
}

func TestMessage_IsFoundByNumberAndAsTheLast(t *testing.T) {
	a, _ := appOf(t, sdktest.New(t), true)
	a.open = "c"
	a.all(said("c", 1, a.self, "mine"), said("c", 2, "bob@x", "his"))
	for _, c := range []struct {
		word string
		own  bool
		want int64
	}{{"last", false, 2}, {"last", true, 1}, {"1", false, 1}, {"#2", true, 2}} {
		if m, err := a.find(t.Context(), c.word, c.own); err != nil || m.Seq != c.want {
			t.Errorf("%s: seq %d, %v", c.word, m.Seq, err)
		}
	}
	for _, word := range []string{"x", "-1", "", "#"} {
		if _, err := a.find(t.Context(), word, false); err == nil {
			t.Errorf("%q names a message", word)
		}
	}
}

func TestMessage_ExpiryIsShown(t *testing.T) {
	a, _ := appOf(t, sdktest.New(t), true)
	m := said("c", 1, "bob@x", "secret")
	m.ContentType, m.ExpiresAt = "text", time.Now().Add(time.Hour).UnixMilli()
	a.all(m)
	if line := a.format(a.get("c"), a.get("c").messages[0]); !strings.Contains(line, "(until ") {
		t.Errorf("shown as %q", line)
	}
	a.all(sdk.Expired{ConversationID: "c", MessageIDs: []string{m.MessageID}})
	if line := a.format(a.get("c"), a.get("c").messages[0]); !strings.HasSuffix(line, "(expired)") || strings.Contains(line, "secret") {
		t.Errorf("shown as %q", line)
	}
}
