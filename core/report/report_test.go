// SPDX-License-Identifier: Apache-2.0

package report

import (
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

const hub = id.Server("example.org")

type signer struct{ key ed25519.PrivateKey }

func newSigner(seed byte) signer {
	return signer{ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed)), ed25519.SeedSize)))}
}

func (s signer) Sign(c event.Checkpoint) (event.Signature, error) { return c.Sign("ed25519:k", s.key) }

func (s signer) keys(server id.Server, keyID string) ed25519.PublicKey {
	if server != hub || keyID != "ed25519:k" {
		return nil
	}
	return s.key.Public().(ed25519.PublicKey)
}

// logged makes a message that stands in a log.
func logged(t testing.TB, text string) (*conversation.Event, event.Hash) {
	t.Helper()
	create := event.NewDirect("alice@example.org", "bob@example.org")
	raw, err := create.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	first := &conversation.Event{ConversationID: event.ConversationID(raw), Type: frame.TypeCreate, Sender: "alice@example.org", Device: id.NewDevice(), TempID: "c", Content: raw}
	state, err := conversation.Seal(first, conversation.Head{}, nil, 1_800_000_000_000)
	if err != nil {
		t.Fatal(err)
	}
	content, err := event.MessageContent(frame.Send{Content: text, ContentType: "text"})
	if err != nil {
		t.Fatal(err)
	}
	e := &conversation.Event{
		ConversationID: first.ConversationID, Type: frame.TypeMessage, Sender: "bob@example.org", Device: id.NewDevice(), TempID: "t-1",
		AuthorTime: 1_800_000_000_001, Salt: [16]byte{1, 2, 3}, Content: content,
	}
	if _, err := conversation.Seal(e, conversation.HeadAt(first), state, 1_800_000_000_002); err != nil {
		t.Fatal(err)
	}
	return e, first.Hash
}

func proof(t testing.TB, s signer) rest.Proof {
	t.Helper()
	e, prev := logged(t, "an insult")
	got, err := Evidence(e, prev, Signed{Hub: hub, Signer: s, Now: 1_800_000_000_003})
	if err != nil {
		t.Fatal(err)
	}
	return rest.Proof{Entries: []rest.Evidence{got}}
}

func TestProof_HoldsByItself(t *testing.T) {
	s := newSigner('a')
	p := proof(t, s)
	if err := Verify(p, s.keys); err != nil {
		t.Error(err)
	}
	if got := p.Entries[0].Content; got != `{"content":"an insult","contentType":"text"}` {
		t.Errorf("content %s", got)
	}
	p.Entries[0].Content, p.Entries[0].Salt = "", ""
	if err := Verify(p, s.keys); err != nil {
		t.Errorf("of erased content: %v", err)
	}
	if err := Verify(rest.Proof{}, s.keys); err != nil {
		t.Errorf("that claims nothing: %v", err)
	}
}

func TestProof_AForgedOneDoesNotHold(t *testing.T) {
	s, other := newSigner('a'), newSigner('b')
	for what, forge := range map[string]func(*rest.Evidence){
		"content":         func(e *rest.Evidence) { e.Content = strings.Replace(e.Content, "insult", "praise", 1) },
		"salt":            func(e *rest.Evidence) { e.Salt = b64(make([]byte, 16)) },
		"short salt":      func(e *rest.Evidence) { e.Salt = b64(make([]byte, 15)) },
		"only content":    func(e *rest.Evidence) { e.Salt = "" },
		"sender":          func(e *rest.Evidence) { e.Submission.Sender = "carol@example.org" },
		"no sender":       func(e *rest.Evidence) { e.Submission.Sender = "carol" },
		"device":          func(e *rest.Evidence) { e.Submission.DeviceID = string(id.NewDevice()) },
		"tempId":          func(e *rest.Evidence) { e.Submission.TempID = "t-2" },
		"type":            func(e *rest.Evidence) { e.Submission.Type = "edit" },
		"author time":     func(e *rest.Evidence) { e.Submission.AuthorTime++ },
		"content hash":    func(e *rest.Evidence) { e.Submission.ContentHash = b64(make([]byte, 32)) },
		"version":         func(e *rest.Evidence) { e.Submission.V = 2 },
		"entry version":   func(e *rest.Evidence) { e.Entry.V = 2 },
		"seq":             func(e *rest.Evidence) { e.Entry.Seq++ },
		"time":            func(e *rest.Evidence) { e.Entry.HubTime++ },
		"count":           func(e *rest.Evidence) { e.Entry.Count++ },
		"prev":            func(e *rest.Evidence) { e.Entry.Prev = b64(make([]byte, 32)) },
		"state":           func(e *rest.Evidence) { e.Entry.StateHash = b64(make([]byte, 32)) },
		"bad state":       func(e *rest.Evidence) { e.Entry.StateHash = "x" },
		"term":            func(e *rest.Evidence) { e.Entry.Term++ },
		"message id":      func(e *rest.Evidence) { e.Entry.MessageID = id.NewMessage(1, 1, [32]byte{}).String() },
		"conversation":    func(e *rest.Evidence) { e.Entry.ConversationID = string(id.NewConversation([32]byte{})) },
		"submission hash": func(e *rest.Evidence) { e.Entry.SubmissionHash = b64(make([]byte, 31)) },
		"checkpoint hash": func(e *rest.Evidence) { e.Checkpoint.Hash = b64(make([]byte, 32)) },
		"checkpoint seq":  func(e *rest.Evidence) { e.Checkpoint.Seq++ },
		"checkpoint time": func(e *rest.Evidence) { e.Checkpoint.Time++ },
		"checkpoint v":    func(e *rest.Evidence) { e.Checkpoint.V = 0 },
		"hub":             func(e *rest.Evidence) { e.Checkpoint.Hub = "evil.example" },
		"signature":       func(e *rest.Evidence) { e.Checkpoint.Signatures[string(hub)]["ed25519:k"] = b64(make([]byte, 64)) },
		"no signature":    func(e *rest.Evidence) { e.Checkpoint.Signatures = nil },
	} {
		p := proof(t, s)
		forge(&p.Entries[0])
		if Verify(p, s.keys) == nil {
			t.Errorf("another %s goes through", what)
		}
	}
	if Verify(proof(t, other), s.keys) == nil {
		t.Error("the signature of another key goes through")
	}
}

func TestEvidence_OfAnEntryThatIsNotInTheLogIsRefused(t *testing.T) {
	e, prev := logged(t, "x")
	e.Sender = "carol@example.org"
	if _, err := Evidence(e, prev, Signed{Hub: hub, Signer: newSigner('a')}); err == nil {
		t.Error("the server signs what it does not have")
	}
}

func FuzzVerify(f *testing.F) {
	s := newSigner('a')
	good, _ := json.Marshal(proof(f, s))
	f.Add(good)
	f.Add([]byte(`{"entries":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p rest.Proof
		if json.Unmarshal(raw, &p) != nil || len(p.Entries) == 0 {
			return
		}
		if Verify(p, s.keys) != nil {
			return
		}
		for _, e := range p.Entries { // What holds says what was signed.
			if e.Submission.Sender != "bob@example.org" || e.Content != "" && e.Content != `{"content":"an insult","contentType":"text"}` {
				t.Errorf("forged: %+v", e)
			}
		}
	})
}
