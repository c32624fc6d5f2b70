// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"unicode"
	"unicode/utf8"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/text"
)

// Relation is the content of an event about a message: edit, reaction and delete.
type Relation struct {
	Action          string   `json:"action"`      // of a reaction: add, remove
	Content         string   `json:"content"`     // of an edit
	ContentType     string   `json:"contentType"` // of an edit: as the message has it
	Emoji           string   `json:"emoji"`       // of a reaction
	Mentions        []string `json:"mentions"`    // of an edit
	TargetMessageID string   `json:"targetMessageId"`
}

// Canonical is the content of the event. spec: LOG-CONTENT-4
func (r Relation) Canonical() ([]byte, error) {
	o := canonical.Begin(nil)
	optional(&o, "action", r.Action)
	optional(&o, "content", r.Content)
	optional(&o, "contentType", r.ContentType)
	optional(&o, "emoji", r.Emoji)
	if err := list(&o, "mentions", r.Mentions); err != nil {
		return nil, err
	}
	o.String("targetMessageId", r.TargetMessageID)
	return o.End()
}

// ParseRelation reads what Canonical made.
func ParseRelation(content []byte) (Relation, error) {
	var r Relation
	if err := canonical.Check(content); err != nil {
		return r, err
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fault.New(fault.MalformedJSON, "not the content of an event about a message").Because(err)
	}
	return r, sameBytes(content, r.Canonical)
}

// MaxEmoji is the longest emoji of a reaction in bytes. spec: LIMIT-REACTION-1
const MaxEmoji = 32

// IsEmoji tells whether s may be a reaction: one character as people see it, of at most MaxEmoji bytes. Any character will do
// that people can see; what may follow the first are marks, joiners, and what these join. spec: MSG-REACTION-2
func IsEmoji(s string) bool {
	if s == "" || len(s) > MaxEmoji || !utf8.ValidString(s) {
		return false
	}
	var before rune
	flags := 0
	for i, r := range s {
		switch {
		case i == 0 && !startsEmoji(r):
			return false
		case i == 0 || extendsEmoji(r):
		case before == joiner && startsEmoji(r):
		case isFlag(r) && isFlag(before) && flags == 1:
		default:
			return false
		}
		if isFlag(r) {
			flags++
		}
		before = r
	}
	return before != joiner
}

// joiner makes one emoji of two.
const joiner = 0x200d

func isFlag(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

func startsEmoji(r rune) bool {
	return unicode.IsGraphic(r) && text.IsVisible(r) && !unicode.IsMark(r)
}

// extendsEmoji: marks and variation selectors, tones of skin, tags, the joiner.
func extendsEmoji(r rune) bool {
	return unicode.IsMark(r) || r >= 0x1f3fb && r <= 0x1f3ff || r >= 0xe0020 && r <= 0xe007f || r == joiner
}
