// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/ed25519"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
)

// Acceptance is a server's word that it will order a conversation in a term. It is signed by that server and stands in the entry by
// which the conversation is handed over to it.
type Acceptance struct {
	ConversationID id.Conversation
	Hub            id.Server
	Term           int64 // that begins with its first entry
}

// Canonical is the canonical encoding without the signature.
func (a Acceptance) Canonical() ([]byte, error) {
	o := canonical.Begin(nil)
	o.String("conversationId", string(a.ConversationID))
	o.String("hub", string(a.Hub))
	o.Int("term", a.Term)
	o.Int("v", 1)
	return o.End()
}

// Sign signs the acceptance with the key of the new hub, as Checkpoint.Sign.
func (a Acceptance) Sign(keyID string, key ed25519.PrivateKey) (Signature, error) {
	raw, err := a.Canonical()
	return sign("hub_acceptance", raw, err, Signature{Server: a.Hub, KeyID: keyID}, key)
}

// Verify checks a signature of the new hub, as Checkpoint.Verify.
func (a Acceptance) Verify(sig Signature, key ed25519.PublicKey) error {
	raw, err := a.Canonical()
	return verify("hub_acceptance", raw, err, a.Hub, sig, key)
}
