// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// reader runs vectors as another implementation would: from what the files say, without the scripts.
type reader struct {
	t     *testing.T
	state *conversation.State
	head  conversation.Head
}

func TestRules_VectorsHoldHere(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(paths) != len(subjects) {
		t.Fatalf("%d files of vectors, %v", len(paths), err)
	}
	ids := map[string]bool{}
	for _, path := range paths {
		for _, v := range readVectors(t, path).Tests {
			if ids[v.ID] {
				t.Errorf("%s stands twice", v.ID)
			}
			ids[v.ID] = true
			t.Run(v.ID, func(t *testing.T) {
				r := &reader{t: t}
				for _, s := range v.Steps {
					r.step(s)
				}
			})
		}
	}
	if len(ids) < 130 {
		t.Errorf("only %d vectors", len(ids))
	}
}

func readVectors(t *testing.T, path string) (file vectorFile) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return file
}

func (r *reader) step(s step) {
	switch {
	case s.Proposal != nil:
		r.propose(s.Line, s.Proposal)
	case s.State != nil:
		if diff := cmp.Diff(s.State, stateOf(r.state)); diff != "" {
			r.t.Errorf("%s: -want +got\n%s", s.Line, diff)
		}
	case s.Reads != nil:
		from, to, ok := r.state.Visible(s.Reads.User, r.head.Seq)
		if ok == s.Reads.Nothing || ok && (from != *s.Reads.From || to != *s.Reads.To) {
			r.t.Errorf("%s: got %d..%d, %v", s.Line, from, to, ok)
		}
	default:
		r.t.Errorf("%s: an empty step", s.Line)
	}
}

func (r *reader) propose(line string, p *proposed) {
	salt, err := hex.DecodeString(p.Salt)
	if err != nil {
		r.t.Fatal(err)
	}
	e := &conversation.Event{
		ConversationID: p.ConversationID, AuthorTime: p.AuthorTime, Type: p.Type, Sender: p.Sender, Device: p.DeviceID,
		TempID: p.TempID, Salt: [event.SaltSize]byte(salt), Content: []byte(p.Content),
	}
	if err := r.decide(e, p); err != nil {
		var f *fault.Error
		if !errors.As(err, &f) || string(f.Code) != p.Error || f.Field != p.Field {
			r.t.Errorf("%s: got %v", line, err)
		}
		return
	}
	after, err := conversation.Seal(e, r.head, r.state, p.Now)
	if err != nil || p.Result != "accepted" || hex.EncodeToString(e.Hash[:]) != p.EntryHash {
		r.t.Fatalf("%s: accepted with hash %x, %v", line, e.Hash, err)
	}
	r.compare(line, e, after, p)
	r.state, r.head = after, conversation.HeadAt(e)
}

func (r *reader) decide(e *conversation.Event, given *proposed) (err error) {
	p := conversation.Proposal{
		Type: e.Type, Sender: e.Sender, At: max(given.Now, r.head.Time), SentAt: given.SentAt, SecretHash: given.SecretHash, Expects: given.Expects,
	}
	if t := given.Target; t != nil {
		p.Target = &conversation.Target{
			Type: t.Type, Sender: t.Sender, Time: t.Time, Erased: t.Erased, ExpiresAt: t.ExpiresAt, Edits: t.Edits, Emojis: t.Emojis, Own: map[string]bool{},
		}
		for _, emoji := range t.Own {
			p.Target.Own[emoji] = true
		}
	}
	switch e.Type {
	case frame.TypeMessage:
		var m frame.Send
		if err := json.Unmarshal(e.Content, &m); err != nil {
			return err
		}
		p.Mentions = m.Mentions
	case frame.TypeEdit, frame.TypeReaction, frame.TypeDelete:
		about, err := event.ParseRelation(e.Content)
		if err != nil {
			return err
		}
		p.Action, p.Emoji, p.Mentions = about.Action, about.Emoji, about.Mentions
	case frame.TypeCreate:
		// A create object of bad form is refused whoever proposes it; the order of the two checks is not observable but
		// for proposals that break two rules.
		if p.Create, err = event.ParseCreate(e.Content); err != nil {
			return err
		}
	default:
		if p.Change, err = event.ParseChange(e.Type, e.Content); err != nil {
			return err
		}
	}
	return conversation.Decide(r.state, p, conversation.Limits{MaxMembers: given.MaxMembers})
}

func (r *reader) compare(line string, e *conversation.Event, after *conversation.State, p *proposed) {
	sub, err := submissionOf(e, event.ContentHash(e.Salt, e.Content)).Canonical(nil)
	if err != nil || string(sub) != p.Submission {
		r.t.Errorf("%s: submission %s, %v", line, sub, err)
	}
	entry, err := conversation.EntryOf(e, r.head.Hash, r.state.Term(), after)
	if err != nil {
		r.t.Fatal(err)
	}
	raw, err := entry.Canonical(nil)
	if err != nil || string(raw) != p.Entry {
		r.t.Errorf("%s: entry %s, %v", line, raw, err)
	}
	if got := stateHash(entry); got != p.StateHash {
		r.t.Errorf("%s: state hash %s, want %s", line, got, p.StateHash)
	}
	if _, err := conversation.Verify(e, r.head, r.state); err != nil {
		r.t.Errorf("%s: %v", line, err)
	}
}

func stateHash(e event.Entry) string {
	if e.StateHash == nil {
		return ""
	}
	return hex.EncodeToString(e.StateHash[:])
}
