// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/server/config"
)

// stepping is a clock of which no two looks see the same millisecond, so that the order of messages is that of sending.
func stepping() testenv.Option {
	var looks atomic.Int64
	return testenv.Clock(func() time.Time { return time.Now().Add(time.Duration(looks.Add(1)) * time.Millisecond) })
}

// found pages through a search and returns the texts in order.
func found(t *testing.T, u *testenv.User, query string) (out []string) {
	t.Helper()
	page := rest.Found{HasMore: true}
	for pages := 0; page.HasMore; pages++ {
		path := "/search?" + query + "&cursor=" + url.QueryEscape(page.NextCursor)
		page = rest.Found{}
		u.Do("GET", path, nil, &page)
		for _, m := range page.Messages {
			if m.Type != frame.TypeMessage || m.ConversationID == "" || m.SenderID == "" {
				t.Errorf("found %+v", m)
			}
			out = append(out, m.Content)
		}
		if pages > 100 {
			t.Fatal("the search does not end")
		}
	}
	return out
}

func wantFound(t *testing.T, u *testenv.User, query string, want ...string) {
	t.Helper()
	if got := found(t, u, query); !slices.Equal(got, want) {
		t.Errorf("%s finds by %q:\n%q\nwant\n%q", u.ID, query, got, want)
	}
}

func TestSearch_FindsBySenderKindTimeAndConversationNewestFirst(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, stepping())
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	group, direct := alice.Group("Team", bob, carol), alice.Direct(bob)
	alice.Post(group, "one")
	bob.Post(direct, "two")
	picture := testenv.Text(group, `a picture; "contentType":"video"`)
	picture.ContentType, picture.MediaURL = "image", "https://example.org/a.png"
	bob.Do("POST", "/conversations/"+group+"/messages", picture, nil)
	three := alice.Post(direct, "three")
	carol.Post(group, "four")

	all := []string{"four", "three", picture.Content, "two", "one"}
	wantFound(t, alice, "", all...)
	for _, limit := range []int{1, 2, 4, 5} {
		wantFound(t, alice, fmt.Sprint("limit=", limit), all...)
	}
	wantFound(t, carol, "", "four", picture.Content, "one")
	wantFound(t, alice, "senderId="+bob.ID, picture.Content, "two")
	wantFound(t, alice, "senderId="+alice.ID+"&conversationId="+direct, "three")
	wantFound(t, alice, "contentType=image", picture.Content)
	wantFound(t, alice, "contentType=video")
	wantFound(t, alice, "senderId=nobody@localhost")
	at := three.Timestamp
	wantFound(t, alice, fmt.Sprintf("from=%d&senderId=%s", at, alice.ID), "three")
	wantFound(t, alice, fmt.Sprintf("to=%d&conversationId=%s", at, direct), "two")
	wantFound(t, alice, fmt.Sprintf("from=%d&to=%d", at, at))
	wantFound(t, alice, fmt.Sprintf("from=%d", time.Now().Add(time.Hour).UnixMilli()))
}

func TestSearch_MembershipsBoundWhatIsFound(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, testenv.TwoDatabases, stepping())
	us := srv.Users(t, "alice", "bob", "carol", "dave")
	alice, bob, carol, dave := us[0], us[1], us[2], us[3]
	conv := alice.Group("Team", bob)
	path := "/conversations/" + conv
	alice.Post(conv, "before carol")
	alice.Do("POST", path+"/members", add(carol), nil)
	alice.Post(conv, "with both")
	alice.Do("DELETE", path+"/members/"+bob.ID, nil, nil)
	alice.Post(conv, "without bob")
	for _, query := range []string{"limit=50", "conversationId=" + conv} {
		wantFound(t, alice, query, "without bob", "with both", "before carol")
		wantFound(t, bob, query, "with both", "before carol")
		wantFound(t, carol, query, "without bob", "with both")
	}
	wantFound(t, dave, "limit=50")
	dave.Refused(fault.UnknownConversation, "GET", "/search?conversationId="+conv, nil)
	alice.Do("POST", path+"/members", add(bob), nil)
	alice.Post(conv, "bob again")
	wantFound(t, bob, "limit=50", "bob again")
	srv.Restart()
	wantFound(t, bob, "limit=1", "bob again")
	wantFound(t, carol, "limit=1", "bob again", "without bob", "with both")
}

