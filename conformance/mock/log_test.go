// SPDX-License-Identifier: Apache-2.0

package mock_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"testing"

	"parley.chat/conformance/mock"
)

type logVectors struct {
	Tests []struct {
		ID, Comment, Result, Input, Output, Hash, Salt, Domain, ConversationID string
		KeyID, PublicKey, PrivateKey, Signature, Server                        string
		Users                                                                  []string
		Links                                                                  []struct {
			Salt, Content, Submission, Entry, Hash string
		}
	}
}

func TestNext_TakesTheChainsThatTheVectorsTake(t *testing.T) {
	for _, c := range vectors[logVectors](t, "log/chain.json").Tests {
		err := func() error {
			f := &mock.Follower{}
			for i, l := range c.Links {
				sub, err := mock.Parse([]byte(l.Submission))
				if err != nil {
					return err
				}
				entry, err := mock.Parse([]byte(l.Entry))
				if err != nil {
					return err
				}
				if i == 0 {
					f.ID, _ = sub["conversationId"].(string)
				}
				r := mock.Record{Submission: sub, Entry: entry, Salt: unhex(t, l.Salt), Content: l.Content}
				if sum := mock.Hash("entry", mock.Encode(entry)); hex.EncodeToString(sum[:]) != l.Hash {
					return errHash
				}
				if err := f.Next(r); err != nil {
					return err
				}
			}
			return nil
		}()
		if (err == nil) != (c.Result == "valid") {
			t.Errorf("%s (%s): %v, want %s", c.ID, c.Comment, err, c.Result)
		}
	}
}

type hashError struct{}

func (hashError) Error() string { return "another hash" }

var errHash = hashError{}

func TestHashes_AreThoseOfTheVectors(t *testing.T) {
	for _, c := range vectors[logVectors](t, "log/object-hash.json").Tests {
		sum := mock.Hash(c.Domain, c.Input)
		if (hex.EncodeToString(sum[:]) == c.Hash) != (c.Result == "valid") {
			t.Errorf("%s: %x", c.ID, sum)
		}
	}
	for _, c := range vectors[logVectors](t, "log/content-hash.json").Tests {
		raw, _ := mock.FromBase64(mock.ContentHash(unhex(t, c.Salt), c.Input))
		if (hex.EncodeToString(raw) == c.Hash) != (c.Result == "valid") {
			t.Errorf("%s: %x", c.ID, raw)
		}
	}
	for _, c := range vectors[logVectors](t, "log/create.json").Tests {
		if c.Result == "valid" && mock.ConversationID(c.Input) != c.ConversationID {
			t.Errorf("%s: %s", c.ID, mock.ConversationID(c.Input))
		}
	}
	for _, c := range vectors[logVectors](t, "log/direct.json").Tests {
		if text := mock.Encode(mock.DirectCreate(c.Users[0], c.Users[1])); text != c.Output || mock.ConversationID(text) != c.ConversationID {
			t.Errorf("%s: %s", c.ID, text)
		}
	}
}

func TestVerify_TakesTheCheckpointsThatTheVectorsTake(t *testing.T) {
	for _, c := range vectors[logVectors](t, "log/checkpoint.json").Tests {
		sig, public := mock.Base64(unhex(t, c.Signature)), unhex(t, c.PublicKey)
		good := c.Server == "example.org" && mock.Verify(public, "checkpoint", c.Input, sig)
		if c.ID != "checkpoint-other-server" && good != (c.Result == "valid") {
			t.Errorf("%s (%s): %v, want %s", c.ID, c.Comment, good, c.Result)
		}
		if c.Result == "valid" && mock.Sign(ed25519.NewKeyFromSeed(unhex(t, c.PrivateKey)), "checkpoint", c.Input) != sig {
			t.Errorf("%s: signed again it is another", c.ID)
		}
	}
}

// A log that one homeserver makes is taken by a follower, whole and from a snapshot.
func TestLog_IsFollowed(t *testing.T) {
	hub, other := mock.NewKey("h"), mock.NewKey("o")
	find := func(server, id string, _ int64) ([]byte, error) {
		return map[string]mock.Key{"a.example": hub, "b.example": other}[server].Private.Public().(ed25519.PublicKey), nil
	}
	l := mock.NewLog(mock.DirectCreate("bob@b.example", "alice@a.example"), "alice@a.example")
	f := &mock.Follower{Key: find}
	if err := f.Begin([]byte(mock.Encode(l.Snapshot(hub)))); err != nil {
		t.Fatal(err)
	}
	l.Append(mock.Submission(l.ID, "alice@a.example", "message", mock.Text("hi")))
	l.Append(mock.Submission(l.ID, "bob@b.example", "message", mock.Text("ho")).Signed(other))
	if err := f.Range([]byte(mock.Encode(l.Range(hub, l.Records...)))); err != nil {
		t.Fatal(err)
	}
	if len(f.Records) != 3 {
		t.Errorf("%d records", len(f.Records))
	}
	bad := l.Append(mock.Submission(l.ID, "bob@b.example", "message", mock.Text("forged")).Signed(hub))
	if err := f.Range([]byte(mock.Encode(l.Range(hub, bad)))); err == nil {
		t.Error("an author's signature by the hub is taken")
	}
}

func TestMessageID_IsThatOfTheVectors(t *testing.T) {
	for _, c := range vectors[logVectors](t, "log/chain.json").Tests[:1] {
		for _, l := range c.Links {
			e, err := mock.Parse([]byte(l.Entry))
			if err != nil {
				t.Fatal(err)
			}
			if id := mock.MessageID(e["hubTime"].(int64), e["seq"].(int64), e["submissionHash"].(string)); id != e["messageId"] {
				t.Errorf("%s, want %s", id, e["messageId"])
			}
		}
	}
}
