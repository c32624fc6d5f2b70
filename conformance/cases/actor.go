// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

// actor is a user on one device.
type actor struct {
	t       *suite.T
	who     string // how the record calls it
	id      string
	account *suite.Account
	session *suite.Session
}

// object is a body or the data of a frame.
type object = map[string]any

// name is what the record calls the i-th actor; user ids are long.
func name(i int) string {
	names := []string{"alice", "bob", "carol", "dave"}
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("user %d", i+1)
}

// actors leases accounts for a case.
func actors(t *suite.T, n int) []*actor {
	var out []*actor
	for i, a := range t.Lease(n, t.Case().Needs.Fresh) {
		out = append(out, &actor{t: t, who: name(i), id: a.UserID, account: a, session: a.Sessions[0]})
	}

	return out
}

// other returns the same user on a second device, logging in if there is none yet.
func (a *actor) other() *actor {
	if len(a.account.Sessions) < 2 {
		res := a.t.Ask(a.who, post("/login", object{"username": a.account.Username, "password": a.account.Password, "deviceName": "second"}))
		a.want(res, http.StatusOK)
		a.account.Sessions = append(a.account.Sessions, suite.ReadSession(res))
	}
	return &actor{t: a.t, who: a.who + "'s second device", id: a.id, account: a.account, session: a.account.Sessions[1]}
}

// forget drops the sessions after the first from the account, because the case ended them.
func (a *actor) forget() { a.account.Sessions = a.account.Sessions[:1] }

func request(method, path string, body any) client.Request {
	return client.Request{Method: method, Path: "/api/v1" + path, JSON: body}
}

func get(path string) client.Request            { return request("GET", path, nil) }
func post(path string, body any) client.Request { return request("POST", path, body) }

// ask sends a request with the access token of the actor and waits out rate limits.
func (a *actor) ask(in client.Request) *client.Response {
	in.Token = a.session.Access
	return a.t.Ask(a.who, in)
}

// ok asks and wants the status.
func (a *actor) ok(status int, in client.Request) *client.Response {
	res := a.ask(in)
	a.want(res, status)
	return res
}

// refused asks and wants the code.
func (a *actor) refused(code string, in client.Request) *client.Response {
	res := a.ask(in)
	wantCode(a.t, res, code, in.Method+" "+in.Path)
	return res
}

func (a *actor) want(res *client.Response, status int) {
	if res.Status != status {
		a.t.Fail("%s gets status %d %s, want %d", a.who, res.Status, res.Code(), status)
	}
}

// wantCode fails the case unless the answer is the refusal with the code, in status and body.
func wantCode(t *suite.T, res *client.Response, code, of string) {
	line, known := t.Env.Server.Law().Catalogue(code)
	if !known {
		t.Broken("the case asks for code %s, which errors.yaml does not have", code)
	}
	if res.Code() != code || res.Status != line.Status {
		t.Fail("%s: status %d code %q, want %d %s", of, res.Status, res.Code(), line.Status, code)
	}
}

// group makes a group with the actor as owner.
func (a *actor) group(others ...*actor) *talk { return a.named("", others...) }

func (a *actor) named(name string, others ...*actor) *talk {
	body := object{"type": "group", "members": ids(others)}
	if name != "" {
		body["name"] = name
	}
	res := a.ok(http.StatusCreated, post("/conversations", body))
	return &talk{t: a.t, id: res.At("conversationId").Text()}
}

// direct makes or finds the direct conversation with another user.
func (a *actor) direct(b *actor) *talk {
	res := a.ask(post("/conversations", object{"type": "direct", "members": []string{b.id}}))
	if res.Status != http.StatusOK && res.Status != http.StatusCreated {
		a.t.Fail("a direct conversation with %s: status %d %s, want 200 or 201", b.who, res.Status, res.Code())
	}
	return &talk{t: a.t, id: res.At("conversationId").Text()}
}

func ids(list []*actor) []string {
	out := []string{}
	for _, a := range list {
		out = append(out, a.id)
	}
	return out
}

// temp makes a tempId.
func (a *actor) temp() string { return fmt.Sprintf("t-%016x", a.t.Rand.Uint64()) }
