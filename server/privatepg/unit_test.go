// SPDX-License-Identifier: Apache-2.0

package privatepg

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakePrograms makes a folder with an initdb and a postgres that says its version.
func fakePrograms(t *testing.T, bin, answer string) string {
	t.Helper()
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho '"+answer+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func TestFindPrograms_PathFirstThenTheNewestPackage(t *testing.T) {
	root := t.TempDir()
	own := fakePrograms(t, filepath.Join(root, "own"), "postgres (PostgreSQL) 14.1")
	nine := fakePrograms(t, filepath.Join(root, "lib/9/bin"), "postgres (PostgreSQL) 9.6.24")
	seventeen := fakePrograms(t, filepath.Join(root, "lib/17/bin"), "postgres (PostgreSQL) 17.2 (Debian 17.2-1)")
	fakePrograms(t, filepath.Join(root, "lib/18/bin"), "something else")
	found, err := findIn(t.Context(), []string{"relative", own, "/nowhere"}, filepath.Join(root, "lib/*/bin"))
	if err != nil {
		t.Fatal(err)
	}
	var bins []string
	for _, p := range found {
		bins = append(bins, p.bin)
	}
	if got, want := strings.Join(bins, " "), strings.Join([]string{own, seventeen, nine}, " "); got != want {
		t.Errorf("found %s\nwant %s", got, want)
	}
	if p, err := choosePrograms(found, "17"); err != nil || p.bin != seventeen {
		t.Errorf("for a folder of 17: %v, %v", p, err)
	}
	if p, err := choosePrograms(found, ""); err != nil || p.bin != own {
		t.Errorf("for a new folder: %v, %v", p, err)
	}
}

func TestFindPrograms_SaysWhatToInstallAndWhereItLooked(t *testing.T) {
	_, err := findIn(t.Context(), []string{"/first/bin", "/second/bin"}, "/third/*/bin")
	if !errors.Is(err, ErrNoPrograms) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"apt-get install postgresql", "/first/bin", "/second/bin", "/third/*/bin"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}

func TestBoundLog_EmptiesOnlyALongOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for size, want := range map[int64]int64{maxLogSize: maxLogSize, maxLogSize + 1: 0} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		boundLog(path)
		if info, _ := os.Stat(path); info.Size() != want {
			t.Errorf("of %d bytes %d are left, want %d", size, info.Size(), want)
		}
	}
}

func TestLastLines_QuotesTheEnd(t *testing.T) {
	if got := lastLines([]byte("1\n2\n3\n"), 2); got != "2\n3" {
		t.Errorf("got %q", got)
	}
	if got := lastLines(nil, 2); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestReadPidFile_ReadsSingleUserServersToo(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]int{"-42\n": 42, "17\n/d\n1\n2\n3\n4\n5\nready  \n": 17, "nonsense": 0, "": 0} {
		if err := os.WriteFile(filepath.Join(dir, "postmaster.pid"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, status := readPidFile(dir); pid != want || pid != 0 && status != "ready" {
			t.Errorf("%q: pid %d, status %q", text, pid, status)
		}
	}
}

func TestSocketFolder_StaysShortUnderALongTempFolder(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.MkdirAll(long, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	path, err := makeSocketFolder(filepath.Join(long, "data"), identity{mode: plain})
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	if len(path) > 60 {
		t.Errorf("%s has %d bytes", path, len(path))
	}
}
