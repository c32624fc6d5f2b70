// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func inviting() []*suite.Case {
	a := &area{profile: groups, feature: groupFeature}
	a.add("LINK-JOIN", "the bearer of a token looks and joins, and again the same", "CONV-LINK-7 CONV-LINK-1", linkJoin)
	a.add("LINK-SECRET", "nothing but the answer of createLink shows token or secret", "CONV-LINK-1 CONV-LINK-2", linkSecret)
	a.add("LINK-STRANGER", "who bears no token learns nothing, whatever there is", "CONV-LINK-3", linkStranger)
	a.add("LINK-ENDS", "links are used up, expire and are revoked", "CONV-LINK-4 CONV-LINK-5", linkEnds)
	a.add("LINK-APPROVAL", "by a link that needs approval its bearer asks, sees nothing, and is added or declined", "CONV-LINK-6 CONV-LINK-7 CONV-REQUEST-1 CONV-REQUEST-2", linkApproval)
	a.add("LINK-HUB", "the name of a hub in a token does not matter where the conversation is", "CONV-LINK-9", linkHub)
	a.add("LINK-FULL", "there are 20 links that let in at most", "CONV-LINK-8", linkFull)
	a.add("REQUEST-FULL", "there are 100 requests at most", "CONV-REQUEST-3", requestFull, alone, slow(5*time.Minute))
	return a.list
}

// link makes an invite link and returns its token.
func (k *talk) link(a *actor, body object) string {
	return a.ok(http.StatusCreated, post(k.path("/links"), body)).At("token").Text()
}

func (a *actor) join(token string) *client.Response {
	return a.ask(post("/links/join", object{"token": token}))
}

func wantJoin(t *suite.T, a *actor, token string, status int) *client.Response {
	res := a.join(token)
	t.Expect(res.Status == status, "%s joins with status %d %s, want %d", a.who, res.Status, res.Code(), status)
	return res
}

func linkJoin(t *suite.T, a, b, c *actor) {
	k := a.named("Open", b)
	token := k.link(a, object{})
	see := c.ok(http.StatusOK, post("/links/preview", object{"token": token}))
	t.Expect(see.At("conversationId").Text() == k.id && see.At("name").Text() == "Open" && see.At("memberCount").Int() == 2 && !see.At("isMember").Bool(), "the preview is %v", see.Value)
	wantCode(t, b.ask(post(k.path("/links"), object{})), "insufficient_role", "a link by a simple member")
	first := wantJoin(t, c, token, http.StatusOK)
	again := wantJoin(t, c, token, http.StatusOK)
	t.Expect(first.At("conversationId").Text() == k.id && first.String() == again.String(), "joining answers %v, then %v", first.Value, again.Value)
	e := k.newest(a)
	t.Expect(e.At("type").Text() == "member_join" && e.At("senderId").Text() == c.id && e.At("seq").Int() == 2, "the joining is %v", e)
	t.Expect(k.members(a)[c.id].At("role").Text() == "member", "who joined is %v", k.members(a)[c.id])
	wantSeqs(t, k.events(c), 2, 2)
	wantJoin(t, b, token, http.StatusOK)
	wantSeqs(t, k.events(a), 0, 2)
}

func linkSecret(t *suite.T, a, b *actor) {
	k := a.group(b)
	at := b.cursor()
	made := a.ok(http.StatusCreated, post(k.path("/links"), object{"maxUses": 3}))
	token := made.At("token").Text()
	bare, _, _ := strings.Cut(token, "@")
	secret := bare[len(bare)-22:]
	list := a.ok(http.StatusOK, get(k.path("/links")))
	t.Expect(len(list.At("links").List()) == 1 && list.At("links").List()[0].At("linkId").Text() == made.At("linkId").Text(), "the links are %v", list.Value)
	shown := list.String() + k.see(a).String() + fmt.Sprint(k.events(a)) + fmt.Sprint(b.catchUp(at))
	for _, hidden := range []string{secret, "secretHash", "token"} {
		t.Expect(!strings.Contains(shown, hidden), "%s is shown", hidden)
	}
	wantCode(t, b.ask(get(k.path("/links"))), "insufficient_role", "the list of links to a simple member")
}

func linkHub(t *suite.T, a, b *actor) {
	token := a.group().link(a, object{})
	bare, _, _ := strings.Cut(token, "@")
	for _, one := range []string{bare, bare + "@other.example"} {
		b.ok(http.StatusOK, post("/links/preview", object{"token": one}))
		wantJoin(t, b, one, http.StatusOK)
	}
	for _, bad := range []string{bare + "@", bare + "@Other.example", bare + "@other.example@third.example"} {
		wantCode(t, b.ask(post("/links/preview", object{"token": bad})), "link_invalid", "a name that is none")
	}
}

func linkStranger(t *suite.T, a, b *actor) {
	k, other := a.group(), a.group()
	direct := a.direct(b)
	token, foreign := k.link(a, object{}), other.link(a, object{})
	changed := func(at int) string {
		return token[:at] + map[bool]string{true: "B", false: "A"}[token[at] == 'A'] + token[at+1:]
	}
	want := ""
	for what, bad := range map[string]string{
		"another secret": changed(70), "another link": changed(50), "another conversation": changed(10), "the link of another": token[:46] + foreign[46:],
		"a direct one": "pl_" + direct.id[1:] + token[46:], "the beginning": token[:60], "nothing": "", "nonsense": "nonsense",
	} {
		for _, path := range []string{"/links/preview", "/links/join"} {
			res := b.ask(post(path, object{"token": bad}))
			wantCode(t, res, "link_invalid", path+" with "+what)
			t.Expect(want == "" || res.At("detail").Text() == want, "%s is answered %q, others %q", what, res.At("detail").Text(), want)
			want = res.At("detail").Text()
		}
	}
	b.refused("unknown_conversation", get(k.path("")))
}

