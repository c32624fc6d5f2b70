// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"strings"
	"testing"

	"parley.chat/protocol/frame"
)

func event(seq int64, id string) frame.Event {
	return frame.Event{ConversationID: "c", Seq: seq, MessageID: id, Type: frame.TypeMessage}
}

func syncPage(cursor string, gap *frame.Gap, events ...frame.Event) frame.Sync {
	return frame.Sync{Messages: events, Conversations: []frame.Conversation{{ConversationID: "c", Gap: gap}}, Cursor: cursor}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got %v, want an error with %q", err, part)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func TestBook_IsTheUnionOfWhatCame(t *testing.T) {
	b := NewBook()
	must(t, b.Page(syncPage("1", nil, event(0, "a"), event(1, "b"))))
	must(t, b.Live(event(2, "c")))
	must(t, b.Page(syncPage("2", nil, event(1, "b"), event(2, "c"), event(3, "d"))))
	must(t, b.Acked("me", frame.Ack{ConversationID: "c", Seq: 4, MessageID: "e", Status: frame.Sent}))
	must(t, b.Dense("c", 0, 4))
	if b.Repeats() != 2 || b.Cursor() != "2" {
		t.Errorf("%d repeats, cursor %s", b.Repeats(), b.Cursor())
	}
	c := b.Clone()
	must(t, b.Live(event(5, "f")))
	wantError(t, c.Dense("c", 0, 5), "up to 4")
	wantError(t, b.Dense("c", 1, 5), "seq 0 where 1")
}

func TestBook_AnAckMayOvertakeWhatLiesBelowIt(t *testing.T) {
	b := NewBook()
	must(t, b.Page(syncPage("1", nil, event(0, "a"))))
	must(t, b.Acked("me", frame.Ack{ConversationID: "c", Seq: 2, MessageID: "c", Status: frame.Sent}))
	must(t, b.Live(event(1, "b")))
	must(t, b.Dense("c", 0, 2))
}

func TestBook_RefusesWhatNoServerMayGive(t *testing.T) {
	for what, c := range map[string]struct {
		then func(*Book) error
		part string
	}{
		"two at one place": {func(b *Book) error { return b.Live(event(1, "x")) }, "is b and x"},
		"new below newer":  {func(b *Book) error { _ = b.Live(event(5, "f")); return b.Live(event(3, "d")) }, "came new after"},
		"a hole in a page": {func(b *Book) error { return b.Page(syncPage("2", nil, event(2, "c"), event(4, "e"))) }, "follows"},
		"a page after its gap": {func(b *Book) error {
			return b.Page(syncPage("2", &frame.Gap{AfterSeq: 1, BeforeSeq: 4}, event(5, "f")))
		}, "begins with 5"},
		"outside of the gap":    {func(b *Book) error { return b.Range(Gap{"c", 2, 4}, []frame.Event{event(4, "e")}) }, "outside"},
		"a gap not quite whole": {func(b *Book) error { return b.filled(Gap{"c", 0, 3}) }, "lacks seq 2"},
	} {
		b := NewBook()
		must(t, b.Page(syncPage("1", nil, event(0, "a"), event(1, "b"))))
		if err := c.then(b); err == nil || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBook_KeepsGapsUntilTheyAreFilled(t *testing.T) {
	b := NewBook()
	must(t, b.Page(syncPage("1", &frame.Gap{AfterSeq: -1, BeforeSeq: 2}, event(2, "c"))))
	g := b.Gaps()
	if len(g) != 1 || g[0] != (Gap{"c", -1, 2}) {
		t.Fatalf("gaps are %+v", g)
	}
	must(t, b.Range(g[0], []frame.Event{event(1, "b"), event(0, "a")}))
	must(t, b.filled(g[0]))
	must(t, b.Dense("c", 0, 2))
	if len(b.Gaps()) != 0 {
		t.Error("the gap is still there")
	}
}

func TestBook_ReceiptsMoveForwardOnly(t *testing.T) {
	b := NewBook()
	if r := b.Receipt("c", "u"); r.DeliveredSeq != -1 || r.ReadSeq != -1 {
		t.Errorf("at first %+v", r)
	}
	five, three := int64(5), int64(3)
	b.Moved(frame.Delivery{ConversationID: "c", UserID: "u", Status: "delivered", Seq: &five})
	b.Moved(frame.Delivery{ConversationID: "c", UserID: "u", Status: "read", Seq: &three})
	if r := b.Receipt("c", "u"); r.DeliveredSeq != 5 || r.ReadSeq != 3 {
		t.Errorf("then %+v", r)
	}
}
