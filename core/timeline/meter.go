// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Meter bounds what users add to logs. It must not block. Times are Unix milliseconds of the hub's clock.
type Meter interface {
	// Allow spends one of the user's allowance for an entry, or refuses with rate_limited; group is empty where the limit of
	// groups does not hold. It is asked about commands that are no repeats and that the rules allow.
	Allow(u id.User, group id.Conversation, at int64) error
	// Past tells of an entry found in the log when its conversation was loaded.
	Past(u id.User, group id.Conversation, at int64)
}

// meter asks whether the sender of p may add one more entry now. Nobody is kept from leaving. spec: ABUSE-RATE-3
func (t *Timeline) meter(p *pending) error {
	if t.Meter == nil || p.cmd.Unmetered || conversation.IsServer(p.cmd.Sender) || p.cmd.Type == frame.TypeMemberLeave {
		return nil
	}
	var group id.Conversation
	if s := p.conv.state; s != nil && s.Type() == event.Group && !conversation.ChangesState(p.cmd.Type) {
		group = s.ID
	}
	return t.Meter.Allow(p.cmd.Sender, group, t.now())
}

// meterPast counts the newest entries of a conversation that is loaded: a limit must not begin anew with a restart.
func (t *Timeline) meterPast(l *Loaded) {
	if t.Meter == nil || l == nil || l.State == nil {
		return
	}
	var group id.Conversation
	if l.State.Type() == event.Group {
		group = l.State.ID
	}
	for _, r := range l.Recent {
		t.Meter.Past(r.Sender, group, r.Message.Time())
	}
}