func TestSearch_RefusesWhatItCannotUnderstand(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	alice := srv.User(t, "alice")
	conv := alice.Group("Team")
	for _, query := range []string{
		"senderId=alice", "senderId=" + strings.Repeat("a", 1000), "contentType=text/plain", "from=-1", "from=x", "to=0",
		"to=281474976710656", "limit=0", "limit=101", "limit=1&limit=2", "senderId=%ff",
	} {
		if f := alice.Refused(fault.InvalidField, "GET", "/search?"+query, nil); f.Field == "" {
			t.Errorf("?%s: the fault names no field", query)
		}
	}
	for _, cursor := range []string{"x", "1.2", "1." + conv + ".x", "1." + conv + ".-1", "." + conv + ".1", "n.-2.5"} {
		alice.Refused(fault.InvalidCursor, "GET", "/search?cursor="+cursor, nil)
	}
	for _, c := range []string{"nonsense", "c" + strings.Repeat("A", 43)} {
		alice.Refused(fault.UnknownConversation, "GET", "/search?conversationId="+c, nil)
	}
}

func TestSearch_ACursorOfAnotherShowsNothingMore(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Group("Secret")
	for i := range 5 {
		us[0].Post(conv, fmt.Sprint("secret ", i))
	}
	var page rest.Found
	us[0].Do("GET", "/search?limit=2", nil, &page)
	if !page.HasMore || len(page.Messages) != 2 {
		t.Fatalf("the first page is %+v", page)
	}
	us[1].Do("GET", "/search?cursor="+url.QueryEscape(page.NextCursor), nil, &page)
	if len(page.Messages) != 0 || page.HasMore {
		t.Errorf("bob finds %+v", page)
	}
}

func TestSearch_WhatIsSentMeanwhileDoesNotShiftThePages(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, stepping())
	us := srv.Users(t, "alice", "bob")
	a, b := us[0].Group("A", us[1]), us[0].Group("B")
	want := []string{}
	for i := range 6 {
		text := fmt.Sprint("message ", i)
		us[0].Post([]string{a, b}[i%2], text)
		want = append([]string{text}, want...)
	}
	var got []string
	for page := (rest.Found{HasMore: true}); page.HasMore; {
		path := "/search?limit=2&cursor=" + url.QueryEscape(page.NextCursor)
		page = rest.Found{}
		us[0].Do("GET", path, nil, &page)
		for _, m := range page.Messages {
			got = append(got, m.Content)
		}
		us[1].Post(a, "meanwhile")
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// searched switches the search by words on or off.
func searched(u *testenv.User, conv string, on bool) {
	u.Do("PATCH", "/conversations/"+conv, rest.EditConversation{ServerSearch: &on}, nil)
}

// eventually waits until a search finds exactly these texts.
func eventually(t *testing.T, srv *testenv.Server, u *testenv.User, query string, want ...string) {
	t.Helper()
	srv.Until(u.ID+" finds by "+query, func() bool { return slices.Equal(found(t, u, query), want) })
}

func TestSearchWords_FindsHistoryAndWhatComesLaterInOptedInGroupsOnly(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, stepping())
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	on, off := alice.Group("On", bob), alice.Group("Off", bob)
	alice.Post(on, "The blue ship sails")
	alice.Post(off, "The blue ship stays")
	wantFound(t, alice, "q=ship")
	alice.Refused(fault.SearchDisabled, "GET", "/search?q=ship&conversationId="+on, nil)
	searched(alice, on, true)
	eventually(t, srv, alice, "q=ship", "The blue ship sails")
	alice.Post(on, "Café SHIPS, «später»")
	eventually(t, srv, bob, "q=ship", "Café SHIPS, «später»", "The blue ship sails")
	for query, want := range map[string][]string{
		"cafe": {"Café SHIPS, «später»"}, "SPATER": {"Café SHIPS, «später»"}, `"blue ship"`: {"The blue ship sails"},
		`"ship blue"`: nil, "ship blue": {"The blue ship sails"}, "sai": {"The blue ship sails"}, "sai ship": nil, "ship'|:*": {"Café SHIPS, «später»", "The blue ship sails"},
	} {
		wantFound(t, bob, "q="+url.QueryEscape(query), want...)
	}
	wantFound(t, bob, "q=ship&senderId="+bob.ID)
	wantFound(t, bob, "q=ship&contentType=text&limit=1&conversationId="+on, "Café SHIPS, «später»", "The blue ship sails")
	wantFound(t, bob, "q=ship&contentType=image")
	var page rest.Found
	bob.Do("GET", "/search?q=ship", nil, &page)
	if page.SkippedConversations != 1 || page.IncompleteConversations != 0 {
		t.Errorf("skipped %d, incomplete %d", page.SkippedConversations, page.IncompleteConversations)
	}
	bob.Refused(fault.SearchDisabled, "GET", "/search?q=ship&conversationId="+off, nil)
	bob.Refused(fault.SearchDisabled, "GET", "/search?q=ship&conversationId="+bob.Direct(alice), nil)
	carol.Refused(fault.UnknownConversation, "GET", "/search?q=ship&conversationId="+on, nil)
	wantFound(t, carol, "q=ship")
	for _, q := range []string{"%22ship", "!", strings.Repeat("a", 257)} {
		bob.Refused(fault.InvalidField, "GET", "/search?q="+q, nil)
	}
}

