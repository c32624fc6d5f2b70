// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"parley.chat/protocol/event"
)

const keyID = "ed25519:1"

func testKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func checkpoint() event.Checkpoint {
	return event.Checkpoint{ConversationID: "c1", Hash: event.Hash{1}, Hub: "example.org", Seq: 7, Term: 1, Time: 1790000000000}
}

func signed(t *testing.T) event.Signature {
	t.Helper()
	sig, err := checkpoint().Sign(keyID, testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestCheckpoint_SignatureOfTheHubVerifies(t *testing.T) {
	sig := signed(t)
	if sig.Server != "example.org" || sig.KeyID != keyID {
		t.Errorf("got %+v", sig)
	}
	if err := checkpoint().Verify(sig, public(testKey(1))); err != nil {
		t.Error(err)
	}
}

func TestCheckpoint_KeyOfWrongLengthIsAnErrorNotAPanic(t *testing.T) {
	c, sig, key := checkpoint(), signed(t), public(testKey(1))
	for _, k := range []ed25519.PublicKey{nil, {}, key[:31], append(bytes.Clone(key), 0)} {
		if c.Verify(sig, k) == nil {
			t.Errorf("verifies with a key of %d bytes", len(k))
		}
	}
	for _, b := range [][]byte{nil, sig.Bytes[:63], append(bytes.Clone(sig.Bytes), 0)} {
		if c.Verify(event.Signature{Server: c.Hub, KeyID: keyID, Bytes: b}, key) == nil {
			t.Errorf("a signature of %d bytes verifies", len(b))
		}
	}
	for _, k := range []ed25519.PrivateKey{nil, testKey(1)[:32], append(bytes.Clone(testKey(1)), 0)} {
		if _, err := c.Sign(keyID, k); err == nil {
			t.Errorf("signs with a key of %d bytes", len(k))
		}
	}
}

func TestCheckpoint_SignatureOfAnotherDoesNotVerify(t *testing.T) {
	c, sig := checkpoint(), signed(t)
	if c.Verify(sig, public(testKey(2))) == nil {
		t.Error("verifies with another key")
	}
	sig.Server = "evil.example"
	if c.Verify(sig, public(testKey(1))) == nil {
		t.Error("verifies for another server than the hub")
	}
}

func TestCheckpoint_EveryFieldIsSigned(t *testing.T) {
	sig, key := signed(t), public(testKey(1))
	for name, edit := range map[string]func(*event.Checkpoint){
		"conversation": func(c *event.Checkpoint) { c.ConversationID = "c2" },
		"hash":         func(c *event.Checkpoint) { c.Hash[31] ^= 1 },
		"seq":          func(c *event.Checkpoint) { c.Seq++ },
		"term":         func(c *event.Checkpoint) { c.Term++ },
		"time":         func(c *event.Checkpoint) { c.Time-- },
		"no form":      func(c *event.Checkpoint) { c.Time = 1 << 60 },
	} {
		c := checkpoint()
		edit(&c)
		if c.Verify(sig, key) == nil {
			t.Errorf("%s is not signed", name)
		}
	}
	// The hub is signed too: a signature that claims the other hub as its server does not verify.
	c := checkpoint()
	c.Hub, sig.Server = "evil.example", "evil.example"
	if c.Verify(sig, key) == nil {
		t.Error("the hub is not signed")
	}
	c.Time = 1 << 60
	if _, err := c.Sign(keyID, testKey(1)); err == nil {
		t.Error("what has no canonical form was signed")
	}
}

func TestCheckpoint_AnyFlippedBitBreaksTheSignature(t *testing.T) {
	c, sig, key := checkpoint(), signed(t), public(testKey(1))
	for i := range len(sig.Bytes) * 8 {
		bad := sig
		bad.Bytes = bytes.Clone(sig.Bytes)
		bad.Bytes[i/8] ^= 1 << (i % 8)
		if c.Verify(bad, key) == nil {
			t.Fatalf("verifies with bit %d flipped", i)
		}
	}
}
