// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
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

func TestPoll_WakesWhenSomethingMoves(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	b := testenv.NewBook()
	check(t, us[1].Pull(b))
	type result struct {
		page  frame.Sync
		fault *fault.Error
		took  time.Duration
	}
	poll := func(timeout int) chan result {
		done := make(chan result, 1)
		go func() {
			start := time.Now()
			var r result
			r.fault = us[1].Call("GET", fmt.Sprintf("/sync?timeout=%d&cursor=%s", timeout, url.QueryEscape(b.Cursor())), nil, &r.page)
			r.took = time.Since(start)
			done <- r
		}()
		return done
	}
	idle := <-poll(300)
	if idle.fault != nil || idle.took < 250*time.Millisecond || len(idle.page.Messages) != 0 || idle.page.Cursor == "" {
		t.Errorf("an idle poll: %+v", idle)
	}
	waiting := poll(60_000)
	srv.Until("the poll waits", func() bool { return srv.Gauge("parley_fanout_sessions") == 1 })
	ack := us[0].Post(conv, "wake up")
	r := <-waiting
	if r.fault != nil || r.took > 20*time.Second || len(r.page.Messages) != 1 || r.page.Messages[0].MessageID != ack.MessageID {
		t.Errorf("the poll answered %+v", r)
	}
	check(t, b.Page(r.page))
	if r := <-poll(0); r.fault != nil || len(r.page.Messages) != 0 {
		t.Errorf("after it: %+v", r)
	}
	// Logging out ends a poll at once.
	gone := us[1].Device()
	ended := make(chan *fault.Error, 1)
	go func() { ended <- gone.Call("GET", "/sync?timeout=60000&cursor="+url.QueryEscape(b.Cursor()), nil, nil) }()
	srv.Until("the poll waits", func() bool { return srv.Gauge("parley_fanout_sessions") == 1 })
	us[1].Do("DELETE", "/devices/"+gone.DeviceID, nil, nil)
	if f := <-ended; f == nil || f.Code != fault.DeviceRemoved {
		t.Errorf("the poll of a removed device got %v", f)
	}
}

func TestPoll_DoesNotHoldUpAStop(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	u := srv.User(t, "alice")
	b := testenv.NewBook()
	check(t, u.Pull(b))
	ended := make(chan *fault.Error, 1)
	go func() { ended <- u.Call("GET", "/sync?timeout=60000&cursor="+url.QueryEscape(b.Cursor()), nil, nil) }()
	srv.Until("the poll waits", func() bool { return srv.Gauge("parley_fanout_sessions") == 1 })
	start := time.Now()
	srv.Stop()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if f := <-ended; f == nil || f.Code != fault.Draining {
		t.Errorf("the poll got %v, want draining", f)
	}
}

func TestEvents_AreTheFramesOfASocket(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	us[0].Post(conv, "before")
	book := testenv.NewBook()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := us[1].Events(ctx, book, "")
	socket := us[1].Socket(nil)
	check(t, stream.Until(func() bool { return book.Cursor() != "" }))
	var last string
	for i := range 10 {
		last = us[0].Post(conv, fmt.Sprint("<&>\u2028", i)).MessageID
	}
	us[0].Do("POST", "/conversations", rest.CreateConversation{Type: "group", Name: "g", Members: []string{us[1].ID}}, nil)
	socket.Received(last)
	group := socket.Updated(frame.TypeCreate)
	for group.ConversationID == conv {
		group = socket.Updated(frame.TypeCreate)
	}
	check(t, stream.Until(func() bool { return book.Has(group.ConversationID, 0) && book.Has(conv, 11) }))
	for _, c := range []string{conv, group.ConversationID} {
		if a, b := book.Events(c), socket.Book.Events(c); !slices.EqualFunc(a, b, func(x, y frame.Event) bool { return x.MessageID == y.MessageID && x.Content == y.Content }) {
			t.Errorf("stream %+v\nsocket %+v", a, b)
		}
	}
	cancel()
	check(t, stream.End())
	us[0].Post(conv, "while away")
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	again := us[1].Events(ctx, book, book.Cursor())
	check(t, again.Until(func() bool { return book.Has(conv, 12) }))
	check(t, book.Dense(conv, 0, 12))
	us[1].Refused(fault.InvalidCursor, "GET", "/events?cursor=AAAA", nil)
	us[1].Do("POST", "/logout", nil, nil)
	if code := again.Farewell(); code != string(fault.DeviceRemoved) {
		t.Errorf("the stream of a device that logged out ended with %q", code)
	}
}

