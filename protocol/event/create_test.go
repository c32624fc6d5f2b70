// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

func drawCreate(t *rapid.T) event.Create {
	members := rapid.SliceOfNDistinct(userID, 2, 12, rapid.ID[string]).Draw(t, "members")
	slices.Sort(members)
	if rapid.Bool().Draw(t, "direct") {
		return event.NewDirect(id.User(members[1]), id.User(members[0]))
	}
	c := event.Create{
		Hub: "example.org", Name: rapid.StringMatching(`[^\x00-\x1f\x7f-\x9f]{0,40}`).Draw(t, "name"),
		Nonce: [16]byte(bytesN(t, 16)), Type: rapid.SampledFrom([]string{event.Group, event.Channel}).Draw(t, "type"),
	}
	for _, u := range members {
		c.Members = append(c.Members, id.User(u))
	}
	c.Creators = c.Members[:rapid.IntRange(1, min(len(members), event.MaxCreators)).Draw(t, "creators")]
	return c
}

// group is a valid group of n members.
func group(n int) event.Create {
	c := event.Create{Hub: "example.org", Name: "Team", Type: event.Group}
	for i := range n {
		c.Members = append(c.Members, id.User(fmt.Sprintf("u%04d@example.org", i)))
	}
	c.Creators = c.Members[:1:1]
	return c
}

