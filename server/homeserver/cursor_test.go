// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

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
