// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"fmt"
	"testing"
	"time"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// reach moves the pointers of a member of another server, as that server says.
func reach(t *testing.T, open Open) {
	s := open(t, one())
	n := Start(t, s, func(o *timeline.Options) { o.ReceiptEvery = time.Millisecond })
	frank := id.User("frank@other.example")
	cmd := Group(t, "reached", User("alice"), frank)
	n.MustAppend(t, cmd)
	c := cmd.ConversationID
	for i := range 100 {
		n.MustAppend(t, Message(t, c, User("alice"), fmt.Sprint("t", i), "hello"))
	}
	for _, step := range []struct {
		delivered, read int64
		behind          bool
		want            timeline.Pointer
	}{
		{5, -1, false, timeline.Pointer{Delivered: 5}}, // One from the store.
		{5, 3, false, timeline.Pointer{Delivered: 5, Read: 3, ReadCount: 3}},
		{2, 1, false, timeline.Pointer{Delivered: 5, Read: 3, ReadCount: 3}},
		{-1, 50, false, timeline.Pointer{Delivered: 50, Read: 50, ReadCount: 50}},
		{99, 50, false, timeline.Pointer{Delivered: 99, Read: 50, ReadCount: 50}},
		{200, 98, true, timeline.Pointer{Delivered: 100, Read: 98, ReadCount: 98}},
		{1 << 40, 1 << 40, true, timeline.Pointer{Delivered: 100, Read: 100, ReadCount: 100}},
		{-1, -1, false, timeline.Pointer{Delivered: 100, Read: 100, ReadCount: 100}},
	} {
		behind, err := n.Reach(t.Context(), c, frank, step.delivered, step.read)
		if err != nil || behind != step.behind {
			t.Fatalf("to %d and %d: %v %v", step.delivered, step.read, behind, err)
		}
		if p := bare(pointer(t, n, c, frank)); p != step.want {
			t.Errorf("after %d and %d the pointer is %+v, want %+v", step.delivered, step.read, p, step.want)
		}
	}
	Eventually(t, "alice is told", func() bool {
		for _, r := range n.Out.GotReceipts() {
			if r.User == frank && r.Status == "read" && r.Seq == 100 && len(r.To) == 2 {
				return true
			}
		}
		return false
	})
	n.MustAppend(t, Change(t, c, User("alice"), frame.TypeMemberRemove, "out", frame.Change{UserIDs: []string{string(frank)}}))
	for u, conv := range map[id.User]id.Conversation{frank: c, "eve@other.example": c} {
		if _, err := n.Reach(t.Context(), conv, u, 101, 101); !fault.Is(err, fault.NotMember) {
			t.Errorf("%s, no member: %v", u, err)
		}
	}
	if _, err := n.Reach(t.Context(), Group(t, "none", User("alice")).ConversationID, frank, 1, 1); !fault.Is(err, fault.UnknownConversation) {
		t.Errorf("of no conversation: %v", err)
	}
}

func bare(p timeline.Pointer) timeline.Pointer {
	return timeline.Pointer{Delivered: p.Delivered, Read: p.Read, ReadCount: p.ReadCount}
}