func TestValidate_AcceptsTheLimits(t *testing.T) {
	for name, edit := range map[string]func(*event.Create){
		"1024 members":    func(c *event.Create) { *c = group(event.MaxMembers) },
		"8 creators":      func(c *event.Create) { c.Creators = c.Members[:8] },
		"no name":         func(c *event.Create) { c.Name = "" },
		"255 bytes":       func(c *event.Create) { c.Name = strings.Repeat("é", 127) + "e" },
		"a channel":       func(c *event.Create) { c.Type = event.Channel },
		"a direct one":    func(c *event.Create) { *c = event.NewDirect("b@example.org", "a@example.org") },
		"one member":      func(c *event.Create) { *c = group(1) },
		"a hub with port": func(c *event.Create) { c.Hub = "localhost:8448" },
	} {
		c := group(10)
		edit(&c)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		raw, err := c.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := event.ParseCreate(raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidate_RefusesAndNamesTheField(t *testing.T) {
	direct := func(edit func(*event.Create)) func(*event.Create) {
		return func(c *event.Create) { *c = event.NewDirect("a@example.org", "b@example.org"); edit(c) }
	}
	for _, c := range []struct {
		name, field string
		edit        func(*event.Create)
	}{
		{"no creator", "creators", func(c *event.Create) { c.Creators = nil }},
		{"9 creators", "creators", func(c *event.Create) { c.Creators = c.Members[:9] }},
		{"unsorted creators", "creators", func(c *event.Create) { c.Creators = []id.User{c.Members[1], c.Members[0]} }},
		{"a creator twice", "creators", func(c *event.Create) { c.Creators = []id.User{c.Members[0], c.Members[0]} }},
		{"a creator who is no user", "creators", func(c *event.Create) { c.Creators = []id.User{"Alice@example.org"} }},
		{"a creator who is no member", "creators", func(c *event.Create) { c.Creators = []id.User{"alice@example.org"} }},
		{"no members", "creators", func(c *event.Create) { c.Members = nil }},
		{"1025 members", "members", func(c *event.Create) { *c = group(event.MaxMembers + 1) }},
		{"unsorted members", "members", func(c *event.Create) { slices.Reverse(c.Members[1:]) }},
		{"a member twice", "members", func(c *event.Create) { c.Members[2] = c.Members[1] }},
		{"a member who is no user", "members", func(c *event.Create) { c.Members[9] = "u9999" }},
		{"a quote in a member", "members", func(c *event.Create) { c.Members[9] = `u9999@example.org","x` }},
		{"no hub", "hub", func(c *event.Create) { c.Hub = "" }},
		{"a hub in upper case", "hub", func(c *event.Create) { c.Hub = "Example.org" }},
		{"a hub with a path", "hub", func(c *event.Create) { c.Hub = "example.org/x" }},
		{"256 bytes of name", "name", func(c *event.Create) { c.Name = strings.Repeat("é", 128) }},
		{"a line feed in the name", "name", func(c *event.Create) { c.Name = "a\nb" }},
		{"DEL in the name", "name", func(c *event.Create) { c.Name = "a\x7f" }},
		{"a C1 control in the name", "name", func(c *event.Create) { c.Name = "a\u0085" }},
		{"ill-formed UTF-8 in the name", "name", func(c *event.Create) { c.Name = "a\xff" }},
		{"no type", "type", func(c *event.Create) { c.Type = "" }},
		{"an unknown type", "type", func(c *event.Create) { c.Type = "Group" }},
		{"a direct one of three", "members", direct(func(c *event.Create) { c.Members = append(c.Members, "c@example.org") })},
		{"a direct one of one", "members", direct(func(c *event.Create) { c.Creators, c.Members = c.Members[:1], c.Members[:1] })},
		{"a direct one with a name", "name", direct(func(c *event.Create) { c.Name = "x" })},
		{"a second direct one", "type", direct(func(c *event.Create) { c.Nonce[0]++ })},
		{"a direct one of another hub", "type", direct(func(c *event.Create) { c.Hub = "b.example.org" })},
		{"a direct one of one creator", "type", direct(func(c *event.Create) { c.Creators = c.Creators[:1] })},
	} {
		t.Run(c.name, func(t *testing.T) {
			create := group(10)
			c.edit(&create)
			var f *fault.Error
			if err := create.Validate(); !errors.As(err, &f) || f.Code != fault.InvalidField || f.Field != c.field {
				t.Errorf("Validate: got %v, want a fault of %s", err, c.field)
			}
			raw, err := create.Canonical()
			if err != nil {
				return // What has no canonical form cannot be read either.
			}
			if got, err := event.ParseCreate(raw); err == nil {
				t.Errorf("ParseCreate: read %+v", got)
			}
		})
	}
}

const create = `{"creators":["a@b"],"hub":"b","members":["a@b"],"nonce":"AAAAAAAAAAAAAAAAAAAAAA","type":"group","v":1}`

func TestParseCreate_RefusesOtherSpellings(t *testing.T) {
	if _, err := event.ParseCreate([]byte(create)); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"a space":                 {`,"v"`, `, "v"`},
		"an unknown key":          {`,"v":1`, `,"u":0,"v":1`},
		"a key in another case":   {`{"creators"`, `{"Hub":"c","creators"`},
		"an empty name":           {`,"nonce"`, `,"name":"","nonce"`},
		"a null name":             {`,"nonce"`, `,"name":null,"nonce"`},
		"no version":              {`,"v":1`, ``},
		"version 2":               {`"v":1`, `"v":2`},
		"a version of text":       {`"v":1`, `"v":"1"`},
		"no nonce":                {`"nonce":"AAAAAAAAAAAAAAAAAAAAAA",`, ``},
		"a short nonce":           {`AAAAAAAAAAAAAAAAAAAAAA`, `AAAAAAAAAAAAAAAAAAAA`},
		"a long nonce":            {`AAAAAAAAAAAAAAAAAAAAAA`, `AAAAAAAAAAAAAAAAAAAAAAAA`},
		"unused bits in a nonce":  {`AAAAAAAAAAAAAAAAAAAAAA`, `AAAAAAAAAAAAAAAAAAAAAB`},
		"a nonce with padding":    {`AAAAAAAAAAAAAAAAAAAAAA`, `AAAAAAAAAAAAAAAAAAAAAA==`},
		"a list for a text":       {`"hub":"b"`, `"hub":["b"]`},
		"a text for a list":       {`["a@b"],"hub"`, `"a@b","hub"`},
		"a null for a list":       {`["a@b"],"nonce"`, `null,"nonce"`},
		"a null among the users":  {`["a@b"],"nonce"`, `[null],"nonce"`},
		"the keys in other order": {`"type":"group","v":1`, `"v":1,"type":"group"`},
	} {
		raw := strings.Replace(create, edit[0], edit[1], 1)
		if raw == create {
			t.Fatalf("%s changes nothing", name)
		}
		if got, err := event.ParseCreate([]byte(raw)); err == nil {
			t.Errorf("%s: read %+v", name, got)
		}
	}
}

func TestNewDirect_IsTheSameFromBothSides(t *testing.T) {
	a, b := id.User("alice@a.example"), id.User("bob@b.example")
	one, err1 := event.NewDirect(a, b).Canonical()
	two, err2 := event.NewDirect(b, a).Canonical()
	if err1 != nil || err2 != nil || string(one) != string(two) {
		t.Errorf("%s, %v and %s, %v", one, err1, two, err2)
	}
	other, err := event.NewDirect(a, "bob@c.example").Canonical()
	if err != nil || event.ConversationID(other) == event.ConversationID(one) {
		t.Errorf("two pairs share a conversation: %v", err)
	}
	if hub := event.NewDirect(b, a).Hub; hub != "a.example" {
		t.Errorf("hub %s", hub)
	}
}

func TestParseChange_ReadsCreateIntoTheSameShape(t *testing.T) {
	raw, err := group(2).Canonical()
	if err != nil {
		t.Fatal(err)
	}
	got, err := event.ParseChange(frame.TypeCreate, raw)
	want := frame.Change{ConversationType: "group", Name: "Team", UserIDs: []string{"u0000@example.org", "u0001@example.org"}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestParseChange_RefusesOtherSpellings(t *testing.T) {
	for _, raw := range []string{
		``, `null`, `[]`, ` {}`, `{"name":""}`, `{"name":null}`, `{"Name":"x"}`, `{"name":1}`, `{"name":"a","name":"b"}`,
		`{"role":"admin","name":"x"}`, `{"userIds":[]}`, `{"userIds":"a@b"}`, `{"userIds":[1]}`, `{"x":1}`,
		`{"conversationType":"group"}`, `{"name":"\u0061"}`, `{}{}`,
	} {
		if got, err := event.ParseChange(frame.TypeRename, []byte(raw)); err == nil {
			t.Errorf("%s: read %+v", raw, got)
		}
	}
	if got, err := event.ParseChange(frame.TypeCreate, []byte(`{}`)); err == nil {
		t.Errorf("an empty create event: read %+v", got)
	}
}

func FuzzParseCreate(f *testing.F) {
	f.Add([]byte(create))
	f.Add([]byte(strings.Replace(create, `"nonce"`, `"name":"x","nonce"`, 1)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := event.ParseCreate(raw)
		if err != nil {
			return
		}
		again, err := c.Canonical()
		if err != nil || string(again) != string(raw) {
			t.Errorf("%s becomes %s, %v", raw, again, err)
		}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzParseChange(f *testing.F) {
	f.Add(frame.TypeCreate, []byte(create))
	f.Add(frame.TypeMemberRole, []byte(`{"role":"admin","userIds":["a@b"]}`))
	f.Add(frame.TypeRename, []byte(`{"name":"\u2028"}`))
	f.Fuzz(func(t *testing.T, typ string, raw []byte) {
		c, err := event.ParseChange(typ, raw)
		if err != nil || typ == frame.TypeCreate {
			return
		}
		again, err := event.ChangeContent(c)
		if err != nil || string(again) != string(raw) {
			t.Errorf("%s becomes %s, %v", raw, again, err)
		}
	})
}
