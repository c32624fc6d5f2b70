// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// on is the path of a message.
func on(conv, message string) string { return "/conversations/" + conv + "/messages/" + message }

func with(conv, message, emoji string) string {
	return on(conv, message) + "/reactions/" + url.PathEscape(emoji)
}

// find is a message as the user's history shows it.
func find(t *testing.T, u *testenv.User, conv, message string) frame.Event {
	t.Helper()
	for _, e := range u.History(conv) {
		if e.MessageID == message {
			return e
		}
	}
	t.Fatalf("%s does not see %s", u.ID, message)
	return frame.Event{}
}

func TestEdit_ShowsEverywhereAndTheVersionsStay(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("Team", bob)
	phone := bob.Socket(nil)
	ack := alice.Post(conv, "helo")
	var got frame.Event
	alice.Do("PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "hello", TempID: "e-1", Mentions: []string{bob.ID}}, &got)
	if got.Content != "hello" || got.EditedAt == 0 || got.ChangedSeq != 2 || got.MessageID != ack.MessageID || got.ContentType != "text" {
		t.Errorf("the answer is %+v", got)
	}
	alice.Do("PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "hello", TempID: "e-1", Mentions: []string{bob.ID}}, &got)
	if c := alice.Get(conv); c.HeadSeq != 2 {
		t.Errorf("the same edit twice: head is %d", c.HeadSeq)
	}
	f := phone.Await("the edit", func(f testenv.Frame) bool { return f.Type == frame.MessageEdited })
	var live frame.Edited
	check(t, f.Decode(&live))
	if live.MessageID != ack.MessageID || live.Content != "hello" || live.Event.Seq != 2 || live.ContentType != "text" {
		t.Errorf("live: %+v", live)
	}
	for range 2 {
		if e := find(t, bob, conv, ack.MessageID); e.Content != "hello" || e.EditedAt != live.EditedAt {
			t.Errorf("in the history: %+v", e)
		}
		if c := bob.Get(conv); c.LastMessage.Content != "hello" || c.UnreadCount != 1 || c.MentionCount != 1 {
			t.Errorf("bob sees %+v %+v", c, c.LastMessage)
		}
		srv.Restart()
	}
	var edits rest.Edits
	bob.Do("GET", on(conv, ack.MessageID)+"/edits", nil, &edits)
	if len(edits.Versions) != 2 || edits.Versions[0].Content != "helo" || edits.Versions[1].Content != "hello" {
		t.Errorf("versions: %+v", edits)
	}
	bob.Refused(fault.Forbidden, "PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "x"})
	carol.Refused(fault.UnknownConversation, "PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "x"})
	alice.Refused(fault.InvalidField, "PATCH", on(conv, ack.MessageID), rest.EditMessage{})
	alice.Refused(fault.UnknownMessage, "PATCH", on(conv, "01M844DZG000000001W2047Q97"), rest.EditMessage{Content: "x"})
	alice.Refused(fault.UnknownMessage, "PATCH", on(conv, "x"), rest.EditMessage{Content: "x"})
	alice.Refused(fault.TempIDConflict, "PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "other", TempID: "e-1"})
	alice.Do("DELETE", on(conv, ack.MessageID), nil, nil)
	alice.Refused(fault.MessageDeleted, "PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "x"})
	edits = rest.Edits{}
	bob.Do("GET", on(conv, ack.MessageID)+"/edits", nil, &edits)
	if len(edits.Versions) != 2 || edits.Versions[0].Content+edits.Versions[1].Content != "" {
		t.Errorf("versions of a deleted message: %+v", edits)
	}
}

func TestEdits_ComeInPagesBoundedInBytes(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	ack := alice.Post(conv, "0")
	for i := range 5 {
		alice.Do("PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: fmt.Sprint(i+1) + strings.Repeat("x", 60_000)}, nil)
	}
	for limit, want := range map[string]string{"1": "0|1|2|3|4|5", "2": "01|23|45", "5": "0123|45", "100": "0123|45", "4": "0123|45"} {
		var pages []string
		page := rest.Edits{HasMore: true}
		for page.HasMore && len(pages) < 10 {
			path := on(conv, ack.MessageID) + "/edits?limit=" + limit + "&cursor=" + page.NextCursor
			page = rest.Edits{}
			bob.Do("GET", path, nil, &page)
			text := ""
			for _, v := range page.Versions {
				text += v.Content[:1]
			}
			pages = append(pages, text)
		}
		if got := strings.Join(pages, "|"); got != want {
			t.Errorf("limit %s: %s, want %s", limit, got, want)
		}
	}
	bob.Refused(fault.InvalidCursor, "GET", on(conv, ack.MessageID)+"/edits?cursor=r.1", nil)
	bob.Refused(fault.InvalidField, "GET", on(conv, ack.MessageID)+"/edits?limit=101", nil)
}

func TestEdit_AtMost100Times(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	ack := us[0].Post(conv, "0")
	for i := range 100 {
		us[0].Do("PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: fmt.Sprint(i)}, nil)
	}
	us[0].Refused(fault.TooManyEdits, "PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "x"})
	srv.Restart()
	us[0].Refused(fault.TooManyEdits, "PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "x"})
}

func TestReactions_AreCountedOnceAndListed(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	ack := alice.Post(conv, "hello")
	phone := alice.Socket(nil)
	for range 2 {
		bob.Do("PUT", with(conv, ack.MessageID, "\U0001F44D"), nil, nil)
	}
	alice.Do("PUT", with(conv, ack.MessageID, "\U0001F44D"), nil, nil)
	bob.Do("PUT", with(conv, ack.MessageID, "\u2764\ufe0f"), nil, nil)
	bob.Do("DELETE", with(conv, ack.MessageID, "\U0001F44E"), nil, nil) // It is not there.
	want := []frame.Reaction{
		{Emoji: "\U0001F44D", Count: 2, UserIDs: []string{bob.ID, alice.ID}, IsOwn: true},
		{Emoji: "\u2764\ufe0f", Count: 1, UserIDs: []string{bob.ID}},
	}
	for range 2 {
		if diff := cmp.Diff(want, find(t, alice, conv, ack.MessageID).Reactions); diff != "" {
			t.Error(diff)
		}
		if c := alice.Get(conv); c.HeadSeq != 4 || c.LastMessage.Reactions != nil || c.UnreadCount != 0 {
			t.Errorf("alice sees %+v", c)
		}
		srv.Restart()
	}
	phone = alice.Socket(phone.Book)
	bob.Do("DELETE", with(conv, ack.MessageID, "\U0001F44D"), nil, nil)
	phone.Await("the removal", func(f testenv.Frame) bool { return strings.Contains(string(f.Data), `"action":"remove"`) })
	srv.Until("the device knows", func() bool {
		return cmp.Equal(phone.Book.Now(conv, 1, alice.ID).Reactions, find(t, alice, conv, ack.MessageID).Reactions)
	})
	var page rest.Reactions
	alice.Do("GET", on(conv, ack.MessageID)+"/reactions?limit=1", nil, &page)
	if len(page.Reactions) != 1 || page.Reactions[0].UserID != alice.ID || !page.HasMore {
		t.Errorf("first page: %+v", page)
	}
	alice.Do("GET", on(conv, ack.MessageID)+"/reactions?cursor="+page.NextCursor, nil, &page)
	if len(page.Reactions) != 1 || page.Reactions[0].Emoji != "\u2764\ufe0f" || page.HasMore {
		t.Errorf("second page: %+v", page)
	}
	for _, bad := range []string{"ab", " ", "\u202e", strings.Repeat("\U0001F44D", 9)} {
		bob.Refused(fault.InvalidField, "PUT", with(conv, ack.MessageID, bad), nil)
	}
	for i := range 20 {
		_ = bob.Call("PUT", with(conv, ack.MessageID, string(rune('a'+i))), nil, nil)
	}
	bob.Refused(fault.TooManyReactions, "PUT", with(conv, ack.MessageID, "Z"), nil)
}

func TestDelete_ErasesForEveryoneAndTheRetryOfTheSendIsAnsweredAsBefore(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", bob)
	phone := bob.Socket(nil)
	msg := testenv.Text("", "a secret")
	var ack, again frame.Ack
	alice.Do("POST", "/conversations/"+conv+"/messages", msg, &ack)
	alice.Do("PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "another secret"}, nil)
	bob.Do("PUT", with(conv, ack.MessageID, "x"), nil, nil)
	bob.Refused(fault.InsufficientRole, "DELETE", on(conv, ack.MessageID), nil)
	for range 2 {
		alice.Do("DELETE", on(conv, ack.MessageID), nil, nil)
	}
	f := phone.Await("the deletion", func(f testenv.Frame) bool { return f.Type == frame.MessageDeleted })
	var live frame.Deleted
	check(t, f.Decode(&live))
	if live.MessageID != ack.MessageID || live.Reason != "deleted" || live.Event.Seq != 4 || live.SenderID != alice.ID {
		t.Errorf("live: %+v", live)
	}
	for range 2 {
		e := find(t, bob, conv, ack.MessageID)
		if e.Content+e.ContentType != "" || e.DeletedBy != alice.ID || e.DeletedAt == 0 || e.Reactions != nil || e.EditedAt != 0 {
			t.Errorf("in the history: %+v", e)
		}
		for _, e := range bob.History(conv) {
			if strings.Contains(e.Content, "secret") {
				t.Errorf("%+v is still there", e)
			}
		}
		if c := bob.Get(conv); c.LastMessage.Content != "" || c.LastMessage.DeletedAt == 0 || c.HeadSeq != 4 {
			t.Errorf("bob sees %+v %+v", c, c.LastMessage)
		}
		alice.Do("POST", "/conversations/"+conv+"/messages", msg, &again)
		if again != ack {
			t.Errorf("the retry: %+v, before %+v", again, ack)
		}
		bob.Refused(fault.MessageDeleted, "PUT", with(conv, ack.MessageID, "x"), nil)
		bob.Do("DELETE", with(conv, ack.MessageID, "x"), nil, nil)
		srv.Restart()
	}
	hers := bob.Post(conv, "bob's")
	alice.Do("DELETE", on(conv, hers.MessageID), nil, nil) // An owner may.
	verifyChain(t, srv, alice, conv)
}

func TestDelete_OwnWithin48Hours(t *testing.T) {
	t.Parallel()
	c := newClock()
	srv := testenv.Start(t, testenv.Clock(c.Now), longAccess())
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	direct, group := alice.Direct(bob), alice.Group("Team", bob)
	var acks []frame.Ack
	for _, conv := range []string{direct, direct, group} {
		acks = append(acks, bob.Post(conv, "x"))
	}
	alice.Refused(fault.Forbidden, "DELETE", on(direct, acks[0].MessageID), nil)
	c.Add(48*time.Hour - time.Minute)
	bob.Do("DELETE", on(direct, acks[0].MessageID), nil, nil)
	c.Add(2 * time.Minute)
	bob.Refused(fault.TooLate, "DELETE", on(direct, acks[1].MessageID), nil)
	bob.Refused(fault.TooLate, "DELETE", on(group, acks[2].MessageID), nil)
	alice.Do("DELETE", on(group, acks[2].MessageID), nil, nil)
}

func TestMentions_AreCountedExactly(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob", "carol", "dora")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("Team", bob, carol)
	say := func(u *testenv.User, whom ...string) frame.Ack {
		m := testenv.Text("", "hey")
		m.Mentions = whom
		var a frame.Ack
		u.Do("POST", "/conversations/"+conv+"/messages", m, &a)
		return a
	}
	want := func(u *testenv.User, n int64) {
		t.Helper()
		if c := u.Get(conv); c.MentionCount != n {
			t.Errorf("%s has %d mentions, want %d", u.ID, c.MentionCount, n)
		}
	}
	first := say(alice, bob.ID)
	all := say(alice, "all", bob.ID)
	say(alice)
	want(bob, 2)
	want(carol, 1)
	want(alice, 0)
	srv.Restart()
	want(bob, 2)
	alice.Do("PATCH", on(conv, first.MessageID), rest.EditMessage{Content: "nobody"}, nil)
	want(bob, 1)
	alice.Do("PATCH", on(conv, first.MessageID), rest.EditMessage{Content: "carol", Mentions: []string{carol.ID}}, nil)
	want(carol, 2)
	alice.Do("DELETE", on(conv, all.MessageID), nil, nil)
	want(bob, 0)
	want(carol, 1)
	carol.Do("POST", "/conversations/"+conv+"/receipts", rest.Acknowledge{MessageID: first.MessageID, Status: "read"}, nil)
	want(carol, 0)
	bob.Refused(fault.InsufficientRole, "POST", "/conversations/"+conv+"/messages", frame.Send{TempID: "a", Content: "x", ContentType: "text", Mentions: []string{"all"}})
	for _, bad := range [][]string{{us[3].ID}, {bob.ID, bob.ID}, {"nobody"}, make([]string, 51)} {
		bob.Refused(fault.InvalidField, "POST", "/conversations/"+conv+"/messages", frame.Send{TempID: "a", Content: "x", ContentType: "text", Mentions: bad})
	}
	direct := alice.Direct(bob)
	m := testenv.Text("", "hey")
	m.Mentions, m.IsForwarded = []string{"all"}, true
	bob.Do("POST", "/conversations/"+direct+"/messages", m, nil)
	if c := alice.Get(direct); c.MentionCount != 1 || !c.LastMessage.IsForwarded || !cmp.Equal(c.LastMessage.Mentions, []string{"all"}) {
		t.Errorf("alice sees %+v %+v", c, c.LastMessage)
	}
}

func TestEphemeral_ExpiredMessagesAreHiddenAtOnceAndErasedSoon(t *testing.T) {
	t.Parallel()
	c := newClock()
	srv := testenv.Start(t, testenv.Clock(c.Now), longAccess())
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Direct(bob)
	kept := alice.Post(conv, "kept")
	timer := int64(86400)
	alice.Do("PATCH", "/conversations/"+conv, rest.EditConversation{EphemeralTimer: &timer}, nil)
	ack := alice.Post(conv, "a secret")
	alice.Do("PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "a new secret"}, nil)
	bob.Do("PUT", with(conv, ack.MessageID, "x"), nil, nil)
	if e := find(t, bob, conv, ack.MessageID); e.ExpiresAt != ack.Timestamp+86400000 || e.Content != "a new secret" {
		t.Fatalf("before: %+v", e)
	}
	c.Add(24*time.Hour - time.Minute)
	phone := bob.Socket(nil)
	if e := find(t, bob, conv, ack.MessageID); e.Content == "" {
		t.Fatalf("too early: %+v", e)
	}
	c.Add(2 * time.Minute)
	for _, e := range bob.History(conv) {
		if strings.Contains(e.Content, "secret") {
			t.Errorf("shown past its time: %+v", e)
		}
	}
	if c := bob.Get(conv); c.LastMessage.Content != "" || c.LastMessage.ExpiresAt == 0 {
		t.Errorf("the preview: %+v", c.LastMessage)
	}
	alice.Refused(fault.MessageDeleted, "PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: "x"})
	f := phone.Await("expiry", func(f testenv.Frame) bool { return f.Type == frame.MessageDeleted })
	if !strings.Contains(string(f.Data), `"expired"`) || !strings.Contains(string(f.Data), ack.MessageID) {
		t.Errorf("live: %s", f.Data)
	}
	if e := find(t, bob, conv, kept.MessageID); e.Content != "kept" {
		t.Errorf("from before the timer: %+v", e)
	}
	verifyChain(t, srv, alice, conv)
}

func TestEditAndDelete_AtTheSameTimeTheLogDecides(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", bob)
	for n := range 12 {
		ack := alice.Post(conv, "a secret")
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				if i == 3 {
					_ = alice.Call("DELETE", on(conv, ack.MessageID), nil, nil)
					return
				}
				err := alice.Call("PATCH", on(conv, ack.MessageID), rest.EditMessage{Content: fmt.Sprint("secret ", n, i)}, nil)
				if err != nil && err.Code != fault.MessageDeleted {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for _, e := range bob.History(conv) {
		if strings.Contains(e.Content, "secret") {
			t.Errorf("%+v came back", e)
		}
	}
	verifyChain(t, srv, alice, conv)
}
