// SPDX-License-Identifier: Apache-2.0

package id

import (
	"crypto/rand"
	"regexp"
	"strings"

	"github.com/oklog/ulid/v2"

	"parley.chat/protocol/fault"
)

// Server is a server name: a lower-case DNS name with an optional port.
type Server string

// User is a full user id, `alice@example.org`.
type User string

// Device is a device id, unique within its user: a ULID.
type Device string

var (
	serverPattern   = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*(?::[1-9][0-9]{0,4})?$`)
	usernamePattern = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
)

// ParseServer checks a server name.
func ParseServer(s string) (Server, error) {
	if len(s) > 255 || !serverPattern.MatchString(s) {
		return "", fault.Invalid("serverName", "not a lower-case DNS name with optional port")
	}
	return Server(s), nil
}

// NormalizeUsername lower-cases a username and checks it; the fault names the field `username`. Only ASCII has a lower
// case here: that of Unicode would turn a Kelvin sign into a k, and so one name into another. spec: ID-USER-2
func NormalizeUsername(s string) (string, error) {
	n := []byte(s)
	for i, c := range n {
		if 'A' <= c && c <= 'Z' {
			n[i] = c + 'a' - 'A'
		}
	}
	if !usernamePattern.Match(n) {
		return "", fault.Invalid("username", "must be 1 to 64 of a-z 0-9 . _ -")
	}
	return string(n), nil
}

// NewUser joins a normalised username and a server name.
func NewUser(username string, s Server) User { return User(username + "@" + string(s)) }

// ParseUser checks a full user id.
func ParseUser(s string) (User, error) {
	name, server, ok := strings.Cut(s, "@")
	if !ok || !usernamePattern.MatchString(name) {
		return "", fault.Invalid("userId", "not of the form name@server")
	}
	if _, err := ParseServer(server); err != nil {
		return "", fault.Invalid("userId", "not of the form name@server")
	}
	return User(s), nil
}

// Username is the part before the @.
func (u User) Username() string { n, _, _ := strings.Cut(string(u), "@"); return n }

// Server is the part after the @.
func (u User) Server() Server { _, s, _ := strings.Cut(string(u), "@"); return Server(s) }

// NewDevice makes a fresh device id.
func NewDevice() Device { return Device(NewULID()) }

// NewULID makes the id of something that is listed by its time, such as a report.
func NewULID() string { return ulid.MustNew(ulid.Now(), rand.Reader).String() }

// ParseDevice checks a device id.
func ParseDevice(s string) (Device, error) {
	if _, err := ulid.ParseStrict(s); err != nil || strings.ToUpper(s) != s {
		return "", fault.Invalid("deviceId", "not a device id")
	}
	return Device(s), nil
}
