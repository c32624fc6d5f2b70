// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"strings"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func profiles() []*suite.Case {
	a := &area{profile: core, feature: "accounts.password"}
	a.add("PROFILE-CHANGE", "an absent member stays, an empty one is cleared", "ACC-PROFILE-1 ACC-PROFILE-5", profileChange)
	a.add("PROFILE-PHONE", "others do not see the phone number", "ACC-PROFILE-2 TRUST-HIDE-2", profilePhone)
	a.add("PROFILE-NAMES", "names have at most 256 bytes and no control characters", "ACC-PROFILE-3 ENC-SHOW-1 ENC-SHOW-2 LIMIT-ERROR-1 LIMIT-ERROR-2", profileNames)
	a.add("PROFILE-AVATAR", "avatarUrl is an http URL or a path of this server", "ACC-PROFILE-4 ENC-URL-1 ENC-URL-2 LIMIT-ERROR-1 LIMIT-ERROR-2", profileAvatar)
	return a.list
}

func (a *actor) edit(body object) *client.Response {
	return a.ok(http.StatusOK, request("PUT", "/users/me", body))
}

func (a *actor) clear() { a.edit(object{"displayName": "", "avatarUrl": "", "phoneNumber": ""}) }

func profileChange(t *suite.T, a *actor) {
	defer a.clear()
	a.edit(object{"displayName": "Alice", "avatarUrl": "https://example.org/a.png"})
	p := a.edit(object{"displayName": "Alice B."})
	t.Expect(p.At("avatarUrl").Text() == "https://example.org/a.png", "avatarUrl is %v after a change of the name", p.At("avatarUrl"))
	p = a.edit(object{"avatarUrl": ""})
	t.Expect(!p.At("avatarUrl").Exists(), "avatarUrl is %v after it was cleared", p.At("avatarUrl"))
	t.Expect(p.At("displayName").Text() == "Alice B.", "displayName is %v after a change of the picture", p.At("displayName"))
	p = a.edit(object{})
	t.Expect(p.At("displayName").Text() == "Alice B.", "displayName is %v after an empty change", p.At("displayName"))
	p = a.edit(object{"displayName": ""})
	t.Expect(p.At("displayName").Text() == a.account.Username, "displayName is %v after it was cleared, want the username", p.At("displayName"))
	t.Expect(a.ok(http.StatusOK, get("/users/me")).String() == p.String(), "the profile read differs from the one answered")
}

func profilePhone(t *suite.T, a, b *actor) {
	defer a.clear()
	number := "+4930" + client.Compact(10_000_000+t.Rand.Uint64()%89_999_999)
	a.edit(object{"phoneNumber": number})
	a.direct(b)
	for _, in := range []client.Request{get("/users/" + a.id), get("/conversations"), get("/sync")} {
		res := b.ok(http.StatusOK, in)
		t.Expect(!strings.Contains(string(res.Body), number[1:]), "%s shows the phone number of another", in.Path)
	}
	t.Expect(a.ok(http.StatusOK, get("/users/me")).At("phoneNumber").Text() == number, "the own profile lacks the phone number")
	own := a.ok(http.StatusOK, get("/users/"+a.id))
	t.Expect(!own.At("phoneNumber").Exists() || own.At("phoneNumber").Text() == number, "the own profile by id has another phone number")
}

func profileNames(t *suite.T, a *actor) {
	defer a.clear()
	a.edit(object{"displayName": strings.Repeat("n", 256)})
	a.edit(object{"displayName": strings.Repeat("é", 128)})
	a.edit(object{"displayName": "\U0001F468\u200d\U0001F469\u200d\U0001F467"})
	for what, name := range map[string]string{
		"257 bytes": strings.Repeat("n", 257), "129 characters of 2 bytes": strings.Repeat("é", 129), "a line feed": "a\nb", "a bell": "a\u0007b", "DEL": "a\u007fb",
		"an override": "a\u202eb", "an isolate": "a\u2066b", "spaces only": "  ", "fillers only": "\u3164\uffa0", "joiners only": "\u200d\u200b",
	} {
		res := a.ask(request("PUT", "/users/me", object{"displayName": name}))
		wantCode(t, res, "invalid_field", "a display name with "+what)
	}
	res := t.Ask("a newcomer", post("/register", withToken(t, object{
		"username": "dev-" + t.Env.RunID, "password": t.Env.Password(), "deviceName": strings.Repeat("n", 257)})))
	if res.Code() != "registration_closed" {
		wantCode(t, res, "invalid_field", "a device name with 257 bytes")
	}
}

func profileAvatar(t *suite.T, a *actor) {
	defer a.clear()
	long := "https://example.org/" + strings.Repeat("a", 2048-20)
	for _, good := range []string{"https://example.org/a.png", "http://example.org/a.png", "/media/a.png", long} {
		p := a.edit(object{"avatarUrl": good})
		t.Expect(p.At("avatarUrl").Text() == good, "avatarUrl is %v, want %s", p.At("avatarUrl"), good)
	}
	for _, bad := range []string{"javascript:alert(1)", "data:image/png;base64,AAAA", "ftp://example.org/a", "a.png", "//example.org/a.png", "/\\evil.example", "http://", "https://user@example.org/a.png", "https://example.org/\u202ea", long + "a"} {
		a.refused("invalid_field", request("PUT", "/users/me", object{"avatarUrl": bad}))
	}
}

func endings() []*suite.Case {
	a := &area{profile: core, feature: "accounts.password"}
	a.add("END-PASSWORD", "changing the password and deactivating ask for the password", "ACC-END-1", endPassword)
	a.add("END-DEACTIVATE", "a deactivated account is out, its entries stay, its name is not given away", "ACC-END-2 ACC-END-3 ID-USER-4", endDeactivate, fresh)
	return a.list
}

func endPassword(t *suite.T, a *actor) {
	a.refused("wrong_credentials", post("/users/me/password", object{"currentPassword": "not the password", "newPassword": t.Env.Password()}))
	a.refused("wrong_credentials", post("/users/me/deactivate", object{"password": "not the password"}))
	wantCode(t, a.ask(post("/users/me/deactivate", object{})), "invalid_field", "deactivating without the member password")
	a.ok(http.StatusOK, get("/users/me"))
}

func endDeactivate(t *suite.T, a, b *actor) {
	b.account.Spend()
	k := a.group(b)
	said := k.send(b, "I was here")
	l := b.online("")
	b.ok(http.StatusNoContent, post("/users/me/deactivate", object{"password": b.account.Password}))
	l.wantClose(4501, soon)
	b.ended()
	wantUnauthorized(t, b.refresh(b.session.Refresh), "the refresh token of a deactivated account")
	e := k.event(a, said.At("seq").Int())
	t.Expect(e.At("content").Text() == "I was here" && e.At("senderId").Text() == b.id, "the entry of the deactivated account is %v", e)
	res := t.Ask("a newcomer", post("/register", withToken(t, object{"username": b.account.Username, "password": t.Env.Password()})))
	wantCode(t, res, "username_taken", "registering the name of a deactivated account")
}
