// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"time"

	"parley.chat/protocol/frame"
)

// Update is something the application learns from Events: a Message, MessageChange, StateChange, Expired, Receipt, Accepted, Acked, SendFailed, SendDelayed,
// Summary, ChannelHead, Presence, Typing or Connection.
type Update interface{ update() }

// Message is a message of a conversation; also those of this device, after they got their seq.
type Message struct{ frame.Event }

// StateChange is any other event of a conversation: members, roles, name. It takes part in the same order.
type StateChange struct{ frame.Event }

// Receipt tells how far a member got. A pointer that is not told is -1; pointers only move forward, so take the maximum.
type Receipt struct{ frame.Receipt }

// Accepted tells that a message is durable at the own server and on its way to the hub, which does not answer. Acked or
// SendFailed follows, as soon as the hub is back.
type Accepted struct{ frame.Ack }

// Acked tells that a message of this device is in the log.
type Acked struct{ frame.Ack }

// SendFailed tells that the server refused a message for good; it left the outbox.
type SendFailed struct {
	Send frame.Send
	Err  error // a *fault.Error
}

// SendDelayed tells that the server has had enough of messages for now: this one, and those behind it, wait in the outbox and
// are sent by themselves.
type SendDelayed struct {
	Send    frame.Send
	Err     error // a *fault.Error
	RetryIn time.Duration
}

// Summary is a conversation as sync told it, before the events that came with it.
type Summary struct{ frame.Conversation }

// Prefs are the own settings of a conversation after another device, or this one, changed them.
type Prefs struct{ frame.Prefs }

// AccountData is an item of the account data that changed; a null value says that it is gone.
type AccountData struct{ frame.AccountData }

// Request tells that somebody asks for a conversation.
type Request struct{ frame.Request }

// Connection tells of a new state of the live connection.
type Connection struct {
	State   Link
	Err     error         // why the last connection ended
	RetryIn time.Duration // for Waiting
}

func (Message) update()     {}
func (StateChange) update() {}
func (Receipt) update()     {}
func (Acked) update()       {}
func (SendFailed) update()  {}
func (Accepted) update()    {}
func (SendDelayed) update() {}
func (Summary) update()     {}
func (Connection) update()  {}
func (Prefs) update()       {}
func (AccountData) update() {}
func (Request) update()     {}

// Link is the state of the live connection.
type Link int

// The states of the live connection.
const (
	Connecting Link = iota // dialling, or reading what moved meanwhile
	Live                   // everything up to now was handed over
	Waiting                // a pause before the next attempt
	Stopped                // Run is over; Err says why
)

// String names the state for people.
func (l Link) String() string {
	return [...]string{"connecting", "connected", "reconnecting", "stopped"}[l]
}
