// SPDX-License-Identifier: Apache-2.0

package search_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"parley.chat/core/conversation"
	"parley.chat/core/search"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

const me, other = id.User("me@example.org"), id.User("other@example.org")

// world is a log in memory that counts what is looked at.
type world struct {
	convs  map[id.Conversation]*talk
	byNum  map[int64]*talk
	looked int
	most   int // in one stretch
	enters int
	err    error
}

// talk is a conversation: the hub times and senders of its messages by seq, and what may be read.
type talk struct {
	id       id.Conversation
	num      int64
	times    []int64
	senders  []id.User
	from, to int64
	left     bool
	stranger bool // the index says member, the owner does not
}

func newWorld() *world {
	return &world{convs: map[id.Conversation]*talk{}, byNum: map[int64]*talk{}}
}

// add makes a conversation with messages at times; everybody may read all.
func (w *world) add(times ...int64) *talk {
	var hash [32]byte
	n := int64(len(w.convs) + 1)
	hash[0], hash[31] = byte(n*37), byte(n)
	k := &talk{id: id.NewConversation(hash), num: n, times: times, to: int64(len(times)) - 1}
	for range times {
		k.senders = append(k.senders, me)
	}
	w.convs[k.id], w.byNum[n] = k, k
	return k
}

func (w *world) candidates() (out []search.Candidate) {
	for c, k := range w.convs {
		last := int64(0)
		if n := min(k.to, int64(len(k.times))-1); n >= 0 {
			last = k.times[n]
		}
		out = append(out, search.Candidate{ID: c, Time: last})
	}
	return out
}

func (w *world) Enter(_ context.Context, _ id.Shard, _ id.User, list []search.Entrance) ([]search.Entered, error) {
	w.enters++
	var out []search.Entered
	for _, e := range list {
		k := w.convs[e.ID]
		found := search.Entered{Conv: k.num, Seq: -1}
		for seq, at := range k.times {
			if at <= e.AtMost && (!k.left || int64(seq) <= k.to) {
				found.Seq, found.Time = int64(seq), at
			}
		}
		out = append(out, found)
	}
	return out, w.err
}

func (w *world) Scan(_ context.Context, _ id.Shard, list []search.Stretch, f search.Filter, limit int) ([]search.Found, error) {
	var out []search.Found
	for _, s := range list {
		k := w.byNum[s.Conv]
		w.looked += int(s.To - s.From + 1)
		w.most = max(w.most, int(s.To-s.From+1))
		found := search.Found{Time: k.times[s.From]}
		for seq := s.To; seq >= s.From && len(found.Matches) < limit; seq-- {
			at := k.times[seq]
			if at >= f.From && at < f.To && (f.Sender == "" || f.Sender == k.senders[seq]) {
				found.Matches = append(found.Matches, search.Match{Seq: seq, Time: at})
			}
		}
		out = append(out, found)
	}
	return out, w.err
}

func (w *world) Searchable(context.Context, id.Shard, []id.Conversation) (map[id.Conversation]bool, error) {
	return nil, nil
}

func (w *world) Messages(context.Context, id.Shard, int64, []int64, timeline.Range) ([]*conversation.Event, error) {
	return nil, nil
}

func (w *world) View(_ context.Context, c id.Conversation) (timeline.View, error) {
	k := w.convs[c]
	if k.stranger {
		return timeline.View{}, fault.New(fault.UnknownConversation, "no such conversation")
	}
	m := conversation.Member{Membership: conversation.Joined, JoinedSeq: k.from, FromSeq: k.from, LeftSeq: -1}
	if k.left {
		m.Membership, m.LeftSeq = conversation.Left, k.to
	}
	return timeline.View{
		Conv: k.num, Head: conversation.Head{Exists: true, Seq: k.to},
		State: &conversation.State{ID: c, Members: map[id.User]conversation.Member{me: m}},
	}, nil
}

func (w *world) finder() *search.Finder { return &search.Finder{Log: w, Owner: w, Shards: 4} }

// all pages through a search and tells how many pages there were.
func (w *world) all(t failer, q search.Query) (out []search.Place, pages int) {
	t.Helper()
	q.User = me
	for {
		pages++
		res, err := w.finder().Find(context.Background(), q, w.candidates())
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Hits) > q.Limit {
			t.Fatalf("a page of %d hits, want at most %d", len(res.Hits), q.Limit)
		}
		for _, h := range res.Hits {
			out = append(out, search.Place{Time: w.convs[h.View.State.ID].times[h.Seq], Conv: h.View.State.ID, Seq: h.Seq})
		}
		if res.Next == nil {
			return out, pages
		}
		if q.After != nil && *q.After == *res.Next {
			t.Fatalf("the search stands still at %v", *q.After)
		}
		through, err := search.ParsePlace(res.Next.String())
		if err != nil {
			t.Fatal(err)
		}
		q.After = through
	}
}

// want is what a search should find, by looking at everything.
func (w *world) want(q search.Query) (out []search.Place) {
	for _, k := range w.convs {
		for seq, at := range k.times {
			ok := at >= q.From && (q.To == 0 || at < q.To) && (q.Sender == "" || q.Sender == k.senders[seq])
			if ok && int64(seq) >= k.from && int64(seq) <= k.to && !k.stranger {
				out = append(out, search.Place{Time: at, Conv: k.id, Seq: int64(seq)})
			}
		}
	}
	slices.SortFunc(out, func(a, b search.Place) int {
		switch {
		case a.Time != b.Time:
			return int(b.Time - a.Time)
		case a.Conv != b.Conv:
			return slices.Compare([]byte(a.Conv), []byte(b.Conv))
		}
		return int(b.Seq - a.Seq)
	})
	return out
}

