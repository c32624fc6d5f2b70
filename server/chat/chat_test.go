// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"parley.chat/protocol/frame"
	"parley.chat/sdk/sdktest"
)

func TestChat_TwoUsersTalkAndSeeTicks(t *testing.T) {
	f := sdktest.New(t)
	alice, bob := talk(t, f, "alice", t.TempDir()), talk(t, f, "@Bob", t.TempDir())
	alice.expect("connected")
	bob.expect("You are bob@x")
	bob.expect("No conversations yet")
	alice.enter("/dm bob")
	alice.expect("── bob ──")
	bob.expect("(alice) alice created the conversation")
	alice.enter("hello")
	alice.expect("… hello")
	alice.expect("✓✓ hello")
	bob.expect("(alice) alice: hello")
	bob.enter("/list")
	bob.expect("1  alice (1 unread)  alice: hello")
	bob.enter("/open 1")
	bob.expect("alice: hello")
	alice.expect("✓✓ read hello")
	bob.enter("hi there")
	alice.expect("bob: hi there")
	bob.expect("✓✓ read hi there")
	alice.enter("/history 1")
	alice.expect("bob: hi there")
	bob.enter("/quit")
	bob.exit(0)
}

func TestChat_GroupCommands(t *testing.T) {
	f := sdktest.New(t)
	alice, bob := talk(t, f, "alice", t.TempDir()), talk(t, f, "bob", t.TempDir())
	alice.expect("connected")
	bob.expect("connected")
	alice.enter(`/group "the band" bob`)
	alice.expect("── the band ──")
	bob.expect("(the band) alice created")
	alice.enter("/add carol@y")
	alice.expect("you added carol@y")
	alice.enter("/members")
	alice.expect("  bob (member)")
	alice.expect("  carol@y (member)")
	alice.enter("/remove carol@y")
	alice.expect("you removed carol@y")
	alice.enter("/rename the choir")
	alice.expect("you renamed it to the choir")
	bob.enter("/list")
	bob.expect("1  the choir")
	bob.enter("/open 1")
	bob.expect("── the choir ──")
	bob.enter("//slash")
	alice.expect("bob: /slash")
	bob.enter("/leave")
	bob.expect("You left the choir.")
	bob.enter("into the void")
	bob.expect("no conversation is open")
	bob.enter("/devices")
	bob.expect("(this one)")
	bob.enter("/help groups")
	bob.expect("/rename NAME")
	bob.enter("/nonsense")
	bob.expect("unknown command /nonsense")
	bob.enter("/open 7")
	bob.expect(`no conversation "7"`)
	bob.enter("/dm")
	bob.expect("usage: /dm NAME")
}

func TestChat_HostileTextIsDefused(t *testing.T) {
	f := sdktest.New(t)
	bob := talk(t, f, "bob", t.TempDir())
	bob.expect("No conversations yet")
	conv := f.Converse("alice@x", "bob@x")
	bob.expect("created the group")
	f.Say(conv, "alice@x", "a\x1b[2Jb\nc\u202Ed")
	if line := bob.expect("alice: a"); !strings.Contains(line, "a\uFFFD[2Jb⏎c\uFFFDd") {
		t.Errorf("line %q", line)
	}
}

func TestChat_ReconnectsAndShowsWhatCameMeanwhile(t *testing.T) {
	f := sdktest.New(t)
	bob := talk(t, f, "bob", t.TempDir())
	bob.expect("connected")
	bob.enter("/dm alice")
	bob.expect("── alice ──")
	f.OnLive = func(frame.Event) []frame.Event { return nil }
	f.CloseAll(websocket.StatusAbnormalClosure)
	conv := ""
	bob.expect("trying again")
	bob.expect("connected")
	for _, c := range f.Conversations() {
		conv = c
	}
	f.Say(conv, "alice@x", "meanwhile")
	f.CloseAll(websocket.StatusAbnormalClosure)
	bob.expect("alice: meanwhile")
}

