// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// scene is one conversation of a script: `== title [Flag]`, then one statement a line.
type scene struct {
	title string
	flags []string
	lines []string
}

var headline = regexp.MustCompile(`^== (.+?)(?: \[([A-Za-z ]+)\])?$`)

func readScript(t *testing.T, path string) []scene {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var scenes []scene
	for in := bufio.NewScanner(f); in.Scan(); {
		line := strings.TrimSpace(in.Text())
		if m := headline.FindStringSubmatch(line); m != nil {
			scenes = append(scenes, scene{title: m[1], flags: append([]string{}, strings.Fields(m[2])...)})
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if len(scenes) == 0 {
			t.Fatalf("%s: %q stands before the first scene", path, line)
		}
		s := &scenes[len(scenes)-1]
		s.lines = append(s.lines, line)
	}
	return scenes
}

// play runs a scene. A statement that does not hold is an error; one that cannot be read ends the test.
func play(t *testing.T, s scene) *world {
	t.Helper()
	w := newWorld(s.title)
	for _, line := range s.lines {
		statement, want, _ := strings.Cut(line, " -> ")
		got, err := w.perform(line, statement)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		accepted := want == "" && strings.HasPrefix(got, "seq ")
		if got != want && !accepted {
			t.Errorf("%s: got %q", line, got)
		}
	}
	return w
}

// perform does one statement and says what it came to; of checks that hold it is empty.
func (w *world) perform(line, statement string) (got string, err error) {
	if want, ok := strings.CutPrefix(statement, "state: "); ok {
		w.note(line, step{State: stateOf(w.state)})
		return differs(describe(w.state), want), nil
	}
	words, err := split(statement)
	if err != nil || len(words) < 2 {
		return "", fmt.Errorf("cannot be read: %v", err)
	}
	if check, ok := checks[words[0]]; ok {
		return check(w, line, words[1:])
	}
	if words[1] == "reads" && len(words) == 3 {
		return w.reads(line, "", words[0], words[2])
	}
	p, err := w.proposal(full(words[0]), words[1], words[2:])
	if err != nil {
		return "", err
	}
	before := w.now
	sentAt := w.sentAt(p.Sender)
	e, err := w.propose(p)
	got = outcome(e, err)
	w.noteProposal(line, e, before, got)
	w.noteFacts(p, sentAt)
	return got, nil
}

// checks are the statements that propose nothing, by their first word.
var checks = map[string]func(w *world, line string, words []string) (string, error){
	// limit 4 members
	"limit": func(w *world, _ string, words []string) (_ string, err error) {
		w.limits.MaxMembers, err = strconv.Atoi(words[0])
		return "", err
	},
	// clock moves -1h
	"clock": func(w *world, _ string, words []string) (string, error) {
		d, err := time.ParseDuration(words[1])
		w.now += d.Milliseconds()
		return "", err
	},
	// time stands
	"time": func(w *world, _ string, _ []string) (string, error) {
		last := w.log[len(w.log)-2:]
		return differs(fmt.Sprint(last[1].HubTime), fmt.Sprint(last[0].HubTime)), nil
	},
	// count 3
	"count": func(w *world, _ string, words []string) (string, error) {
		return differs(fmt.Sprint(w.head.Count), words[0]), nil
	},
	// peer of alice is bob
	"peer": func(w *world, _ string, words []string) (string, error) {
		got := short(w.state.Peer(full(words[1])))
		if got == "" {
			got = "nobody"
		}
		return differs(got, words[3]), nil
	},
	// removed carol reads 0..3
	conversation.Removed: func(w *world, line string, words []string) (string, error) {
		return w.reads(line, conversation.Removed, words[0], words[2])
	},
	conversation.Banned: func(w *world, line string, words []string) (string, error) {
		return w.reads(line, conversation.Banned, words[0], words[2])
	},
	conversation.Left: func(w *world, line string, words []string) (string, error) {
		return w.reads(line, conversation.Left, words[0], words[2])
	},
}

func (w *world) reads(line, membership, name, want string) (string, error) {
	from, to, ok := w.state.Visible(full(name), w.head.Seq)
	got := "nothing"
	if ok {
		got = fmt.Sprintf("%d..%d", from, to)
	}
	r := &reads{User: full(name), Nothing: !ok}
	if ok {
		r.From, r.To = &from, &to
	}
	w.note(line, step{Reads: r})
	if m, _ := w.state.Member(full(name)); membership != "" && m.Membership != membership {
		return m.Membership, nil
	}
	return differs(got, want), nil
}

// differs is empty if got is what is wanted, and else what came instead; got is never empty.
func differs(got, want string) string {
	if got == want {
		return ""
	}
	return got
}

// proposal reads the rest of a statement whose subject wants to change something.
func (w *world) proposal(sender id.User, verb string, rest []string) (p conversation.Proposal, err error) {
	p.Sender = sender
	rest, seq, expecting := cut(rest, "expecting")
	if expecting && len(seq) == 1 {
		n, err := strconv.ParseInt(seq[0], 10, 64)
		if err != nil {
			return p, err
		}
		p.Expects = &n
	}
	switch {
	case verb == "creates" && len(rest) > 0:
		p.Type, p.Create = frame.TypeCreate, w.create(sender, rest)
	case relations[verb] != "":
		return p, w.relation(&p, verb, rest)
	case verb == "leaves":
		p.Type = frame.TypeMemberLeave
	case verb == "renames" && len(rest) == 1:
		p.Type, p.Change.Name = frame.TypeRename, rest[0]
	case verb == "removes":
		p.Type, p.Change.UserIDs = frame.TypeMemberRemove, fulls(rest)
	case verb == "adds":
		users, role, _ := cut(rest, "as")
		p.Type, p.Change = frame.TypeMemberAdd, frame.Change{UserIDs: fulls(users), Role: strings.Join(role, " ")}
	case verb == "makes" && len(rest) > 0:
		last := len(rest) - 1
		p.Type, p.Change = frame.TypeMemberRole, frame.Change{UserIDs: fulls(rest[:last]), Role: rest[last]}
	case verb == "proposes" && len(rest) == 1:
		p.Type = rest[0]
	default:
		return w.govern(p, verb, rest)
	}
	return p, err
}

// create reads `group "Team" with bob carol by alice bob`, or `public channel …`: by names the creators, the subject if it is absent.
func (w *world) create(sender id.User, words []string) event.Create {
	isPublic := words[0] == "public" && len(words) > 1
	if isPublic {
		words = words[1:]
	}
	words, by, given := cut(words, "by")
	words, with, _ := cut(words, "with")
	if !given {
		by, with = []string{string(sender)}, append(with, string(sender))
	}
	c := event.Create{Hub: "example.org", Nonce: w.seed("nonce"), Type: words[0]}
	for _, u := range fulls(with) {
		c.Members = append(c.Members, id.User(u))
	}
	for _, u := range fulls(by) {
		c.Creators = append(c.Creators, id.User(u))
	}
	slices.Sort(c.Members)
	slices.Sort(c.Creators)
	if len(words) > 1 {
		c.Name = words[1]
	}
	if isPublic {
		c.Visibility = event.Public
	}
	if c.Type == event.Direct && len(c.Members) == 2 && len(words) == 1 {
		return event.NewDirect(c.Members[0], c.Members[1])
	}
	return c
}

func cut(words []string, at string) (before, after []string, ok bool) {
	if i := slices.Index(words, at); i >= 0 {
		return words[:i], words[i+1:], true
	}
	return words, nil, false
}

// split cuts a statement at spaces but for those within quotes.
func split(s string) (words []string, err error) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] != '"' {
			word, rest, _ := strings.Cut(s, " ")
			words, s = append(words, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, err
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		words, s = append(words, word), s[len(quoted):]
	}
	return words, nil
}
