// SPDX-License-Identifier: Apache-2.0

package fanout

import "sync/atomic"

// Stats are counts since the start, and the state of now.
type Stats struct {
	Events     uint64 // events dispatched
	Receipts   uint64 // receipts dispatched
	Encoded    uint64 // frames encoded
	Skipped    uint64 // events and receipts that could not be encoded
	Delivered  uint64 // notes handed to sessions of this node
	Packets    uint64 // packets sent, ticks not counted
	SendErrors uint64 // packets and ticks the bus refused
	Duplicates uint64 // packets dropped as seen or late
	Gaps       uint64 // incidents seen on incoming links
	Lost       uint64 // times all sessions of this node were told Lost
	Waiting    int    // chunks of events and receipts that wait for the dispatcher
	Sessions   int
}

type counters struct {
	events, receipts, encoded, skipped, delivered, packets, sendErrors, duplicates, gaps, lost atomic.Uint64
}

// Stats returns the counts. The fields are read one after the other.
func (f *Fanout) Stats() Stats {
	c := &f.count
	return Stats{
		Events:     c.events.Load(),
		Receipts:   c.receipts.Load(),
		Encoded:    c.encoded.Load(),
		Skipped:    c.skipped.Load(),
		Delivered:  c.delivered.Load(),
		Packets:    c.packets.Load(),
		SendErrors: c.sendErrors.Load(),
		Duplicates: c.duplicates.Load(),
		Gaps:       c.gaps.Load(),
		Lost:       c.lost.Load(),
		Waiting:    len(f.queue),
		Sessions:   f.Sessions(),
	}
}
