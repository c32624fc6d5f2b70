// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// place is a folder of the house and its floor.
type place struct {
	dir   string
	floor int
}

// workshop is the place of tools and test rooms: they see the whole house, and no room of the house sees them.
const workshop = 0

// house lists the folders; what lies deeper belongs to the same floor.
func house() []place {
	return []place{
		{"internal", workshop},
		{"spec", 1}, {"migrations", 1},
		{"protocol", 2},
		{"core", 3},
		{"store", 4}, {"bus", 4}, {"clientapi", 4}, {"federation", 4}, {"web", 4},
		{"sdk", 5}, {"server", 5}, {"bench", 5}, {"conformance", 5},
	}
}

// floorOf returns the floor of a package. A test room beside what it tests, such as store/storetest, belongs to the
// workshop: it may use what it tests, and no program may use it.
func floorOf(name string) (int, bool) {
	if strings.HasSuffix(name, "test") {
		return workshop, true
	}
	for _, p := range house() {
		if within(name, p.dir) {
			return p.floor, true
		}
	}
	return 0, false
}

// sideways lists the arrows within one floor that are allowed, each with its reason. A key is "from -> to".
func sideways() map[string]string {
	return map[string]string{
		"protocol/id -> protocol/fault":            "a name that does not parse is a fault of the catalogue",
		"protocol/canonical -> protocol/fault":     "bytes that are no signed JSON are a fault of the catalogue",
		"protocol/event -> protocol/canonical":     "the hash of an event is that of its canonical form",
		"protocol/event -> protocol/id":            "events name users, devices and conversations",
		"protocol/event -> protocol/fault":         "an event that breaks the schema is a fault of the catalogue",
		"protocol/event -> protocol/text":          "a reaction is something that people can see",
		"protocol/event -> protocol/frame":         "the content of a message has one Go form, shared with the frames that carry it",
		"protocol/frame -> protocol/id":            "frames name users, devices and conversations",
		"protocol/frame -> protocol/fault":         "the error frame carries a fault",
		"protocol/key -> protocol/canonical":       "a document of keys is signed in its canonical form",
		"protocol/key -> protocol/id":              "a document of keys names its server",
		"protocol/replica -> protocol/canonical":   "records hold signed objects in their canonical form",
		"protocol/replica -> protocol/event":       "records hold submissions and entries",
		"protocol/replica -> protocol/id":          "records name conversations and users",
		"protocol/replica -> protocol/text":        "what another server says of its users is shown only if it can be",
		"protocol/replica -> protocol/fault":       "what is no record is a fault of the catalogue",
		"protocol/replica -> protocol/frame":       "typing crosses servers as clients see it",
		"protocol/replica -> protocol/rest":        "a checkpoint looks the same to servers and to clients",
		"federation/peer -> federation/auth":       "requests to other servers are signed",
		"federation/door -> federation/auth":       "requests of other servers are verified",
		"federation/outbox -> federation/peer":     "what another server answers decides when it is tried again",
		"server -> server/keyring":                 "the keys command changes the keys",
		"server -> server/doctor":                  "main has the doctor command",
		"server -> server/verify":                  "main has the verify command",
		"server -> server/testca":                  "main has the test-ca command",
		"server/homeserver -> server/keyring":      "the server signs with its keys",
		"protocol/rest -> protocol/id":             "bodies name users, devices and conversations",
		"protocol/rest -> protocol/fault":          "the problem body carries a fault",
		"protocol/rest -> protocol/event":          "bodies hold settings and content as events do",
		"protocol/rest -> protocol/frame":          "both faces show the same messages and conversations",
		"core/timeline -> core/conversation":       "every event passes the rules",
		"core/submission -> core/conversation":     "what is submitted becomes a proposal",
		"core/submission -> core/timeline":         "a submission becomes the command of an operation",
		"core/follower -> core/conversation":       "what another server may have follows from the folded state",
		"core/report -> core/conversation":         "what a report proves is an entry of the log",
		"core/consent -> core/account":             "who may put a user into a conversation follows from settings and blocks",
		"core/consent -> core/conversation":        "who asked to join, and what the conversation is, follows from the folded state",
		"core/consent -> core/timeline":            "how a conversation begins for a member is kept in the member's prefs",
		"core/fanout -> core/conversation":         "who hears of an event follows from the state after it",
		"core/channel -> core/conversation":        "who is a member of a channel follows from its folded state",
		"core/channel -> core/timeline":            "the owner knows the head that readers are told of",
		"core/channel -> core/fanout":              "hints go to live sessions",
		"core/feed -> core/channel":                "a subscriber's sync shows the channels that moved",
		"core/ephemeral -> core/fanout":            "who types or comes online is told through the one way out",
		"core/feed -> core/conversation":           "a snapshot of a conversation is its folded state",
		"core/feed -> core/timeline":               "a page ends at the committed head that the owner knows",
		"core/search -> core/conversation":         "what may be read follows from the folded state",
		"core/search -> core/timeline":             "what may be shown ends at the committed head that the owner knows",
		"core/feed -> core/fanout":                 "catching up drains the notes that fanout held meanwhile",
		"clientapi/session -> clientapi/op":        "the socket is a face of the operations",
		"clientapi/session -> clientapi/socket":    "a session speaks through one connection",
		"clientapi/rest -> clientapi/op":           "REST is a face of the operations",
		"clientapi/rest -> clientapi/session":      "the long poll and SSE deliver the frames of a session",
		"server -> server/config":                  "main reads the configuration",
		"server -> server/homeserver":              "main starts what the assembly built",
		"server -> server/chat":                    "main has the chat command",
		"server/chat -> sdk":                       "the chat command is a client",
		"server/homeserver -> server/config":       "the assembly hands each part its values",
		"server/homeserver -> server/privatepg":    "an installation without a database gets its own",
		"conformance -> conformance/cases":         "the command runs the cases",
		"conformance -> conformance/suite":         "the command runs the cases",
		"conformance -> conformance/report":        "the command shows the results",
		"conformance/cases -> conformance/suite":   "a case is a value of the suite",
		"conformance/cases -> conformance/client":  "cases ask through the raw client",
		"conformance/suite -> conformance/client":  "accounts are made through the raw client",
		"conformance -> conformance/mock":          "the command says where the mock homeserver is",
		"conformance/suite -> conformance/mock":    "a run has one mock homeserver",
		"conformance/cases -> conformance/mock":    "cases of federation ask and answer as a homeserver",
		"conformance/report -> conformance/suite":  "what is shown are the results of the suite",
		"conformance/report -> conformance/client": "failures are shown with their traffic",
		"conformance/trace -> conformance/cases":   "a requirement is traced to its cases",
		"conformance/trace -> conformance/suite":   "a requirement is traced to its cases",
		"bench -> sdk":                             "load comes from real clients",
		"bench -> server/homeserver":               "the load may run against a server in the same process",
	}
}

