// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProfile_FolderOfIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"http://localhost:8080":      "at-localhost_8080",
		"https://Chat.Example.org/":  "at-chat.example.org",
		"https://x.org/../../../etc": "at-x.org_.._.._.._etc",
		"..":                         "at-..",
	} {
		got := folderOf(in)
		if got != want || filepath.Base(got) != got {
			t.Errorf("folderOf(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestProfile_SlotsAreTakenInOrderAndGivenBack(t *testing.T) {
	base := t.TempDir()
	open := func() *profile {
		p, err := openProfile(base, "http://x", "bob")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	one, two := open(), open()
	if one.path == two.path {
		t.Fatalf("both have %s", one.path)
	}
	one.close()
	again := open()
	if again.path != one.path {
		t.Errorf("got %s, want %s", again.path, one.path)
	}
	again.close()
	two.close()
}

func TestProfile_NoMoreThanSixteenAtATime(t *testing.T) {
	base := t.TempDir()
	for range maxDevices {
		p, err := openProfile(base, "http://x", "bob")
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
	}
	if _, err := openProfile(base, "http://x", "bob"); err == nil {
		t.Error("a seventeenth profile")
	}
	if _, err := openProfile(base, "http://x", "carol"); err != nil {
		t.Errorf("another user is refused: %v", err)
	}
}

func TestProfile_DefaultIsTheConfigurationFolder(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("HOME", home)
	p, err := openProfile("", "http://localhost:8080", "bob")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if !strings.HasPrefix(p.path, home) || filepath.Base(p.path) != "device-1.json" {
		t.Errorf("path %s", p.path)
	}
	if info, err := os.Stat(filepath.Dir(p.path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestProfile_DamagedStateIsAnError(t *testing.T) {
	base := t.TempDir()
	p, err := openProfile(base, "http://x", "bob")
	if err != nil {
		t.Fatal(err)
	}
	p.close()
	if err := os.WriteFile(p.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openProfile(base, "http://x", "bob"); err == nil {
		t.Error("a damaged state is accepted")
	}
}