// run makes times from a to b.
func run(a, b int64) (out []int64) {
	for ; a <= b; a++ {
		out = append(out, a)
	}
	return out
}

func TestFind_MergesConversationsNewestFirst(t *testing.T) {
	w := newWorld()
	w.add(1, 3, 3, 5)
	w.add(2, 3, 4, 6)
	w.add()
	for _, limit := range []int{1, 2, 3, 100} {
		q := search.Query{Limit: limit}
		got, _ := w.all(t, q)
		if diff := cmp.Diff(w.want(q), got); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestFind_ShowsOnlyWhatTheOwnerLetsRead(t *testing.T) {
	w := newWorld()
	w.add(run(1, 9)...).from = 4
	former := w.add(run(1, 9)...)
	former.left, former.to = true, 5
	w.add(run(1, 9)...).stranger = true
	behind := w.add(run(1, 9)...)
	behind.to = 6 // Rows beyond the committed head are there, but are not shown yet.
	q := search.Query{Limit: 100}
	got, _ := w.all(t, q)
	if diff := cmp.Diff(w.want(q), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFind_LooksAtNoMoreThanTheBudgetAndGoesOn(t *testing.T) {
	w := newWorld()
	k := w.add(run(1, 50_000)...)
	k.senders[7], k.senders[40_000] = other, other
	for range 30 {
		w.add(run(1, 2_000)...)
	}
	q := search.Query{Limit: 10, Filter: search.Filter{Sender: other}}
	got, pages := w.all(t, q)
	if diff := cmp.Diff(w.want(q), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if each := w.looked / pages; each > 2*search.RowBudget || pages < 3 {
		t.Errorf("%d pages looked at %d messages each, the bound is %d", pages, each, search.RowBudget)
	}
	if w.most > 1024 {
		t.Errorf("one stretch had %d messages", w.most)
	}
}

func TestFind_DoesNotReadWhatCameBeforeTheMembership(t *testing.T) {
	w := newWorld()
	k := w.add(run(1, 60_000)...)
	k.from = 59_000
	got, pages := w.all(t, search.Query{Limit: 10, Filter: search.Filter{Sender: other}})
	if len(got) != 0 || pages != 1 || w.looked > 2_000 {
		t.Errorf("%d hits on %d pages, %d messages looked at", len(got), pages, w.looked)
	}
}

func TestFind_FirstPageOpensOnlyWhatMovedLately(t *testing.T) {
	w := newWorld()
	for i := range int64(300) {
		w.add(run(i*1000, i*1000+100)...)
	}
	res, err := w.finder().Find(t.Context(), search.Query{User: me, Limit: 50}, w.candidates())
	if err != nil || len(res.Hits) != 50 || res.Next == nil {
		t.Fatalf("%d hits, next %v, %v", len(res.Hits), res.Next, err)
	}
	if w.looked > 500 {
		t.Errorf("the first page looked at %d messages", w.looked)
	}
}

func TestFind_AnErrorOfTheStoreIsUnavailable(t *testing.T) {
	w := newWorld()
	w.add(1)
	w.err = fmt.Errorf("connection refused")
	_, err := w.finder().Find(t.Context(), search.Query{User: me, Limit: 5}, w.candidates())
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("answered %v", err)
	}
}

func TestFind_ManyConversationsEndAfterFewPages(t *testing.T) {
	w := newWorld()
	for range 250 {
		w.add(run(1, 200)...)
	}
	got, pages := w.all(t, search.Query{Limit: 10, Filter: search.Filter{Sender: other}})
	if len(got) != 0 || pages > 250*200/search.RowBudget*4 {
		t.Errorf("%d hits, %d pages to look at %d messages", len(got), pages, 250*200)
	}
}

func TestFind_AgreesWithLookingAtEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for range rapid.IntRange(0, 12).Draw(t, "conversations") {
			at, k := int64(rnd.IntN(40)), w.add()
			for range rnd.IntN(40) {
				at += int64(rnd.IntN(3))
				k.times, k.senders = append(k.times, at), append(k.senders, []id.User{me, other}[rnd.IntN(2)])
			}
			k.to = int64(len(k.times)) - 1
			if k.to > 2 && rnd.IntN(3) == 0 {
				k.from, k.to, k.left = int64(rnd.IntN(2)), k.to-int64(rnd.IntN(2)), true
			}
		}
		q := search.Query{Limit: rapid.IntRange(1, 9).Draw(t, "limit")}
		q.From = int64(rapid.IntRange(0, 30).Draw(t, "from"))
		q.To = int64(rapid.IntRange(0, 60).Draw(t, "to"))
		if rapid.Bool().Draw(t, "filtered") {
			q.Sender = other
		}
		got, _ := w.all(t, q)
		if diff := cmp.Diff(w.want(q), got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

// failer is a testing.T or one of rapid.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func FuzzParsePlace(f *testing.F) {
	f.Add("")
	f.Add("1795435200000.cu4uHtkfDX58RGE4QChML7n0jDYheD-JCposZTiai4wg.41")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := search.ParsePlace(s)
		if err != nil && !fault.Is(err, fault.InvalidCursor) || err == nil && s != "" && p == nil {
			t.Fatalf("%q: %v, %v", s, p, err)
		}
		if p != nil {
			if again, err := search.ParsePlace(p.String()); err != nil || *again != *p {
				t.Fatalf("%q is read back as %v, %v", s, again, err)
			}
		}
	})
}
