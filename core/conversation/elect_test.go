// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"slices"
	"strings"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// spread is a group of users of servers of their own, example.org the hub.
func spread(t *testing.T, servers ...string) *world {
	t.Helper()
	w := newWorld("elect " + strings.Join(servers, " "))
	line := "alice creates group with"
	for _, s := range servers {
		line += " u@" + s
	}
	for _, l := range []string{line, "alice renames x"} {
		if got, err := w.perform(l, l); err != nil || !strings.HasPrefix(got, "seq ") {
			t.Fatal(l, got, err)
		}
	}
	return w
}

func (w *world) vote(server, hub id.Server, seq int64) event.Vote {
	return event.Vote{ConversationID: w.id, Hash: w.log[seq].Hash, NewHub: hub, Seq: seq, Server: server, Term: 1}
}

func TestElects_AMajorityOfTheServersInWhichTheHubCounts(t *testing.T) {
	for servers, want := range map[string]int{"b.example": 2, "b.example c.example": 2, "b.example c.example d.example": 3, "b.example c.example d.example e.example": 3} {
		names := strings.Fields(servers)
		w := spread(t, names...)
		if got := w.state.Quorum(); got != want {
			t.Errorf("%s: it takes %d, want %d", servers, got, want)
		}
		var votes []event.Vote
		for i, s := range names {
			votes = append(votes, w.vote(id.Server(s), "b.example", 1))
			hub, err := conversation.Elects(w.state, w.head, votes)
			if ok := i+1 >= want; ok != (err == nil) || ok && hub != "b.example" {
				t.Errorf("%s, %d votes: %s, %v", servers, i+1, hub, err)
			}
		}
	}
}

func TestElects_NothingElseMakesAHub(t *testing.T) {
	w := spread(t, "b.example", "c.example")
	good := []event.Vote{w.vote("b.example", "c.example", 0), w.vote("c.example", "c.example", 1)}
	if hub, err := conversation.Elects(w.state, w.head, good); hub != "c.example" || err != nil {
		t.Fatal(hub, err)
	}
	for name, change := range map[string]func(v []event.Vote) []event.Vote{
		"nobody":                     func([]event.Vote) []event.Vote { return nil },
		"the hub votes":              func(v []event.Vote) []event.Vote { v[0].Server = "example.org"; return v },
		"a stranger votes":           func(v []event.Vote) []event.Vote { v[0].Server = "x.example"; return v },
		"one votes twice":            func(v []event.Vote) []event.Vote { v[0].Server = "c.example"; return v },
		"for two":                    func(v []event.Vote) []event.Vote { v[0].NewHub = "b.example"; return v },
		"for the hub":                func(v []event.Vote) []event.Vote { v[0].NewHub, v[1].NewHub = "example.org", "example.org"; return v },
		"for a stranger":             func(v []event.Vote) []event.Vote { v[0].NewHub, v[1].NewHub = "x.example", "x.example"; return v },
		"for another term":           func(v []event.Vote) []event.Vote { v[0].Term = 2; return v },
		"from a later term":          func(v []event.Vote) []event.Vote { v[0].LastTerm = 1; return v },
		"of another conversation":    func(v []event.Vote) []event.Vote { v[0].ConversationID = "c"; return v },
		"one holds more":             func(v []event.Vote) []event.Vote { v[0].Seq = 2; return v },
		"the head is another":        func(v []event.Vote) []event.Vote { v[1].Hash[0] ^= 1; return v },
		"nobody holds the head":      func(v []event.Vote) []event.Vote { v[1].Seq = 0; return v },
		"two histories":              func(v []event.Vote) []event.Vote { v[0].Seq = 1; return v },
		"fewer than it takes":        func(v []event.Vote) []event.Vote { return v[1:] },
		"below the first entry":      func(v []event.Vote) []event.Vote { v[0].Seq = -1; return v },
		"of a term before the first": func(v []event.Vote) []event.Vote { v[0].LastTerm = -1; return v },
	} {
		if hub, err := conversation.Elects(w.state, w.head, change(slices.Clone(good))); err == nil {
			t.Errorf("%s: %s is the hub", name, hub)
		}
	}
}
