// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/sdk/sdktest"
)

func TestSearch_NumbersWhatIsFoundAndGoesThere(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	team := f.Converse("alice@x", "bob@x")
	other := f.Converse("alice@x", "carol@x")
	f.Say(team, "bob@x", "the blue ship")
	f.Say(other, "carol@x", "a red ship")
	f.Say(team, "alice@x", "no boat at all")
	wants := func(line string, want ...string) {
		t.Helper()
		a.line(t.Context(), line)
		got := p.took()
		if len(got) != len(want) {
			t.Fatalf("%s shows %q, want %q", line, got, want)
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("%s shows %q, want %q", line, got[i], want[i])
			}
		}
	}
	wants("/more", "there is no more")
	wants("/goto 1", "is no number of a found message")
	wants("/search ship", "1  ", "2  ", "That is all")
	wants("/search ship from:bob", "bob: the blue ship", "That is all")
	wants("/search from:me", "no boat at all", "That is all")
	wants(`/search "red ship"`, "carol: a red ship", "That is all")
	wants("/search whale", "Nothing is found.")
	wants("/search from:b!b", "is not a username")
	wants("/find ship", "no conversation is open")
	wants("/search from:bob", "the blue ship", "That is all")
	wants("/goto 2", "is no number")
	wants("/goto 1", "around what was found", "you created", "> ", "no boat", "/history")
	if a.open != team {
		t.Errorf("%q is open, want %q", a.open, team)
	}
	wants("/find ship", "the blue ship", "That is all")
}

func TestSearch_GoesOnByPagesAndTellsWhatWasNotSearched(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	team := f.Converse("alice@x", "bob@x")
	for i := range 15 {
		f.Say(team, "bob@x", fmt.Sprint("ship ", i))
	}
	if _, err := a.client.CreateGroup(t.Context(), "unsearched"); err != nil {
		t.Fatal(err)
	}
	a.line(t.Context(), "/search ship")
	got := p.took()
	if len(got) != 12 || !strings.Contains(got[0], "ship 14") || got[11] != "Of 1 conversations the words are not searched." {
		t.Fatalf("the first page shows %q", got)
	}
	a.line(t.Context(), "/more")
	got = p.took()
	if len(got) != 7 || !strings.HasPrefix(got[0], " 11  ") || !strings.Contains(got[4], "ship 0") {
		t.Errorf("the second page shows %q", got)
	}
	a.line(t.Context(), "/more")
	if got = p.took(); len(got) != 1 || !strings.Contains(got[0], "there is no more") {
		t.Errorf("behind the end: %q", got)
	}
}

func TestSearch_ExplainsWhereWordsAreNotSearched(t *testing.T) {
	f := sdktest.New(t)
	a, p := appOf(t, f, true)
	a.open = f.Converse("alice@x", "bob@x")
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		if key != "GET search" {
			return false
		}
		sdktest.Refuse(w, fault.New(fault.SearchDisabled, "not here"))
		return true
	}
	a.line(t.Context(), "/find ship")
	if got := p.took(); len(got) != 1 || !strings.Contains(got[0], "words are searched only in groups that have it switched on") {
		t.Errorf("shows %q", got)
	}
}
