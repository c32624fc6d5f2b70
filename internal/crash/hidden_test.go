// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"testing"

	"parley.chat/internal/history"
	"parley.chat/protocol/id"
)

// bobCameAt4 is a log of ten entries of which seq 7 edits a message of before bob came, and seq 8 one of after, and what bob's
// device has of it, by sources of seqs in order.
func bobCameAt4(seqs []int64, sources map[int64]history.Source) (*logbook, history.History, []history.Reader) {
	l := newLogbook()
	bob := history.Reader{Device: "D", User: "bob@example.org"}
	at := history.Reader{Device: "D", User: "bob@example.org", Conversation: "c"}
	l.stays["c"] = map[id.User][]stay{"bob@example.org": {{4, -1}}}
	l.edits["c"] = []edited{{2, 7}, {5, 8}}
	for seq := range int64(10) {
		l.entries["c"] = append(l.entries["c"], history.Entry{Seq: seq, MessageID: string(rune('a' + seq)), Device: "A", Kind: "edit"})
	}
	rec := history.NewRecorder(history.MachineClock)
	rec.Join(at, 4)
	for _, seq := range seqs {
		source := history.Live
		if s, ok := sources[seq]; ok {
			source = s
		}
		rec.Received(history.Reception{Reader: at, Source: source, Seq: seq, MessageID: string(rune('a' + seq))})
	}
	rec.Quiet("")
	return l, rec.History(), []history.Reader{bob}
}

func TestForgive_HiddenEditsMayComeLateAndOthersNot(t *testing.T) {
	for what, c := range map[string]struct {
		seqs    []int64
		sources map[int64]history.Source
		ok      bool
	}{
		"a hidden edit that comes late":      {[]int64{4, 5, 6, 8, 9, 7}, map[int64]history.Source{7: history.Sync}, true},
		"a hidden edit that comes in order":  {[]int64{4, 5, 6, 7, 8, 9}, map[int64]history.Source{7: history.Sync}, true},
		"a hidden edit that does not come":   {[]int64{4, 5, 6, 8, 9}, nil, true},
		"an edit of now that comes late":     {[]int64{4, 5, 6, 7, 9, 8}, map[int64]history.Source{8: history.Sync}, false},
		"an edit of now that does not come":  {[]int64{4, 5, 6, 7, 9}, nil, false},
		"another entry that does not come":   {[]int64{4, 5, 7, 8, 9}, nil, false},
		"what was before the member came to": {[]int64{3, 4, 5, 6, 8, 9}, nil, false},
	} {
		l, h, readers := bobCameAt4(c.seqs, c.sources)
		if report := history.Check(l.forgive(h, readers), l.entries); report.OK() != c.ok {
			t.Errorf("%s: %s", what, &report)
		}
	}
}

func TestHidden_IsWhatIsEditedDuringAStayAndSentBefore(t *testing.T) {
	l := newLogbook()
	l.stays["c"] = map[id.User][]stay{"bob@example.org": {{3, 6}, {10, -1}}}
	l.edits["c"] = []edited{{1, 2}, {1, 3}, {2, 6}, {4, 5}, {1, 7}, {5, 11}, {10, 12}}
	got := l.hidden("c", "bob@example.org")
	for _, want := range []int64{3, 6, 11} {
		if !got[want] {
			t.Errorf("seq %d is not hidden", want)
		}
		delete(got, want)
	}
	if len(got) > 0 {
		t.Errorf("hidden as well: %v", got)
	}
}
