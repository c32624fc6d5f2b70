// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

func TestSync_AReconnectGetsExactlyWhatWasMissedInOrder(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, testenv.TwoDatabases)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob := us[0], us[1]
	direct, group, still := alice.Direct(bob), alice.Group("Team", bob, us[2]), us[2].Direct(bob)
	alice.Post(direct, "before")
	s := bob.Socket(nil)
	bob.Post(still, "nothing moves here later")
	s.Holds(still, 1)
	s.Drop()
	back := bob.Socket(s.Book)
	known := back.Book.Clone()
	back.Drop()
	var missed []string
	for i := range 5 {
		missed = append(missed, alice.Post(direct, fmt.Sprint("direct ", i)).MessageID, alice.Post(group, fmt.Sprint("group ", i)).MessageID)
	}
	again := bob.Socket(known)
	var got []string
	for _, f := range again.Frames() {
		if f.Type != frame.SyncFrame {
			continue
		}
		for _, e := range decode[frame.Sync](t, f).Messages {
			got = append(got, e.MessageID)
			if e.ConversationID == still {
				t.Errorf("sync gave what did not move: %+v", e)
			}
		}
	}
	slices.Sort(missed)
	slices.Sort(got)
	if !slices.Equal(got, missed) {
		t.Errorf("missed %v, got %v", missed, got)
	}
	if n := again.Book.Repeats(); n != 0 {
		t.Errorf("%d entries came twice", n)
	}
	check(t, again.Book.Dense(direct, 0, 6))
	check(t, again.Book.Dense(group, 0, 5))
}

func TestSync_PagesThrough120ConversationsWithHasMore(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	convs := make([]string, 120)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := n; i < len(convs); i += 8 {
				var c frame.Conversation
				if f := us[0].Call("POST", "/conversations", rest.CreateConversation{Type: "group", Name: fmt.Sprint(i), Members: []string{us[1].ID}}, &c); f != nil {
					t.Error(f)
				}
				if f := us[0].Call("POST", "/conversations/"+c.ConversationID+"/messages", testenv.Text("", "x"), nil); f != nil {
					t.Error(f)
				}
				convs[i] = c.ConversationID
			}
		})
	}
	wg.Wait()
	slices.Sort(convs)
	b := testenv.NewBook()
	pages := 0
	for more := true; more; pages++ {
		page, f := us[1].Sync(b.Cursor())
		if f != nil {
			t.Fatal(f)
		}
		check(t, b.Page(page))
		more = page.HasMore
	}
	s := us[1].Socket(nil)
	listed := listAll(t, us[1])
	slices.Sort(listed)
	for what, got := range map[string][]string{"poll": b.Conversations(), "socket": s.Book.Conversations(), "list": listed} {
		if !slices.Equal(got, convs) {
			t.Errorf("%s gave %d conversations, want 120", what, len(got))
		}
	}
	if pages < 3 || b.Repeats() != 0 {
		t.Errorf("%d pages, %d repeats", pages, b.Repeats())
	}
	for _, c := range convs {
		check(t, b.Dense(c, 0, 1))
	}
}

func listAll(t *testing.T, u *testenv.User) (out []string) {
	t.Helper()
	for cursor, more := "", true; more; {
		var page rest.Conversations
		u.Do("GET", "/conversations?limit=33&cursor="+url.QueryEscape(cursor), nil, &page)
		for _, c := range page.Conversations {
			out = append(out, c.ConversationID)
		}
		cursor, more = page.NextCursor, page.HasMore
	}
	return out
}

func TestSync_AConversationThatMovesBetweenPagesIsNotLost(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	var convs []string
	for i := range 70 {
		convs = append(convs, us[0].Group(fmt.Sprint(i), us[1]))
	}
	b := testenv.NewBook()
	for more := true; more; {
		page, f := us[1].Sync(b.Cursor())
		if f != nil {
			t.Fatal(f)
		}
		check(t, b.Page(page))
		if more = page.HasMore; more {
			for i := range convs {
				if i%7 == 0 {
					us[0].Post(convs[i], "moved")
				}
			}
		}
	}
	check(t, us[1].Pull(b))
	for i, c := range convs {
		want := int64(0)
		if i%7 == 0 {
			want = us[0].Get(c).HeadSeq
		}
		check(t, b.Dense(c, 0, want))
	}
}

func TestSync_AGapTellsTheRangeToFetch(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	us[0].Post(conv, "first")
	s := us[1].Socket(nil)
	s.Drop()
	for i := range 60 {
		us[0].Post(conv, fmt.Sprint(i))
	}
	back := us[1].Socket(s.Book)
	gaps := back.Book.Gaps()
	if len(gaps) != 1 || gaps[0].AfterSeq != 1 || gaps[0].Conversation != conv {
		t.Fatalf("gaps are %+v", gaps)
	}
	if err := back.Book.Dense(conv, 0, 61); err == nil {
		t.Error("nothing was missing, yet there is a gap")
	}
	check(t, us[1].Fill(back.Book))
	check(t, back.Book.Dense(conv, 0, 61))
	fresh := testenv.NewBook()
	check(t, us[1].Pull(fresh))
	check(t, us[1].Fill(fresh))
	if e := fresh.Events(conv); len(e) == 0 || e[len(e)-1].Seq != 61 {
		t.Errorf("a first sync knows %d events", len(e))
	}
}

func TestHistory_PagesBothWays(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	for i := range 25 {
		us[0].Post(conv, fmt.Sprint(i))
	}
	walk := func(query string) (seqs []int64) {
		for {
			p := us[1].Page(conv, query)
			for _, e := range p.Messages {
				seqs = append(seqs, e.Seq)
			}
			if !p.HasMore {
				return seqs
			}
			if len(p.Messages) == 0 {
				t.Fatalf("an empty page with hasMore after %v", seqs)
			}
			query = "limit=7&cursor=" + url.QueryEscape(p.NextCursor)
		}
	}
	run := func(from, to int64) (out []int64) {
		for n := from; n <= to; n++ {
			out = append(out, n)
		}
		return out
	}
	backwards := func(s []int64) []int64 { slices.Reverse(s); return s }
	for query, want := range map[string][]int64{
		"limit=7":                          backwards(run(0, 25)),
		"limit=7&beforeSeq=9":              backwards(run(0, 8)),
		"limit=7&afterSeq=9":               run(10, 25),
		"limit=7&afterSeq=0":               run(1, 25),
		"limit=7&afterSeq=-1":              run(0, 25),
		"limit=7&afterSeq=3&beforeSeq=20":  run(4, 19),
		"limit=26":                         backwards(run(0, 25)),
		"limit=7&afterSeq=25":              nil,
		"limit=7&beforeSeq=0":              nil,
		"limit=1&afterSeq=24&beforeSeq=26": run(25, 25),
	} {
		if got := walk(query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func decode[T any](t *testing.T, f testenv.Frame) (v T) {
	t.Helper()
	check(t, f.Decode(&v))
	return v
}
