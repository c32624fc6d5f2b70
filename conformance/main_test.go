// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/conformance/cases"
	"parley.chat/conformance/suite"
)

func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e strings.Builder
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParse_FlagsStandBeforeAndAfterTheAddress(t *testing.T) {
	o, err := parse([]string{"--seed", "7", "https://chat.example", "--profile", "SYNC,GROUPS", "--strict"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.verb != "run" || o.options.URL != "https://chat.example" || o.options.Seed != 7 || !o.options.Strict {
		t.Errorf("%+v", o)
	}
	if diff := cmp.Diff([]string{"SYNC", "GROUPS"}, o.profile); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"--profile=SYNC,GROUPS", "--seed=7", "--strict=true"}, o.flags); diff != "" {
		t.Error(diff)
	}
}

func TestParse_WhatCannotBeReadIsTheSuitesFault(t *testing.T) {
	for _, args := range [][]string{
		{}, {"chat.example"}, {"list", "x"}, {"explain"}, {"--what"}, {"--accounts", "/none", "list"}, {"--lab", "/none", "list"},
		{"rerun", "/none"}, {"https://a", "https://b"}, {"--run", "NO-SUCH", "list"}, {"--profile", "PARTY", "list"}, {"explain", "NO-SUCH"},
	} {
		if code, _, errOut := command(t, args...); code != 2 || errOut == "" {
			t.Errorf("%v: exit code %d, %q", args, code, errOut)
		}
	}
}

func TestRun_WithoutAServerIsTheSuitesFault(t *testing.T) {
	code, _, errOut := command(t, "--report", t.TempDir(), "http://127.0.0.1:1")
	if code != 2 || !strings.Contains(errOut, "does not answer") {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}

func TestHelp_IsNoFault(t *testing.T) {
	if code, _, errOut := command(t, "--help"); code != 0 || !strings.Contains(errOut, "rerun") {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}

func TestAccounts_AreReadLineByLine(t *testing.T) {
	list, err := readAccounts(file(t, "accounts", "# ours\nalice@example.org pass word\n\nbob secret\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []*suite.Account{{Username: "alice", Password: "pass word", Given: true}, {Username: "bob", Password: "secret", Given: true}}
	if len(list) != 2 || list[0].Username != want[0].Username || list[0].Password != want[0].Password || list[1].Password != "secret" || !list[1].Given {
		t.Errorf("%+v", list)
	}
	for _, text := range []string{"", "alice\n"} {
		if _, err := readAccounts(file(t, "accounts", text)); err == nil {
			t.Errorf("%q holds accounts", text)
		}
	}
}

func TestPick_ByProfileCaseAndRequirement(t *testing.T) {
	ids := func(profiles, globs []string) []string {
		list, err := pick(cases.All(), profiles, globs)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, c := range list {
			out = append(out, c.ID)
		}
		return out
	}
	if all := ids(nil, nil); len(all) != len(cases.All()) {
		t.Errorf("without a choice %d cases", len(all))
	}
	if got := ids(nil, []string{"gap-*"}); !slices.Equal(got, []string{"GAP-FILL", "GAP-FIRST"}) {
		t.Errorf("gap-*: %v", got)
	}
	if got := ids(nil, []string{"LOG-IDEMPOTENCE-3"}); !slices.Equal(got, []string{"TWICE-CONFLICT"}) {
		t.Errorf("by requirement: %v", got)
	}
	if got := ids([]string{"GROUPS"}, []string{"LIVE-*"}); !slices.Equal(got, []string{"LIVE-MEMBERS"}) {
		t.Errorf("of a profile: %v", got)
	}
}

func TestList_HasEveryCaseAndWhatIsPlanned(t *testing.T) {
	code, out, _ := command(t, "list")
	for _, c := range cases.All() {
		if !strings.Contains(out, c.ID) {
			t.Errorf("the list lacks %s", c.ID)
		}
	}
	if code != 0 || !strings.Contains(out, "FAILOVER (planned)") || !strings.Contains(out, "(needs lab: kill, start)") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func TestExplain_TellsOfCasesAndRequirements(t *testing.T) {
	for id, want := range map[string]string{
		"GAP-FILL": "[SYNC-GAP-1]", "sync-gap-1": "GAP-FIRST", "ID-CONV-2": "reasons.yaml",
	} {
		code, out, errOut := command(t, "explain", id)
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("explain %s: exit code %d, want %q in %s %s", id, code, want, out, errOut)
		}
	}
}

func TestRerun_TakesWhatFailed(t *testing.T) {
	name := file(t, "result.json", `{"target":"http://127.0.0.1:1","cases":[{"id":"GAP-FILL","status":"pass"},{"id":"GAP-FIRST","status":"fail"},{"id":"SSE-FORM","status":"flaky"}]}`)
	o, err := parse([]string{"rerun", name}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.options.URL != "http://127.0.0.1:1" || !slices.Equal(o.ids, []string{"GAP-FIRST", "SSE-FORM"}) {
		t.Errorf("%+v", o)
	}
	if _, err := parse([]string{"rerun", file(t, "result.json", `{"cases":[{"id":"GAP-FILL","status":"pass"}]}`)}, io.Discard); err == nil {
		t.Error("there is something to run again although nothing failed")
	}
}
