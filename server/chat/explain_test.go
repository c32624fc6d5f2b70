// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"parley.chat/protocol/fault"
)

func TestExplain_FieldsAreNamedInWords(t *testing.T) {
	cases := map[string]error{
		"a username must be short":            fault.Invalid("username", "must be short"),
		"the password must be 8 to 256 bytes": fmt.Errorf("x: %w", fault.Invalid("password", "must be 8 to 256 bytes")),
		"the group has this name already":     fault.Invalid("name", "the group has this name already"),
		"the picture must be a path":          fault.Invalid("avatarUrl", "must be a path"),
		"the permission pin must be owner":    fault.Invalid("permissions.pin", "must be owner"),
		"the timer must be 0":                 fault.Invalid("ephemeralTimer", "must be 0"),
		"what is searched for has no letter":  fault.Invalid("q", "has no letter"),
		"future must be x":                    fault.Invalid("future", "must be x"),
		fault.Lookup(fault.Internal).Meaning:  &fault.Error{Code: fault.Internal},
		"the input ended":                     io.EOF,
	}
	for want, err := range cases {
		if got := explain(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestExplain_TroubleOnTheWayIsNamedInWords(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Get", URL: "http://x/y", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	cases := map[string]error{
		"connection refused": dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		"no such host":       dial(&net.DNSError{Err: "no such host", Name: "x"}),
		"no network":         dial(os.NewSyscallError("connect", syscall.ENETUNREACH)),
		"connection lost":    dial(errors.New("strange")),
		"no answer":          context.DeadlineExceeded,
	}
	for want, err := range cases {
		if got := explain(err); got != "cannot reach the server ("+want+")" {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestExplain_SpeaksToPeople(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	cases := map[string]error{
		"this device was logged out; start again to log in": fault.New(fault.DeviceRemoved, "x"),
		"bad\uFFFDtoken (give one with --register-token)":   fault.New(fault.RegistrationTokenInvalid, "bad\x1btoken"),
		"slow down": fault.New(fault.RateLimited, "slow down"),
		"cannot reach the server (connection refused)": &url.Error{Op: "Post", URL: "http://x/login", Err: refused},
		"cannot reach the server (no answer)":          &url.Error{Op: "Get", URL: "http://x", Err: context.DeadlineExceeded},
		"plain":                                        errors.New("plain"),
	}
	for want, err := range cases {
		if got := explain(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
