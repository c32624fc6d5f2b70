// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

func TestReplica_KeepsTheNewestCheckpointAndTheFirstProof(t *testing.T) {
	s, _ := split(t)
	var all []id.Conversation
	first := map[id.Conversation][]byte{}
	for i := range 8 {
		all = append(all, id.NewConversation([32]byte{byte(i)}))
		first[all[i]] = fmt.Appendf(nil, `{"seq": %d}`, i)
	}
	if raw, diverged, err := s.Replica(t.Context(), all[0]); raw != nil || diverged || err != nil {
		t.Errorf("nothing is kept, and read as %s, %t, %v", raw, diverged, err)
	}
	for _, list := range []map[id.Conversation][]byte{first, {all[3]: []byte(`{"seq": 99}`)}, {}} {
		if err := s.SaveCheckpoints(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range all {
		want := string(first[c])
		if i == 3 {
			want = `{"seq": 99}`
		}
		if raw, diverged, err := s.Replica(t.Context(), c); string(raw) != want || diverged || err != nil {
			t.Errorf("replica %d is %s, %t, %v", i, raw, diverged, err)
		}
	}
	other := id.NewConversation([32]byte{99})
	for _, proof := range []string{`{"v": 1}`, `{"v": 2}`} {
		for _, c := range []id.Conversation{all[3], other} {
			if err := s.SaveProof(t.Context(), c, []byte(proof)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if raw, diverged, err := s.Replica(t.Context(), all[3]); string(raw) != `{"seq": 99}` || !diverged || err != nil {
		t.Errorf("with a proof it is %s, %t, %v", raw, diverged, err)
	}
	list, err := s.Proofs(t.Context(), 10)
	if err != nil || len(list) != 2 || !bytes.Equal(list[0], []byte(`{"v": 1}`)) || !bytes.Equal(list[1], list[0]) {
		t.Errorf("the proofs are %s, %v", list, err)
	}
	if list, err := s.Proofs(t.Context(), 1); err != nil || len(list) != 1 {
		t.Errorf("%d proofs of one, %v", len(list), err)
	}
}

// waiting is a conversation with a number in the store, and how a submission to it looks.
func waiting(t *testing.T, s timeline.Store, name string) (timeline.View, func(tempID string) submission.Row) {
	t.Helper()
	n := timelinetest.Start(t, s)
	cmd := timelinetest.Group(t, name, timelinetest.User("alice"))
	n.MustAppend(t, cmd)
	v, err := n.View(t.Context(), cmd.ConversationID)
	if err != nil {
		t.Fatal(err)
	}
	n.Stop()
	return v, func(tempID string) submission.Row {
		m := timelinetest.Message(t, cmd.ConversationID, timelinetest.User("alice"), tempID, "text of "+tempID)
		r := submission.Row{
			Shard: v.Shard, Conv: v.Conv, Dedup: timeline.DedupKey(m.Device, tempID), Salt: [16]byte{1, 2}, Content: m.Content,
			Submission: event.Submission{AuthorTime: 5, ConversationID: cmd.ConversationID, DeviceID: m.Device, Sender: m.Sender, TempID: tempID, Type: m.Type},
		}
		r.Submission.ContentHash = event.ContentHash(r.Salt, r.Content)
		return r
	}
}

func TestSubmissions_WaitInOrderUntilTheyAreDropped(t *testing.T) {
	s, _ := split(t)
	v, row := waiting(t, s, "one")
	w, other := waiting(t, s, "two")
	batch := []submission.Row{row("a"), other("x"), row("b"), row("c")}
	added, err := s.AddSubmissions(t.Context(), batch)
	if err != nil || !cmp.Equal(added, []bool{true, true, true, true}) {
		t.Fatalf("added %v, %v", added, err)
	}
	again := row("b")
	again.Salt[0] = 9
	if added, err = s.AddSubmissions(t.Context(), []submission.Row{row("d"), again}); err != nil || !cmp.Equal(added, []bool{true, false}) {
		t.Errorf("one twice: %v, %v", added, err)
	}
	names := func(after int64, limit, bytes int) (out string, last int64) {
		list, err := s.Submissions(t.Context(), v.Shard, v.Conv, after, limit, bytes)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			want := row(r.Submission.TempID)
			if want.N = r.N; !cmp.Equal(r, want) || r.N <= last {
				t.Errorf("read %+v after %d", r, last)
			}
			out, last = out+r.Submission.TempID, r.N
		}
		return out, last
	}
	all, _ := names(0, 50, 1<<20)
	two, last := names(0, 2, 1<<20)
	rest, _ := names(last, 50, 1<<20)
	one, _ := names(0, 50, 1)
	if all != "abcd" || two != "ab" || rest != "cd" || one != "a" {
		t.Errorf("read %q, two %q and %q, few bytes %q", all, two, rest, one)
	}
	b := row("b")
	if err := s.FailSubmission(t.Context(), b.Key(), fault.NotMember, "no more", 1000); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Submission(t.Context(), b.Key()); err != nil || got == nil || got.Code != fault.NotMember || got.Detail != "no more" {
		t.Errorf("the one refused is %+v, %v", got, err)
	}
	a := row("a")
	if err := s.DropSubmission(t.Context(), a.Key()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Submission(t.Context(), a.Key()); err != nil || got != nil {
		t.Errorf("the one dropped is %+v, %v", got, err)
	}
	if left, _ := names(0, 50, 1<<20); left != "cd" {
		t.Errorf("left are %q", left)
	}
	if n, err := s.CountSubmissions(t.Context(), v.Shard, v.Conv); err != nil || n != 2 {
		t.Errorf("counted %d, %v", n, err)
	}
	found := map[id.Conversation]int64{}
	for n := range s.Shards() {
		list, err := s.WaitingSubmissions(t.Context(), id.Shard(n))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list {
			found[one.ConversationID] = one.Conv
		}
	}
	if !cmp.Equal(found, map[id.Conversation]int64{v.State.ID: v.Conv, w.State.ID: w.Conv}) {
		t.Errorf("waiting in %v", found)
	}
	for _, before := range []int64{1000, 1001} {
		if err := s.SweepSubmissions(t.Context(), v.Shard, before); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Submission(t.Context(), b.Key()); err != nil || (got != nil) != (before == 1000) {
			t.Errorf("swept before %d it is %+v, %v", before, got, err)
		}
	}
}

func TestHashes_AreThoseOfTheLog(t *testing.T) {
	s, _ := split(t)
	n := timelinetest.Start(t, s)
	cmd := timelinetest.Group(t, "hashes", timelinetest.User("alice"))
	n.MustAppend(t, cmd)
	for i := range 4 {
		n.MustAppend(t, timelinetest.Message(t, cmd.ConversationID, timelinetest.User("alice"), fmt.Sprint(i), "x"))
	}
	l, events := timelinetest.Log(t, s, cmd.ConversationID)
	got, err := s.Hashes(t.Context(), cmd.ConversationID.Shard(s.Shards()), l.Conv, 2, 2)
	if err != nil || !cmp.Equal(got, []event.Hash{events[2].Hash, events[3].Hash}) {
		t.Errorf("got %x, %v", got, err)
	}
}

func TestPeerKeys_TheNewestAreKept(t *testing.T) {
	one, two := split(t)
	for _, server := range []id.Server{"a.test", "b.test", "c.test:8448", "d.test"} { // In both databases.
		if raw, got, err := one.PeerKeys(t.Context(), server); raw != nil || got != 0 || err != nil {
			t.Errorf("nothing is kept of %s, and read as %s, %d, %v", server, raw, got, err)
		}
		for _, save := range []struct {
			raw string
			got int64
		}{{"first", 5}, {"newer", 9}, {"older", 7}} {
			if err := one.SavePeerKeys(t.Context(), server, []byte(save.raw), save.got); err != nil {
				t.Fatal(err)
			}
		}
		if raw, got, err := two.PeerKeys(t.Context(), server); string(raw) != "newer" || got != 9 || err != nil {
			t.Errorf("of %s %s, %d, %v is kept", server, raw, got, err)
		}
	}
}
