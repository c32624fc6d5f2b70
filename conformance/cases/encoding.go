// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"

	"parley.chat/conformance/suite"
)

func encoding() []*suite.Case {
	a := &area{profile: core}
	a.add("TEXT-KEPT", "human text comes back as it was sent", "ENC-TEXT-1", textKept)
	return a.list
}

func textKept(t *suite.T, a, b *actor) {
	k := a.group(b)
	for _, text := range []string{
		"e\u0301 is not \u00e9", "\u1112\u1161\u11ab", " spaces before and after ", "line\nbreak\r\ntab\t", "\u200dzero\u200b width\ufeff",
		"<b>&amp;\"quotes\"\\", "\u202eright to left", "👩\u200d👩\u200d👧", "\u0000nul", "ﬁ ligature Å Å", "\u2028\u2029",
	} {
		ack := k.send(a, text)
		have := k.event(b, ack.At("seq").Int()).At("content").Text()
		t.Expect(have == text, "%q came back as %q", text, have)
	}
	name := "Cafe\u0301 <&> 🧗"
	must(t, k.rename(a, name), "renaming")
	have := k.see(b).At("name").Text()
	t.Expect(have == name, "the name %q came back as %q", name, have)
	a.ok(http.StatusOK, request("PUT", "/users/me", object{"displayName": name}))
	have = b.ok(http.StatusOK, get("/users/"+a.id)).At("displayName").Text()
	t.Expect(have == name, "the display name %q came back as %q", name, have)
	a.ok(http.StatusOK, request("PUT", "/users/me", object{"displayName": ""}))
}
