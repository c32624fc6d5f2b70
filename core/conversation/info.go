// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/id"
)

// Info is what a conversation has beside its name and its members. Like the state it is never changed in place. Zero
// values are the defaults, and lists and maps without elements are nil, so that equal states have one encoding.
type Info struct {
	Description    string            `json:"description,omitempty"`
	AvatarURL      string            `json:"avatarUrl,omitempty"`
	Permissions    map[string]string `json:"permissions,omitempty"`    // capability -> role, where it is not the default
	EphemeralTimer int64             `json:"ephemeralTimer,omitempty"` // seconds, 0 is off
	SlowMode       int64             `json:"slowMode,omitempty"`       // seconds, 0 is off
	ServerSearch   bool              `json:"serverSearch,omitempty"`
	Shared         bool              `json:"shared,omitempty"`     // new members read what was before them
	SharedFrom     int64             `json:"sharedFrom,omitempty"` // … from here on: since then it is shared without interruption
	Pins           []id.Message      `json:"pins,omitempty"`       // oldest pin first
	Links          []Link            `json:"links,omitempty"`      // in order of creation
	Requests       []Request         `json:"requests,omitempty"`   // in order of asking
	Bans           []Ban             `json:"bans,omitempty"`       // in order of banning
	Moves          []Move            `json:"moves,omitempty"`      // of the hub, oldest first: the n-th began term n
}

// Move is one change of the hub.
type Move struct {
	Hub id.Server `json:"hub"` // that orders what follows
	Seq int64     `json:"seq"` // of the entry that moved it, the last of the term before
}

// Link is an invite link. Of its secret only the hash is known.
type Link struct {
	ID            string  `json:"linkId"`
	SecretHash    string  `json:"secretHash"`
	CreatedBy     id.User `json:"createdBy"`
	CreatedAt     int64   `json:"createdAt"`           // hub time
	ExpiresAt     int64   `json:"expiresAt,omitempty"` // Unix milliseconds, 0 is never
	MaxUses       int64   `json:"maxUses,omitempty"`   // 0 is without limit
	Uses          int64   `json:"uses,omitempty"`
	NeedsApproval bool    `json:"needsApproval,omitempty"`
	Revoked       bool    `json:"revoked,omitempty"`
}

// Request is a user who asks to join.
type Request struct {
	UserID      id.User `json:"userId"`
	LinkID      string  `json:"linkId"`
	RequestedAt int64   `json:"requestedAt"` // hub time
}

// Ban is a user who may not become a member.
type Ban struct {
	UserID   id.User `json:"userId"`
	BannedBy id.User `json:"bannedBy"`
	BannedAt int64   `json:"bannedAt"` // hub time
}

// How many of each a conversation has at most. maxInfo is what Decide lets the canonical info grow to in bytes: what
// later grows by itself, as the uses of links, stays below canonical.MaxSize.
const (
	MaxPins     = 50
	MaxLinks    = 20 // that are alive
	MaxRequests = 100
	MaxBans     = 500
	MaxMoves    = 64
	maxInfo     = 60 << 10
)

// isZero tells whether there is nothing to write.
func (i *Info) isZero() bool { return reflect.ValueOf(i).Elem().IsZero() }

// Canonical is the info as signed JSON; of a conversation without any it is `{}`. spec: LOG-STATE-1
func (i *Info) Canonical() ([]byte, error) {
	if i.isZero() {
		return []byte(`{}`), nil
	}
	raw, err := json.Marshal(i)
	if err != nil {
		return nil, fmt.Errorf("encode info: %w", err)
	}
	return canonical.Canonicalize(raw)
}

// ParseInfo reads what Canonical wrote.
func ParseInfo(raw []byte) (Info, error) {
	var i Info
	if err := json.Unmarshal(raw, &i); err != nil {
		return Info{}, fmt.Errorf("parse info: %w", err)
	}
	return i, nil
}

// link finds an invite link, dead or alive.
func (i *Info) link(linkID string) (l Link, ok bool) {
	at := i.linkAt(linkID)
	if at < 0 {
		return Link{}, false
	}
	return i.Links[at], true
}

func (i *Info) linkAt(linkID string) int {
	return slices.IndexFunc(i.Links, func(l Link) bool { return l.ID == linkID })
}

// Requested tells whether the user asks to join.
func (i *Info) Requested(u id.User) bool {
	return slices.ContainsFunc(i.Requests, func(r Request) bool { return r.UserID == u })
}

// Banned tells whether the user may not become a member.
func (i *Info) Banned(u id.User) bool {
	return slices.ContainsFunc(i.Bans, func(b Ban) bool { return b.UserID == u })
}

// without is the list without the elements that match, nil if there are none left.
func without[T any](list []T, matches func(T) bool) []T {
	var out []T
	for _, v := range list {
		if !matches(v) {
			out = append(out, v)
		}
	}
	return out
}

// with is a copy of the list with v at its end.
func with[T any](list []T, v T) []T {
	return append(slices.Clone(list), v)
}
