// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"encoding/json"
	"slices"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Audience says whom something is meant for.
type Audience string

// The audiences.
const (
	Everyone     Audience = "everyone"
	OnlyContacts Audience = "contacts"
	Nobody       Audience = "nobody"
)

// Settings are a user's own. Notifications belong to clients and to push.
type Settings struct {
	ReadReceipts  bool            `json:"readReceipts"`
	LastSeen      Audience        `json:"lastSeen"`
	Online        Audience        `json:"online"`
	WhoMayMessage Audience        `json:"whoMayMessage"`
	WhoMayAdd     Audience        `json:"whoMayAdd"`
	Notifications json.RawMessage `json:"notifications"`
}

// Defaults are the settings of who never changed any.
func Defaults() Settings {
	return Settings{
		ReadReceipts: true, LastSeen: OnlyContacts, Online: OnlyContacts,
		WhoMayMessage: Everyone, WhoMayAdd: Everyone, Notifications: json.RawMessage("{}"),
	}
}

// EditSettings changes what is not nil.
type EditSettings struct {
	ReadReceipts                               *bool
	LastSeen, Online, WhoMayMessage, WhoMayAdd *string
	Notifications                              json.RawMessage
}

// maxNotifications bounds the preferences of push in bytes.
const maxNotifications = 4 << 10

func (e EditSettings) check() error {
	for field, v := range map[string]*string{"lastSeen": e.LastSeen, "online": e.Online, "whoMayMessage": e.WhoMayMessage, "whoMayAdd": e.WhoMayAdd} {
		if v != nil && !slices.Contains([]Audience{Everyone, OnlyContacts, Nobody}, Audience(*v)) {
			return fault.Invalid(field, "must be everyone, contacts or nobody")
		}
	}
	if e.Notifications != nil && (len(e.Notifications) > maxNotifications || e.Notifications[0] != '{') {
		return fault.Invalid("notifications", "must be an object of at most %d bytes", maxNotifications)
	}
	return nil
}

func (e EditSettings) apply(s Settings) Settings {
	set := func(to *Audience, from *string) {
		if from != nil {
			*to = Audience(*from)
		}
	}
	if e.ReadReceipts != nil {
		s.ReadReceipts = *e.ReadReceipts
	}
	set(&s.LastSeen, e.LastSeen)
	set(&s.Online, e.Online)
	set(&s.WhoMayMessage, e.WhoMayMessage)
	set(&s.WhoMayAdd, e.WhoMayAdd)
	if e.Notifications != nil {
		s.Notifications = e.Notifications
	}
	return s
}

// ParseSettings reads settings as they are kept; what they do not name is as by default.
func ParseSettings(value []byte) (Settings, error) {
	s := Defaults()
	if value == nil {
		return s, nil
	}
	err := json.Unmarshal(value, &s)
	return s, err
}

// EditSettings changes the user's settings and returns them as they are then. Faults: invalid_field.
func (p *People) EditSettings(ctx context.Context, u id.User, e EditSettings) (Settings, error) {
	if err := e.check(); err != nil {
		return Settings{}, err
	}
	it, err := p.edit(ctx, u, KindSettings, "", func(old []byte) ([]byte, error) {
		s, err := ParseSettings(old)
		if err != nil {
			return nil, err
		}
		return json.Marshal(e.apply(s))
	})
	if err != nil {
		return Settings{}, err
	}
	return ParseSettings(it.Value)
}
