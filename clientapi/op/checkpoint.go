// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"time"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

// Signer signs with the server's key.
type Signer interface {
	Sign(event.Checkpoint) (event.Signature, error)
}

// Heads knows the newest checkpoints that other servers signed of the conversations they order.
type Heads interface {
	Head(ctx context.Context, c id.Conversation) (cp replica.Checkpoint, known bool, err error)
}

// Checkpoint answers the head of a conversation, signed by its hub: through the chain it covers every entry before it. Where
// another server is the hub it is the newest that came from there. Faults: unknown_conversation, not_member, unavailable.
// spec: LOG-CHECKPOINT-1 LOG-CHECKPOINT-4
func (o *Conversations) Checkpoint(ctx context.Context, c Caller, conversationID string) (rest.Checkpoint, error) {
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return rest.Checkpoint{}, err
	}
	reign := v.State.ReignAt(v.Head.Seq)
	if reign.Hub != o.Server {
		return o.checkpointOfHub(ctx, v.State.ID)
	}
	point := event.Checkpoint{
		ConversationID: v.State.ID, Hash: v.Head.Hash, Hub: o.Server, Seq: v.Head.Seq, Term: reign.Term, Time: time.Now().UnixMilli(),
	}
	sig, err := o.Signer.Sign(point)
	if err != nil {
		return rest.Checkpoint{}, err
	}
	return replica.Checkpoint{Checkpoint: point, Signatures: []event.Signature{sig}}.Body(), nil
}

// checkpointOfHub is one that this server cannot sign itself.
func (o *Conversations) checkpointOfHub(ctx context.Context, c id.Conversation) (rest.Checkpoint, error) {
	if o.Heads != nil {
		if cp, known, err := o.Heads.Head(ctx, c); err != nil || known {
			return cp.Body(), err
		}
	}
	return rest.Checkpoint{}, fault.Retry(fault.Unavailable, time.Second, "no checkpoint of the hub is known yet")
}
