// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
	"parley.chat/protocol/rest"
)

func comesBack[T any](t *testing.T, sent T) {
	t.Helper()
	raw, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	var got T
	if err := replica.Decode(raw, &got); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	if d := cmp.Diff(sent, got); d != "" {
		t.Error(d)
	}
}

func TestPeople_ComeBackAsTheyWereSent(t *testing.T) {
	comesBack(t, replica.AskInvite{Create: event.NewDirect("alice@a.example", "bob@b.example"), InviterID: "bob@b.example", UserIDs: []id.User{"alice@a.example"}})
	comesBack(t, replica.Invited{Results: []replica.InviteResult{{UserID: "alice@a.example"}, {UserID: "carl@a.example", Code: "cannot_add"}}})
	comesBack(t, replica.AskUsers{UserIDs: []id.User{"alice@a.example", "carl@a.example"}, ViewerID: "bob@b.example"})
	comesBack(t, replica.AskUsers{UserIDs: []id.User{"alice@a.example"}})
	comesBack(t, replica.Users{Users: []replica.User{{UserID: "alice@a.example", DisplayName: "Alice", AvatarURL: "https://a.example/x.png"}, {UserID: "carl@a.example", Code: "unknown_user"}}})
	comesBack(t, replica.AskPresence{Asks: []replica.Watch{{ViewerID: "bob@b.example", UserIDs: []id.User{"alice@a.example"}}}})
	comesBack(t, replica.Presences{Presence: []replica.Presence{{UserID: "carl@a.example", Code: "unknown_user"}, {UserID: "alice@a.example", Status: "offline", LastSeen: 60_000}}})
	comesBack(t, replica.AskLink{ConversationID: event.ConversationID([]byte(create())), LinkID: "AAECAwQFBgcICQoL", Secret: "AAECAwQFBgcICQoLDA0ODw", UserID: "bob@b.example"})
}

func many(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%q", fmt.Sprintf("u%d@a.example", i))
	}
	return strings.Join(all, ",")
}

