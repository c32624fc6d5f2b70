// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"errors"
	"maps"
	"slices"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/text"
)

// ErrUnchanged is within the refusal of an event that would change nothing, and that the sender has the right to.
var ErrUnchanged = errors.New("conversation: nothing would change")

// unchanged refuses what is so already. spec: CONV-CHANGE-1
func unchanged(field string) error {
	return fault.Invalid(field, "is so already").Because(ErrUnchanged)
}

// The visibilities of the history.
const (
	VisibleJoined = "joined" // new members read from their joining on
	VisibleShared = "shared" // new members read from when this was set
)

// Visibility is who may read the history; empty in a direct conversation.
func (s *State) Visibility() string {
	switch {
	case s.Type() == event.Direct:
		return ""
	case s.Info.Shared:
		return VisibleShared
	}
	return VisibleJoined
}

// Limits of settings.
const (
	MaxDescription = 2048  // bytes
	MaxAvatarURL   = 2048  // bytes
	MaxSlowMode    = 21600 // seconds
)

// timers are the values of ephemeralTimer: off, a day, a week, ninety days.
func timers() []int64 { return []int64{0, 86400, 604800, 7776000} }

func decideSettings(s *State, m Member, p Proposal, _ Limits) error {
	c := p.Change
	if s.Type() == event.Direct {
		if c.Description != nil || c.AvatarURL != nil || c.Permissions != nil || c.HistoryVisibility != "" || c.SlowMode != nil || c.ServerSearch != nil {
			return directFixed()
		}
	} else if err := s.maySet(m, c); err != nil {
		return err
	}
	if err := checkSettings(c); err != nil {
		return err
	}
	if c.ServerSearch != nil && *c.ServerSearch && s.encrypted() {
		return fault.Invalid("serverSearch", "the server cannot read an encrypted conversation")
	}
	next := s.Info
	next.set(c, s.Seq+1)
	if next.sameSettings(&s.Info) {
		return unchanged("settings")
	}
	return nil
}

// maySet wants the rights to all that a change sets. Permissions are the owner's: others could give themselves more.
func (s *State) maySet(m Member, c frame.Change) error {
	if c.Description != nil || c.AvatarURL != nil {
		if err := s.need(m, CanEditInfo); err != nil {
			return err
		}
	}
	if c.Permissions != nil && m.Role != Owner {
		return fault.New(fault.InsufficientRole, "only an owner changes permissions")
	}
	if c.EphemeralTimer != nil || c.HistoryVisibility != "" || c.SlowMode != nil || c.ServerSearch != nil {
		return s.need(m, CanChangeSettings)
	}
	return nil
}

// encrypted tells whether the server cannot read the messages. There is no such conversation yet.
func (s *State) encrypted() bool { return false }

// checkSettings checks the form of settings.
func checkSettings(c frame.Change) error {
	if d := c.Description; d != nil && !text.IsLines(*d, MaxDescription) {
		return fault.Invalid("description", "must be at most %d bytes without control characters other than line feeds", MaxDescription)
	}
	if a := c.AvatarURL; a != nil && *a != "" && !text.IsURL(*a, MaxAvatarURL) {
		return fault.Invalid("avatarUrl", "must be an http(s) URL, or a path on this server, of at most %d bytes", MaxAvatarURL)
	}
	if err := checkPermissions(c.Permissions); err != nil {
		return err
	}
	if t := c.EphemeralTimer; t != nil && !slices.Contains(timers(), *t) {
		return fault.Invalid("ephemeralTimer", "must be one of %v", timers())
	}
	if v := c.HistoryVisibility; v != "" && v != VisibleJoined && v != VisibleShared {
		return fault.Invalid("historyVisibility", "must be %s or %s", VisibleJoined, VisibleShared)
	}
	if n := c.SlowMode; n != nil && (*n < 0 || *n > MaxSlowMode) {
		return fault.Invalid("slowMode", "must be 0 to %d seconds", MaxSlowMode)
	}
	return nil
}

// set takes over what a change sets at seq. What has no good form stays out of the state, whoever wrote the log.
func (i *Info) set(c frame.Change, seq int64) {
	if checkSettings(c) != nil {
		return
	}
	assign(&i.Description, c.Description)
	assign(&i.AvatarURL, c.AvatarURL)
	assign(&i.EphemeralTimer, c.EphemeralTimer)
	assign(&i.SlowMode, c.SlowMode)
	assign(&i.ServerSearch, c.ServerSearch)
	if c.Permissions != nil {
		i.Permissions = grant(i.Permissions, c.Permissions)
	}
	switch {
	case c.HistoryVisibility == VisibleJoined:
		i.Shared, i.SharedFrom = false, 0
	case c.HistoryVisibility == VisibleShared && !i.Shared:
		i.Shared, i.SharedFrom = true, seq
	}
}

func assign[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// sameSettings compares all that settings set.
func (i *Info) sameSettings(j *Info) bool {
	return i.Description == j.Description && i.AvatarURL == j.AvatarURL && i.EphemeralTimer == j.EphemeralTimer &&
		i.SlowMode == j.SlowMode && i.ServerSearch == j.ServerSearch && i.Shared == j.Shared && maps.Equal(i.Permissions, j.Permissions)
}
