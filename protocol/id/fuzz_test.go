// SPDX-License-Identifier: Apache-2.0

package id_test

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"testing"

	"parley.chat/protocol/id"
)

func itoa(i int) string { return strconv.Itoa(i) }

func hashOf(i int) [32]byte { return sha256.Sum256([]byte(itoa(i))) }

// FuzzParse wants of every parser that what it accepts is printable ASCII and comes back byte for byte.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"alice@example.org", "example.org:8448", "01J9ZK3V8Q2M6T4R7X5W1Y0ABC", "c" + strings.Repeat("A", 43), "\u212A", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if u, err := id.ParseUser(s); err == nil {
			plain(t, s, string(id.NewUser(u.Username(), u.Server())))
			if _, err := id.ParseServer(string(u.Server())); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
		if v, err := id.ParseServer(s); err == nil {
			plain(t, s, string(v))
		}
		if d, err := id.ParseDevice(s); err == nil {
			plain(t, s, string(d))
		}
		if m, err := id.ParseMessage(s); err == nil {
			plain(t, s, m.String())
		}
		if c, err := id.ParseConversation(s); err == nil {
			plain(t, s, string(id.NewConversation(c.Bytes())))
		}
	})
}

func FuzzNormalizeUsername(f *testing.F) {
	f.Add("Alice")
	f.Add("\u212A")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := id.NormalizeUsername(s)
		if err != nil {
			return
		}
		plain(t, n, n)
		if again, err := id.NormalizeUsername(n); err != nil || again != n || len(n) != len(s) {
			t.Errorf("%q becomes %q, then %q, %v", s, n, again, err)
		}
		if _, err := id.ParseUser(n + "@a"); err != nil {
			t.Errorf("%q: %v", n, err)
		}
	})
}

func plain(t *testing.T, s, again string) {
	t.Helper()
	if s != again {
		t.Errorf("%q comes back as %q", s, again)
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			t.Errorf("%q is accepted", s)
		}
	}
}
