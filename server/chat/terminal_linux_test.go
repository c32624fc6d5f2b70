// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"strings"
	"testing"

	"parley.chat/sdk/sdktest"
)

func TestTerminal_AsksRegistersTalksAndKeepsTheTypedLine(t *testing.T) {
	f := sdktest.New(t)
	p := openPty(t, "--server", f.URL, "--user", "alice", "--state", t.TempDir())
	p.expect("Password: ")
	p.keys("correct horse\r")
	p.expect("Create it? [y/N] ")
	p.keys("y\r")
	p.expect("Password again: ")
	p.keys("correct horse\r")
	p.expect("connected")
	if strings.Contains(p.screen(), "correct horse") {
		t.Error("the password shows")
	}
	p.keys("/dm bob\r")
	p.expect("── bob ──")
	p.keys("hello\r")
	p.expect(" you: hello\r\n")
	p.expect("[✓] bob> ")
	p.keys("half a li")
	p.expect("half a li")
	f.Say(f.Conversations()[0], "bob@x", "in between")
	p.expect("bob: in between\r\n[✓] bob> half a li")
	p.keys("ne\r")
	p.expect(" you: half a line\r\n")
	p.keys("\x03")
	p.exit(0)
	if got := f.Stored(f.Conversations()[0]); len(got) != 3 || got[2] != "half a line" {
		t.Errorf("stored %q", got)
	}
}

// loggedIn is a terminal of alice, connected.
func loggedIn(t *testing.T, f *sdktest.Server) *pty {
	t.Helper()
	t.Setenv("PARLEY_PASSWORD", "correct horse")
	p := openPty(t, "--server", f.URL, "--user", "alice", "--state", t.TempDir(), "--register")
	p.expect("connected")
	return p
}

func TestTerminal_TypedLineOfManyRowsIsShownOnce(t *testing.T) {
	p := loggedIn(t, sdktest.New(t))
	p.keys("/dm bob\r")
	p.expect("── bob ──")
	p.expect("bob> ")
	long := strings.Repeat("日", 39)
	p.keys(long + "\r")
	p.expect("\x1b[2A\r\x1b[J")
	p.expect(" you: " + long + "\r\n")
	if strings.Contains(p.screen(), "\x1b[3A") {
		t.Error("a row above the typed line is wiped")
	}
}

func TestTerminal_PromptHoldsOnlyWhatTakesOneColumn(t *testing.T) {
	p := loggedIn(t, sdktest.New(t))
	p.keys("/group \"🚀 crew\"\r")
	p.expect("── 🚀 crew ──\r\n")
	p.expect("? crew> ")
}
