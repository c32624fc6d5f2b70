// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

var update = flag.Bool("update", false, "write spec/vectors/rules anew")

const (
	vectorDir = "../../spec/vectors/rules"
	generator = "go test ./core/conversation -run TestRules_VectorsAreCurrent -update"
	about     = "Rules of conversations. Operation rules: the steps of a test run in order against one conversation that " +
		"does not exist before. A proposal is refused with the given error, and then changes nothing, or it becomes the " +
		"entry given in canonical form; the hub's clock shows now, a group has at most maxMembers. Content, submission " +
		"and entry are canonical JSON; salt, hashes are lower-case hexadecimal. A state is that after all steps before. " +
		"Reads is the range of seq a user may read. Of who joins by a link secretHash is that of the secret given, of a message " +
		"or an edit sentAt is the hub time of the sender's last one of either. Of what is about a message (pin, unpin, edit, reaction, delete) target is " +
		"what the log has there: type, sender, hub time, whether its content is gone, when it expires, how often it was edited, " +
		"by how many users each emoji is on it, and which are the proposal's sender's own; it is absent if the sender may not " +
		"read it or there is none. Subject: "
)

// note says which class of bug a flag stands for.
type note struct {
	BugType     string `json:"bugType"`
	Description string `json:"description"`
}

type vectorFile struct {
	Description string          `json:"description"`
	Operation   string          `json:"operation"`
	Generator   string          `json:"generator"`
	Notes       map[string]note `json:"notes"`
	Tests       []vector        `json:"tests"`
}