func TestChat_SessionIsResumedAndEndsWithLogout(t *testing.T) {
	f := sdktest.New(t)
	state := t.TempDir()
	first := talk(t, f, "bob", state)
	first.expect("connected")
	first.enter("/quit")
	first.exit(0)
	second := launch(t, []string{"--server", f.URL, "--user", "bob", "--state", state})
	second.expect("connected")
	if n := f.Called("POST login") + f.Called("POST register"); n != 1 {
		t.Errorf("logged in %d times", n)
	}
	second.enter("/logout")
	second.expect("Logged out.")
	second.exit(0)
	third := launch(t, []string{"--server", f.URL, "--user", "bob", "--state", state})
	third.expect("no terminal to ask for the password")
	third.exit(1)
}

func TestChat_SecondTerminalIsAnotherDevice(t *testing.T) {
	f := sdktest.New(t)
	state := t.TempDir()
	one, two := talk(t, f, "bob", state), talk(t, f, "bob", state)
	one.expect("connected")
	two.expect("connected")
	one.enter("/dm alice")
	one.expect("── alice ──")
	one.enter("from one")
	one.expect("✓ from one")
	two.enter("/list")
	two.enter("/open 1")
	two.expect("you: from one")
	files, err := filepath.Glob(filepath.Join(state, "*", "bob", "device-*.json"))
	if err != nil || len(files) != 2 {
		t.Fatalf("state files %v, %v", files, err)
	}
	for _, file := range files {
		if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", file, st.Mode(), err)
		}
	}
}

func TestChat_EndOfInputWaitsForWhatIsQueued(t *testing.T) {
	f := sdktest.New(t)
	f.OnSend = func(n int, _ frame.Send) sdktest.Verdict {
		return sdktest.Verdict{Drop: n == 1, NoStore: n == 1}
	}
	alice := talk(t, f, "alice", t.TempDir())
	alice.enter("/dm bob")
	alice.enter("the last word")
	if err := alice.in.Close(); err != nil {
		t.Fatal(err)
	}
	alice.exit(0)
	for _, conv := range f.Conversations() {
		if got := f.Stored(conv); len(got) != 1 || got[0] != "the last word" {
			t.Errorf("stored %q", got)
		}
	}
}

func TestChat_RemovedDeviceIsTold(t *testing.T) {
	f := sdktest.New(t)
	bob := talk(t, f, "bob", t.TempDir())
	bob.expect("connected")
	f.CloseAll(4500)
	bob.expect("this device was logged out")
	bob.exit(1)
}

func TestChat_EndedSessionLogsInAgain(t *testing.T) {
	f := sdktest.New(t)
	state := t.TempDir()
	first := talk(t, f, "bob", state)
	first.expect("connected")
	first.enter("/quit")
	first.exit(0)
	f.RevokeTokens()
	second := talk(t, f, "bob", state)
	second.expect("The stored session ended.")
	second.expect("connected")
}

func TestChat_WrongPasswordFails(t *testing.T) {
	f := sdktest.New(t)
	talk(t, f, "bob", t.TempDir()).expect("connected")
	t.Setenv("PARLEY_PASSWORD", "guess")
	for _, more := range [][]string{nil, {"--register"}} {
		k := launch(t, append([]string{"--server", f.URL, "--user", "bob", "--state", t.TempDir()}, more...))
		k.expect("parley chat: wrong")
		k.exit(1)
	}
}

func TestChat_FlagsAreChecked(t *testing.T) {
	cases := map[string][]string{
		"--user is required":  {},
		"unexpected argument": {"--user", "bob", "extra"},
		"username":            {"--user", "b ob"},
		"not defined":         {"--user", "bob", "--nonsense"},
	}
	for want, args := range cases {
		k := launch(t, args)
		k.expect(want)
		k.exit(2)
	}
	k := launch(t, []string{"--help"})
	k.expect("homeserver")
	k.exit(0)
	k = launch(t, []string{"--user", "bob", "--server", "ftp://x", "--state", t.TempDir()})
	k.expect("want http")
	k.exit(1)
}
