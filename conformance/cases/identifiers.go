// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func identifiers() []*suite.Case {
	a := &area{profile: core}
	a.add("ID-FORMS", "identifiers without their form are refused", "ID-FORM-1 LIMIT-ERROR-1", idForms)
	a.add("ID-USER-LOWER", "register and login lower-case the username", "ID-USER-2", idUserLower, fresh, slow(loginTime))
	a.add("ID-USER-CASE", "elsewhere a user id is taken in lower case only", "ID-USER-3", idUserCase)
	a.add("ID-USERNAME", "a username has 1 to 64 characters of its alphabet", "ID-USER-1", idUsername)
	a.add("ID-RESERVED", "names of the operator are kept back", "ID-USER-5", idReserved, should)
	a.add("ID-DEVICE", "a device id is a ULID of its own", "ID-DEVICE-1", idDevice, slow(loginTime))
	a.add("ID-CONVERSATION", "a direct conversation is named by the hash of its create object",
		"ID-CONV-1 LOG-CREATE-1 LOG-CREATE-2 LOG-CREATE-3 ENC-CANON-5 ENC-HASH-1 ENC-B64-1", idConversation)
	a.add("ID-CONVERSATION-NEW", "two groups of the same people have two ids", "LOG-CREATE-4", idConversationNew)
	a.add("ID-MESSAGE", "a message id holds hub time and seq and rises", "ID-MSG-1", idMessage)
	return a.list
}

func idForms(t *suite.T, a *actor) {
	for _, id := range []string{"x", "cAAAA", "c" + strings.Repeat("!", 43), strings.Repeat("c", 300)} {
		res := a.ask(get("/conversations/" + strings.ReplaceAll(id, "!", "%21")))
		t.Expect(res.Code() == "invalid_field" || res.Code() == "unknown_conversation", "conversation id %q: %d %s", id, res.Status, res.Code())
	}
	for _, id := range []string{"alice", "@" + t.Env.ServerName(), "a@", "a b@" + t.Env.ServerName(), strings.Repeat("a", 65) + "@" + t.Env.ServerName(), "a@b@c"} {
		res := a.ask(get("/users/" + strings.ReplaceAll(id, " ", "%20")))
		t.Expect(res.Code() == "invalid_field" || res.Code() == "unknown_user", "user id %q: %d %s", id, res.Status, res.Code())
		res = a.ask(post("/conversations", object{"type": "group", "members": []string{id}}))
		t.Expect(res.Code() == "invalid_field" || res.Code() == "unknown_user", "member %q: %d %s", id, res.Status, res.Code())
	}
	for _, id := range []string{"x", strings.Repeat("z", 26), "01m81zz8m4x3t9qw2y6v7b1n0c"} {
		res := a.ask(request("DELETE", "/devices/"+id, nil))
		t.Expect(res.Code() == "invalid_field" || res.Code() == "unknown_device", "device id %q: %d %s", id, res.Status, res.Code())
	}
	k := a.group()
	for _, id := range []string{"", "with space", "ümlaut", strings.Repeat("t", 65), "tab\t"} {
		a.refused("invalid_field", post(k.path("/messages"), message(id, "x")))
	}
	a.ok(http.StatusCreated, post(k.path("/messages"), message(strings.Repeat("~", 64), "x")))
}

func idUserLower(t *suite.T) {
	name := "Up-" + t.Env.RunID + client.Compact(t.Rand.Uint32())
	password := t.Env.Password()
	res := signUp(t, object{"username": name, "password": password})
	want := strings.ToLower(name) + "@" + t.Env.ServerName()
	t.Expect(res.At("userId").Text() == want, "the user id is %v, want %s", res.At("userId"), want)
	res = t.Ask("a stranger", post("/login", object{"username": strings.ToUpper(name), "password": password}))
	t.Expect(res.Status == http.StatusOK && res.At("userId").Text() == want, "login in upper case: %d %s", res.Status, res.Code())
	res = t.Ask("a stranger", post("/register", withToken(t, object{"username": strings.ToUpper(name), "password": password})))
	wantCode(t, res, "username_taken", "registering the name in another case")
}

func idUserCase(t *suite.T, a, b *actor) {
	upper := strings.ToUpper(b.id[:1]) + b.id[1:]
	res := a.ask(get("/users/" + upper))
	t.Expect(res.Code() == "invalid_field" || res.Code() == "unknown_user", "the profile of %s: %d %s", upper, res.Status, res.Code())
	res = a.ask(post("/conversations", object{"type": "group", "members": []string{upper}}))
	t.Expect(res.Code() == "invalid_field" || res.Code() == "unknown_user", "a group with %s: %d %s", upper, res.Status, res.Code())
}

