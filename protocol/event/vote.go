// SPDX-License-Identifier: Apache-2.0

package event

import (
	"crypto/ed25519"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
)

// Vote is a server's statement that a hub is away: how much it holds of the conversation, and who is to order it in a new term. Whoever
// signs one takes nothing of an earlier term from then on, and signs no other one for the same term.
type Vote struct {
	ConversationID id.Conversation
	Hash           Hash // of the newest entry that the server holds
	LastTerm       int64
	NewHub         id.Server
	Seq            int64
	Server         id.Server // that votes
	Term           int64     // that would begin
	Time           int64     // Unix milliseconds
}

// Canonical is the canonical encoding without the signature.
func (v Vote) Canonical() ([]byte, error) {
	o := canonical.Begin(nil)
	o.String("conversationId", string(v.ConversationID))
	o.Bytes("hash", v.Hash[:])
	o.Int("lastTerm", v.LastTerm)
	o.String("newHub", string(v.NewHub))
	o.Int("seq", v.Seq)
	o.String("server", string(v.Server))
	o.Int("term", v.Term)
	o.Int("time", v.Time)
	o.Int("v", 1)
	return o.End()
}

// Sign signs the vote with the key of the server that votes, as Checkpoint.Sign.
func (v Vote) Sign(keyID string, key ed25519.PrivateKey) (Signature, error) {
	raw, err := v.Canonical()
	return sign("hub_vote", raw, err, Signature{Server: v.Server, KeyID: keyID}, key)
}

// Verify checks a signature of the server that votes, as Checkpoint.Verify.
func (v Vote) Verify(sig Signature, key ed25519.PublicKey) error {
	raw, err := v.Canonical()
	return verify("hub_vote", raw, err, v.Server, sig, key)
}
