// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley.chat/sdk/sdktest"
)

func TestPassword_BoundsAreThoseOfTheLaw(t *testing.T) {
	law, err := os.ReadFile("../../spec/limits.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]int{"passwordMinBytes": minPassword, "passwordBytes": maxPassword} {
		if want := fmt.Sprintf("{name: %s, value: %d,", name, value); !strings.Contains(string(law), want) {
			t.Errorf("spec/limits.yaml has no %q", want)
		}
	}
	for n, want := range map[int]bool{0: false, 7: false, 8: true, 256: true, 257: false} {
		if got := fits(strings.Repeat("x", n)) == nil; got != want {
			t.Errorf("%d bytes: %v, want %v", n, got, want)
		}
	}
}

func TestPassword_EmptyFileIsToldBeforeTheServerIsAsked(t *testing.T) {
	f := sdktest.New(t)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	k := launch(t, []string{"--server", f.URL, "--user", "bob", "--state", t.TempDir(), "--password-file", secret})
	k.expect("parley chat: the password is empty")
	k.exit(1)
	if n := f.Called("POST login") + f.Called("POST register"); n != 0 {
		t.Errorf("%d calls", n)
	}
}
