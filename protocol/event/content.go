// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"maps"
	"slices"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

// MessageContent is the canonical content of an event of type message. spec: LOG-CONTENT-2
func MessageContent(m frame.Send) ([]byte, error) {
	o := canonical.Begin(nil)
	optional(&o, "content", m.Content)
	o.String("contentType", m.ContentType)
	optional(&o, "encryptedContent", m.EncryptedContent)
	if m.IsForwarded {
		o.Bool("isForwarded", true)
	}
	optional(&o, "mediaUrl", m.MediaURL)
	if err := list(&o, "mentions", m.Mentions); err != nil {
		return nil, err
	}
	optional(&o, "replyToMessageId", m.ReplyToMessageID)
	return o.End()
}

// ChangeContent is the canonical content of a state event other than create. spec: LOG-CONTENT-3
func ChangeContent(c frame.Change) ([]byte, error) {
	o := canonical.Begin(nil)
	if err := acceptance(&o, c.Acceptance); err != nil {
		return nil, err
	}
	pointed("avatarUrl", c.AvatarURL, o.String)
	pointed("description", c.Description, o.String)
	pointed("ephemeralTimer", c.EphemeralTimer, o.Int)
	positive(&o, "expiresAt", c.ExpiresAt)
	optional(&o, "historyVisibility", c.HistoryVisibility)
	optional(&o, "hub", c.Hub)
	optional(&o, "linkId", c.LinkID)
	positive(&o, "maxUses", c.MaxUses)
	optional(&o, "name", c.Name)
	if c.NeedsApproval {
		o.Bool("needsApproval", true)
	}
	if err := permissions(&o, c.Permissions); err != nil {
		return nil, err
	}
	optional(&o, "role", c.Role)
	optional(&o, "secretHash", c.SecretHash)
	pointed("serverSearch", c.ServerSearch, o.Bool)
	pointed("slowMode", c.SlowMode, o.Int)
	optional(&o, "targetMessageId", c.TargetMessageID)
	if err := list(&o, "userIds", c.UserIDs); err != nil {
		return nil, err
	}
	return o.End()
}

func acceptance(o *canonical.Object, a *frame.Acceptance) error {
	if a == nil {
		return nil
	}
	inner := canonical.Begin(nil)
	inner.String("keyId", a.KeyID)
	inner.String("signature", a.Signature)
	raw, err := inner.End()
	o.Raw("acceptance", raw)
	return err
}

func permissions(o *canonical.Object, roles map[string]string) error {
	if len(roles) == 0 {
		return nil
	}
	inner := canonical.Begin(nil)
	for _, key := range slices.Sorted(maps.Keys(roles)) {
		inner.String(key, roles[key])
	}
	raw, err := inner.End()
	o.Raw("permissions", raw)
	return err
}

// list adds an array of strings unless it is empty.
func list(o *canonical.Object, key string, values []string) error {
	if len(values) == 0 {
		return nil
	}
	out := []byte{'['}
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = canonical.AppendString(out, v); err != nil {
			return err
		}
	}
	o.Raw(key, append(out, ']'))
	return nil
}

// ParseChange reads the content of a state event. That of create is read into the same shape; that of any other type
// must be what ChangeContent makes.
func ParseChange(typ string, content []byte) (frame.Change, error) {
	if typ == frame.TypeCreate {
		c, err := ParseCreate(content)
		if err != nil {
			return frame.Change{}, err
		}
		out := frame.Change{ConversationType: c.Type, Name: c.Name, Visibility: c.Visibility}
		for _, u := range c.Members {
			out.UserIDs = append(out.UserIDs, string(u))
		}
		return out, nil
	}
	var wire struct {
		frame.Change
		SecretHash      string            `json:"secretHash"`
		TargetMessageID string            `json:"targetMessageId"`
		Acceptance      *frame.Acceptance `json:"acceptance"`
	}
	if err := canonical.Check(content); err != nil {
		return frame.Change{}, err
	}
	if err := json.Unmarshal(content, &wire); err != nil {
		return frame.Change{}, fault.New(fault.MalformedJSON, "not the content of a state event").Because(err)
	}
	out := wire.Change
	out.SecretHash, out.TargetMessageID = wire.SecretHash, wire.TargetMessageID
	out.Acceptance = wire.Acceptance
	if err := sameBytes(content, func() ([]byte, error) { return ChangeContent(out) }); err != nil {
		return frame.Change{}, err
	}
	return out, nil
}

func optional(o *canonical.Object, key, value string) {
	if value != "" {
		o.String(key, value)
	}
}

func positive(o *canonical.Object, key string, value int64) {
	if value != 0 {
		o.Int(key, value)
	}
}

func pointed[T any](key string, value *T, set func(string, T)) {
	if value != nil {
		set(key, *value)
	}
}