func idUsername(t *suite.T) {
	for _, name := range []string{"", strings.Repeat("a", 65), "with space", "a@b", "ümlaut", "a/b", "a+b", "a\u0000b"} {
		res := t.Ask("a stranger", post("/register", withToken(t, object{"username": name, "password": t.Env.Password()})))
		if res.Code() == "registration_closed" {
			t.Impossible("the server registers nobody")
		}
		wantCode(t, res, "invalid_field", "registering "+client.Compact(name))
	}
}

func idReserved(t *suite.T) {
	for _, name := range []string{"admin", "root", "support"} {
		res := t.Ask("a stranger", post("/register", withToken(t, object{"username": name, "password": t.Env.Password()})))
		if res.Code() == "registration_closed" {
			t.Impossible("the server registers nobody")
		}
		t.Expect(res.Code() == "username_reserved", "registering %s: %d %s, want username_reserved", name, res.Status, res.Code())
	}
}

func idDevice(t *suite.T, a *actor) {
	b := a.other()
	ulid := regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)
	for _, s := range []*suite.Session{a.session, b.session} {
		t.Expect(ulid.MatchString(s.DeviceID), "the device id %q is no ULID in upper case", s.DeviceID)
	}
	t.Expect(a.session.DeviceID != b.session.DeviceID, "two logins without deviceId have the same device %s", a.session.DeviceID)
	seen := map[string]bool{}
	for _, d := range a.ok(http.StatusOK, get("/devices")).At("devices").List() {
		id := d.At("deviceId").Text()
		t.Expect(!seen[id], "the device id %s is there twice", id)
		seen[id] = true
	}
	t.Expect(seen[a.session.DeviceID] && seen[b.session.DeviceID], "the list of devices lacks one of the two")
}

// idConversation makes the create object itself and compares the hash.
func idConversation(t *suite.T, a, b *actor) {
	k := a.direct(b)
	pair := []string{a.id, b.id}
	slices.Sort(pair)
	digest := sha256.Sum256([]byte("parley/v1/direct\n" + pair[0] + "\n" + pair[1]))
	_, hub, _ := strings.Cut(pair[0], "@")
	create := object{
		"creators": pair, "members": pair, "hub": hub, "type": "direct", "v": 1,
		"nonce": base64.RawURLEncoding.EncodeToString(digest[:16]),
	}
	want := "c" + base64.RawURLEncoding.EncodeToString(hash("create", create))
	t.Expect(k.id == want, "the conversation is called %s, the hash of its create object is %s", k.id, want)
}

// hash is that of 15-encoding.md; what the cases hash has ASCII strings only, which encoding/json sorts and escapes alike.
func hash(domain string, v object) []byte {
	sum := sha256.Sum256([]byte("parley/v1/" + domain + "\n" + client.Compact(v)))
	return sum[:]
}

func idConversationNew(t *suite.T, a, b *actor) {
	k, l := a.group(b), a.group(b)
	t.Expect(k.id != l.id, "two groups are both called %s", k.id)
}

func idMessage(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.sendN(a, 5)
	last := ""
	for _, e := range k.events(a) {
		id := e.At("messageId").Text()
		at, seq := readMessageID(t, id)
		t.Expect(at == e.At("timestamp").Int(), "message id %s holds the time %d, the event %v", id, at, e.At("timestamp"))
		t.Expect(seq == e.At("seq").Int(), "message id %s holds seq %d, the event %v", id, seq, e.At("seq"))
		t.Expect(id > last, "message id %s does not rise above %s", id, last)
		last = id
	}
}

// readMessageID takes the hub time and the seq out of a message id.
func readMessageID(t *suite.T, id string) (millis, seq int64) {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	n := new(big.Int)
	for _, c := range id {
		digit := strings.IndexRune(alphabet, c)
		t.Expect(digit >= 0 && len(id) == 26, "message id %q is no ULID in upper case", id)
		n.Lsh(n, 5).Or(n, big.NewInt(int64(digit)))
	}
	raw := n.FillBytes(make([]byte, 16))
	for _, b := range raw[:6] {
		millis = millis<<8 | int64(b)
	}
	for _, b := range raw[6:11] {
		seq = seq<<8 | int64(b)
	}
	return millis, seq
}
