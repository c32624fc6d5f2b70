// SPDX-License-Identifier: Apache-2.0

package history

// sendKey is the client id of a send within its conversation.
type sendKey struct {
	device, tempID string
}

// send is all that is known of one message, from all attempts to send it.
type send struct {
	sendKey
	user string

	attempts, failed, acks int

	acceptedAt int64 // First told to be accepted; never if it was not.
	ended      bool  // Told to have failed after it was accepted.

	invokedAt int64 // First attempt that may have had an effect; never if there is none.
	ackedAt   int64 // First acknowledgement.
	seq       int64 // As acknowledged first.
	messageID string

	pos int // Where the log holds it, or -1.
}

func (s *send) accepted() bool { return s.acceptedAt != never }

// impossible reports whether every attempt certainly did nothing.
func (s *send) impossible() bool {
	return s.acks == 0 && s.ended || s.acks == 0 && !s.accepted() && s.attempts > 0 && s.failed >= s.attempts
}

// collectSends gathers the attempts of each send and checks that its acknowledgements agree.
func (c *conversation) collectSends(records []*Record) {
	for _, rec := range records {
		switch rec.Op {
		case Invoke:
			s := c.sendOf(rec)
			s.attempts++
			s.invokedAt = min(s.invokedAt, rec.At)
		case OK:
			c.acked(c.sendOf(rec), rec)
		case Accepted:
			s := c.outcome(rec)
			s.acceptedAt = min(s.acceptedAt, rec.At)
		case Fail:
			c.outcome(rec).fail()
		case Unknown:
			c.outcome(rec)
		}
	}
}

// fail counts an attempt without effect. If no other attempt is open, the next one is the first that counts.
func (s *send) fail() {
	s.failed++
	s.ended = s.ended || s.accepted()
	if s.impossible() {
		s.invokedAt = never
	}
}

func (c *conversation) acked(s *send, rec *Record) {
	c.outcome(rec)
	s.acks++
	if s.acks == 1 {
		s.seq, s.messageID, s.ackedAt = rec.Seq, rec.MessageID, rec.At
		return
	}
	s.ackedAt = min(s.ackedAt, rec.At)
	if s.seq != rec.Seq || s.messageID != rec.MessageID {
		c.broken(AtMostOnce, rec.Seq, "send %s of device %s was acknowledged as seq %d (%s) and again as seq %d (%s)",
			s.tempID, s.device, s.seq, s.messageID, rec.Seq, rec.MessageID)
	}
}

// outcome returns the send of an outcome and checks that it was invoked before.
func (c *conversation) outcome(rec *Record) *send {
	s := c.sendOf(rec)
	switch {
	case s.attempts == 0:
		c.broken(WellFormed, rec.Seq, "send %s of device %s has the outcome %s but was not invoked before",
			rec.TempID, rec.Device, rec.Op)
	case rec.At < s.invokedAt && s.invokedAt != never:
		c.broken(WellFormed, rec.Seq, "send %s of device %s has the outcome %s at a time before its invocation",
			rec.TempID, rec.Device, rec.Op)
	}
	return s
}

func (c *conversation) sendOf(rec *Record) *send {
	key := sendKey{device: rec.Device, tempID: rec.TempID}
	s, ok := c.byKey[key]
	if !ok {
		s = &send{sendKey: key, user: owner(rec), invokedAt: never, ackedAt: never, acceptedAt: never, pos: -1}
		c.byKey[key] = s
		c.sends = append(c.sends, s)
	}
	return s
}

// owner returns the user of a record; a device without one stands for itself.
func owner(rec *Record) string {
	if rec.User == "" {
		return "device " + rec.Device
	}
	return rec.User
}

// checkEntries traces each entry back to its send: rule 2, and rules 5 and 10 for what is there twice.
func (c *conversation) checkEntries() {
	for pos := range c.log.entries {
		e := &c.log.entries[pos]
		if e.TempID == "" {
			if e.Countable {
				c.broken(NoGhost, e.Seq, "the log holds the message %s, which names no client's send", e.MessageID)
			}
			continue
		}
		s := c.byKey[sendKey{device: e.Device, tempID: e.TempID}]
		switch {
		case s == nil:
			c.broken(NoGhost, e.Seq, "the log holds send %s of device %s, which was never invoked", e.TempID, e.Device)
			continue
		case s.impossible():
			c.broken(NoGhost, e.Seq, "the log holds send %s of device %s, which was refused", e.TempID, e.Device)
		}
		c.sendAt[pos] = s
		c.place(s, pos)
	}
}

// place notes where the log holds a send. Of several places it keeps the acknowledged one.
func (c *conversation) place(s *send, pos int) {
	e := &c.log.entries[pos]
	if s.pos < 0 {
		s.pos = pos
		return
	}
	rule, kind := AtMostOnce, "of unknown outcome"
	if s.acks > 0 {
		rule, kind = NoDuplicate, "acknowledged"
	}
	c.broken(rule, e.Seq, "the log holds send %s of device %s twice, at seq %d and seq %d; it was %s",
		s.tempID, s.device, c.log.entries[s.pos].Seq, e.Seq, kind)
	if s.acks > 0 && e.Seq == s.seq {
		s.pos = pos
	}
}

// checkSends checks that the log holds what was acknowledged, as it was acknowledged.
func (c *conversation) checkSends() {
	stats := &c.report.Stats
	stats.Sends += len(c.sends)
	for _, s := range c.sends {
		stats.Attempts += s.attempts
		if s.accepted() {
			stats.Accepted++
		}
		switch {
		case s.acks > 0:
			stats.Acked++
			c.checkAcked(s)
			if s.ended {
				c.broken(AtMostOnce, s.seq, "send %s of device %s was told to have failed, and was acknowledged as %s", s.tempID, s.device, s.messageID)
			}
		case s.impossible():
			stats.Failed++
		case s.accepted() && s.pos < 0:
			c.broken(NoLoss, -1, "send %s of device %s was accepted, but the log does not hold it and nobody was told that it failed",
				s.tempID, s.device)
		default:
			stats.Unknown++
			if s.pos >= 0 {
				stats.UnknownDone++
			}
		}
	}
}

func (c *conversation) checkAcked(s *send) {
	if s.pos < 0 {
		c.broken(NoLoss, s.seq, "send %s of device %s was acknowledged as %s, but the log does not hold it",
			s.tempID, s.device, s.messageID)
		return
	}
	e := &c.log.entries[s.pos]
	c.saw(s.pos, s.ackedAt)
	if e.Seq != s.seq {
		c.broken(TotalOrder, s.seq, "send %s of device %s was acknowledged at seq %d, but the log holds it at seq %d",
			s.tempID, s.device, s.seq, e.Seq)
	}
	if e.MessageID != s.messageID {
		c.broken(NoLoss, s.seq, "send %s of device %s was acknowledged as message %s, but the log holds it as %s",
			s.tempID, s.device, s.messageID, e.MessageID)
	}
}
