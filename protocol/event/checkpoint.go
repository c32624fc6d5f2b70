// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/ed25519"
	"errors"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
)

// Checkpoint is a head signed by the hub: through the chain it covers every entry before it.
type Checkpoint struct {
	ConversationID id.Conversation
	Hash           Hash
	Hub            id.Server
	Seq            int64
	Term           int64
	Time           int64 // Unix milliseconds of signing
}

// Signature is one signature over a checkpoint.
type Signature struct {
	Server id.Server
	KeyID  string // "ed25519:<id>"
	Bytes  []byte
}

// Canonical is the canonical encoding without signatures. spec: LOG-CHECKPOINT-1
func (c Checkpoint) Canonical() ([]byte, error) {
	o := canonical.Begin(nil)
	o.String("conversationId", string(c.ConversationID))
	o.Bytes("hash", c.Hash[:])
	o.String("hub", string(c.Hub))
	o.Int("seq", c.Seq)
	o.Int("term", c.Term)
	o.Int("time", c.Time)
	o.Int("v", 1)
	return o.End()
}

// Sign signs the checkpoint with the server's key; a key of the wrong length is an error, not a panic.
func (c Checkpoint) Sign(keyID string, key ed25519.PrivateKey) (Signature, error) {
	if len(key) != ed25519.PrivateKeySize {
		return Signature{}, errors.New("checkpoint: key has the wrong length")
	}
	raw, err := c.Canonical()
	if err != nil {
		return Signature{}, err
	}
	msg := canonical.AppendMessage(nil, "checkpoint", raw)
	return Signature{Server: c.Hub, KeyID: keyID, Bytes: ed25519.Sign(key, msg)}, nil
}

// Verify checks a signature of the hub; a key of the wrong length is an error, not a panic.
func (c Checkpoint) Verify(sig Signature, key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize || len(sig.Bytes) != ed25519.SignatureSize {
		return errors.New("checkpoint: key or signature has the wrong length")
	}
	if sig.Server != c.Hub {
		return errors.New("checkpoint: signed by another server than its hub")
	}
	raw, err := c.Canonical()
	if err != nil {
		return err
	}
	if !ed25519.Verify(key, canonical.AppendMessage(nil, "checkpoint", raw), sig.Bytes) {
		return errors.New("checkpoint: signature does not verify")
	}
	return nil
}
