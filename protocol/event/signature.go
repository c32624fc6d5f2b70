// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
)

// Signature is one signature of a server over an object of the log.
type Signature struct {
	Server id.Server
	KeyID  string // "ed25519:<id>"
	Bytes  []byte
}

// Sign signs the checkpoint with the hub's key; a key of the wrong length is an error, not a panic.
func (c Checkpoint) Sign(keyID string, key ed25519.PrivateKey) (Signature, error) {
	raw, err := c.Canonical()
	return sign("checkpoint", raw, err, Signature{Server: c.Hub, KeyID: keyID}, key)
}

// Verify checks a signature of the hub; a key of the wrong length is an error, not a panic.
func (c Checkpoint) Verify(sig Signature, key ed25519.PublicKey) error {
	raw, err := c.Canonical()
	return verify("checkpoint", raw, err, c.Hub, sig, key)
}

// Sign signs the submission with the key of its author's server, as Checkpoint.Sign. spec: FED-RECORD-3
func (s Submission) Sign(keyID string, key ed25519.PrivateKey) (Signature, error) {
	raw, err := s.Canonical(nil)
	return sign("submission", raw, err, Signature{Server: s.Sender.Server(), KeyID: keyID}, key)
}

// Verify checks a signature of the author's server, as Checkpoint.Verify.
func (s Submission) Verify(sig Signature, key ed25519.PublicKey) error {
	raw, err := s.Canonical(nil)
	return verify("submission", raw, err, s.Sender.Server(), sig, key)
}

func sign(domain string, raw []byte, err error, as Signature, key ed25519.PrivateKey) (Signature, error) {
	if err != nil {
		return Signature{}, err
	}
	if len(key) != ed25519.PrivateKeySize {
		return Signature{}, fmt.Errorf("%s: key has the wrong length", domain)
	}
	as.Bytes = ed25519.Sign(key, canonical.AppendMessage(nil, domain, raw))
	return as, nil
}

func verify(domain string, raw []byte, err error, by id.Server, sig Signature, key ed25519.PublicKey) error {
	switch {
	case err != nil:
		return err
	case len(key) != ed25519.PublicKeySize || len(sig.Bytes) != ed25519.SignatureSize:
		return fmt.Errorf("%s: key or signature has the wrong length", domain)
	case sig.Server != by:
		return fmt.Errorf("%s: signed by another server than %s", domain, by)
	case !ed25519.Verify(key, canonical.AppendMessage(nil, domain, raw), sig.Bytes):
		return errors.New(domain + ": signature does not verify")
	}
	return nil
}
