// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func words() []*suite.Case {
	a := &area{profile: core, feature: "search"}
	a.add("WORDS-SETTING", "words are searched where the setting wants it", "SEARCH-WORDS-1 SEARCH-WORDS-2", wordsSetting)
	a.add("WORDS-HISTORY", "what was sent before becomes findable", "SEARCH-WORDS-5 SEARCH-PAGE-1", wordsHistory)
	a.add("WORDS-LATER", "what is sent later is found soon", "SEARCH-WORDS-6", wordsLater, should)
	a.add("WORDS-END", "nothing is found by words once the setting is off", "SEARCH-WORDS-4", wordsEnd)
	a.add("WORDS-FORMER", "former members do not search by words", "SEARCH-WORDS-1 SEARCH-WORDS-2", wordsFormer)
	a.add("WORDS-ENCRYPTED", "encrypted messages are not found by words", "SEARCH-WORDS-3", wordsEncrypted)
	a.add("WORDS-EDITED", "an edited message is found by the words it has now", "SEARCH-WORDS-7", wordsEdited)
	a.add("WORDS-DELETED", "a deleted message is not found by words", "SEARCH-REACH-3", wordsDeleted)
	a.add("WORDS-FORM", "a text without words or with an open quote is refused", "SEARCH-TEXT-1", wordsForm)
	a.add("WORDS-TERMS", "all words, phrases and the beginning of the last", "SEARCH-TEXT-2", wordsTerms)
	a.add("WORDS-COMPARED", "case, accents and forms do not matter", "SEARCH-WORD-1", wordsCompared)
	a.add("WORDS-SPACELESS", "letters of scripts without spaces stand together", "SEARCH-WORD-2", wordsSpaceless)
	b := &area{profile: abuse, feature: "search"}
	b.add("SEARCH-TWO", "two searches of one user go on at a time", "SEARCH-RATE-2", searchTwo, fresh)
	b.add("RATE-SEARCH", "searches are bounded", "SEARCH-RATE-1", rateSearch, fresh, slow(3*time.Minute))
	return append(a.list, b.list...)
}

// searched switches the search by words on or off.
func (k *talk) searched(a *actor, on bool) {
	a.ok(http.StatusOK, request("PATCH", k.path(""), object{"serverSearch": on}))
}

// say finds what an actor finds by words in the conversation, as texts from the newest to the oldest.
func (k *talk) say(a *actor, q string) []string {
	out := []string{}
	for _, e := range a.found("conversationId=" + k.id + "&q=" + url.QueryEscape(q)) {
		out = append(out, e.At("content").Text())
	}
	return out
}

// soon waits until a search by words finds exactly the texts.
func (k *talk) soon(a *actor, q string, want ...string) {
	k.t.Eventually(30*time.Second, fmt.Sprintf("%s finds %q by %q", a.who, want, q), func() bool {
		return slices.Equal(k.say(a, q), append([]string{}, want...))
	})
}

func (k *talk) says(a *actor, q string, want ...string) {
	got := k.say(a, q)
	k.t.Expect(slices.Equal(got, append([]string{}, want...)), "%s finds %q by %q, want %q", a.who, got, q, want)
}

func wordsSetting(t *suite.T, a, b *actor) {
	on, off := a.group(b), a.group(b)
	on.searched(a, true)
	on.send(a, "a quokka in the one")
	hidden := off.send(a, "a quokka in the other")
	on.soon(b, "quokka", "a quokka in the one")
	b.refused("search_disabled", get("/search?q=quokka&conversationId="+off.id))
	b.refused("search_disabled", get("/search?q=quokka&conversationId="+b.direct(a).id))
	for _, e := range b.found("q=quokka") {
		t.Expect(e.At("messageId").Text() != hidden.At("messageId").Text(), "found where it is not wanted")
	}
	skipped := b.ok(http.StatusOK, get("/search?q=quokka")).At("skippedConversations").Int()
	t.Expect(skipped >= 2, "%d conversations are passed over, want 2 at least", skipped)
}

func wordsHistory(t *suite.T, a, b *actor) {
	k := a.group(b)
	var want []string
	for i := range 12 {
		text := fmt.Sprint("wombat ", i)
		k.send(a, text)
		want = append([]string{text}, want...)
	}
	k.searched(a, true)
	k.soon(b, "wombat", want...)
	var got []string
	for _, e := range b.found("limit=5&q=wombat&conversationId=" + k.id) {
		got = append(got, e.At("content").Text())
	}
	t.Expect(slices.Equal(got, want), "by pages %q is found, want %q", got, want)
}

func wordsLater(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.searched(a, true)
	k.send(a, "first numbat")
	k.soon(b, "numbat", "first numbat")
	k.send(a, "second numbat")
	t.Eventually(5*time.Second, "the message is found by its words", func() bool { return len(k.say(b, "second")) == 1 })
}

