// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"errors"

	"parley.chat/core/conversation"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Hubs asks servers whether they will order conversations.
type Hubs interface {
	// Accept is a server's word that it will order the conversation after s. Faults: hub_refused, server_unreachable, state_changed,
	// unavailable.
	Accept(ctx context.Context, s *conversation.State, server id.Server) (frame.Acceptance, error)
}

// MoveHub has another server order the conversation. Its word is asked for only if the rules let the caller move it. Faults:
// invalid_field, unknown_conversation, not_member, insufficient_role, direct_fixed, state_changed, hub_refused, server_unreachable,
// hub_unavailable, unavailable. spec: FED-MOVE-5
func (o *Conversations) MoveHub(ctx context.Context, c Caller, conversationID string, in rest.MoveHub) (frame.Conversation, error) {
	server, err := id.ParseServer(in.ServerName)
	if err != nil {
		return frame.Conversation{}, fault.Invalid("serverName", "is no server name").Because(err)
	}
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return frame.Conversation{}, err
	}
	p := conversation.Proposal{Type: frame.TypeHubTransfer, Sender: c.User, Expects: in.Expects, Change: frame.Change{
		Hub: string(server), Acceptance: &frame.Acceptance{KeyID: "ed25519:", Signature: canonical.EncodeBase64(make([]byte, conversation.AcceptanceSize))},
	}}
	err = conversation.Decide(v.State, p, o.Limits)
	switch {
	case errors.Is(err, conversation.ErrUnchanged):
		return o.Get(ctx, c, conversationID)
	case err != nil:
		return frame.Conversation{}, renamed(err)
	case o.Hubs == nil:
		return frame.Conversation{}, fault.New(fault.ServerUnreachable, "this server knows no others")
	}
	word, err := o.Hubs.Accept(ctx, v.State, server)
	if err != nil {
		return frame.Conversation{}, err
	}
	p.Change.Acceptance = &word
	if _, err := o.propose(ctx, c, v.State.ID, p); err != nil {
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, conversationID)
}

// renamed is a refusal with the name of the field as the body has it.
func renamed(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Field == "hub" {
		return fault.Invalid("serverName", "must be the server of a member")
	}
	return err
}