// vector is one scene with all that came of it.
type vector struct {
	ID      string   `json:"id"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Script  []string `json:"script"`
	Steps   []step   `json:"steps"`
	Result  string   `json:"result"`
}

// step is one statement; exactly one of the pointers is set.
type step struct {
	Line     string    `json:"line"`
	Proposal *proposed `json:"proposal,omitempty"`
	State    *state    `json:"state,omitempty"`
	Reads    *reads    `json:"reads,omitempty"`
}

type proposed struct {
	Now            int64           `json:"now"`
	MaxMembers     int             `json:"maxMembers"`
	ConversationID id.Conversation `json:"conversationId"`
	Type           string          `json:"type"`
	Sender         id.User         `json:"sender"`
	DeviceID       id.Device       `json:"deviceId"`
	TempID         string          `json:"tempId"`
	AuthorTime     int64           `json:"authorTime"`
	Salt           string          `json:"salt"`
	Content        string          `json:"content"`
	SecretHash     string          `json:"secretHash,omitempty"`
	Expects        *int64          `json:"expects,omitempty"`
	SentAt         int64           `json:"sentAt,omitempty"`
	Target         *target         `json:"target,omitempty"`
	Result         string          `json:"result"` // accepted, refused
	Error          string          `json:"error,omitempty"`
	Field          string          `json:"field,omitempty"`
	Submission     string          `json:"submission,omitempty"`
	Entry          string          `json:"entry,omitempty"`
	EntryHash      string          `json:"entryHash,omitempty"`
	StateHash      string          `json:"stateHash,omitempty"`
}

// target is what the log has at the message that a proposal is about.
type target struct {
	Type      string         `json:"type"`
	Sender    id.User        `json:"sender"`
	Time      int64          `json:"time"`
	Erased    bool           `json:"erased"`
	ExpiresAt int64          `json:"expiresAt,omitempty"`
	Edits     int            `json:"edits,omitempty"`
	Emojis    map[string]int `json:"emojis,omitempty"`
	Own       []string       `json:"own,omitempty"` // sorted
}

type state struct {
	Exists  bool     `json:"exists"`
	Name    string   `json:"name"`
	Info    string   `json:"info,omitempty"` // canonical
	Members []member `json:"members"`        // in order of userId
	Hash    string   `json:"hash,omitempty"`
}

type member struct {
	UserID     id.User `json:"userId"`
	Role       string  `json:"role"`
	Membership string  `json:"membership"`
	JoinedSeq  int64   `json:"joinedSeq"`
	FromSeq    int64   `json:"fromSeq"`
	LeftSeq    int64   `json:"leftSeq"`
}

type reads struct {
	User    id.User `json:"user"`
	Nothing bool    `json:"nothing"`
	From    *int64  `json:"from,omitempty"`
	To      *int64  `json:"to,omitempty"`
}

var notes = map[string]note{
	"Authority": {"MISSING_AUTHORIZATION", "Somebody does what the rules do not let them do, or learns that a conversation exists."},
	"Boundary":  {"OFF_BY_ONE", "The last value within or the first value beyond a limit."},
	"Erased":    {"USE_AFTER_DELETE", "What was deleted or has expired is changed, shown or brought back."},
	"Form":      {"MISSING_VALIDATION", "Malformed values become state, so that servers that check them and servers that do not disagree."},
	"Heir":      {"STATE_DIVERGENCE", "Servers choose another heir, and from there on disagree who may do what."},
	"History":   {"INFORMATION_LEAK", "Somebody reads entries from before they came or after they went, or loses those between."},
	"NoOp":      {"LOG_NOISE", "Events that change nothing fill the log and move every member's unread position."},
	"Time":      {"ORDER_BY_CLOCK", "The hub's clock steps back, and message ids no longer increase."},
}

var subjects = map[string]string{
	"create":  "how a conversation begins.",
	"direct":  "direct conversations.",
	"members": "who comes and who goes.",
	"roles":   "roles and the owner.",
	"history": "who may read what, counts and time.",
	"limits":  "sizes and names.",

	"settings":    "settings, slow mode and the visibility of the history.",
	"permissions": "what roles are allowed, and owners.",
	"bans":        "bans.",
	"links":       "invite links and requests.",
	"pins":        "pins.",
	"races":       "changes that exclude each other.",

	"relations": "edits, and what can still be done to a message.",
	"reactions": "reactions.",
	"deletes":   "deletions for everyone, by authors, admins and the server.",
	"slow":      "slow mode.",
	"mentions":  "mentions.",
	"channels":  "who writes in a channel.",

	"hubs": "which server orders a conversation. What the new server signed is looked at elsewhere: the signatures here are 64 zero bytes.",
}

func stateOf(s *conversation.State) *state {
	out := &state{Members: []member{}}
	if s == nil {
		return out
	}
	out.Exists, out.Name = true, s.Name
	for _, u := range slices.Sorted(maps.Keys(s.Members)) {
		m := s.Members[u]
		out.Members = append(out.Members, member{u, m.Role, m.Membership, m.JoinedSeq, m.FromSeq, m.LeftSeq})
	}
	if info, err := s.Info.Canonical(); err != nil {
		panic(err)
	} else if string(info) != "{}" {
		out.Info = string(info)
	}
	h, err := s.Hash()
	if err != nil {
		panic(err) // Names and ids of a state are UTF-8.
	}
	out.Hash = hex.EncodeToString(h[:])
	return out
}

func (w *world) note(line string, s step) {
	s.Line = line
	w.steps = append(w.steps, s)
}

// noteProposal writes a proposal down, with what came of it. Those that have no canonical form cannot be proposed.
func (w *world) noteProposal(line string, e *conversation.Event, before int64, got string) {
	if e == nil {
		return
	}
	p := &proposed{
		Now: before + 1000, MaxMembers: w.limits.MaxMembers, ConversationID: e.ConversationID, Type: e.Type,
		Sender: e.Sender, DeviceID: e.Device, TempID: e.TempID, AuthorTime: e.AuthorTime,
		Salt: hex.EncodeToString(e.Salt[:]), Content: string(e.Content), Result: "accepted",
	}
	if !strings.HasPrefix(got, "seq ") {
		p.Result = "refused"
		p.Error, p.Field, _ = strings.Cut(got, " ")
	} else {
		w.noteEntry(p, e)
	}
	w.note(line, step{Proposal: p})
}

// noteFacts adds what a proposal rests on beside its content to the last step.
func (w *world) noteFacts(p conversation.Proposal, sentAt int64) {
	if len(w.steps) == 0 || w.steps[len(w.steps)-1].Proposal == nil {
		return
	}
	out := w.steps[len(w.steps)-1].Proposal
	out.SecretHash, out.Expects = p.SecretHash, p.Expects
	if conversation.Slow(p.Type) && w.state != nil && w.state.Info.SlowMode > 0 {
		out.SentAt = sentAt
	}
	if t := p.Target; t != nil {
		out.Target = &target{t.Type, t.Sender, t.Time, t.Erased, t.ExpiresAt, t.Edits, t.Emojis, slices.Sorted(maps.Keys(t.Own))}
	}
}

func (w *world) noteEntry(p *proposed, e *conversation.Event) {
	var prev event.Hash
	if e.Seq > 0 {
		prev = w.log[e.Seq-1].Hash
	}
	sub := submissionOf(e, event.ContentHash(e.Salt, e.Content))
	rawSub, err1 := sub.Canonical(nil)
	entry, err2 := conversation.EntryOf(e, prev, w.state.ReignAt(e.Seq).Term, w.state)
	rawEntry, err3 := entry.Canonical(nil)
	if err1 != nil || err2 != nil || err3 != nil || entry.SubmissionHash != canonical.Hash("submission", rawSub) {
		panic("an accepted event has no entry")
	}
	p.Submission, p.Entry, p.EntryHash = string(rawSub), string(rawEntry), hex.EncodeToString(e.Hash[:])
	if entry.StateHash != nil {
		p.StateHash = hex.EncodeToString(entry.StateHash[:])
	}
}

func submissionOf(e *conversation.Event, content event.Hash) event.Submission {
	return event.Submission{
		AuthorTime: e.AuthorTime, ContentHash: content, ConversationID: e.ConversationID, DeviceID: e.Device,
		Sender: e.Sender, TempID: e.TempID, Type: e.Type,
	}
}

func scripts(t *testing.T) map[string][]scene {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.conv")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	out := map[string][]scene{}
	for _, path := range paths {
		out[strings.TrimSuffix(filepath.Base(path), ".conv")] = readScript(t, path)
	}
	return out
}

func TestRules_ScriptsHold(t *testing.T) {
	for name, scenes := range scripts(t) {
		for _, s := range scenes {
			t.Run(name+"/"+s.title, func(t *testing.T) {
				w := play(t, s)
				if len(w.steps) == 0 {
					t.Error("nothing happens")
				}
			})
		}
	}
}

// TestRules_RunnerSeesWhatDoesNotHold keeps the runner from accepting everything.
func TestRules_RunnerSeesWhatDoesNotHold(t *testing.T) {
	w := newWorld("wrong")
	for _, c := range [][2]string{
		{"alice creates group with bob", "seq 0"},
		{"bob adds dave", "insufficient_role"},
		{"state: owners bob", "owners alice, members bob"},
		{"bob reads 1..2", "0..0"},
		{"removed bob reads 0..0", "joined"},
		{"count 3", "0"},
		{"peer of alice is bob", "nobody"},
		{"alice edits 0", "unknown_message"},
		{"alice sends mentioning dave", "invalid_field mentions"},
	} {
		got, err := w.perform(c[0], c[0])
		if err != nil || got != c[1] {
			t.Errorf("%s: got %q, %v", c[0], got, err)
		}
	}
	for _, line := range []string{"alice", "alice dances", `alice renames "x`, "alice creates", "limit x members", "alice sends x", "alice edits", "alice reacts 0",
		"alice edits 0 having 3", "alice edits 0 having x edits", "alice edits 0 having 3 wishes",
	} {
		if got, err := w.perform(line, line); err == nil {
			t.Errorf("%s: understood as %q", line, got)
		}
	}
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

func rulesFile(t *testing.T, name string, scenes []scene) vectorFile {
	t.Helper()
	file := vectorFile{Description: about + subjects[name], Operation: "rules", Generator: generator, Notes: map[string]note{}}
	for _, s := range scenes {
		for _, f := range s.flags {
			n, ok := notes[f]
			if !ok {
				t.Errorf("%s: unknown flag %s", s.title, f)
			}
			file.Notes[f] = n
		}
		slug := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(s.title), "-"), "-")
		file.Tests = append(file.Tests, vector{
			ID: name + "-" + slug, Comment: s.title, Flags: s.flags, Script: s.lines, Steps: play(t, s).steps, Result: "valid",
		})
	}
	return file
}

func TestRules_VectorsAreCurrent(t *testing.T) {
	all := scripts(t)
	for name, scenes := range all {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(rulesFile(t, name, scenes)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(vectorDir, name+".json")
		if *update {
			if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, out.Bytes()) {
			t.Errorf("%s is not what the generator makes (%v); run: %s", path, err, generator)
		}
	}
	paths, _ := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	for _, path := range paths {
		if _, ok := all[strings.TrimSuffix(filepath.Base(path), ".json")]; !ok {
			t.Errorf("%s comes from no script", path)
		}
	}
}
