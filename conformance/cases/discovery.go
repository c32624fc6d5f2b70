// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func discovery() []*suite.Case {
	a := &area{profile: core}
	a.add("DISC-OPEN", "discovery is answered without a token", "GEN-DISCOVERY-1", discoverOpen)
	a.add("DISC-FEATURES", "discovery lists what every server has, and only known names", "GEN-DISCOVERY-2", discoverFeatures)
	a.add("DISC-LIMITS", "the limits discovery tells are not stricter than the table", "LIMIT-ERROR-2", discoverLimits)
	a.add("DISC-NAME", "the server name is in lower case without a trailing dot", "ID-SERVER-1", discoverName)
	a.add("DISC-KEYS", "the server publishes its signing keys", "LOG-CHECKPOINT-5", discoverKeys)
	a.add("DISC-CORS", "pages of any origin may use the API", "REST-ANSWER-4", discoverCORS)
	a.add("DISC-UNDOCUMENTED", "no answer or frame has members that version 1.0 does not have", "GEN-UNKNOWN-4", discoverUndocumented)
	return a.list
}

func discoverOpen(t *suite.T) {
	res := t.Do("a stranger", client.Request{Method: "GET", Path: "/.well-known/parley/client"})
	t.Expect(res.Status == http.StatusOK, "status %d without a token, want 200", res.Status)
	t.Expect(slices.Contains(res.At("versions").Texts(), "1.0"), "versions %v lack 1.0", res.At("versions"))
}

func discoverFeatures(t *suite.T) {
	listed := t.Env.Discovery.At("features").Texts()
	for name, f := range t.Env.Book.Features {
		if f.Core && f.Status == "current" {
			t.Expect(slices.Contains(listed, name), "features lacks %s, which every server has", name)
		}
	}
	for _, name := range listed {
		_, known := t.Env.Book.Features[name]
		t.Expect(known || strings.HasPrefix(name, "x_"), "feature %s is not in features.yaml", name)
	}
}

func discoverLimits(t *suite.T) {
	limits := t.Env.Discovery.At("limits")
	for _, name := range limits.Keys() {
		l, known := t.Env.Book.Limits[name]
		if !known {
			continue
		}
		have := limits.At(name).Int()
		t.Expect(have >= l.Value || l.Rate, "limit %s is %d, stricter than %d", name, have, l.Value)
		t.Expect(have <= max(l.Max, l.Value), "limit %s is %d, more than an operator may choose", name, have)
	}
}

func discoverName(t *suite.T) {
	name := t.Env.ServerName()
	t.Expect(name == strings.ToLower(name) && !strings.HasSuffix(name, ".") && name != "", "the server name is %q", name)
}

func discoverKeys(t *suite.T) {
	res := t.Do("a stranger", client.Request{Method: "GET", Path: "/.well-known/parley/server"})
	t.Expect(res.Status == http.StatusOK, "status %d, want 200", res.Status)
	t.Expect(res.At("serverName").Text() == t.Env.ServerName(), "the keys are of %v, the server of %q", res.At("serverName"), t.Env.ServerName())
	t.Expect(len(res.At("keys").Keys()) > 0, "there are no keys")
	for _, id := range res.At("keys").Keys() {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(res.At("keys", id).Text())
		t.Expect(err == nil && len(raw) == ed25519.PublicKeySize, "key %s is not 32 bytes of base64url", id)
	}
}

func discoverCORS(t *suite.T) {
	const origin = "https://elsewhere.example"
	res := t.Do("a page", client.Request{Method: "OPTIONS", Path: "/api/v1/users/me", Header: http.Header{
		"Origin": {origin}, "Access-Control-Request-Method": {"PUT"}, "Access-Control-Request-Headers": {"authorization,content-type"},
	}})
	t.Expect(res.Status < 300, "a preflight is answered with status %d", res.Status)
	wantOrigin(t, res, origin)
	methods := res.Header.Get("Access-Control-Allow-Methods")
	t.Expect(strings.Contains(methods, "PUT") || methods == "*", "Access-Control-Allow-Methods is %q, want PUT among them", methods)
	headers := strings.ToLower(res.Header.Get("Access-Control-Allow-Headers"))
	t.Expect(strings.Contains(headers, "authorization"), "Access-Control-Allow-Headers is %q, want authorization among them", headers)
	res = t.Do("a page", client.Request{Method: "GET", Path: "/.well-known/parley/client", Header: http.Header{"Origin": {origin}}})
	wantOrigin(t, res, origin)
}

func wantOrigin(t *suite.T, res *client.Response, origin string) {
	have := res.Header.Get("Access-Control-Allow-Origin")
	t.Expect(have == "*" || have == origin, "Access-Control-Allow-Origin is %q", have)
}

func discoverUndocumented(t *suite.T, a, b *actor) {
	k := a.group(b)
	l := b.online("")
	first := k.send(a, "hello")
	l.seq(k, first.At("seq").Int())
	l.ack(k, first.At("messageId").Text(), "read")
	k.see(a)
	k.members(a)
	k.events(a)
	a.catchUp("")
	for _, in := range []client.Request{get("/users/me"), get("/users/" + b.id), get("/devices"), get("/conversations"), get(k.path("/checkpoint"))} {
		a.ok(http.StatusOK, in)
	}
	a.refused("unknown_user", get("/users/nobody-"+t.Env.RunID+"@"+t.Env.ServerName()))
	if notes := t.Rec.Notes(); len(notes) > 0 {
		t.Fail("%s", notes[0])
	}
}
