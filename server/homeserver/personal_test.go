// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/rest"
)

func TestSettings_StayWhereTheyAreNotNamedAndSurviveARestart(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	alice := srv.User(t, "alice")
	var s rest.Settings
	alice.Do("GET", "/users/me/settings", nil, &s)
	if !s.ReadReceipts || s.LastSeen != "contacts" || s.WhoMayMessage != "everyone" || string(s.Notifications) != "{}" {
		t.Errorf("by default %+v", s)
	}
	alice.Do("PUT", "/users/me/settings", `{"readReceipts":false}`, &s)
	alice.Do("PUT", "/users/me/settings", `{"whoMayAdd":"nobody","notifications":{"sound":"ding"}}`, &s)
	srv.Restart()
	alice.Do("GET", "/users/me/settings", nil, &s)
	if s.ReadReceipts || s.WhoMayAdd != "nobody" || s.Online != "contacts" || !strings.Contains(string(s.Notifications), "ding") {
		t.Errorf("after a restart %+v", s)
	}
	for _, bad := range []string{`{"lastSeen":"friends"}`, `{"notifications":[]}`, `{"notifications":{"x":"` + strings.Repeat("x", 4096) + `"}}`} {
		alice.Refused(fault.InvalidField, "PUT", "/users/me/settings", bad)
	}
}

func TestBlocks_AreAListOfOnesOwn(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	us := srv.Users(t, "alice", "bob")
	alice := us[0]
	for range 2 {
		alice.Do("PUT", "/users/me/blocks/"+us[1].ID, nil, nil)
		alice.Do("PUT", "/users/me/blocks/nobody@"+strings.Split(alice.ID, "@")[1], nil, nil)
	}
	alice.Refused(fault.InvalidField, "PUT", "/users/me/blocks/"+alice.ID, nil)
	var list rest.Blocks
	alice.Do("GET", "/users/me/blocks?limit=1", nil, &list)
	if len(list.Blocks) != 1 || list.Blocks[0].UserID != us[1].ID || !list.HasMore {
		t.Errorf("the first page is %+v", list)
	}
	alice.Do("DELETE", "/users/me/blocks/"+us[1].ID, nil, nil)
	alice.Do("DELETE", "/users/me/blocks/"+us[1].ID, nil, nil)
	list = rest.Blocks{}
	alice.Do("GET", "/users/me/blocks", nil, &list)
	if len(list.Blocks) != 1 || !strings.HasPrefix(list.Blocks[0].UserID, "nobody@") {
		t.Errorf("after unblocking: %+v", list)
	}
}

func TestData_IsKeptWithinItsLimits(t *testing.T) {
	t.Parallel()
	srv := testenv.Start(t)
	alice := srv.User(t, "alice")
	phone := alice.Device()
	alice.Do("PUT", "/users/me/data/theme", `{"value":{"b":1,"a":[true]}}`, nil)
	var d rest.Datum
	phone.Do("GET", "/users/me/data/theme", nil, &d)
	if d.Key != "theme" || !json.Valid(d.Value) || !strings.Contains(string(d.Value), `"a":[true]`) {
		t.Errorf("the other device reads %+v %s", d, d.Value)
	}
	alice.Refused(fault.UnknownKey, "GET", "/users/me/data/color", nil)
	alice.Refused(fault.UnknownKey, "DELETE", "/users/me/data/color", nil)
	alice.Refused(fault.InvalidField, "PUT", "/users/me/data/"+strings.Repeat("k", 129), `{"value":1}`)
	alice.Refused(fault.InvalidField, "PUT", "/users/me/data/theme", `{}`)
	alice.Refused(fault.ContentTooLarge, "PUT", "/users/me/data/theme", `{"value":"`+strings.Repeat("x", 64<<10)+`"}`)
	for i := 1; i < 256; i++ {
		alice.Do("PUT", fmt.Sprintf("/users/me/data/k%d", i), `{"value":1}`, nil)
	}
	alice.Refused(fault.QuotaExceeded, "PUT", "/users/me/data/more", `{"value":1}`)
	alice.Do("PUT", "/users/me/data/theme", `{"value":2}`, nil)
	alice.Do("DELETE", "/users/me/data/theme", nil, nil)
	alice.Do("PUT", "/users/me/data/more", `{"value":1}`, nil)
	var keys rest.Data
	alice.Do("GET", "/users/me/data?limit=100", nil, &keys)
	if len(keys.Keys) != 100 || keys.Keys[0] != "k1" || keys.NextCursor != keys.Keys[99] {
		t.Errorf("the first page has %d keys, next %q", len(keys.Keys), keys.NextCursor)
	}
}
