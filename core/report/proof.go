// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"

	"parley.chat/core/conversation"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Signer signs with the server's key.
type Signer interface {
	Sign(event.Checkpoint) (event.Signature, error)
}

// Signed is what a proof is made with: the hub, its signature, and the time of signing in Unix milliseconds.
type Signed struct {
	Hub    id.Server
	Signer Signer
	Now    int64
	Term   int64 // of the event's entry
}

// Evidence makes the proof of an event that changes no state. prev is the hash of the entry before it.
func Evidence(e *conversation.Event, prev event.Hash, by Signed) (rest.Evidence, error) {
	content := e.Submission().ContentHash
	entry, err := conversation.EntryOf(e, prev, by.Term, nil)
	if err != nil {
		return rest.Evidence{}, err
	}
	h, err := entry.Hash(nil)
	if err != nil {
		return rest.Evidence{}, err
	}
	if h != e.Hash {
		return rest.Evidence{}, fmt.Errorf("evidence of %s seq %d: the entry is not the one that was hashed", e.ConversationID, e.Seq)
	}
	point := event.Checkpoint{ConversationID: e.ConversationID, Hash: e.Hash, Hub: by.Hub, Seq: e.Seq, Term: entry.Term, Time: by.Now}
	sig, err := by.Signer.Sign(point)
	if err != nil {
		return rest.Evidence{}, err
	}
	out := rest.Evidence{
		Submission: rest.LogSubmission{
			AuthorTime: e.AuthorTime, ContentHash: b64(content[:]), ConversationID: string(e.ConversationID),
			DeviceID: string(e.Device), Sender: string(e.Sender), TempID: e.TempID, Type: e.Type, V: 1,
		},
		Entry: rest.LogEntry{
			ConversationID: string(e.ConversationID), Count: e.Count, HubTime: e.HubTime, MessageID: e.MessageID.String(),
			Prev: b64(prev[:]), Seq: e.Seq, SubmissionHash: b64(entry.SubmissionHash[:]), Term: entry.Term, V: 1,
		},
		Checkpoint: rest.Checkpoint{
			ConversationID: string(point.ConversationID), Hash: b64(point.Hash[:]), Hub: string(point.Hub),
			Seq: point.Seq, Term: point.Term, Time: point.Time, V: 1,
			Signatures: map[string]map[string]string{string(sig.Server): {sig.KeyID: b64(sig.Bytes)}},
		},
	}
	if e.Content != nil {
		out.Salt, out.Content = b64(e.Salt[:]), string(e.Content)
	}
	return out, nil
}

func b64(raw []byte) string { return canonical.EncodeBase64(raw) }
