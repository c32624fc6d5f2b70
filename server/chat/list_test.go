// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

func TestList_ResumedSessionShowsTheWholeList(t *testing.T) {
	f := sdktest.New(t)
	state := t.TempDir()
	first := talk(t, f, "bob", state)
	first.expect("connected")
	first.enter("/dm alice")
	first.expect("── alice ──")
	first.enter("/dm carol")
	first.expect("── carol ──")
	first.enter("/list")
	first.expect("  2  ")
	first.enter("/quit")
	first.exit(0)
	for _, conv := range f.Conversations() {
		f.Say(conv, "alice@x", "meanwhile")
		break
	}
	second := launch(t, []string{"--server", f.URL, "--user", "bob", "--state", state})
	second.expect("connected")
	both := second.expect("  1  ") + second.expect("  2  ")
	if !strings.Contains(both, "alice") || !strings.Contains(both, "carol") {
		t.Errorf("listed %q", both)
	}
	second.enter("/open 2")
	second.expect("──")
}

func TestList_NumbersMeanTheListEvenBeforeItWasShown(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	if _, err := a.client.CreateDirect(t.Context(), "bob@x"); err != nil {
		t.Fatal(err)
	}
	a.line(t.Context(), "/open 1")
	if got := p.took(); len(got) == 0 || got[0] != "── bob ──" {
		t.Errorf("said %q", got)
	}
}

func TestList_FailureAtTheStartIsNotAnEmptyList(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		sdktest.Refuse(w, fault.New(fault.RateLimited, "slow down"))
		return true
	}
	a.all(connected())
	want := []string{"connected", "! cannot read the list: slow down; /list tries again"}
	if d := cmp.Diff(want, p.took()); d != "" {
		t.Error(d)
	}
	a.line(t.Context(), "/list")
	if d := cmp.Diff([]string{"! slow down; this is as known:", "No conversation is known yet."}, p.took()); d != "" {
		t.Error(d)
	}
	f.OnCall = nil
	a.line(t.Context(), "/list")
	if d := cmp.Diff([]string{"No conversations yet: /dm NAME begins one."}, p.took()); d != "" {
		t.Error(d)
	}
}

func TestList_ShowsWhatOnlySyncToldToo(t *testing.T) {
	a, p := appOf(t, sdktest.New(t), true)
	a.all(sdk.Summary{Conversation: frame.Conversation{ConversationID: "c", PeerID: "bob@x"}}, connected())
	if d := cmp.Diff([]string{"connected", "  1  bob"}, p.took()); d != "" {
		t.Error(d)
	}
}
