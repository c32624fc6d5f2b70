// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"crypto/ed25519"
	"testing"

	"parley.chat/protocol/event"
)

func TestAcceptance_IsOfOneConversationOneTermAndItsOwnServer(t *testing.T) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := private.Public().(ed25519.PublicKey)
	word := event.Acceptance{ConversationID: "cAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Hub: "b.example", Term: 3}
	raw, err := word.Canonical()
	if want := `{"conversationId":"cAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","hub":"b.example","term":3,"v":1}`; err != nil || string(raw) != want {
		t.Fatalf("%s, %v", raw, err)
	}
	sig, err := word.Sign("ed25519:b1", private)
	if err != nil {
		t.Fatal(err)
	}
	if err := word.Verify(sig, public); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*event.Acceptance, *event.Signature){
		"another term": func(a *event.Acceptance, _ *event.Signature) { a.Term = 4 },
		"another hub":  func(a *event.Acceptance, _ *event.Signature) { a.Hub = "c.example" },
		"another conversation": func(a *event.Acceptance, _ *event.Signature) {
			a.ConversationID = "cBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		},
		"a bit":          func(_ *event.Acceptance, s *event.Signature) { s.Bytes[0] ^= 1 },
		"another signer": func(_ *event.Acceptance, s *event.Signature) { s.Server = "c.example" },
		"too short":      func(_ *event.Acceptance, s *event.Signature) { s.Bytes = s.Bytes[1:] },
	} {
		a, s := word, sig
		s.Bytes = append([]byte(nil), sig.Bytes...)
		change(&a, &s)
		if a.Verify(s, public) == nil {
			t.Errorf("%s verifies", name)
		}
	}
	if _, err := word.Sign("ed25519:b1", private[1:]); err == nil {
		t.Error("a key of the wrong length signs")
	}
}

func TestVote_IsSignedWhole(t *testing.T) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := private.Public().(ed25519.PublicKey)
	vote := event.Vote{ConversationID: "cAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", LastTerm: 1, NewHub: "c.example", Seq: 7, Server: "b.example", Term: 2, Time: 5}
	raw, err := vote.Canonical()
	want := `{"conversationId":"cAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",` +
		`"lastTerm":1,"newHub":"c.example","seq":7,"server":"b.example","term":2,"time":5,"v":1}`
	if err != nil || string(raw) != want {
		t.Fatalf("%s, %v", raw, err)
	}
	sig, err := vote.Sign("ed25519:b1", private)
	if err != nil || vote.Verify(sig, public) != nil {
		t.Fatal(err, vote.Verify(sig, public))
	}
	for name, change := range map[string]func(*event.Vote){
		"hash": func(v *event.Vote) { v.Hash[0] = 1 }, "last term": func(v *event.Vote) { v.LastTerm = 0 }, "new hub": func(v *event.Vote) { v.NewHub = "d.example" },
		"seq": func(v *event.Vote) { v.Seq = 8 }, "term": func(v *event.Vote) { v.Term = 3 }, "time": func(v *event.Vote) { v.Time = 6 },
		"server": func(v *event.Vote) { v.Server = "d.example" },
	} {
		other := vote
		change(&other)
		if other.Verify(sig, public) == nil {
			t.Errorf("another %s verifies", name)
		}
	}
}
