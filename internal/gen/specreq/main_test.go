// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley.chat/spec"
)

func TestRun_WritesTheGeneratedFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, spec.Files()); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(dir, "errors.md")
	if err := os.WriteFile(page, []byte("stale"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(dir); err != nil {
		t.Fatal(err)
	}
	if raw, _ := os.ReadFile(page); !strings.Contains(string(raw), "### not_member") {
		t.Error("errors.md was not written")
	}
}

func TestRun_WritesNothingFromBadProse(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, spec.Files()); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(dir, "errors.md")
	for name, text := range map[string]string{page: "stale", filepath.Join(dir, "95-bad.md"): "It MUST fail."} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(dir); err == nil || !strings.Contains(err.Error(), "95-bad.md") {
		t.Errorf("error %v, want one that names the page", err)
	}
	if raw, _ := os.ReadFile(page); string(raw) != "stale" {
		t.Error("errors.md was written all the same")
	}
}
