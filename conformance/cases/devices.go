// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

// soon is "within one second", with something for the way.
const soon = 1500 * time.Millisecond

func tokens() []*suite.Case {
	a := &area{profile: core, feature: "accounts.password"}
	a.add("TOKEN-RANDOM", "tokens are long and never the same", "ACC-TOKEN-1", tokenRandom)
	a.add("TOKEN-EXPIRES", "an access token ends after expiresIn", "ACC-TOKEN-2", tokenExpires, slow(2*time.Minute))
	a.add("TOKEN-LOST-ANSWER", "a refresh token is valid until its successor is used", "ACC-TOKEN-3", tokenLost, fresh)
	a.add("TOKEN-UNUSED-PAIR", "a second exchange ends the unused first one", "ACC-TOKEN-7", tokenUnused, fresh)
	a.add("TOKEN-OLD-ACCESS", "the first use of a new pair ends the old access token", "ACC-TOKEN-8", tokenOldAccess, fresh)
	a.add("TOKEN-REUSE", "reuse of a refresh token ends the family", "ACC-TOKEN-4 SOCKET-AUTH-3", tokenReuse, fresh)
	a.add("TOKEN-REUSE-REFRESH", "a successor counts as used when it is refreshed itself", "ACC-TOKEN-3 ACC-TOKEN-4", tokenReuseRefresh, fresh)
	a.add("TOKEN-UNKNOWN", "an unknown refresh token is refused", "ACC-TOKEN-4", tokenUnknown)
	return a.list
}

func (a *actor) refresh(token string) *client.Response {
	return a.t.Ask(a.who, post("/refresh", object{"refreshToken": token}))
}

func tokenRandom(t *suite.T, a *actor) {
	seen := map[string]bool{a.session.Access: true, a.session.Refresh: true}
	token := a.session.Refresh
	for range 4 {
		res := a.refresh(token)
		a.want(res, http.StatusOK)
		a.session = suite.ReadSession(res)
		*a.account.Sessions[0] = *a.session
		token = a.session.Refresh
		for _, s := range []string{a.session.Access, a.session.Refresh} {
			t.Expect(len(s) >= 22, "a token has %d characters, too few for 128 random bits", len(s))
			t.Expect(!seen[s], "a token comes twice")
			seen[s] = true
		}
		a.ok(http.StatusOK, get("/users/me"))
	}
}

func tokenExpires(t *suite.T, a *actor) {
	t.Expect(a.session.ExpiresIn > 0, "expiresIn is %v", a.session.ExpiresIn)
	if a.session.ExpiresIn > time.Minute {
		t.Impossible("the access tokens of this server live %v, longer than the case may take", a.session.ExpiresIn)
	}
	t.Pause(time.Until(a.session.Made.Add(a.session.ExpiresIn)) + time.Second)
	a.refused("token_expired", get("/users/me"))
}

// tokenLost walks through the drawing of 25-accounts.md.
func tokenLost(t *suite.T, a *actor) {
	a.account.Spend()
	first := a.session.Refresh
	a.want(a.refresh(first), http.StatusOK) // This answer is lost.
	again := a.refresh(first)
	a.want(again, http.StatusOK)
	old := a.session
	a.session = suite.ReadSession(again)
	t.Expect(a.session.DeviceID == old.DeviceID, "refreshing changed the device")
	a.ok(http.StatusOK, get("/devices"))
	wantCode(t, a.refresh(first), "refresh_invalid", "the first refresh token after its successor was used")
}

func tokenUnused(t *suite.T, a *actor) {
	a.account.Spend()
	lost := a.refresh(a.session.Refresh)
	a.want(lost, http.StatusOK)
	again := a.refresh(a.session.Refresh)
	a.want(again, http.StatusOK)
	in := get("/users/me")
	in.Token = lost.At("accessToken").Text()
	wantUnauthorized(t, t.Ask(a.who, in), "the access token of the unused pair")
	in.Token = again.At("accessToken").Text()
	a.want(t.Ask(a.who, in), http.StatusOK)
}

func tokenOldAccess(t *suite.T, a *actor) {
	a.account.Spend()
	res := a.refresh(a.session.Refresh)
	a.want(res, http.StatusOK)
	in := get("/users/me")
	in.Token = res.At("accessToken").Text()
	a.want(t.Ask(a.who, in), http.StatusOK)
	a.ended()
}

func tokenReuse(t *suite.T, a *actor) {
	a.account.Spend()
	first := a.session.Refresh
	res := a.refresh(first)
	a.want(res, http.StatusOK)
	a.session = suite.ReadSession(res)
	l := a.online("")
	wantCode(t, a.refresh(first), "refresh_invalid", "reuse of a refresh token")
	a.ended()
	wantUnauthorized(t, a.refresh(a.session.Refresh), "the refresh token of the ended family")
	l.wantClose(4500, soon)
}

