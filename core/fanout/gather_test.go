// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func reading(conv id.Conversation, u id.User, seq int64, to ...id.User) Receipt {
	return Receipt{Mark: 3, ConversationID: conv, User: u, Status: "read", Seq: seq, To: append([]id.User{u}, to...)}
}

func TestGather_FewAreLeftAlone(t *testing.T) {
	var list []Receipt
	for i := range fewReceipts {
		list = append(list, reading("c", id.User(fmt.Sprintf("u%d@a", i)), 1, "author@a"), reading("d", "x@a", int64(i)))
	}
	if d := cmp.Diff(list, gather(list)); d != "" {
		t.Error(d)
	}
}

func TestGather_TheAuthorGetsOneOfManyAndEachReaderTheOwn(t *testing.T) {
	var list []Receipt
	for i := range 500 {
		list = append(list, reading("c", id.User(fmt.Sprintf("u%03d@a", i)), int64(i), "author@a"))
	}
	list = append(list, Receipt{ConversationID: "c", User: "u000@a", To: []id.User{"u000@a"}, Prefs: &frame.Prefs{}})
	out := gather(list)
	if len(out) != 502 {
		t.Fatalf("%d receipts", len(out))
	}
	many := out[0]
	if len(many.Many) != 500 || many.Seq != 499 || many.Mark != 3 || !slices.Equal(many.To, []id.User{"author@a"}) {
		t.Errorf("the author gets %d of %v, seq %d, mark %d", len(many.Many), many.To, many.Seq, many.Mark)
	}
	for _, r := range out[1:] {
		if !slices.Equal(r.To, []id.User{r.User}) {
			t.Fatalf("the receipt of %s goes to %v", r.User, r.To)
		}
	}
}

// told is what each receiver gets to know.
func told(list []Receipt) map[string]int {
	out := map[string]int{}
	note := func(to id.User, c id.Conversation, u, status string, seq int64) {
		out[fmt.Sprintf("%s: %s %s %s %d", to, c, u, status, seq)]++
	}
	for _, r := range list {
		for _, to := range r.To {
			for _, p := range r.Many {
				if p.DeliveredSeq != nil {
					note(to, r.ConversationID, p.UserID, "delivered", *p.DeliveredSeq)
				}
				if p.ReadSeq != nil {
					note(to, r.ConversationID, p.UserID, "read", *p.ReadSeq)
				}
			}
			if r.Many == nil {
				note(to, r.ConversationID, string(r.User), r.Status, r.Seq)
			}
		}
	}
	return out
}

func TestGather_TellsEverybodyTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.SampledFrom([]id.User{"a@a", "b@a", "c@a", "d@a", "e@a", "f@a", "g@a"})
		have := map[string]Receipt{}
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			r := Receipt{
				Mark: 1, ConversationID: rapid.SampledFrom([]id.Conversation{"c1", "c2"}).Draw(t, "conv"), User: user.Draw(t, "user"),
				Status: rapid.SampledFrom([]string{"delivered", "read"}).Draw(t, "status"), Seq: rapid.Int64Range(0, 9).Draw(t, "seq"),
				To: rapid.SliceOfNDistinct(user, 0, 4, rapid.ID[id.User]).Draw(t, "to"),
			}
			have[string(r.ConversationID)+string(r.User)+r.Status] = r // A pointer moves once in a flush.
		}
		list := slices.Collect(maps.Values(have))
		if d := cmp.Diff(told(list), told(gather(list))); d != "" {
			t.Fatal(d)
		}
	})
}
