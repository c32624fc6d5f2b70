// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"net/http"
	"strings"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/sdk/sdktest"
)

// asked is a terminal of alice that asks for the password.
func asked(t *testing.T, f *sdktest.Server, more ...string) *pty {
	t.Helper()
	t.Setenv("PARLEY_PASSWORD", "")
	return openPty(t, append([]string{"--server", f.URL, "--user", "alice", "--state", t.TempDir()}, more...)...)
}

// answers types lines, each at its prompt.
func (p *pty) answers(promptsAndLines ...string) {
	p.t.Helper()
	for i := 0; i < len(promptsAndLines); i += 2 {
		p.next(promptsAndLines[i])
		p.keys(promptsAndLines[i+1] + "\r")
	}
}

func TestPassword_RuleIsSaidBeforeAskingAndShortOnesAreAskedAgain(t *testing.T) {
	f := sdktest.New(t)
	p := asked(t, f)
	p.next("for a new account choose one of 8 to 256 bytes")
	p.answers("\nPassword: ", "short7c")
	p.next("! too short: a password has 8 to 256 bytes; tries left: 2")
	p.answers("\nPassword: ", strings.Repeat("x", 257))
	p.next("! too long: a password has 8 to 256 bytes; tries left: 1")
	p.answers("\nPassword: ", "correct horse", "Create it? [y/N] ", "y", "Password again: ", "correct horse")
	p.next("connected")
	if n := f.Called("POST login"); n != 1 {
		t.Errorf("%d logins: a password that cannot be one is sent", n)
	}
}

func TestPassword_ThreeShortOnesAreEnough(t *testing.T) {
	f := sdktest.New(t)
	p := asked(t, f, "--register")
	p.answers("\nPassword: ", "", "\nPassword: ", "short", "\nPassword: ", "short")
	p.next("parley chat: too short: a password has 8 to 256 bytes; that was the last of 3 tries")
	p.exit(1)
	if n := f.Called("POST login") + f.Called("POST register"); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestPassword_DifferingOnesAreTypedAnew(t *testing.T) {
	f := sdktest.New(t)
	p := asked(t, f, "--register")
	p.answers("\nPassword: ", "correct horse", "Password again: ", "correct house")
	p.next("! the two passwords differ; tries left: 2")
	p.answers("New password: ", "battery staple", "Password again: ", "battery staple")
	p.next("connected")
	if strings.Contains(p.screen(), "Create it?") {
		t.Error("--register asks")
	}
	second := asked(t, f)
	second.answers("\nPassword: ", "battery staple")
	second.next("connected")
}

func TestPassword_DifferingThriceRegistersNothing(t *testing.T) {
	f := sdktest.New(t)
	p := asked(t, f, "--register")
	p.answers("\nPassword: ", "correct horse", "Password again: ", "a",
		"New password: ", "correct horse", "Password again: ", "b",
		"New password: ", "correct horse", "Password again: ", "c")
	p.next("parley chat: the two passwords differ; that was the last of 3 tries")
	p.exit(1)
	if n := f.Called("POST register"); n != 0 {
		t.Errorf("%d registrations", n)
	}
}

func TestPassword_WrongOneIsAskedAgainAndTheOfferIsMadeOnce(t *testing.T) {
	f := sdktest.New(t)
	talk(t, f, "alice", t.TempDir()).expect("connected")
	p := asked(t, f)
	p.answers("\nPassword: ", "wrong horse", "Create it? [y/N] ", "")
	p.next("! wrong password, or no such account; tries left: 2")
	p.answers("\nPassword: ", "wrong again")
	p.next("! wrong password, or no such account; tries left: 1")
	p.answers("\nPassword: ", "correct horse")
	p.next("connected")
	if n := strings.Count(p.screen(), "Create it?"); n != 1 {
		t.Errorf("offered %d times", n)
	}
}

func TestPassword_AccountThatExistsIsToldAndTheRightPasswordEnters(t *testing.T) {
	f := sdktest.New(t)
	talk(t, f, "alice", t.TempDir()).expect("connected")
	p := asked(t, f)
	p.answers("\nPassword: ", "wrong horse", "Create it? [y/N] ", "y", "Password again: ", "wrong horse")
	p.next("! the account exists, so the password was wrong; tries left: 2")
	p.answers("\nPassword: ", "wrong again")
	p.next("! wrong password; tries left: 1")
	p.answers("\nPassword: ", "correct horse")
	p.next("connected")
}

func TestPassword_DecliningThriceRegistersNothing(t *testing.T) {
	f := sdktest.New(t)
	p := asked(t, f)
	p.answers("\nPassword: ", "correct horse", "Create it? [y/N] ", "n",
		"\nPassword: ", "correct horse", "\nPassword: ", "correct horse")
	p.next("parley chat: wrong password, or no such account; that was the last of 3 tries")
	p.exit(1)
	if n := f.Called("POST register"); n != 0 {
		t.Errorf("%d registrations", n)
	}
}

func TestPassword_EndedSessionAsksWithoutOfferingAnAccount(t *testing.T) {
	f := sdktest.New(t)
	state := t.TempDir()
	first := talk(t, f, "alice", state)
	first.expect("connected")
	first.enter("/quit")
	first.exit(0)
	f.RevokeTokens()
	p := asked(t, f, "--state", state)
	p.next("The stored session ended.")
	p.answers("\nPassword: ", "wrong horse")
	p.next("! wrong password; tries left: 2")
	p.answers("\nPassword: ", "correct horse")
	p.next("connected")
	if strings.Contains(p.screen(), "new account") {
		t.Error("who has an account is told about new ones")
	}
}

func TestPassword_RuleOfTheServerIsToldToo(t *testing.T) {
	f := sdktest.New(t)
	refused := false
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		if key != "POST register" || refused {
			return false
		}
		refused = true
		sdktest.Refuse(w, fault.Invalid("password", "must not be that common"))
		return true
	}
	p := asked(t, f, "--register")
	p.answers("\nPassword: ", "correct horse", "Password again: ", "correct horse")
	p.next("! the password must not be that common; tries left: 2")
	p.answers("New password: ", "battery staple", "Password again: ", "battery staple")
	p.next("connected")
}

