// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"slices"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// decidePin pins and unpins. The target must be a message that the sender may read and that was not deleted; one that is
// pinned can be unpinned whatever became of it.
func decidePin(s *State, m Member, p Proposal, _ Limits) error {
	if err := s.need(m, CanPin); err != nil {
		return err
	}
	target, err := id.ParseMessage(p.Change.TargetMessageID)
	if err != nil {
		return fault.Invalid("targetMessageId", "is not a message id").Because(err)
	}
	pinned := slices.Contains(s.Info.Pins, target)
	if p.Type == frame.TypeUnpin {
		if !pinned {
			return unchanged("targetMessageId")
		}
		return nil
	}
	if t := p.Target; !p.Unheld && (t == nil || t.Type != frame.TypeMessage || t.gone(p.At)) {
		return fault.New(fault.UnknownMessage, "no such message")
	}
	if pinned {
		return unchanged("targetMessageId")
	}
	if len(s.Info.Pins) >= MaxPins {
		return full("pins", MaxPins)
	}
	return nil
}

func (i *Info) pin(target string) {
	m, err := id.ParseMessage(target)
	if err == nil && !slices.Contains(i.Pins, m) && len(i.Pins) < MaxPins {
		i.Pins = with(i.Pins, m)
	}
}

func (i *Info) unpin(target string) {
	m, err := id.ParseMessage(target)
	if err == nil {
		i.Pins = without(i.Pins, func(p id.Message) bool { return p == m })
	}
}