func TestPeople_WhatIsWrongIsRefusedWithAFault(t *testing.T) {
	direct := string(must(json.Marshal(create())))
	loose := string(must(json.Marshal(strings.Replace(create(), ",", ", ", 1))))
	for name, c := range map[string]struct {
		body string
		into any
	}{
		"an invite without a create object":  {`{"inviterId":"bob@b.example","userIds":["a@a.example"]}`, &replica.AskInvite{}},
		"a create object that is spaced out": {`{"create":` + loose + `,"inviterId":"bob@b.example","userIds":["a@a.example"]}`, &replica.AskInvite{}},
		"an inviter without a server":        {`{"create":` + direct + `,"inviterId":"bob","userIds":["a@a.example"]}`, &replica.AskInvite{}},
		"an invite of nobody":                {`{"create":` + direct + `,"inviterId":"bob@b.example","userIds":[]}`, &replica.AskInvite{}},
		"an invite of too many":              {`{"create":` + direct + `,"inviterId":"bob@b.example","userIds":[` + many(101) + `]}`, &replica.AskInvite{}},
		"one twice":                          {`{"userIds":["a@a.example","a@a.example"]}`, &replica.AskUsers{}},
		"no user id":                         {`{"userIds":["A@a.example"]}`, &replica.AskUsers{}},
		"a viewer who is none":               {`{"userIds":["a@a.example"],"viewerId":"b"}`, &replica.AskUsers{}},
		"a list that is none":                {`{"userIds":"a@a.example"}`, &replica.AskUsers{}},
		"duplicate names":                    {`{"userIds":["a@a.example"],"userIds":["b@a.example"]}`, &replica.AskUsers{}},
		"no asks":                            {`{"asks":[]}`, &replica.AskPresence{}},
		"too many for all viewers":           {`{"asks":[{"viewerId":"b@b.example","userIds":[` + many(60) + `]},{"viewerId":"c@b.example","userIds":[` + many(60) + `]}]}`, &replica.AskPresence{}},
		"a state nobody knows":               {`{"presence":[{"userId":"a@a.example","status":"dancing"}]}`, &replica.Presences{}},
		"a user without an id":               {`{"users":[{"displayName":"x"}]}`, &replica.Users{}},
		"a link without a secret":            {`{"conversationId":"` + string(event.ConversationID([]byte(create()))) + `","linkId":"x","userId":"b@b.example"}`, &replica.AskLink{}},
		"a link of no conversation":          {`{"conversationId":"c","linkId":"x","secret":"y","userId":"b@b.example"}`, &replica.AskLink{}},
		"a secret without end":               {`{"conversationId":"` + string(event.ConversationID([]byte(create()))) + `","linkId":"x","secret":"` + strings.Repeat("y", 65) + `","userId":"b@b.example"}`, &replica.AskLink{}},
	} {
		err := replica.Decode([]byte(c.body), c.into)
		if !fault.Is(err, fault.InvalidField) && !fault.Is(err, fault.MalformedJSON) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUsers_WhatClientsCannotShowIsLeftOut(t *testing.T) {
	for name, u := range map[string]replica.User{
		"a path":        {AvatarURL: "/media/x"},
		"a script":      {AvatarURL: "javascript:alert(1)"},
		"a long one":    {AvatarURL: "https://" + strings.Repeat("x", 2048)},
		"a broken line": {DisplayName: "two\nlines"},
		"a long name":   {DisplayName: strings.Repeat("x", 257)},
	} {
		u.UserID = "alice@a.example"
		var got replica.Users
		if err := replica.Decode(must(json.Marshal(replica.Users{Users: []replica.User{u}})), &got); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(replica.User{UserID: "alice@a.example"}, got.Users[0]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestPreview_WhatClientsCannotShowIsLeftOut(t *testing.T) {
	conv := string(event.ConversationID([]byte(create())))
	good := rest.LinkPreview{ConversationID: conv, Name: "Open", Description: "two\nlines", AvatarURL: "https://a.example/x.png", MemberCount: 3, NeedsApproval: true}
	comesBack(t, replica.Preview{LinkPreview: good})
	odd := rest.LinkPreview{ConversationID: conv, Name: "two\nlines", Description: strings.Repeat("x", 2049), AvatarURL: "/media/x", MemberCount: 3, NeedsApproval: true}
	var got replica.Preview
	if err := replica.Decode(must(json.Marshal(odd)), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(rest.LinkPreview{ConversationID: conv, MemberCount: 3, NeedsApproval: true}, got.LinkPreview); d != "" {
		t.Error(d)
	}
	for _, bad := range []rest.LinkPreview{{ConversationID: "c"}, {ConversationID: conv, MemberCount: -1}, {ConversationID: conv, MemberCount: 1 << 30}} {
		if err := replica.Decode(must(json.Marshal(bad)), &got); !fault.Is(err, fault.InvalidField) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func FuzzPeople(f *testing.F) {
	f.Add([]byte(`{"create":"{}","inviterId":"bob@b.example","userIds":["a@a.example"],"viewerId":"bob@b.example"}`))
	f.Add([]byte(`{"asks":[{"viewerId":"b@b.example","userIds":["a@a.example"]}]}`))
	f.Add([]byte(`{"users":[{"userId":"a@a.example","displayName":"x","avatarUrl":"https://x"}],"presence":[{"userId":"a@a.example","status":"online"}]}`))
	f.Add([]byte(`{"conversationId":"cu4uHtkfDX58RGE4QChML7n0jDYheD-JCposZTiai4wg","linkId":"x","secret":"y","userId":"b@b.example"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, into := range []any{&replica.AskInvite{}, &replica.AskUsers{}, &replica.AskPresence{}, &replica.AskLink{}, &replica.Users{}, &replica.Presences{}, &replica.Invited{}, &replica.Preview{}} {
			err := replica.Decode(raw, into)
			if err != nil {
				if !fault.Is(err, fault.InvalidField) && !fault.Is(err, fault.MalformedJSON) {
					t.Fatalf("%T: %v", into, err)
				}
				continue
			}
			if _, err := json.Marshal(into); err != nil {
				t.Fatalf("%T was read and cannot be written: %v", into, err)
			}
		}
	})
}
