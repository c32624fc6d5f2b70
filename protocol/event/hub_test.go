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