func TestPassword_OtherTroubleIsNotTriedAgain(t *testing.T) {
	f := sdktest.New(t)
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		sdktest.Refuse(w, fault.New(fault.RateLimited, "slow down"))
		return true
	}
	p := asked(t, f)
	p.answers("\nPassword: ", "correct horse")
	p.next("parley chat: slow down")
	p.exit(1)
}

func TestPassword_GivenOneIsTriedOnceEvenOnATerminal(t *testing.T) {
	f := sdktest.New(t)
	t.Setenv("PARLEY_PASSWORD", "correct horse")
	p := openPty(t, "--server", f.URL, "--user", "alice", "--state", t.TempDir())
	p.answers("Create it? [y/N] ", "")
	p.next("parley chat: wrong")
	p.exit(1)
	if n := f.Called("POST login") + f.Called("POST register"); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestPassword_CtrlCAndCtrlDLeave(t *testing.T) {
	for _, key := range []string{"\x03", "\x04"} {
		p := asked(t, sdktest.New(t))
		p.next("\nPassword: ")
		p.keys(key)
		p.next("parley chat: the input ended")
		p.exit(1)
		p = asked(t, sdktest.New(t))
		p.answers("\nPassword: ", "correct horse")
		p.next("Create it? [y/N] ")
		p.keys(key)
		p.next("parley chat: the input ended")
		p.exit(1)
	}
}

func TestPassword_TypedAheadIsNeitherShownNorLost(t *testing.T) {
	p := asked(t, sdktest.New(t))
	p.next("\nPassword: ")
	p.keys("correct horse\ry\rcorrect horse\r/dm bob\r")
	p.next("── bob ──")
	if strings.Contains(p.screen(), "horse") {
		t.Error("the password shows")
	}
}
