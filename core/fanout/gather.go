// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"encoding/binary"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// fewReceipts of a conversation at once are told one by one, more of them in one frame for each receiver: when hundreds read
// at the same time, the author's queue must not overflow.
const fewReceipts = 8

// gather merges the receipts of conversations in which many moved at once. A member's own devices still get theirs alone.
func gather(receipts []Receipt) []Receipt {
	if len(receipts) <= fewReceipts {
		return receipts
	}
	by := map[id.Conversation][]int{}
	for i, r := range receipts {
		if r.Prefs == nil {
			by[r.ConversationID] = append(by[r.ConversationID], i)
		}
	}
	var out []Receipt
	merged := map[id.Conversation]bool{}
	for i, r := range receipts {
		list := by[r.ConversationID]
		switch {
		case r.Prefs != nil || len(list) <= fewReceipts:
			out = append(out, r)
		case !merged[r.ConversationID]:
			merged[r.ConversationID] = true
			out = append(out, merge(receipts, list)...)
			fallthrough
		default:
			out = appendOwn(out, receipts[i])
		}
	}
	return out
}

// appendOwn adds the receipt for the devices of the member who moved.
func appendOwn(out []Receipt, r Receipt) []Receipt {
	for _, u := range r.To {
		if u == r.User {
			r.To = []id.User{u}
			return append(out, r)
		}
	}
	return out
}

// merge makes one receipt of those in list for all others who get the same of them.
func merge(receipts []Receipt, list []int) []Receipt {
	gets := map[id.User][]byte{}
	for _, i := range list {
		for _, u := range receipts[i].To {
			if u != receipts[i].User {
				gets[u] = binary.AppendUvarint(gets[u], uint64(i))
			}
		}
	}
	at := map[string]int{}
	var out []Receipt
	for u, which := range gets {
		i, have := at[string(which)]
		if !have {
			i = len(out)
			at[string(which)] = i
			out = append(out, many(receipts, which))
		}
		out[i].To = append(out[i].To, u)
	}
	return out
}

// many is the receipt for several pointers, numbered by uvarints in which.
func many(receipts []Receipt, which []byte) Receipt {
	var out Receipt
	at := map[id.User]int{}
	for len(which) > 0 {
		n, size := binary.Uvarint(which)
		which = which[size:]
		r := receipts[n]
		i, have := at[r.User]
		if !have {
			i = len(out.Many)
			at[r.User] = i
			out.Many = append(out.Many, frame.MovedPointer{UserID: string(r.User)})
		}
		seq := r.Seq
		if r.Status == "read" {
			out.Many[i].ReadSeq = &seq
		} else {
			out.Many[i].DeliveredSeq = &seq
		}
		out.Shard, out.Mark, out.ConversationID = r.Shard, r.Mark, r.ConversationID
		out.Seq = max(out.Seq, seq)
	}
	return out
}
