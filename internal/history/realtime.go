// SPDX-License-Identifier: Apache-2.0

package history

import "time"

// checkRealTime checks rule 8: what was known to be committed before a send was invoked lies below that send.
// "Known" is the first of acknowledgement, reception by anyone, and a page that stated a head. Sends of unknown
// outcome are bound by it too if the log holds them.
//
// The sweep goes down the log and carries the earliest knowledge of anything above, so one comparison an entry decides.
func (c *conversation) checkRealTime() {
	above := -1
	for pos := len(c.log.entries) - 1; pos >= 0; pos-- {
		if s := c.sendAt[pos]; s != nil && s.invokedAt != never {
			c.checkInvokedBefore(s, pos, above)
		}
		if above < 0 || c.seenAt[pos] < c.seenAt[above] {
			above = pos
		}
	}
}

func (c *conversation) checkInvokedBefore(s *send, pos, above int) {
	e := &c.log.entries[pos]
	if c.seenAt[pos] < s.invokedAt {
		c.broken(RealTimeOrder, e.Seq, "send %s of device %s was seen %s before it was invoked",
			s.tempID, s.device, time.Duration(s.invokedAt-c.seenAt[pos]))
	}
	if above >= 0 && c.seenAt[above] < s.invokedAt {
		later := &c.log.entries[above]
		c.broken(RealTimeOrder, e.Seq,
			"send %s of device %s lies below seq %d (%s), which was known to be committed %s before it was invoked",
			s.tempID, s.device, later.Seq, later.MessageID, time.Duration(s.invokedAt-c.seenAt[above]))
	}
}
