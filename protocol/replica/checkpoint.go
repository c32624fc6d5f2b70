// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Checkpoint is a head with its hub's signatures, in order of key id; as JSON it is what clients get too.
type Checkpoint struct {
	event.Checkpoint
	Signatures []event.Signature // of the hub; 1 to maxSignatures
}

const maxSignatures = 8

// MarshalJSON writes the checkpoint.
func (c Checkpoint) MarshalJSON() ([]byte, error) {
	return json.Marshal(c.Body(), json.Deterministic(true))
}

// Body is the checkpoint as the body of an answer.
func (c Checkpoint) Body() rest.Checkpoint {
	sigs := map[string]string{}
	for _, s := range c.Signatures {
		sigs[s.KeyID] = canonical.EncodeBase64(s.Bytes)
	}
	return rest.Checkpoint{
		ConversationID: string(c.ConversationID), Hash: canonical.EncodeBase64(c.Hash[:]), Hub: string(c.Hub), Seq: c.Seq, Term: c.Term,
		Time: c.Time, V: 1, Signatures: map[string]map[string]string{string(c.Hub): sigs},
	}
}

// UnmarshalJSON reads a checkpoint; signatures of others than its hub are skipped. That none is left is no error here.
func (c *Checkpoint) UnmarshalJSON(raw []byte) error {
	var w rest.Checkpoint
	if err := json.Unmarshal(raw, &w); err != nil {
		return malformed("checkpoint").Because(err)
	}
	conv, err := id.ParseConversation(w.ConversationID)
	if err != nil {
		return malformed("checkpoint").Because(err)
	}
	hub, err := id.ParseServer(w.Hub)
	if err != nil {
		return malformed("checkpoint").Because(err)
	}
	hash, err := canonical.DecodeBase64(w.Hash)
	if err != nil || len(hash) != len(event.Hash{}) {
		return malformed("checkpoint")
	}
	sigs := w.Signatures[w.Hub]
	if w.V != 1 || w.Seq < 0 || w.Seq > id.MaxSeq || w.Term < 0 || w.Time < 0 || len(sigs) > maxSignatures {
		return malformed("checkpoint")
	}
	out := Checkpoint{Checkpoint: event.Checkpoint{ConversationID: conv, Hash: event.Hash(hash), Hub: hub, Seq: w.Seq, Term: w.Term, Time: w.Time}}
	for _, keyID := range slices.Sorted(maps.Keys(sigs)) {
		s, err := readSignature(&signature{KeyID: keyID, Signature: sigs[keyID]}, hub)
		if err != nil {
			return err
		}
		out.Signatures = append(out.Signatures, *s)
	}
	*c = out
	return nil
}
