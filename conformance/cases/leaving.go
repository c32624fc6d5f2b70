// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

func leaving() []*suite.Case {
	a := &area{profile: abuse}
	a.add("EXPORT-ALL", "an export holds what the pages show", "EXPORT-ALL-1 EXPORT-PROOF-1", exportAll)
	a.add("ERASE-MESSAGES", "an erased account takes its messages along, and the chain holds", "ERASE-ACCOUNT-1 ERASE-MESSAGES-1 ERASE-TELL-1 ERASE-LEAVE-1 ERASE-CHAIN-1", eraseMessages, fresh, slow(2*time.Minute))
	a.add("ERASE-KEEP", "an erased account leaves its messages if told so", "ERASE-MESSAGES-2", eraseKeep, fresh)
	return a.list
}

// archive fetches the export and returns its files.
func (a *actor) archive() map[string]string {
	res := a.ok(http.StatusOK, post("/users/me/export", object{"password": a.account.Password}))
	z, err := zip.NewReader(bytes.NewReader(res.Body), int64(len(res.Body)))
	if err != nil {
		a.t.Fail("the export is no zip archive: %v", err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			a.t.Fail("%s in the export: %v", f.Name, err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			a.t.Fail("%s in the export: %v", f.Name, err)
		}
		files[f.Name] = string(text)
	}
	return files
}

func exportAll(t *suite.T, a, b *actor) {
	k, closed := a.group(b), b.group(a)
	k.send(a, "of mine")
	k.send(b, "of another")
	must(t, closed.remove(b, a), "removing")
	closed.send(b, "after the removal")
	files := a.archive()
	t.Expect(strings.Contains(files["profile.json"], a.id), "profile.json does not name the account")
	t.Expect(files["README.txt"] != "" && files["devices.json"] != "", "README.txt or devices.json is missing")
	for _, conv := range []*talk{k, closed} {
		lines := strings.Split(strings.TrimSpace(files["conversations/"+conv.id+"/messages.jsonl"]), "\n")
		events := conv.events(a)
		t.Expect(len(lines) == len(events), "%d lines of %s, %d entries on its pages", len(lines), conv.id, len(events))
		for i, e := range events {
			t.Expect(strings.Contains(lines[i], `"`+e.At("messageId").Text()+`"`), "line %d is %s, the page has %v", i+1, lines[i], e)
		}
	}
	for name, text := range files {
		t.Expect(!strings.Contains(text, a.session.Access) && !strings.Contains(text, "after the removal"), "%s holds what it must not", name)
	}
	a.refused("wrong_credentials", post("/users/me/export", object{"password": "not the password"}))
}

func eraseMessages(t *suite.T, a, b *actor) {
	direct, group := a.direct(b), b.group(a)
	secret := direct.send(a, "a secret").At("messageId").Text()
	group.send(a, "another secret")
	kept := direct.send(b, "of another").At("seq").Int()
	l := b.online("")
	hash := b.ok(http.StatusOK, get(direct.path("/checkpoint"))).At("hash").Text()
	a.refused("wrong_credentials", post("/users/me/erase", object{"password": "not the password", "messages": "erase"}))
	a.account.Spend()
	a.ok(http.StatusNoContent, post("/users/me/erase", object{"password": a.account.Password, "messages": "erase"}))
	told := l.within(time.Minute, "message_deleted", func(f client.Frame) bool {
		return f.Type == "message_deleted" && f.Data.At("messageId").Text() == secret
	})
	t.Expect(told.Data.At("reason").Text() == "erased" && told.Data.At("senderId").Text() == a.id, "told %v", told.Data)
	t.Eventually(time.Minute, "the messages are erased and the group is left", func() bool {
		for _, k := range []*talk{direct, group} {
			for _, e := range k.events(b) {
				if e.At("senderId").Text() == a.id && e.At("type").Text() == "message" && e.At("deletedBy").Text() != a.id {
					return false
				}
			}
		}
		return group.newest(b).At("type").Text() == "member_leave"
	})
	for _, k := range []*talk{direct, group} {
		for _, e := range k.events(b) {
			if e.At("senderId").Text() == a.id && e.At("type").Text() == "message" {
				t.Expect(!e.At("content").Exists() && e.At("deletedAt").Int() > 0, "the record is %v", e)
			}
		}
	}
	t.Expect(direct.event(b, kept).At("content").Text() == "of another", "the message of another is %v", direct.event(b, kept))
	after := b.ok(http.StatusOK, get(direct.path("/checkpoint"))).At("hash").Text()
	t.Expect(after == hash, "the hash of the head is %s, it was %s", after, hash)
	b.refused("unknown_user", get("/users/"+a.id))
	a.refused("unauthenticated", get("/users/me"))
}

func eraseKeep(t *suite.T, a, b *actor) {
	k := a.direct(b)
	seq := k.send(a, "stays").At("seq").Int()
	a.account.Spend()
	a.ok(http.StatusNoContent, post("/users/me/erase", object{"password": a.account.Password, "messages": "keep"}))
	t.Pause(time.Second)
	t.Expect(k.event(b, seq).At("content").Text() == "stays", "the message is %v", k.event(b, seq))
}
