// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"

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
	optional(&o, "mediaUrl", m.MediaURL)
	optional(&o, "replyToMessageId", m.ReplyToMessageID)
	return o.End()
}

// ChangeContent is the canonical content of a state event other than create. spec: LOG-CONTENT-3
func ChangeContent(c frame.Change) ([]byte, error) {
	o := canonical.Begin(nil)
	optional(&o, "name", c.Name)
	optional(&o, "role", c.Role)
	if len(c.UserIDs) > 0 {
		list := []byte{'['}
		for i, u := range c.UserIDs {
			if i > 0 {
				list = append(list, ',')
			}
			var err error
			if list, err = canonical.AppendString(list, u); err != nil {
				return nil, err
			}
		}
		o.Raw("userIds", append(list, ']'))
	}
	return o.End()
}

// ParseChange reads the content of a state event. That of create is read into the same shape; that of any other type
// must be what ChangeContent makes.
func ParseChange(typ string, content []byte) (frame.Change, error) {
	if typ == frame.TypeCreate {
		c, err := ParseCreate(content)
		if err != nil {
			return frame.Change{}, err
		}
		out := frame.Change{ConversationType: c.Type, Name: c.Name}
		for _, u := range c.Members {
			out.UserIDs = append(out.UserIDs, string(u))
		}
		return out, nil
	}
	var out frame.Change
	if err := canonical.Check(content); err != nil {
		return frame.Change{}, err
	}
	if err := json.Unmarshal(content, &out); err != nil {
		return frame.Change{}, fault.New(fault.MalformedJSON, "not the content of a state event").Because(err)
	}
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
