// SPDX-License-Identifier: Apache-2.0

package id

import (
	"strings"

	"github.com/oklog/ulid/v2"

	"parley.chat/protocol/fault"
)

// Message is the 16 bytes of a message id. Its text form is a ULID of 26 characters.
type Message [16]byte

// MaxSeq is the highest seq a message id can carry.
const MaxSeq = 1<<40 - 1

// NewMessage composes a message id from the hub's time in milliseconds, the seq and the submission hash. spec: ID-MSG-1
func NewMessage(hubTime int64, seq int64, submission [32]byte) Message {
	var m Message
	for i := range 6 {
		m[i] = byte(hubTime >> (40 - 8*i))
	}
	for i := range 5 {
		m[6+i] = byte(seq >> (32 - 8*i))
	}
	copy(m[11:], submission[:5])
	return m
}

// ParseMessage checks the text form of a message id; only upper case is accepted.
func ParseMessage(s string) (Message, error) {
	u, err := ulid.ParseStrict(s)
	if err != nil || strings.ToUpper(s) != s {
		return Message{}, fault.Invalid("messageId", "not a message id")
	}
	return Message(u), nil
}

// Seq is the position of the message in its conversation.
func (m Message) Seq() int64 {
	var n int64
	for _, b := range m[6:11] {
		n = n<<8 | int64(b)
	}
	return n
}

// Time is the hub's time of the message in Unix milliseconds.
func (m Message) Time() int64 {
	var n int64
	for _, b := range m[:6] {
		n = n<<8 | int64(b)
	}
	return n
}

// String is the text form.
func (m Message) String() string { return ulid.ULID(m).String() }

// MarshalText is String, so that JSON carries the text form.
func (m Message) MarshalText() ([]byte, error) { return ulid.ULID(m).MarshalText() }

// UnmarshalText is ParseMessage.
func (m *Message) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMessage(string(b))
	return err
}
