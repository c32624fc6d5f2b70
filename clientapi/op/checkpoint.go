// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"time"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/rest"
)

// Signer signs with the server's key.
type Signer interface {
	Sign(event.Checkpoint) (event.Signature, error)
}

// Checkpoint answers the head of a conversation, signed: through the chain it covers every entry before it. Faults:
// unknown_conversation, not_member. spec: LOG-CHECKPOINT-1
func (o *Conversations) Checkpoint(ctx context.Context, c Caller, conversationID string) (rest.Checkpoint, error) {
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return rest.Checkpoint{}, err
	}
	point := event.Checkpoint{
		ConversationID: v.State.ID, Hash: v.Head.Hash, Hub: o.Server, Seq: v.Head.Seq, Time: time.Now().UnixMilli(),
	}
	sig, err := o.Signer.Sign(point)
	if err != nil {
		return rest.Checkpoint{}, err
	}
	return rest.Checkpoint{
		ConversationID: string(point.ConversationID), Hash: canonical.EncodeBase64(point.Hash[:]), Hub: string(point.Hub),
		Seq: point.Seq, Term: point.Term, Time: point.Time, V: 1,
		Signatures: map[string]map[string]string{string(sig.Server): {sig.KeyID: canonical.EncodeBase64(sig.Bytes)}},
	}, nil
}
