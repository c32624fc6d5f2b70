// SPDX-License-Identifier: Apache-2.0

package event

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Limits of the create object and of names. A server may allow fewer members, never more.
const (
	MaxCreators = 8
	MaxMembers  = 1024
	MaxName     = 255 // bytes
	MaxWriters  = 50  // members of a channel
)

// Validate checks the form of a create object: whoever makes or reads one gets the same answer. The error is a
// *fault.Error that names the field. spec: LOG-CREATE-1 LOG-CREATE-2 LOG-CREATE-3
func (c Create) Validate() error {
	if n := len(c.Creators); n < 1 || n > MaxCreators {
		return fault.Invalid("creators", "must be 1 to %d users", MaxCreators)
	}
	if len(c.Members) > MaxMembers {
		return fault.Invalid("members", "must be at most %d users", MaxMembers)
	}
	if err := checkUsers("creators", c.Creators); err != nil {
		return err
	}
	if err := checkUsers("members", c.Members); err != nil {
		return err
	}
	for _, u := range c.Creators {
		if _, ok := slices.BinarySearch(c.Members, u); !ok {
			return fault.Invalid("creators", "%s is not among the members", u)
		}
	}
	if _, err := id.ParseServer(string(c.Hub)); err != nil {
		return fault.Invalid("hub", "not a server name").Because(err)
	}
	if err := CheckName(c.Name); err != nil {
		return err
	}
	return c.validateType()
}

func (c Create) validateType() error {
	if c.Visibility != "" && (c.Visibility != Public || c.Type != Channel) {
		return fault.Invalid("visibility", "must be absent, or public of a channel")
	}
	switch c.Type {
	case Group:
		return nil
	case Channel:
		if len(c.Members) > MaxWriters {
			return fault.Invalid("members", "must be at most %d users of a channel", MaxWriters)
		}
		return nil
	case Direct:
	default:
		return fault.Invalid("type", "unknown type of conversation")
	}
	if len(c.Members) != 2 {
		return fault.Invalid("members", "a direct conversation has two different members")
	}
	if c.Name != "" {
		return fault.Invalid("name", "a direct conversation has no name")
	}
	d := NewDirect(c.Members[0], c.Members[1])
	if c.Hub != d.Hub || c.Nonce != d.Nonce || !slices.Equal(c.Creators, d.Creators) {
		return fault.Invalid("type", "not the direct conversation of its members")
	}
	return nil
}

// CheckName checks the form of a name that a log may hold: at most 255 bytes of UTF-8 without control characters. Who proposes
// a name is held to more, by the rules of conversations. The empty name stands for no name. The error is a *fault.Error that names the field. spec: CONV-NAME-1
func CheckName(name string) error {
	if len(name) > MaxName {
		return fault.Invalid("name", "must be at most %d bytes", MaxName)
	}
	if !utf8.ValidString(name) {
		return fault.Invalid("name", "must be UTF-8")
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return fault.Invalid("name", "must be without control characters")
		}
	}
	return nil
}

// checkUsers wants valid ids in strictly ascending order, so that one set of users has one spelling.
func checkUsers(field string, users []id.User) error {
	for i, u := range users {
		if _, err := id.ParseUser(string(u)); err != nil {
			return fault.Invalid(field, "%q is not a user id", u).Because(err)
		}
		if i > 0 && users[i-1] >= u {
			return fault.Invalid(field, "must be sorted and without duplicates")
		}
	}
	return nil
}
