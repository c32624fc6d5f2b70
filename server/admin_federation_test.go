// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"strings"
	"testing"

	"parley.chat/core/follower"
)

func TestFederationCommand_IsReadWordByWord(t *testing.T) {
	for words, good := range map[string]bool{"federation": true, "federation list": true, "federation retry b.example": true,
		"federation retry": false, "federation retry a b": false, "federation b.example": false, "federation list x": false} {
		if _, ok := adminCommand(strings.Fields(words), nil, io.Discard); ok != good {
			t.Errorf("%q: %t", words, ok)
		}
	}
}

func TestStateOf_QuotesWhatAnotherServerSaid(t *testing.T) {
	if got := stateOf(follower.Summary{}); got != "reached" {
		t.Error(got)
	}
	got := stateOf(follower.Summary{Destination: follower.Destination{
		Server: "b.test", FailingSince: 1790000000000, Failures: 3, NextTry: 1790000060000, LastError: "no \u009b31m way" + strings.Repeat("x", 300)}})
	if !strings.HasPrefix(got, `not reached since 2026-09-21T14:13:20Z, 3 attempts, next 2026-09-21T14:14:20Z: "no \u009b31m way`) || len(got) > 320 {
		t.Error(got)
	}
}