func wordsEnd(_ *suite.T, a, b *actor) {
	k := a.group(b)
	k.searched(a, true)
	k.send(a, "an okapi")
	k.soon(b, "okapi", "an okapi")
	k.searched(a, false)
	b.refused("search_disabled", get("/search?q=okapi&conversationId="+k.id))
	for _, e := range b.found("q=okapi") {
		k.t.Expect(e.At("conversationId").Text() != k.id, "found after the end")
	}
	k.searched(a, true)
	k.soon(b, "okapi", "an okapi")
}

func wordsFormer(t *suite.T, a, b, c *actor) {
	k := a.group(b)
	k.searched(a, true)
	k.send(a, "an aardvark")
	k.soon(b, "aardvark", "an aardvark")
	must(t, k.add(a, c), "adding")
	must(t, k.remove(a, b), "removing")
	k.says(c, "aardvark")
	b.refused("search_disabled", get("/search?q=aardvark&conversationId="+k.id))
	for _, e := range b.found("q=aardvark") {
		t.Expect(e.At("conversationId").Text() != k.id, "a former member finds by words")
	}
}

func wordsEncrypted(_ *suite.T, a, b *actor) {
	k := a.group(b)
	k.searched(a, true)
	k.ok(b, object{"tempId": b.temp(), "contentType": "text", "content": "narwhal hidden", "encryptedContent": "bmFyd2hhbA"})
	k.send(a, "narwhal seen")
	k.soon(b, "narwhal", "narwhal seen")
	k.says(a, "hidden")
}

func wordsEdited(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.searched(a, true)
	sent := k.send(a, "a capybara")
	k.soon(b, "capybara", "a capybara")
	must(t, a.ask(request("PATCH", k.path("/messages/"+sent.At("messageId").Text()), object{"tempId": a.temp(), "content": "a pangolin"})), "editing")
	k.says(b, "capybara")
	k.soon(b, "pangolin", "a pangolin")
	k.says(b, "capybara")
}

func wordsDeleted(t *suite.T, a, b *actor) {
	k := a.group(b)
	k.searched(a, true)
	sent := k.send(a, "a dugong")
	k.soon(b, "dugong", "a dugong")
	must(t, k.erase(a, sent.At("messageId").Text()), "deleting")
	k.says(b, "dugong")
	k.says(a, "dugong")
}

func wordsForm(_ *suite.T, a *actor) {
	for _, q := range []string{`"open`, `""`, "?!", " ", strings.Repeat("a", 257)} {
		a.refused("invalid_field", get("/search?q="+url.QueryEscape(q)))
	}
	a.ok(http.StatusOK, get("/search?q="+strings.Repeat("a", 256)))
	a.ok(http.StatusOK, get("/search?q="+url.QueryEscape(`' | & ! :* <-> \ ( "x"`)))
}

func wordsTerms(_ *suite.T, a, b *actor) {
	k := a.group(b)
	k.searched(a, true)
	one, two := "the quick brown fox", "the brown quick foxes"
	k.send(a, one)
	k.send(b, two)
	k.soon(b, "the", two, one)
	k.says(a, "quick the", two, one)
	k.says(a, `"quick brown"`, one)
	k.says(a, `"brown quick" fo`, two)
	k.says(a, "fox", two, one)
	k.says(a, `"fox"`, one)
	k.says(a, "fo the")
	k.says(a, "quick-brown", one)
	k.says(a, "the bear")
}

func wordsCompared(_ *suite.T, a, b *actor) {
	k := a.group(b)
	k.searched(a, true)
	text := "CAFÉ in der Straße, ﬁrst ΣΊΣΥΦΟΣ"
	k.send(a, text)
	k.soon(b, "cafe", text)
	for _, q := range []string{"Café", "cafe\u0301", "strasse", "STRASSE", "first", "σίσυφος", "ΣΙΣΥΦΟΣ"} {
		k.says(b, q, text)
	}
}

func wordsSpaceless(_ *suite.T, a, b *actor) {
	k := a.group(b)
	k.searched(a, true)
	text := "東京都へ行く"
	k.send(a, text)
	k.soon(b, "京都", text)
	k.says(b, "都へ", text)
	k.says(b, "都東")
	k.says(b, "京 行", text)
}

func rateSearch(t *suite.T, a, b *actor) {
	most := rate(t, "searchesPerMinute")
	a.account.Spend()
	n, res := until429(t, most, func() *client.Response { return a.once(get("/search?limit=1")) })
	t.Expect(n == most, "%d searches pass, the rate is %d", n, most)
	t.Expect(res.At("retryAfterMs").Int() > 0, "retryAfterMs is %v", res.At("retryAfterMs"))
	must(t, b.once(get("/search?limit=1")), "the search of another")
}

func searchTwo(t *suite.T, a, b *actor) {
	a.direct(b).sendN(a, 5)
	for range 3 {
		search := func() error {
			in := get("/search?limit=1")
			in.Token = a.session.Access
			res, err := t.Env.Server.Do(t.Context(), t.Rec, a.who, in)
			if err == nil && res.Status != http.StatusOK {
				err = fmt.Errorf("one of two searches at a time is answered %d %s", res.Status, res.Code())
			}
			return err
		}
		together(t, search, search)
	}
}
