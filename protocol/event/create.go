// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"slices"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// The types of conversations.
const (
	Direct  = "direct"
	Group   = "group"
	Channel = "channel"
)

// Create is the object a conversation is named after; seq 0 carries it as content.
type Create struct {
	Creators []id.User `json:"creators"` // 1 to 8, sorted
	Hub      id.Server `json:"hub"`      // the first hub
	Members  []id.User `json:"members"`  // founding members with the creators among them, sorted
	Name     string    `json:"name,omitempty"`
	Nonce    [16]byte  `json:"-"`
	Type     string    `json:"type"`
	// Visibility is Public of a channel that everybody on its server may read, else empty.
	Visibility string `json:"visibility,omitempty"`
}

// Public is the visibility of a channel that everybody on its server may read.
const Public = "public"

// NewDirect is the one create object of the direct conversation between a and b: both servers make the same. spec: LOG-CREATE-3
func NewDirect(a, b id.User) Create {
	users := []id.User{a, b}
	slices.Sort(users)
	sum := sha256.Sum256([]byte("parley/v1/direct\n" + string(users[0]) + "\n" + string(users[1])))
	return Create{Creators: users, Hub: users[0].Server(), Members: users, Nonce: [16]byte(sum[:16]), Type: Direct}
}

// Canonical is the canonical encoding. Creators and Members must be sorted.
func (c Create) Canonical() ([]byte, error) {
	o := canonical.Begin(nil)
	o.Raw("creators", userList(c.Creators))
	o.String("hub", string(c.Hub))
	o.Raw("members", userList(c.Members))
	if c.Name != "" {
		o.String("name", c.Name)
	}
	o.Bytes("nonce", c.Nonce[:])
	o.String("type", c.Type)
	o.Int("v", 1)
	optional(&o, "visibility", c.Visibility)
	return o.End()
}

// ParseCreate reads the canonical encoding back; anything else is refused, and so is what Validate refuses.
func ParseCreate(raw []byte) (Create, error) {
	if err := canonical.Check(raw); err != nil {
		return Create{}, err
	}
	var wire struct {
		Create
		Nonce string `json:"nonce"`
		V     int    `json:"v"`
	}
	if err := json.Unmarshal(raw, &wire); err != nil {
		return Create{}, fault.New(fault.MalformedJSON, "not a create event").Because(err)
	}
	nonce, err := canonical.DecodeBase64(wire.Nonce)
	if err != nil || len(nonce) != 16 || wire.V != 1 {
		return Create{}, fault.New(fault.MalformedJSON, "not a create event of version 1")
	}
	wire.Create.Nonce = [16]byte(nonce)
	if err := wire.Create.Validate(); err != nil {
		return Create{}, err
	}
	if err := sameBytes(raw, wire.Create.Canonical); err != nil {
		return Create{}, err
	}
	return wire.Create, nil
}

// sameBytes refuses objects that are not what their own encoder makes of them: keys that are unknown, spelt in
// another case, or empty where they should be absent. Servers that skip such keys and servers that read them would
// disagree on one log.
func sameBytes(raw []byte, encode func() ([]byte, error)) error {
	again, err := encode()
	if err != nil {
		return err
	}
	if !bytes.Equal(raw, again) {
		return fault.New(fault.MalformedJSON, "holds keys that do not belong there")
	}
	return nil
}

// ConversationID names the conversation that starts with the canonical create object. spec: ID-CONV-1
func ConversationID(create []byte) id.Conversation {
	return id.NewConversation(canonical.Hash("create", create))
}

func userList(users []id.User) []byte {
	out := []byte{'['}
	for i, u := range users {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, '"')
		out = append(out, u...)
		out = append(out, '"')
	}
	return append(out, ']')
}