func TestSearchWords_FollowEditsDeletionMembershipAndTheSetting(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, stepping())
	us := srv.Users(t, "alice", "bob", "carol")
	alice, bob, carol := us[0], us[1], us[2]
	conv := alice.Group("On", bob)
	path := "/conversations/" + conv
	alice.Post(conv, "zebra before")
	searched(alice, conv, true)
	one, two := alice.Post(conv, "zebra one"), alice.Post(conv, "zebra two")
	secret := testenv.Text(conv, "zebra in a caption")
	secret.EncryptedContent = "c2VjcmV0"
	alice.Do("POST", path+"/messages", secret, nil)
	eventually(t, srv, bob, "q=zebra", "zebra two", "zebra one", "zebra before")

	alice.Do("PATCH", path+"/messages/"+one.MessageID, rest.EditMessage{TempID: "edit-1", Content: "giraffe one"}, nil)
	wantFound(t, bob, "q=zebra", "zebra two", "zebra before") // At once: the index may be behind, what is shown is not.
	eventually(t, srv, bob, "q=giraffe", "giraffe one")
	alice.Do("DELETE", path+"/messages/"+two.MessageID, nil, nil)
	wantFound(t, bob, "q=zebra", "zebra before")
	wantFound(t, bob, "conversationId="+conv+"&senderId="+alice.ID+"&limit=2", "zebra in a caption", "giraffe one", "zebra before")

	alice.Do("POST", path+"/members", add(carol), nil)
	alice.Do("DELETE", path+"/members/"+bob.ID, nil, nil)
	alice.Post(conv, "zebra for carol")
	eventually(t, srv, carol, "q=zebra", "zebra for carol")
	wantFound(t, bob, "q=zebra")
	bob.Refused(fault.SearchDisabled, "GET", "/search?q=zebra&conversationId="+conv, nil)

	srv.Restart()
	wantFound(t, alice, "q=zebra", "zebra for carol", "zebra before")
	alice.Post(conv, "zebra after the restart")
	eventually(t, srv, alice, "q=zebra", "zebra after the restart", "zebra for carol", "zebra before")
	searched(alice, conv, false)
	wantFound(t, alice, "q=zebra")
	alice.Refused(fault.SearchDisabled, "GET", "/search?q=zebra&conversationId="+conv, nil)
	searched(alice, conv, true)
	eventually(t, srv, alice, "q=zebra", "zebra after the restart", "zebra for carol", "zebra before")
}

func TestSearch_IsBoundedByUser(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t, limited(config.Limits{SearchesPerMinute: 3}))
	us := srv.Users(t, "alice", "bob")
	for range 3 {
		us[0].Do("GET", "/search", nil, nil)
	}
	if f := us[0].Refused(fault.RateLimited, "GET", "/search", nil); f.RetryAfter <= 0 {
		t.Error("the refusal does not tell when to try again")
	}
	us[1].Do("GET", "/search", nil, nil)
}

func TestSearch_PassesOverWhatIsOverOrHiddenFromTheReader(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := testenv.Start(t, testenv.Clock(clock.Now))
	us := srv.Users(t, "alice", "bob")
	alice, bob := us[0], us[1]
	conv := alice.Group("Team", bob)
	searched(alice, conv, true)
	alice.Post(conv, "lasting lemur")
	day := int64(86400)
	alice.Do("PATCH", "/conversations/"+conv, rest.EditConversation{EphemeralTimer: &day}, nil)
	clock.Add(time.Second)
	alice.Post(conv, "fleeting lemur")
	eventually(t, srv, bob, "q=lemur", "fleeting lemur", "lasting lemur")
	clock.Add(25 * time.Hour)
	alice, bob = alice.Device(), bob.Device() // The tokens are over too.
	wantFound(t, bob, "q=lemur", "lasting lemur")
	wantFound(t, alice, "conversationId="+conv, "lasting lemur")
}
