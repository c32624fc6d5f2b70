// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

// loginTime is for cases that log in: servers bound logins by the minute, and the cases wait.
const loginTime = 150 * time.Second

func register() []*suite.Case {
	a := &area{profile: core, feature: "accounts.password"}
	a.add("REG-MODE", "the server registers as its mode says", "ACC-REG-1", regMode)
	a.add("REG-SESSION", "who registers is logged in", "ACC-REG-1 ACC-PROFILE-5", regSession, fresh)
	a.add("REG-PASSWORD", "a password has 8 to 256 bytes", "ACC-PASS-1 LIMIT-ERROR-1 LIMIT-ERROR-2", regPassword, slow(loginTime))
	a.add("REG-TAKEN", "a username belongs to one account", "ID-USER-4", regTaken)
	a.add("REG-PHONE", "a phone number has its form and belongs to one account", "ACC-PHONE-1", regPhone)
	return a.list
}

func withToken(t *suite.T, body object) object {
	if token := t.Env.RegistrationToken(); token != "" {
		body["registrationToken"] = token
	}
	return body
}

// signUp registers an account that nobody else will use.
func signUp(t *suite.T, body object) *client.Response {
	res := t.Ask("a newcomer", post("/register", withToken(t, body)))
	if code := res.Code(); code == "registration_closed" || code == "registration_token_invalid" || code == "rate_limited" {
		t.Impossible("the server registers nobody now: %s", code)
	}
	t.Expect(res.Status == http.StatusCreated, "registering: status %d %s, want 201", res.Status, res.Code())
	return res
}

func regMode(t *suite.T) {
	name := "mode-" + strings.ToLower(t.Env.RunID) + client.Compact(t.Rand.Uint32())
	body := object{"username": name, "password": t.Env.Password(), "registrationToken": "no-such-token-" + t.Env.RunID}
	res := t.Ask("a newcomer", post("/register", body))
	switch res.Code() {
	case "registration_closed", "registration_token_invalid":
		delete(body, "registrationToken")
		again := t.Ask("a newcomer", post("/register", body))
		wantCode(t, again, res.Code(), "registering without a token")
	case "rate_limited":
		t.Impossible("the server registers nobody now")
	default:
		t.Expect(res.Status == http.StatusCreated, "registering: status %d %s", res.Status, res.Code())
		t.Expect(t.Env.RegistrationToken() == "", "a token that was never issued registers an account")
	}
}

func regSession(t *suite.T, a *actor) {
	me := a.ok(http.StatusOK, get("/users/me"))
	t.Expect(me.At("userId").Text() == a.account.Username+"@"+t.Env.ServerName(), "the user id is %v", me.At("userId"))
	t.Expect(me.At("displayName").Text() == a.account.Username, "the display name is %v, want the username", me.At("displayName"))
	list := a.ok(http.StatusOK, get("/devices")).At("devices").List()
	t.Expect(len(list) == 1 && list[0].At("deviceId").Text() == a.session.DeviceID, "there are %d devices, want the one of the answer", len(list))
	t.Expect(list[0].At("isCurrent").Bool(), "the only device is not the current one")
}

func regPassword(t *suite.T, a *actor) {
	name := "pass-" + strings.ToLower(t.Env.RunID) + client.Compact(t.Rand.Uint32())
	for what, password := range map[string]string{
		"7 bytes": "seven77", "257 bytes": strings.Repeat("a", 257), "86 characters of 3 bytes": strings.Repeat("€", 86), "nothing": "",
	} {
		res := t.Ask("a newcomer", post("/register", withToken(t, object{"username": name, "password": password})))
		if res.Code() == "registration_closed" {
			t.Impossible("the server registers nobody")
		}
		wantCode(t, res, "invalid_field", "a password of "+what)
	}
	if !t.Env.CanRegister() {
		return
	}
	signUp(t, object{"username": name, "password": "éèàü"})
	signUp(t, object{"username": name + "x", "password": strings.Repeat("p", 256)})
}

func regTaken(t *suite.T, a *actor) {
	res := t.Ask("a newcomer", post("/register", withToken(t, object{"username": a.account.Username, "password": t.Env.Password()})))
	if res.Code() == "registration_closed" {
		t.Impossible("the server registers nobody")
	}
	wantCode(t, res, "username_taken", "registering the name of another account")
}

func regPhone(t *suite.T, a, b *actor) {
	number := "+4930" + client.Compact(10_000_000+t.Rand.Uint64()%89_999_999)
	for _, wrong := range []string{"030123456", "+", "+0123456", "phone", "+49x30", "+12345678901234567890"} {
		res := a.ask(request("PUT", "/users/me", object{"phoneNumber": wrong}))
		wantCode(t, res, "invalid_field", "the phone number "+wrong)
	}
	set := a.ok(http.StatusOK, request("PUT", "/users/me", object{"phoneNumber": number}))
	t.Expect(set.At("phoneNumber").Text() == number, "the phone number is %v, want %s", set.At("phoneNumber"), number)
	b.refused("phone_number_taken", request("PUT", "/users/me", object{"phoneNumber": number}))
	a.ok(http.StatusOK, request("PUT", "/users/me", object{"phoneNumber": ""}))
	b.ok(http.StatusOK, request("PUT", "/users/me", object{"phoneNumber": number}))
	b.ok(http.StatusOK, request("PUT", "/users/me", object{"phoneNumber": ""}))
}