func linkEnds(t *suite.T, a, b, c *actor) {
	k := a.group()
	once := k.link(a, object{"maxUses": 1})
	wantJoin(t, b, once, http.StatusOK)
	wantCode(t, c.join(once), "link_used_up", "a link that was used")
	must(t, k.remove(b, b), "leaving")
	wantCode(t, b.join(once), "link_used_up", "a link that was used, by who used it")
	soon := k.link(a, object{"expiresAt": time.Now().UnixMilli() + 1500})
	t.Eventually(30*time.Second, "the link expires", func() bool {
		res := c.ask(post("/links/preview", object{"token": soon}))
		t.Expect(res.Status == http.StatusOK || res.Code() == "link_expired", "a link with a time: status %d %s", res.Status, res.Code())
		return res.Status != http.StatusOK
	})
	wantCode(t, c.join(soon), "link_expired", "a link past its time")
	a.refused("invalid_field", post(k.path("/links"), object{"expiresAt": 1}))
	a.refused("invalid_field", post(k.path("/links"), object{"maxUses": -1}))
	made := a.ok(http.StatusCreated, post(k.path("/links"), object{}))
	gone := request("DELETE", k.path("/links/"+made.At("linkId").Text()), nil)
	a.ok(http.StatusNoContent, gone)
	a.ok(http.StatusNoContent, gone)
	wantCode(t, c.join(made.At("token").Text()), "link_revoked", "a link that was revoked")
	a.refused("link_invalid", request("DELETE", k.path("/links/AAAAAAAAAAAAAAAA"), nil))
}

func linkApproval(t *suite.T, a, b, c, d *actor) {
	k := a.group(b)
	token := k.link(a, object{"needsApproval": true})
	for range 2 {
		res := wantJoin(t, c, token, http.StatusAccepted)
		t.Expect(res.At("status").Text() == "requested" && res.At("conversationId").Text() == k.id, "asking is answered %v", res.Value)
	}
	wantJoin(t, d, token, http.StatusAccepted)
	wantSeqs(t, k.events(a), 0, 3)
	for _, in := range []client.Request{get(k.path("")), get(k.path("/messages")), get(k.path("/requests")), post(k.path("/messages"), message(c.temp(), "x")), post(k.path("/requests/"+c.id), nil)} {
		c.refused("unknown_conversation", in)
	}
	one := func(method string, by, of *actor) *client.Response {
		return by.ask(request(method, k.path("/requests/"+of.id), nil))
	}
	wantCode(t, b.ask(get(k.path("/requests"))), "insufficient_role", "the requests to a simple member")
	wantCode(t, one("POST", b, c), "insufficient_role", "approving as a simple member")
	list := a.ok(http.StatusOK, get(k.path("/requests"))).At("requests").List()
	t.Expect(len(list) == 2, "the requests are %v", list)
	must(t, one("POST", a, c), "approving")
	t.Expect(k.newest(a).At("type").Text() == "member_add", "an approval is %v", k.newest(a))
	wantSeqs(t, k.events(c), 4, 4)
	wantCode(t, one("POST", a, c), "already_member", "approving again")
	must(t, one("DELETE", a, d), "declining")
	wantCode(t, one("DELETE", a, d), "unknown_user", "declining again")
	d.refused("unknown_conversation", get(k.path("")))
	wantJoin(t, d, token, http.StatusAccepted)
	must(t, k.add(a, d), "adding one who asks")
	list = a.ok(http.StatusOK, get(k.path("/requests"))).At("requests").List()
	t.Expect(len(list) == 0, "after all were answered the requests are %v", list)
}

func linkFull(t *suite.T, a, b *actor) {
	k := a.group()
	var links []*client.Response
	for range 20 {
		links = append(links, a.ok(http.StatusCreated, post(k.path("/links"), object{"maxUses": 1})))
	}
	a.refused("limit_reached", post(k.path("/links"), object{}))
	a.ok(http.StatusNoContent, request("DELETE", k.path("/links/"+links[3].At("linkId").Text()), nil))
	a.ok(http.StatusCreated, post(k.path("/links"), object{}))
	a.refused("limit_reached", post(k.path("/links"), object{}))
	wantJoin(t, b, links[5].At("token").Text(), http.StatusOK)
	a.ok(http.StatusCreated, post(k.path("/links"), object{}))
}

func requestFull(t *suite.T) {
	const most = 100
	if room := t.Env.Room(); room < most+2 {
		t.Impossible("needs %d accounts and the run has %d; raise --max-accounts", most+2, room)
	}
	all := actors(t, most+2)
	k := all[0].group()
	token := k.link(all[0], object{"needsApproval": true})
	for _, b := range all[1 : most+1] {
		wantJoin(t, b, token, http.StatusAccepted)
	}
	wantCode(t, all[most+1].join(token), "limit_reached", "the 101st request")
}
