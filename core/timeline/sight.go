// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// Sight selects what a member, present or past, may read, with what was done to it as far as the member may know: for a past
// member as of the end of the membership, and without what a peer did while blocked. p is the member's pointer. Whatever shows
// events to a member reads them with it.
func Sight(v View, u id.User, p Pointer) Range {
	from, to, ok := v.State.Visible(u, v.Head.Seq)
	r := Range{From: from, To: to, Reader: u}
	if !ok {
		r.To = -1
	}
	if m, member := v.State.Member(u); member && m.Membership != conversation.Joined {
		r.AsOf = max(to, 1) // No event about a message comes before seq 2.
	}
	if p.Prefs != nil {
		r.Withheld = p.Prefs.Withheld
	}
	return r
}

// Withholds tells whether what others did at seq is kept from the reader.
func (r *Range) Withholds(seq int64) bool {
	return r.AsOf != 0 && seq > r.AsOf || (&Prefs{Withheld: r.Withheld}).Blocks(seq)
}