func tokenReuseRefresh(t *suite.T, a *actor) {
	a.account.Spend()
	first := a.session.Refresh
	second := a.refresh(first)
	a.want(second, http.StatusOK)
	third := a.refresh(second.At("refreshToken").Text())
	a.want(third, http.StatusOK)
	wantCode(t, a.refresh(first), "refresh_invalid", "reuse of a refresh token")
	a.session = suite.ReadSession(third)
	a.ended()
}

func wantUnauthorized(t *suite.T, res *client.Response, what string) {
	t.Expect(res.Status == http.StatusUnauthorized, "%s is answered %d %s, want 401", what, res.Status, res.Code())
}

func tokenUnknown(t *suite.T, a *actor) {
	wantCode(t, a.refresh("pr_"+strings.Repeat("A", 45)), "refresh_invalid", "an unknown refresh token")
	wantCode(t, a.refresh(a.session.Access), "refresh_invalid", "an access token in place of a refresh token")
	in := get("/users/me")
	in.Token = a.session.Refresh
	wantCode(t, t.Ask(a.who, in), "unauthenticated", "a refresh token in place of an access token")
}

func devices() []*suite.Case {
	a := &area{profile: core, feature: "accounts.password"}
	a.add("DEVICE-REMOVE", "a removed device is out at once", "ACC-DEVICE-1", deviceRemove, slow(loginTime))
	a.add("DEVICE-LOGOUT", "a device that logs out is out at once", "ACC-DEVICE-1 SOCKET-AUTH-3", deviceLogout, slow(loginTime))
	a.add("DEVICE-PASSWORD", "after a change of the password the others are out, unless kept", "ACC-DEVICE-2 SOCKET-AUTH-3", devicePassword, fresh, slow(loginTime))
	a.add("DEVICE-SEEN", "lastSeenAt is coarse", "ACC-DEVICE-3", deviceSeen)
	a.add("DEVICE-OTHERS", "the devices of another are neither seen nor removed", "ACC-DEVICE-4", deviceOthers)
	return a.list
}

func deviceRemove(t *suite.T, a *actor) {
	b := a.other()
	defer a.forget()
	l := b.online("")
	a.ok(http.StatusNoContent, request("DELETE", "/devices/"+b.session.DeviceID, nil))
	b.ended()
	l.wantClose(4500, soon)
	wantUnauthorized(t, b.refresh(b.session.Refresh), "the refresh token of a removed device")
	for _, d := range a.ok(http.StatusOK, get("/devices")).At("devices").List() {
		t.Expect(d.At("deviceId").Text() != b.session.DeviceID, "the removed device is still listed")
	}
	a.refused("unknown_device", request("DELETE", "/devices/"+b.session.DeviceID, nil))
}

func deviceLogout(t *suite.T, a *actor) {
	b := a.other()
	defer a.forget()
	l := b.online("")
	b.ok(http.StatusNoContent, request("POST", "/logout", nil))
	b.ended()
	l.wantClose(4500, soon)
	wantUnauthorized(t, b.refresh(b.session.Refresh), "the refresh token of a device that logged out")
	a.ok(http.StatusOK, get("/users/me"))
}

func devicePassword(t *suite.T, a *actor) {
	a.account.Spend()
	b := a.other()
	l := b.online("")
	change := func(keep bool) {
		next := t.Env.Password()
		a.ok(http.StatusNoContent, post("/users/me/password", object{"currentPassword": a.account.Password, "newPassword": next, "keepDevices": keep}))
		a.account.Password = next
	}
	change(true)
	b.ok(http.StatusOK, get("/users/me"))
	change(false)
	b.ended()
	l.wantClose(4500, soon)
	a.ok(http.StatusOK, get("/users/me"))
	a.want(a.login(nil), http.StatusOK)
}

func deviceSeen(t *suite.T, a *actor) {
	for _, d := range a.ok(http.StatusOK, get("/devices")).At("devices").List() {
		seen := d.At("lastSeenAt").Int()
		t.Expect(seen%time.Minute.Milliseconds() == 0, "lastSeenAt is %d, not a whole minute", seen)
	}
}

func deviceOthers(t *suite.T, a, b *actor) {
	b.refused("unknown_device", request("DELETE", "/devices/"+a.session.DeviceID, nil))
	a.ok(http.StatusOK, get("/users/me"))
	current := 0
	for _, d := range b.ok(http.StatusOK, get("/devices")).At("devices").List() {
		t.Expect(d.At("deviceId").Text() != a.session.DeviceID, "the device of another is listed")
		if d.At("isCurrent").Bool() {
			current++
			t.Expect(d.At("deviceId").Text() == b.session.DeviceID, "%v is said to be the current device", d.At("deviceId"))
		}
	}
	t.Expect(current == 1, "%d devices are current, want 1", current)
}
