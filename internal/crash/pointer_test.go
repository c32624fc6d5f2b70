// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"parley.chat/protocol/frame"
)

var bobDelivered, bobRead = pointer{"c", "bob@example.org", delivered}, pointer{"c", "bob@example.org", isRead}

// moment is one thing that happens to a pointer. An answer was asked for just before it came, a late one at the last ask.
type moment struct {
	what  string // told, shown, ask, answer, late, begin, end
	at    pointer
	seq   int64
	wrong bool // of answers
}

// replay tells which answers are found wrong that are not, and the other way around.
func replay(p *pointers, moments []moment) (amiss []string) {
	asked := look{}
	for i, m := range moments {
		switch m.what {
		case "begin":
			p.begin()
		case "end":
			p.end()
		case "told":
			p.tell(m.at, m.seq)
		case "shown":
			p.show(p.look(), m.at, m.seq)
		case "ask":
			asked = p.look()
		case "answer", "late":
			if m.what == "answer" {
				asked = p.look()
			}
			if wrong := p.judge(asked, m.at, m.seq); (wrong != "") != m.wrong {
				amiss = append(amiss, fmt.Sprintf("%d: %+v is found %q", i, m, wrong))
			}
		}
	}
	return amiss
}

func TestPointers_WhatWasToldHolds(t *testing.T) {
	for what, moments := range map[string][]moment{
		"an answer that has what was told": {{"told", bobRead, 5, false}, {"answer", bobRead, 5, false}, {"answer", bobRead, 9, false}},
		"a receipt that a kill took back":  {{"begin", bobRead, 0, false}, {"told", bobRead, 5, false}, {"end", bobRead, 0, false}, {"begin", bobRead, 0, false}, {"answer", bobRead, 4, true}},
		"what is read is delivered":        {{"told", bobRead, 5, false}, {"answer", bobDelivered, 4, true}, {"answer", bobDelivered, 5, false}},
		"what is delivered is not read":    {{"told", bobDelivered, 5, false}, {"answer", bobRead, 1, false}, {"answer", bobDelivered, 4, true}},
		"a receipt after the question":     {{"told", bobRead, 3, false}, {"ask", bobRead, 0, false}, {"told", bobRead, 7, false}, {"late", bobRead, 4, false}, {"late", bobRead, 2, true}},
		"receipts that come out of order":  {{"told", bobRead, 7, false}, {"told", bobRead, 5, false}, {"answer", bobRead, 6, true}, {"answer", bobRead, 7, false}},
		"another member":                   {{"told", bobRead, 7, false}, {"answer", pointer{"c", "carol@example.org", isRead}, 0, false}},
		"another conversation":             {{"told", bobRead, 7, false}, {"answer", pointer{"d", "bob@example.org", isRead}, 0, false}},
		"a server that goes back":          {{"begin", bobRead, 0, false}, {"shown", bobRead, 5, false}, {"answer", bobRead, 4, true}, {"answer", bobRead, 5, false}},
		"a server that died with it":       {{"begin", bobRead, 0, false}, {"shown", bobRead, 5, false}, {"end", bobRead, 0, false}, {"begin", bobRead, 0, false}, {"answer", bobRead, 4, false}},
		"an answer of the life before":     {{"begin", bobRead, 0, false}, {"shown", bobRead, 5, false}, {"ask", bobRead, 0, false}, {"end", bobRead, 0, false}, {"late", bobRead, 4, false}},
		"a server that may die any moment": {{"shown", bobRead, 5, false}, {"answer", bobRead, 4, false}},
	} {
		if amiss := replay(newPointers(), moments); len(amiss) > 0 {
			t.Errorf("%s: %s", what, strings.Join(amiss, "; "))
		}
	}
}

func TestPointers_MutatedHistoriesAreFoundOut(t *testing.T) {
	// A history that holds: bob reads on, alice hears of it, and looks; the server dies in the middle.
	var good []moment
	for seq := int64(1); seq <= 20; seq++ {
		if seq%5 == 0 {
			good = append(good, moment{what: "end"}, moment{what: "begin"})
		}
		good = append(good, moment{what: "told", at: bobRead, seq: seq}, moment{what: "answer", at: bobRead, seq: seq})
	}
	if amiss := replay(newPointers(), good); len(amiss) > 0 {
		t.Fatalf("a history that holds does not: %q", amiss)
	}
	for i, m := range good {
		if m.what != "answer" {
			continue
		}
		bad := slices.Clone(good)
		bad[i].seq--
		if len(replay(newPointers(), bad)) != 1 {
			t.Errorf("an answer of %d instead of %d is not found out", bad[i].seq, m.seq)
		}
	}
}

func TestPointers_WhatIsStoredHasWhatWasTold(t *testing.T) {
	p := newPointers()
	p.tell(bobRead, 5)
	for want, stored := range map[int]map[pointer]int64{
		0: {bobRead: 5, bobDelivered: 6},
		1: {bobRead: 4, bobDelivered: 6},
		2: {},
	} {
		if got := p.judgeStored(stored); len(got) != want {
			t.Errorf("%v: %q", stored, got)
		}
	}
}

func TestDevice_HoldsAnswersAgainstReceipts(t *testing.T) {
	d := testDevice(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"members":[{"userId":"bob@example.org","deliveredSeq":9,"readSeq":4}],"hasMore":false}`))
	}))
	defer srv.Close()
	d.w.api = newAPI(strings.TrimPrefix(srv.URL, "http://"))
	ctx, raw := t.Context(), func(v any) []byte {
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	four, nine, ten := int64(4), int64(9), int64(10)
	receipt := frame.Delivery{ConversationID: "c", MessageID: "m", UserID: "bob@example.org", Status: isRead, Seq: &four}
	if err := d.frame(ctx, nil, raw(map[string]any{"type": frame.DeliveryAck, "data": receipt})); err != nil {
		t.Fatal(err)
	}
	d.lookAround(ctx, "c")
	if len(d.w.problems) > 0 {
		t.Fatalf("problems where there are none: %q", d.w.problems)
	}
	moved := frame.MovedPointers{ConversationID: "c", Receipts: []frame.MovedPointer{{UserID: "bob@example.org", DeliveredSeq: &ten}, {UserID: "carol@example.org", ReadSeq: &nine}}}
	if err := d.event(frame.ReceiptsFrame, raw(moved)); err != nil {
		t.Fatal(err)
	}
	d.lookAround(ctx, "c")
	if len(d.w.problems) != 1 {
		t.Errorf("a pointer below its receipt: %q", d.w.problems)
	}
	d.page(&frame.Sync{Receipts: []frame.Receipt{{ConversationID: "c", UserID: "carol@example.org", DeliveredSeq: 9, ReadSeq: 8}}})
	if len(d.w.problems) != 1 {
		t.Errorf("a page that was asked for before the receipt: %q", d.w.problems)
	}
	end := d.connected(d.w.pointers.look(), func() {})
	defer end()
	d.page(&frame.Sync{Receipts: []frame.Receipt{{ConversationID: "c", UserID: "carol@example.org", DeliveredSeq: 9, ReadSeq: 8}}})
	if len(d.w.problems) != 2 || d.w.stats.told != 3 {
		t.Errorf("a page below the receipt, %d told: %q", d.w.stats.told, d.w.problems)
	}
	d.receipt(&frame.Delivery{ConversationID: "c"})
	if len(d.w.problems) != 3 {
		t.Error("a receipt of nobody passes")
	}
}
