// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

const (
	chainPath  = "../../spec/vectors/log/chain.json"
	aboutChain = "The log. Operation chain: the links are the log of one conversation from its beginning, each with its " +
		"content, submission and entry in canonical form; salt and hash are lower-case hexadecimal. A receiver accepts the " +
		"chain if and only if result is valid; otherwise it is broken at the given seq. Rights are not looked at."
)

type chainFile struct {
	Description string          `json:"description"`
	Operation   string          `json:"operation"`
	Generator   string          `json:"generator"`
	Notes       map[string]note `json:"notes"`
	Tests       []chain         `json:"tests"`
}

type chain struct {
	ID      string   `json:"id"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Links   []link   `json:"links"`
	Result  string   `json:"result"`
	Error   string   `json:"error,omitempty"`
	At      *int     `json:"at,omitempty"`
}

type link struct {
	Salt       string  `json:"salt"`
	Content    *string `json:"content"` // null once erased
	Submission string  `json:"submission"`
	Entry      string  `json:"entry"`
	Hash       string  `json:"hash"`
}

// forge rewrites the objects of one link; what follows from them is computed anew, as a forger would.
type forge struct {
	content func(string) string
	salt    func(salt []byte)
	sub     func(*event.Submission)
	entry   func(*event.Entry)
	hash    func(hash []byte)
}

// links writes a log down; the link at is forged.
func links(t *testing.T, w *world, at int, f forge) (out []link) {
	t.Helper()
	var s *conversation.State
	var prev event.Hash
	for i, e := range w.log {
		after, err := conversation.Apply(s, e)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := conversation.EntryOf(e, prev, s.Term(), after)
		if err != nil {
			t.Fatal(err)
		}
		if i != at {
			out = append(out, written(t, e, entry, forge{}))
		} else {
			out = append(out, written(t, e, entry, f))
		}
		s, prev = after, e.Hash
	}
	return out
}

func written(t *testing.T, e *conversation.Event, entry event.Entry, f forge) link {
	t.Helper()
	sub := submissionOf(e, event.ContentHash(e.Salt, e.Content))
	content, salt := string(e.Content), e.Salt
	if f.content != nil {
		content = f.content(content)
	}
	if f.salt != nil {
		f.salt(salt[:])
	}
	if f.sub != nil {
		f.sub(&sub)
	}
	if f.entry != nil {
		f.entry(&entry)
	}
	rawSub, err1 := sub.Canonical(nil)
	rawEntry, err2 := entry.Canonical(nil)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	hash := canonical.Hash("entry", rawEntry)
	if f.hash != nil {
		f.hash(hash[:])
	}
	return link{hex.EncodeToString(salt[:]), &content, string(rawSub), string(rawEntry), hex.EncodeToString(hash[:])}
}

func fiveEntries(t *testing.T) *world {
	t.Helper()
	return play(t, scene{title: "chain", lines: []string{
		`alice creates group "Team" with bob -> seq 0`, "alice sends -> seq 1", "bob sends -> seq 2", "alice adds carol -> seq 3",
		"clock moves -1h", "carol sends -> seq 4",
	}})
}

func chains(t *testing.T) []chain {
	w := fiveEntries(t)
	good := func(id, comment string, l []link, flags ...string) chain {
		return chain{ID: "chain-" + id, Comment: comment, Flags: append([]string{}, flags...), Links: l, Result: "valid"}
	}
	bad := func(id, comment, reason string, at int, f forge, flags ...string) chain {
		c := good(id, comment, links(t, w, at, f), flags...)
		c.Result, c.Error, c.At = "invalid", reason, &at
		return c
	}
	hold := links(t, w, -1, forge{})
	erased := links(t, w, -1, forge{})
	erased[2].Content, erased[2].Salt = nil, ""
	skipped := bad("skipped", "an entry was left out", "wrong_seq", 2, forge{}, "Chain")
	skipped.Links = append(append([]link{}, hold[:2]...), hold[3:]...)
	late := bad("late-start", "the first entry was left out", "wrong_seq", 0, forge{}, "Chain")
	late.Links = hold[1:]
	double := bad("doubled", "an entry stands twice", "wrong_seq", 2, forge{}, "Chain")
	double.Links = append(append([]link{}, hold[:2]...), hold[1:]...)
	return []chain{
		good("holds", "five entries, one of them a state change, the last from a clock that stepped back", hold),
		good("one", "the create event alone", hold[:1]),
		good("erased", "erased content leaves the chain whole", erased, "Erase"),
		skipped, late, double,
		bad("wrong-prev", "the entry names another predecessor", "wrong_prev", 2,
			forge{entry: func(e *event.Entry) { e.Prev[0] ^= 1 }}, "Chain"),
		bad("prev-at-zero", "the first entry names a predecessor", "wrong_prev", 0,
			forge{entry: func(e *event.Entry) { e.Prev[31] = 1 }}, "Chain"),
		bad("wrong-count", "a message is not counted", "wrong_count", 2, forge{entry: func(e *event.Entry) { e.Count-- }}, "Count"),
		bad("counted-change", "a state change is counted", "wrong_count", 3, forge{entry: func(e *event.Entry) { e.Count++ }}, "Count"),
		bad("wrong-seq", "an entry has the seq after the next", "wrong_seq", 4, forge{entry: func(e *event.Entry) { e.Seq++ }}, "Chain"),
		bad("time-falls", "the hub's time falls", "time_falls", 4, forge{entry: func(e *event.Entry) { e.HubTime -= 3600_000 }}, "Time"),
		bad("message-id", "the message id is not composed of time, seq and submission", "wrong_message_id", 1,
			forge{entry: func(e *event.Entry) { e.MessageID[15] ^= 1 }}, "Chain"),
		bad("tampered-content", "the content is another", "wrong_content", 1,
			forge{content: func(string) string { return `{"content":"hullo","contentType":"text"}` }}, "Commit"),
		bad("wrong-salt", "the salt is another", "wrong_content", 2, forge{salt: func(b []byte) { b[0] ^= 1 }}, "Commit"),
		bad("wrong-submission", "the entry is of another submission", "wrong_submission", 2,
			forge{sub: func(s *event.Submission) { s.AuthorTime++ }}, "Commit"),
		bad("wrong-hash", "the hash is not that of the entry", "wrong_hash", 4, forge{hash: func(b []byte) { b[0] ^= 1 }}, "Chain"),
		bad("wrong-state", "the entry commits to another state", "wrong_state", 3,
			forge{entry: func(e *event.Entry) { h := *e.StateHash; h[0] ^= 1; e.StateHash = &h }}, "State"),
		bad("no-state", "a state change commits to no state", "wrong_state", 3,
			forge{entry: func(e *event.Entry) { e.StateHash = nil }}, "State"),
		bad("state-of-message", "a message commits to a state", "wrong_state", 1,
			forge{entry: func(e *event.Entry) { e.StateHash = &event.Hash{1} }}, "State"),
		bad("other-conversation", "the entry is of another conversation", "wrong_conversation", 1,
			forge{entry: func(e *event.Entry) { e.ConversationID = id.NewConversation([32]byte{}) }}, "Chain"),
	}
}

func chainVectors(t *testing.T) []byte {
	t.Helper()
	file := chainFile{
		Description: aboutChain, Operation: "chain",
		Generator: "go test ./core/conversation -run TestChain_VectorsAreCurrent -update", Tests: chains(t),
		Notes: map[string]note{
			"Chain":  {"FORGED_HISTORY", "Entries are left out, doubled, moved or replaced without notice."},
			"Commit": {"BROKEN_COMMITMENT", "Content or author data is replaced while the chain seems to hold."},
			"Count":  {"WRONG_UNREAD", "Servers count other messages and disagree on unread numbers."},
			"Erase":  {"ERASURE_BREAKS_LOG", "Erasing content makes the log unverifiable."},
			"State":  {"STATE_DIVERGENCE", "Servers disagree on members and roles and do not notice."},
			"Time":   {"ORDER_BY_CLOCK", "The hub's clock steps back, and message ids no longer increase."},
		},
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(file); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestChain_VectorsAreCurrent(t *testing.T) {
	want := chainVectors(t)
	if *update {
		if err := os.WriteFile(chainPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(chainPath); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the generator makes (%v)", filepath.Base(chainPath), err)
	}
}

func TestChain_VectorsHoldHere(t *testing.T) {
	raw, err := os.ReadFile(chainPath)
	if err != nil {
		t.Fatal(err)
	}
	var file chainFile
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Tests {
		t.Run(c.ID, func(t *testing.T) {
			at, reason := readChain(t, c.Links)
			if reason != c.Error || (reason != "" && at != *c.At) {
				t.Errorf("read as %q at %d, want %q", reason, at, c.Error)
			}
			if c.ID == "chain-erased" {
				return // Verify needs the content.
			}
			broken, err := verify(events(t, c.Links))
			if (err == nil) != (c.Result == "valid") {
				t.Errorf("Verify: got %v at %d, want %s", err, broken, c.Result)
			}
			if err != nil && int(broken) != *c.At {
				t.Errorf("Verify: breaks at %d, %v; want %d", broken, err, *c.At)
			}
		})
	}
}

// wireSubmission and wireEntry are the canonical objects as another implementation reads them.
type wireSubmission struct {
	AuthorTime     int64           `json:"authorTime"`
	ContentHash    string          `json:"contentHash"`
	ConversationID id.Conversation `json:"conversationId"`
	DeviceID       id.Device       `json:"deviceId"`
	Sender         id.User         `json:"sender"`
	TempID         string          `json:"tempId"`
	Type           string          `json:"type"`
}

type wireEntry struct {
	ConversationID id.Conversation `json:"conversationId"`
	Count          int64           `json:"count"`
	HubTime        int64           `json:"hubTime"`
	MessageID      id.Message      `json:"messageId"`
	Prev           string          `json:"prev"`
	Seq            int64           `json:"seq"`
	StateHash      string          `json:"stateHash"`
	SubmissionHash string          `json:"submissionHash"`
}

func (l link) read(t *testing.T) (s wireSubmission, e wireEntry) {
	t.Helper()
	for raw, into := range map[string]any{l.Submission: &s, l.Entry: &e} {
		if err := canonical.Check([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(raw), into); err != nil {
			t.Fatal(err)
		}
	}
	return s, e
}

// events are the links as the store would hold them.
func events(t *testing.T, all []link) (out []*conversation.Event) {
	t.Helper()
	for _, l := range all {
		s, e := l.read(t)
		ev := &conversation.Event{
			ConversationID: e.ConversationID, Seq: e.Seq, Count: e.Count, HubTime: e.HubTime, AuthorTime: s.AuthorTime,
			MessageID: e.MessageID, Type: s.Type, Sender: s.Sender, Device: s.DeviceID, TempID: s.TempID, Content: []byte(*l.Content),
		}
		copy(ev.Salt[:], unhex(t, l.Salt))
		copy(ev.Hash[:], unhex(t, l.Hash))
		out = append(out, ev)
	}
	return out
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// chainReader checks links with nothing of the package but the fold, as another implementation would.
type chainReader struct {
	t     *testing.T
	conv  id.Conversation
	prev  [32]byte
	count int64
	time  int64
	state *conversation.State
}

// readChain returns the place and the reason of the first break.
func readChain(t *testing.T, all []link) (at int, reason string) {
	t.Helper()
	r := &chainReader{t: t}
	for i, l := range all {
		if reason := r.link(int64(i), l); reason != "" {
			return i, reason
		}
	}
	return -1, ""
}

func (r *chainReader) link(seq int64, l link) string {
	s, e := l.read(r.t)
	sum := canonical.Hash("submission", []byte(l.Submission))
	hash := canonical.Hash("entry", []byte(l.Entry))
	if s.Type == frame.TypeMessage {
		r.count++
	}
	if seq == 0 && s.Type == frame.TypeCreate {
		r.conv = event.ConversationID([]byte(*l.Content))
	}
	composed := id.NewMessage(e.HubTime, e.Seq, sum)
	for _, check := range []struct {
		reason string
		holds  bool
	}{
		{"wrong_seq", e.Seq == seq},
		{"wrong_conversation", e.ConversationID == r.conv && s.ConversationID == r.conv},
		{"wrong_count", e.Count == r.count},
		{"time_falls", e.HubTime >= r.time},
		{"wrong_prev", e.Prev == canonical.EncodeBase64(r.prev[:])},
		{"wrong_content", l.Content == nil || s.ContentHash == contentHash(unhex(r.t, l.Salt), *l.Content)},
		{"wrong_submission", e.SubmissionHash == canonical.EncodeBase64(sum[:])},
		{"wrong_message_id", e.MessageID == composed},
		{"wrong_state", l.Content == nil || r.fold(s, e, *l.Content) == e.StateHash},
		{"wrong_hash", l.Hash == fmt.Sprintf("%x", hash)},
	} {
		if !check.holds {
			return check.reason
		}
	}
	r.prev, r.time = hash, e.HubTime
	return ""
}

func contentHash(salt []byte, content string) string {
	sum := canonical.Hash("content", append(salt, content...))
	return canonical.EncodeBase64(sum[:])
}

// fold applies the content and returns the hash of the state after it; of messages it is empty.
func (r *chainReader) fold(s wireSubmission, e wireEntry, content string) string {
	if s.Type == frame.TypeMessage {
		return ""
	}
	after, err := conversation.Apply(r.state, &conversation.Event{
		ConversationID: e.ConversationID, Seq: e.Seq, HubTime: e.HubTime, Type: s.Type, Sender: s.Sender, Content: []byte(content),
	})
	if err != nil {
		return err.Error()
	}
	r.state = after
	h, err := after.Hash()
	if err != nil {
		r.t.Fatal(err)
	}
	return canonical.EncodeBase64(h[:])
}
