// SPDX-License-Identifier: Apache-2.0

package search

import (
	"cmp"
	"strconv"
	"strings"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Place is a place in the order of hits: newest first, then by conversation, then from the highest seq.
type Place struct {
	Time int64 // hub time, Unix milliseconds
	Conv id.Conversation
	Seq  int64
}

func (p Place) compare(q Place) int {
	return cmp.Or(cmp.Compare(q.Time, p.Time), cmp.Compare(p.Conv, q.Conv), cmp.Compare(q.Seq, p.Seq))
}

// String is the form of a place in cursors.
func (p Place) String() string {
	return strconv.FormatInt(p.Time, 10) + "." + string(p.Conv) + "." + strconv.FormatInt(p.Seq, 10)
}

// ParsePlace reads a cursor; nil for the empty one. Faults: invalid_cursor.
func ParsePlace(s string) (*Place, error) {
	if s == "" {
		return nil, nil
	}
	at, rest, _ := strings.Cut(s, ".")
	conv, last, _ := strings.Cut(rest, ".")
	t, errT := strconv.ParseInt(at, 10, 64)
	c, errC := id.ParseConversation(conv)
	seq, errS := strconv.ParseInt(last, 10, 64)
	if errT != nil || errC != nil || errS != nil || seq < 0 || seq > id.MaxSeq {
		return nil, fault.New(fault.InvalidCursor, "the cursor is not one of a search")
	}
	return &Place{Time: t, Conv: c, Seq: seq}, nil
}

// reach is the newest hub time at which messages of the conversation may lie at or after the place.
func (p *Place) reach(c id.Conversation) int64 {
	if p.Time > minTime && c < p.Conv { // Its messages of that very millisecond come before the place.
		return p.Time - 1
	}
	return p.Time
}