func login() []*suite.Case {
	a := &area{profile: core, feature: "accounts.password"}
	a.add("LOGIN-REFUSED", "wrong password, unknown name and deactivated account get one answer", "ACC-LOGIN-1 TRUST-HIDE-3", loginRefused, fresh, slow(loginTime))
	a.add("LOGIN-TIME", "a refused login takes the same time with and without the account", "TRUST-HIDE-3", loginSameTime, slow(loginTime))
	a.add("LOGIN-KNOWN-DEVICE", "login with a known deviceId keeps the device and ends its tokens", "ACC-LOGIN-2 SOCKET-AUTH-3", loginKnown, fresh, slow(loginTime))
	a.add("LOGIN-NEW-DEVICE", "login without a deviceId, or with an unknown one, makes a device", "ACC-LOGIN-3", loginNew, fresh, slow(loginTime))
	a.add("LOGIN-BOUND", "many logins at once are refused with a time to try again", "ACC-LOGIN-5 REST-RATE-1", loginBound, alone, slow(loginTime), last)
	return a.list
}

func (a *actor) login(more object) *client.Response {
	body := object{"username": a.account.Username, "password": a.account.Password}
	for k, v := range more {
		body[k] = v
	}
	return a.t.Ask(a.who, post("/login", body))
}

func loginRefused(t *suite.T, a, b *actor) {
	b.account.Spend()
	b.ok(http.StatusNoContent, post("/users/me/deactivate", object{"password": b.account.Password}))
	wrong := t.Ask("a stranger", post("/login", object{"username": a.account.Username, "password": "not the password"}))
	unknown := t.Ask("a stranger", post("/login", object{"username": "nobody-" + t.Env.RunID, "password": "not the password"}))
	gone := b.login(nil)
	for what, res := range map[string]*client.Response{"a wrong password": wrong, "an unknown username": unknown, "a deactivated account": gone} {
		wantCode(t, res, "wrong_credentials", what)
		t.Expect(string(res.Body) == string(wrong.Body), "%s is answered %s, a wrong password %s", what, res.Body, wrong.Body)
	}
}

// loginSameTime compares the fastest of three: what the machine adds only makes one slower.
func loginSameTime(t *suite.T, a *actor) {
	fastest := func(username string) time.Duration {
		best := time.Hour
		for range 3 {
			in := post("/login", object{"username": username, "password": "not the password"})
			begin := time.Now()
			res := t.Do("a stranger", in)
			took := time.Since(begin)
			if res.Code() == "rate_limited" {
				t.Pause(time.Duration(res.At("retryAfterMs").Int()) * time.Millisecond)
				continue
			}
			wantCode(t, res, "wrong_credentials", "login")
			best = min(best, took)
		}
		return best
	}
	known, unknown := fastest(a.account.Username), fastest("nobody-"+t.Env.RunID)
	t.Note("known %v, unknown %v", known, unknown)
	t.Expect(known < 4*unknown+20*time.Millisecond && unknown < 4*known+20*time.Millisecond,
		"a wrong password takes %v, an unknown username %v", known, unknown)
}

func loginKnown(t *suite.T, a *actor) {
	l := a.online("")
	res := a.login(object{"deviceId": a.session.DeviceID})
	a.want(res, http.StatusOK)
	l.wantClose(4500, soon)
	t.Expect(res.At("deviceId").Text() == a.session.DeviceID, "the device is %v, want %s", res.At("deviceId"), a.session.DeviceID)
	a.ended()
	old := t.Ask(a.who, post("/refresh", object{"refreshToken": a.session.Refresh}))
	t.Expect(old.Status == http.StatusUnauthorized, "the old refresh token is answered %d, want 401", old.Status)
	a.session = suite.ReadSession(res)
	a.account.Sessions[0] = a.session
	list := a.ok(http.StatusOK, get("/devices")).At("devices").List()
	t.Expect(len(list) == 1, "there are %d devices, want 1", len(list))
}

// ended wants the access token to be over.
func (a *actor) ended() {
	res := a.ask(get("/users/me"))
	a.t.Expect(res.Status == http.StatusUnauthorized, "a request with the old access token of %s is answered %d, want 401", a.who, res.Status)
}

func loginNew(t *suite.T, a *actor) {
	plain := a.login(nil)
	a.want(plain, http.StatusOK)
	unknown := a.login(object{"deviceId": "01M81ZZ8M4X3T9QW2Y6V7B1N0C"})
	a.want(unknown, http.StatusOK)
	ids := map[string]bool{a.session.DeviceID: true, plain.At("deviceId").Text(): true, unknown.At("deviceId").Text(): true}
	t.Expect(len(ids) == 3, "three logins without a known deviceId have %d devices", len(ids))
	t.Expect(!ids["01M81ZZ8M4X3T9QW2Y6V7B1N0C"], "the client chose the id of the device")
	t.Expect(len(a.ok(http.StatusOK, get("/devices")).At("devices").List()) == 3, "the list does not have three devices")
	a.ok(http.StatusOK, get("/users/me"))
	byID := t.Ask(a.who, post("/login", object{"username": a.id, "password": a.account.Password, "deviceId": a.session.DeviceID}))
	a.want(byID, http.StatusOK)
	a.account.Spend()
}

// loginBound runs last: it uses up what an address may ask for.
func loginBound(t *suite.T) {
	const n = 120
	answers := make(chan *client.Response, n)
	for i := range n {
		go func() {
			in := post("/login", object{"username": "nobody-" + client.Compact(i) + t.Env.RunID, "password": "not the password"})
			res, err := t.Env.Server.Do(t.Context(), t.Rec, "a stranger", in)
			if err != nil {
				res = nil
			}
			answers <- res
		}()
	}
	limited := 0
	for range n {
		res := <-answers
		t.Expect(res != nil, "one of %d logins at once got no answer", n)
		switch res.Code() {
		case "rate_limited":
			limited++
		case "wrong_credentials":
		default:
			t.Fail("one of %d logins at once is answered %d %s", n, res.Status, res.Code())
		}
	}
	t.Expect(limited > 0, "%d logins at once and none was refused with rate_limited", n)
}
