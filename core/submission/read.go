// SPDX-License-Identifier: Apache-2.0

package submission

import (
	"bytes"
	"encoding/json"
	"errors"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Read makes the command of a submission: content is what it commits to, which the caller has compared; secret is that of a link
// in base64url, of who joins by it. The command has no Prefs and no Signed.
func Read(sub event.Submission, content []byte, secret string) (timeline.Command, error) {
	cmd := timeline.Command{
		ConversationID: sub.ConversationID, Device: sub.DeviceID, TempID: sub.TempID, AuthorTime: sub.AuthorTime, Content: content,
		Proposal: conversation.Proposal{Type: sub.Type, Sender: sub.Sender, Expects: sub.Expects},
	}
	if sub.TempID != "" {
		if err := CheckTempID(sub.TempID); err != nil {
			return cmd, err
		}
	}
	if len(content) > MaxContent {
		return cmd, fault.New(fault.ContentTooLarge, "the content of an event has at most %d bytes", MaxContent)
	}
	if err := canonical.Check(content); err != nil {
		return cmd, fault.New(fault.MalformedJSON, "not the canonical content of an event").Because(err)
	}
	if !conversation.ChangesState(sub.Type) && sub.Expects != nil {
		return cmd, fault.Invalid("expects", "is of changes of the state")
	}
	err := fill(&cmd, secret)
	if _, told := errors.AsType[*fault.Error](err); err != nil && !told {
		err = fault.New(fault.MalformedJSON, "not the content of such an event").Because(err)
	}
	return cmd, err
}

func fill(cmd *timeline.Command, secret string) error {
	switch cmd.Type {
	case frame.TypeMessage:
		return fillMessage(cmd)
	case frame.TypeEdit, frame.TypeReaction, frame.TypeDelete:
		return fillRelation(cmd)
	case frame.TypeCreate:
		return fillCreate(cmd)
	}
	if err := fillChange(cmd); err != nil || secret == "" {
		return err
	}
	raw, err := canonical.DecodeBase64(secret)
	if err != nil || len(raw) != conversation.LinkSecretSize {
		return fault.Invalid("secret", "must be %d bytes in base64url", conversation.LinkSecretSize)
	}
	cmd.SecretHash = conversation.SecretHash(raw)
	return nil
}

func fillMessage(cmd *timeline.Command) error {
	m, err := Message(cmd.Content)
	if err != nil {
		return err
	}
	cmd.Mentions = m.Mentions
	return CheckSend(m)
}

// Message reads the content of a message; members that do not belong there are refused.
func Message(content []byte) (frame.Send, error) {
	var m frame.Send
	if err := json.Unmarshal(content, &m); err != nil {
		return m, fault.New(fault.MalformedJSON, "not the content of a message").Because(err)
	}
	return m, same(content, m, event.MessageContent)
}

func fillRelation(cmd *timeline.Command) error {
	r, err := event.ParseRelation(cmd.Content)
	if err != nil {
		return err
	}
	if cmd.About, err = id.ParseMessage(r.TargetMessageID); err != nil {
		return fault.New(fault.UnknownMessage, "no such message")
	}
	only := event.Relation{TargetMessageID: r.TargetMessageID}
	switch cmd.Type {
	case frame.TypeEdit:
		if r.Content == "" {
			return fault.Invalid("content", "must not be empty; to take a message back, delete it")
		}
		only.Content, only.ContentType, only.Mentions = r.Content, r.ContentType, r.Mentions
	case frame.TypeReaction:
		only.Action, only.Emoji = r.Action, r.Emoji
	}
	cmd.Mentions, cmd.Action, cmd.Emoji = only.Mentions, only.Action, only.Emoji
	return same(cmd.Content, only, event.Relation.Canonical)
}

func fillCreate(cmd *timeline.Command) (err error) {
	if event.ConversationID(cmd.Content) != cmd.ConversationID {
		return fault.Invalid("conversationId", "is not that of the create object")
	}
	cmd.Create, err = event.ParseCreate(cmd.Content)
	return err
}

func fillChange(cmd *timeline.Command) error {
	c, err := event.ParseChange(cmd.Type, cmd.Content)
	if err != nil {
		return err
	}
	only, ok := meant(cmd.Type, c)
	if !ok {
		return fault.Invalid("type", "no event of type %q can be proposed", cmd.Type)
	}
	cmd.Change = only
	if cmd.Type == frame.TypePin {
		if cmd.About, err = id.ParseMessage(c.TargetMessageID); err != nil {
			return fault.Invalid("targetMessageId", "is not a message id")
		}
	}
	return same(cmd.Content, only, event.ChangeContent)
}

// meant is c with what means something for the type; false for a type that does not exist.
func meant(typ string, c frame.Change) (frame.Change, bool) {
	switch typ {
	case frame.TypeMemberLeave:
		return frame.Change{}, true
	case frame.TypeRename:
		return frame.Change{Name: c.Name}, true
	case frame.TypeMemberAdd, frame.TypeMemberRole:
		return frame.Change{UserIDs: c.UserIDs, Role: c.Role}, true
	case frame.TypeMemberRemove, frame.TypeMemberBan, frame.TypeMemberUnban, frame.TypeOwnerTransfer, frame.TypeJoinDecline:
		return frame.Change{UserIDs: c.UserIDs}, true
	case frame.TypeMemberJoin, frame.TypeJoinRequest, frame.TypeLinkRevoke:
		return frame.Change{LinkID: c.LinkID}, true
	case frame.TypeLinkCreate:
		return frame.Change{LinkID: c.LinkID, SecretHash: c.SecretHash, ExpiresAt: c.ExpiresAt, MaxUses: c.MaxUses, NeedsApproval: c.NeedsApproval}, true
	case frame.TypeHubTransfer:
		return frame.Change{Hub: c.Hub, Acceptance: c.Acceptance}, true
	case frame.TypePin, frame.TypeUnpin:
		return frame.Change{TargetMessageID: c.TargetMessageID}, true
	case frame.TypeSettings:
		return frame.Change{Description: c.Description, AvatarURL: c.AvatarURL, Permissions: c.Permissions, EphemeralTimer: c.EphemeralTimer,
			HistoryVisibility: c.HistoryVisibility, SlowMode: c.SlowMode, ServerSearch: c.ServerSearch}, true
	}
	return c, false
}

// same wants content to be what encode makes of v.
func same[T any](content []byte, v T, encode func(T) ([]byte, error)) error {
	again, err := encode(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(content, again) {
		return fault.New(fault.MalformedJSON, "the content holds members that do not belong there")
	}
	return nil
}
