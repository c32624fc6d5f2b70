// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"strings"

	"parley.chat/conformance/suite"
)

// hidesFrom checks that no way of reading a message shows who asks a word.
func (k *talk) hidesFrom(a *actor, message, word string) {
	for _, path := range []string{
		k.path(""), k.path("/messages"), k.on(message, "/edits"), k.on(message, "/reactions"), "/users/me/starred",
		"/search?conversationId=" + k.id, "/search", "/sync",
	} {
		res := a.ok(http.StatusOK, get(path))
		a.t.Expect(!strings.Contains(res.String(), word), "GET %s shows %q: %v", path, word, res)
	}
}

func sightFormer(t *suite.T, a, b *actor) {
	k := a.group(b)
	m := idOf(k.send(a, "early"))
	b.done("PUT", k.on(m, "/star"))
	must(t, k.remove(a, b), "removing")
	must(t, k.reword(a, m, "zephyr"), "editing")
	must(t, k.react(a, "PUT", m, "x"), "reacting")
	k.hidesFrom(b, m, "zephyr")
	k.hidesFrom(b, m, `"emoji"`)
}

func sightBlocked(t *suite.T, a, b *actor) {
	k := a.direct(b)
	m := idOf(k.send(b, "early"))
	a.done("PUT", k.on(m, "/star"))
	a.shut(b)
	must(t, k.reword(b, m, "zephyr"), "editing")
	kept := idOf(k.send(b, "zephyr too"))
	must(t, k.react(b, "PUT", m, "x"), "reacting")
	k.send(a, "mine")
	k.hidesFrom(a, m, "zephyr")
	a.done("DELETE", "/users/me/blocks/"+b.id)
	must(t, k.reword(b, kept, "zephyr again"), "editing")
	for _, one := range []string{m, kept} {
		k.hidesFrom(a, one, "zephyr")
		k.hidesFrom(a, one, `"emoji"`)
	}
}

func blockPointers(t *suite.T, a, b *actor) {
	k := a.direct(b)
	shown := func(want int64) {
		for _, m := range b.ok(http.StatusOK, get(k.path("/members"))).At("members").List() {
			if m.At("userId").Text() == a.id {
				t.Expect(int64(m.At("readSeq").Int()) == want && int64(m.At("deliveredSeq").Int()) == want, "the blocked one sees %v, want %d", m, want)
			}
		}
	}
	a.shut(b)
	k.send(b, "one")
	shown(0)
	k.send(a, "two")
	shown(2)
	kept := k.send(b, "three")
	k.got(a, kept, "read")
	a.done("DELETE", "/users/me/blocks/"+b.id)
	shown(2)
	last := k.send(b, "four")
	k.got(a, last, "read")
	shown(4)
}
