// SPDX-License-Identifier: Apache-2.0

package op

import (
	"context"
	"errors"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// Edit changes the name and the settings of a conversation. The right to all of it is checked first, because a name and
// settings are two entries. Faults: invalid_field, unknown_conversation, not_member, insufficient_role, direct_fixed,
// state_changed.
func (o *Conversations) Edit(ctx context.Context, c Caller, conversationID string, in rest.EditConversation) (frame.Conversation, error) {
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return frame.Conversation{}, err
	}
	steps, err := edits(in)
	if err != nil {
		return frame.Conversation{}, err
	}
	for _, p := range steps {
		p.Sender = c.User
		if err := conversation.Decide(v.State, p, o.Limits); err != nil && !errors.Is(err, conversation.ErrUnchanged) {
			return frame.Conversation{}, err
		}
	}
	expects := in.Expects
	for _, p := range steps {
		p.Expects = expects
		res, err := o.propose(ctx, c, v.State.ID, p)
		if err != nil {
			return frame.Conversation{}, err
		}
		if expects != nil && !res.Duplicate {
			expects = &res.Seq
		}
	}
	return o.Get(ctx, c, conversationID)
}

// edits are the proposals of a body: none, one or two.
func edits(in rest.EditConversation) (out []conversation.Proposal, err error) {
	if in.Name != nil {
		if err := conversation.CheckName(*in.Name); err != nil {
			return nil, err
		}
		out = append(out, conversation.Proposal{Type: frame.TypeRename, Change: frame.Change{Name: *in.Name}})
	}
	set := frame.Change{
		Description: in.Description, AvatarURL: in.AvatarURL, Permissions: in.Permissions, EphemeralTimer: in.EphemeralTimer,
		SlowMode: in.SlowMode, ServerSearch: in.ServerSearch,
	}
	if in.HistoryVisibility != nil {
		if set.HistoryVisibility = *in.HistoryVisibility; set.HistoryVisibility == "" { // In the log this is a change of something else.
			return nil, fault.Invalid("historyVisibility", "must be %s or %s", conversation.VisibleJoined, conversation.VisibleShared)
		}
	}
	if set.Description != nil || set.AvatarURL != nil || set.Permissions != nil || set.EphemeralTimer != nil ||
		set.HistoryVisibility != "" || set.SlowMode != nil || set.ServerSearch != nil {
		out = append(out, conversation.Proposal{Type: frame.TypeSettings, Change: set})
	}
	return out, nil
}

// TransferOwner makes a member owner and the caller admin. Faults: invalid_field, unknown_conversation, not_member,
// unknown_user, insufficient_role, direct_fixed, state_changed.
func (o *Conversations) TransferOwner(ctx context.Context, c Caller, conversationID string, in rest.TransferOwner) (frame.Conversation, error) {
	if _, err := parseUser("userId", in.UserID); err != nil {
		return frame.Conversation{}, err
	}
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return frame.Conversation{}, err
	}
	p := conversation.Proposal{Type: frame.TypeOwnerTransfer, Change: frame.Change{UserIDs: []string{in.UserID}}, Expects: in.Expects}
	if _, err := o.propose(ctx, c, v.State.ID, p); err != nil {
		return frame.Conversation{}, err
	}
	return o.Get(ctx, c, conversationID)
}

// permitted finds a conversation in which the caller has a capability. Faults: unknown_conversation, not_member,
// insufficient_role, direct_fixed.
func (o *Conversations) permitted(ctx context.Context, c Caller, conversationID, capability string) (*conversation.State, error) {
	v, err := o.writable(ctx, c, conversationID)
	if err != nil {
		return nil, err
	}
	if v.State.Type() == event.Direct {
		return nil, fault.New(fault.DirectFixed, "a direct conversation has no such list")
	}
	if m, _ := v.State.Member(c.User); !v.State.May(m.Role, capability) {
		return nil, fault.New(fault.InsufficientRole, "your role does not have the permission %s here", capability)
	}
	return v.State, nil
}