// checkFloors finds packages without a place, imports that run upward or sideways, and users of the workshop.
func checkFloors(g graph) []string {
	var found []string
	allowed := sideways()
	for _, from := range g.packages() {
		here, known := floorOf(from)
		if !known {
			found = append(found, fmt.Sprintf("%s has no floor: give its folder a place in house()", from))
			continue
		}
		for _, to := range g[from] {
			if !g.ours(to) || here == workshop {
				continue
			}
			there, _ := floorOf(to)
			arrow := from + " -> " + to
			switch {
			case there == workshop:
				found = append(found, arrow+": the house does not use the workshop")
			case there > here:
				found = append(found, fmt.Sprintf("%s: runs upward, from floor %d to %d", arrow, here, there))
			case there == here && allowed[arrow] == "":
				found = append(found, arrow+": folders of one floor do not know each other")
			}
		}
	}
	return found
}

// rule forbids imports to some packages. An import is meant with everything below it, except for `exact`.
type rule struct {
	to     string
	exact  bool
	only   []string // Who may; nil for everybody but never.
	never  []string // Who may not.
	reason string
}

func rules() []rule {
	core := []string{"core", "protocol"}
	return []rule{
		{to: "github.com/jackc/pgx", only: []string{"store", "server/privatepg", "internal"}, reason: "all SQL is in store"},
		{to: "database/sql", only: []string{"store", "internal"}, reason: "all SQL is in store"},
		{to: "github.com/pressly/goose", only: []string{"store", "internal"}, reason: "only store changes tables"},
		{to: "migrations", only: []string{"store", "internal"}, reason: "only store changes tables"},
		{to: "net/http", exact: true, never: core, reason: "the core knows no transport"},
		{to: "net", exact: true, never: core, reason: "the core never fetches from the network"},
		{to: "server/config", only: []string{"server", "internal"}, reason: "parts get values, not the configuration"},
	}
}

func checkRules(g graph) []string {
	var found []string
	for _, from := range g.packages() {
		for _, to := range g[from] {
			for _, r := range rules() {
				if r.forbids(from, to) {
					found = append(found, fmt.Sprintf("%s -> %s: %s", from, to, r.reason))
				}
			}
		}
	}
	return append(found, checkDiets(g)...)
}

func (r rule) forbids(from, to string) bool {
	if to != r.to && (r.exact || !strings.HasPrefix(to, r.to+"/")) {
		return false
	}
	in := func(dir string) bool { return within(from, dir) }
	if r.only != nil {
		return !slices.ContainsFunc(r.only, in)
	}
	return slices.ContainsFunc(r.never, in)
}

// checkDiets finds imports of folders that may use only one other folder of ours.
func checkDiets(g graph) []string {
	diets := map[string]string{"sdk": "protocol", "conformance": "spec"}
	var found []string
	for _, from := range g.packages() {
		diet, limited := diets[top(from)]
		for _, to := range g[from] {
			if limited && g.ours(to) && top(to) != diet && top(to) != top(from) {
				found = append(found, fmt.Sprintf("%s -> %s: %s uses only %s of ours", from, to, top(from), diet))
			}
		}
	}
	return found
}

// checkCycles finds top-level folders that need each other, which Go allows between packages of theirs.
func checkCycles(g graph) []string {
	next := map[string][]string{}
	for _, from := range g.packages() {
		for _, to := range g[from] {
			if g.ours(to) && top(to) != top(from) && !slices.Contains(next[top(from)], top(to)) {
				next[top(from)] = append(next[top(from)], top(to))
			}
		}
	}
	var found []string
	for _, from := range slices.Sorted(maps.Keys(next)) {
		if path := pathBack(next, from); path != nil {
			found = append(found, "folders need each other: "+strings.Join(path, " -> "))
		}
	}
	return found
}

// pathBack returns a way from a folder to itself, nil when there is none.
func pathBack(next map[string][]string, start string) []string {
	seen := map[string]bool{}
	var walk func(at string, path []string) []string
	walk = func(at string, path []string) []string {
		for _, to := range next[at] {
			if to == start {
				return append(path, to)
			}
			if seen[to] {
				continue
			}
			seen[to] = true
			if found := walk(to, append(slices.Clone(path), to)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(start, []string{start})
}