func TestCursor_OfOthersOrDamagedIsInvalid(t *testing.T) {
	t.Parallel()
	srv, elsewhere := testenv.Start(t), testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	us[0].Direct(us[1])
	b := testenv.NewBook()
	check(t, us[0].Pull(b))
	foreign := testenv.NewBook()
	check(t, elsewhere.User(t, "alice").Pull(foreign))
	good := b.Cursor()
	raw, _ := base64.RawURLEncoding.DecodeString(good)
	bad := map[string]string{"foreign server": foreign.Cursor(), "cut": good[:len(good)-3], "longer": good + "AA", "text": "hello", "zeros": "AAAAAAAAAAAAAAAAAAAA"}
	for i := range raw {
		damaged := slices.Clone(raw)
		damaged[i] ^= 0x10
		bad[fmt.Sprint("byte ", i)] = base64.RawURLEncoding.EncodeToString(damaged)
	}
	for what, cursor := range bad {
		if _, f := us[0].Sync(cursor); f == nil || f.Code != fault.InvalidCursor {
			t.Errorf("%s: %v", what, f)
		}
	}
	if _, f := us[1].Sync(good); f == nil || f.Code != fault.InvalidCursor {
		t.Errorf("another user's cursor: %v", f)
	}
	s, f := us[1].Dial(nil, nil)
	if f != nil {
		t.Fatal(f)
	}
	s.Send(frame.SyncFrame, frame.SyncRequest{Cursor: good})
	s.Refused(fault.InvalidCursor)
	s.Send(frame.SendMessage, testenv.Text("c", "x"))
	s.Refused(fault.SyncRequired)
	s.Sync() // It starts without one.
	if _, f := us[0].Sync(good); f != nil {
		t.Errorf("the good one: %v", f)
	}
	for _, path := range []string{"/conversations?cursor=x", "/conversations/" + us[0].Direct(us[1]) + "/messages?cursor=x", "/conversations/" + us[0].Direct(us[1]) + "/members?cursor=x"} {
		us[0].Refused(fault.InvalidCursor, "GET", path, nil)
	}
}

func TestCursorFrames_CoverAllBeforeThem(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	s, sender := us[1].Socket(nil), us[0].Socket(nil)
	first := s.Book.Cursor()
	for i := range 150 {
		sender.Text(conv, fmt.Sprint(i))
	}
	s.Holds(conv, 150)
	if s.Book.Cursor() == first {
		t.Fatal("no cursor came in 150 messages")
	}
	// Whatever cursor came, going on from it loses nothing that came after and nothing before it is missing.
	seen := int64(0)
	for _, f := range s.Frames() {
		switch f.Type {
		case frame.MessageReceived:
			seen = decode[frame.Event](t, f).Seq
		case frame.SyncFrame:
			page := decode[frame.Sync](t, f)
			for _, e := range page.Messages {
				seen = max(seen, e.Seq)
			}
			b := testenv.NewBook()
			check(t, b.Page(frame.Sync{Cursor: page.Cursor}))
			check(t, us[1].Pull(b))
			check(t, us[1].Fill(b))
			if e := b.Events(conv); len(e) > 0 && e[0].Seq > seen+1 {
				t.Errorf("a cursor sent after %d goes on at %d", seen, e[0].Seq)
			}
			check(t, b.Dense(conv, 151-int64(len(b.Events(conv))), 150))
		}
	}
}

func TestSync_WhileMessagesFlowHasNoHole(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, testenv.TwoDatabases)
	us := srv.Users(t, "reader", "s1", "s2", "s3", "s4", "s5")
	reader := us[0]
	var convs []string
	for _, u := range us[1:] {
		convs = append(convs, u.Direct(reader))
	}
	convs = append(convs, reader.Group("All", us[1:]...))
	group := convs[5]
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i, u := range us[1:] {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				conv := []string{convs[i], group}[n%2]
				if f := u.Call("POST", "/conversations/"+conv+"/messages", testenv.Text("", fmt.Sprint(n)), nil); f != nil {
					t.Error(f)
				}
			}
		})
	}
	book := testenv.NewBook()
	var live *testenv.Socket
	for range 12 {
		first := reader.Socket(nil) // A first sync in the middle of it.
		check(t, reader.Fill(first.Book))
		first.Drop()
		live = reader.Socket(book) // And a device that comes and goes.
		before := len(book.Events(group))
		srv.Until("more came", func() bool { return len(book.Events(group)) >= before+3 || len(book.Gaps()) > 0 })
		check(t, reader.Fill(book))
		live.Drop()
		check(t, reader.Pull(book)) // Changing the transport.
		check(t, reader.Fill(book))
	}
	close(stop)
	wg.Wait()
	live = reader.Socket(book)
	check(t, reader.Fill(book))
	for _, c := range convs {
		head := reader.Get(c).HeadSeq
		live.Holds(c, head)
		check(t, book.Dense(c, 0, head))
	}
}

func decode[T any](t *testing.T, f testenv.Frame) (v T) {
	t.Helper()
	check(t, f.Decode(&v))
	return v
}
