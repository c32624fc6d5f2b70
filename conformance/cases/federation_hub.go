// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

func hubCases(a *area) {
	a.add("FED-HUB-DIRECT", "a direct conversation of another server is followed", "FED-TAKE-2 FED-TAKE-5 FED-TXN-3 FED-SNAPSHOT-2 LOG-CHAIN-2", hubDirect)
	a.add("FED-HUB-GROUP", "a group of another server is followed through its changes", "FED-TAKE-5 FED-SNAPSHOT-1 LOG-STATE-1 LOG-STATE-2", hubGroup)
	a.add("FED-HUB-GAP", "entries that are missing are asked for", "FED-TAKE-7", hubGap)
	a.add("FED-HUB-OTHER", "entries come from the hub alone", "FED-TAKE-1", hubOther)
	a.add("FED-HUB-CHAIN", "an entry that does not continue the chain is refused", "FED-TAKE-5 FED-TAKE-6 LOG-CHAIN-2 ID-MSG-2", hubChain)
	a.add("FED-HUB-CHECKPOINT", "entries without a good checkpoint are refused", "FED-TAKE-2", hubCheckpoint)
	a.add("FED-HUB-KEY-LIFE", "a checkpoint by a key outside its life is refused", "FED-KEYS-6 FED-TAKE-2", hubKeyLife)
	a.add("FED-HUB-AUTHOR", "an entry of a user whose server did not sign it is refused", "FED-TAKE-3 FED-RECORD-3", hubAuthor)
	a.add("FED-HUB-CONTENT", "content that no client could have sent is refused", "FED-TAKE-4 FED-RECORD-1 FED-RECORD-2", hubContent)
	a.add("FED-HUB-CANONICAL", "objects that are not in their one encoding are refused", "FED-RECORD-1 ENC-CANON-2 ENC-CANON-3 ENC-CANON-4 ENC-CANON-6", hubCanonical)
	a.add("FED-HUB-STATE", "an entry with another state than the log gives is refused", "FED-TAKE-5 LOG-STATE-2", hubState)
	a.add("FED-HUB-RIGHTS", "an entry that the rules refuse is refused", "FED-TAKE-5", hubRights)
	a.add("FED-HUB-ERASED", "a message whose content was erased is followed", "FED-RECORD-2", hubErased)
	a.add("FED-HUB-PARTS", "one bad item does not hold up the others", "FED-TXN-3", hubParts)
	a.add("FED-HUB-SIZE", "a transaction beyond its bounds is refused", "FED-TXN-1", hubSize)
	a.add("FED-HUB-TWICE", "what a replica has already is passed over", "FED-TXN-3", hubTwice)
	a.add("FED-HUB-FORK", "two entries in one place end what is taken of a conversation", "FED-PROOF-1 LOG-CHECKPOINT-3", hubFork)
	a.add("FED-HUB-PREV", "an entry after another one than the replica has is refused", "FED-TAKE-5 FED-PROOF-1", hubPrev)
	a.add("FED-SNAPSHOT-BAD", "a snapshot whose parts are not of each other is refused", "FED-SNAPSHOT-1 FED-SNAPSHOT-2", snapshotBad)
	a.add("FED-SNAPSHOT-NOBODY", "a snapshot without a member of the server is refused", "FED-SNAPSHOT-3", snapshotNobody)
	a.add("FED-SNAPSHOT-HELD", "a snapshot does not replace a replica", "FED-SNAPSHOT-5", snapshotHeld)
}

func hubDirect(t *suite.T, a *actor) {
	f := farDirect(t, a)
	f.shows(a)
	f.sends("one")
	f.takes(f.says("two"), f.says("three"))
	f.shows(a)
	last := f.newest(a)
	t.Expect(last.At("content").Text() == "three", "the newest event is %v", last)
	t.Expect(f.see(a).At("type").Text() == "direct", "it is a conversation of type %v", f.see(a).At("type"))
	f.p.done()
}

func hubGroup(t *suite.T, a, b *actor) {
	f := farGroup(t, a, b)
	f.sends("one")
	f.takes(f.changes("rename", mock.Object{"name": "Farther"}))
	f.takes(f.changes("member_remove", mock.Object{"userIds": []any{b.id}}))
	f.sends("two")
	f.shows(a)
	t.Expect(f.see(a).At("name").Text() == "Farther", "it is called %v", f.see(a).At("name"))
	members := f.members(a)
	_, still := members[b.id]
	_, has := members[a.id]
	t.Expect(has && !still, "the members are %v", members)
	b.refused("not_member", get(f.path("/checkpoint")))
	f.p.done()
}

// changes appends a change by the owner.
func (f *far) changes(kind string, content mock.Object) mock.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Append(mock.Submission(f.log.ID, f.bob, kind, mock.Encode(content)))
}

func hubGap(t *suite.T, a *actor) {
	f := farDirect(t, a)
	for range 3 {
		f.says("missing")
	}
	r := f.push(mock.Object{"range": f.log.Range(f.p.Key, f.says("far ahead"))})
	t.Expect(r.Code == "entries_missing" && r.Seq == 0, "entries far ahead: seq %d %q, want 0 entries_missing", r.Seq, r.Code)
	f.shows(a)
	f.says("four")
	f.says("five")
	r = f.push(mock.Object{"head": mock.Checkpoint(f.log.Hub, f.p.Key, f.head())})
	t.Expect(r.Code == "", "a head alone: code %s", r.Code)
	f.shows(a)
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Expect(slices.Contains(f.asked, 0), "the hub was asked for entries after %v, want after 0", f.asked)
	f.p.done()
}

func hubOther(t *suite.T, a *actor) {
	f := farDirect(t, a)
	other := social(t)
	r := f.says("one")
	for what, item := range map[string]mock.Object{
		"a range": {"range": f.log.Range(f.p.Key, r)}, "a head": {"head": mock.Checkpoint(f.log.Hub, f.p.Key, r)},
		"a range that it signed itself": {"range": f.log.Range(other.Key, r)},
	} {
		item["conversationId"] = f.log.ID
		res := other.push(item)[0]
		t.Expect(res.Code == "unknown_conversation" && res.Seq == -1, "%s from another server: seq %d %q, want -1 unknown_conversation", what, res.Seq, res.Code)
	}
	f.takes(r)
	k := a.group()
	res := other.push(mock.Object{"conversationId": k.id, "range": mock.Object{"conversationId": k.id, "entries": []any{}}})[0]
	t.Expect(res.Code == "unknown_conversation", "a range of a conversation that the receiver orders: %q", res.Code)
	f.shows(a)
	f.p.done()
}

// spoils pushes a copy of the next honest entry that was spoilt before it was signed, and wants it to be refused.
func (f *far) spoils(what string, spoil func(r *mock.Record), codes ...string) {
	f.mu.Lock()
	honest := *f.log
	honest.Records = slices.Clone(f.log.Records)
	state := *f.log.State
	state.Members = slices.Clone(f.log.State.Members)
	honest.State = &state
	r := honest.Append(mock.Submission(f.log.ID, f.bob, "message", mock.Text(what))).Clone()
	f.mu.Unlock()
	spoil(&r)
	if len(codes) == 0 {
		codes = []string{"entry_refused"}
	}
	f.refuses(what, mock.Object{"range": f.log.Range(f.p.Key, r)}, codes...)
}

// renews makes entry and message id again, after the submission was changed.
func renews(r *mock.Record) {
	hash := mock.HashText("submission", mock.Encode(r.Submission))
	r.Entry["submissionHash"] = hash
	r.Entry["messageId"] = mock.MessageID(r.Entry["hubTime"].(int64), r.Seq(), hash)
}

// form are the codes of what is seen to be wrong before it is verified.
var form = []string{"entry_refused", "invalid_field", "malformed_json"}

func hubChain(t *suite.T, a *actor) {
	f := farDirect(t, a)
	f.sends("one")
	f.spoils("a count too high", func(r *mock.Record) { r.Entry["count"] = r.Entry["count"].(int64) + 1 })
	f.spoils("a count too low", func(r *mock.Record) { r.Entry["count"] = r.Entry["count"].(int64) - 1 })
	f.spoils("a time before the entry before", func(r *mock.Record) {
		r.Entry["hubTime"] = f.head().Entry["hubTime"].(int64) - 1
		renews(r)
	})
	f.spoils("another term", func(r *mock.Record) { r.Entry["term"] = int64(1) })
	f.spoils("another messageId", func(r *mock.Record) {
		r.Entry["messageId"] = mock.MessageID(r.Entry["hubTime"].(int64), r.Seq(), mock.Base64(mock.Random(32)))
	}, form...)
	f.spoils("another submissionHash", func(r *mock.Record) { r.Entry["submissionHash"] = mock.Base64(mock.Random(32)) }, form...)
	f.spoils("another conversation in the submission", func(r *mock.Record) {
		r.Submission["conversationId"] = "c" + mock.Base64(mock.Random(32))
		renews(r)
	}, form...)
	f.sends("two")
	f.shows(a)
	f.p.done()
}

func hubCheckpoint(t *suite.T, a *actor) {
	f := farDirect(t, a)
	before := f.sends("one")
	next := f.says("two")
	stranger, other := mock.NewKey("m9"), social(t)
	good := mock.Checkpoint(f.log.Hub, f.p.Key, next)
	old := mock.NewKey("old")
	changed := func(change func(c mock.Object)) mock.Object {
		c := mock.Clone(good)
		change(c)
		return mock.SignCheckpoint(c, f.log.Hub, f.p.Key)
	}
	f.log.Records = f.log.Records[:len(f.log.Records)-1]
	for what, c := range map[string]any{
		"none": nil, "one by a key that nobody published": mock.SignCheckpoint(good, f.log.Hub, stranger),
		"one by another key under the id of the hub's": mock.SignCheckpoint(good, f.log.Hub, mock.Key{ID: f.p.Key.ID, Private: stranger.Private}),
		"one signed by another server":                 mock.SignCheckpoint(good, other.Name, other.Key),
		"one of another server":                        mock.SignCheckpoint(mock.Object(withHub(good, other.Name)), other.Name, other.Key),
		"one of the entry before":                      mock.Checkpoint(f.log.Hub, f.p.Key, before),
		"one with another hash":                        changed(func(c mock.Object) { c["hash"] = mock.Base64(mock.Random(32)) }),
		"one of another conversation":                  changed(func(c mock.Object) { c["conversationId"] = "c" + mock.Base64(mock.Random(32)) }),
		"one of another term":                          changed(func(c mock.Object) { c["term"] = int64(1) }),
		"one from before the key's life":               changed(func(c mock.Object) { c["time"] = int64(-1) }),
		"one by an old key":                            mock.SignCheckpoint(good, f.log.Hub, old),
		"one that was changed after it was signed": func() mock.Object {
			c := mock.Clone(good)
			c["time"] = c["time"].(int64) + 1
			return c
		}(),
	} {
		r := f.log.Range(f.p.Key, next)
		r["checkpoint"] = c
		if c == nil {
			delete(r, "checkpoint")
		}
		f.refuses("a checkpoint: "+what, mock.Object{"range": r}, append(slices.Clone(form), "unavailable")...)
	}
	f.log.Records = append(f.log.Records, next)
	f.takes(next)
	f.shows(a)
	f.p.done()
}

func hubKeyLife(t *suite.T, a *actor) {
	now := time.Now()
	ended, coming, gone := mock.NewKey("ended"), mock.NewKey("coming"), mock.NewKey("gone")
	p := socialWith(t, func(p *peer) {
		doc := mock.Keys(p.Name, now, p.Key)
		doc["keys"] = append(doc["keys"].([]any), ended.Entry(time.UnixMilli(0), now.Add(-time.Hour)), coming.Entry(now.Add(time.Hour), now.Add(2*time.Hour)))
		doc["oldKeys"] = []any{oldKey(gone, now.Add(-time.Hour), false)}
		p.Handle(mock.KeysPath, func(w http.ResponseWriter, _ *mock.Visit) { mock.Reply(w, mock.SignKeys(doc, p.Key)) })
	})
	f := farDirectOf(t, p, a)
	next := f.says("one")
	f.log.Records = f.log.Records[:1]
	for what, c := range map[string]struct {
		key mock.Key
		at  time.Time
	}{
		"whose life ended": {ended, now}, "that is an old one": {gone, now}, "whose life begins later": {coming, now},
		"whose life ended, in the name of an earlier time": {ended, now.Add(-2 * time.Hour)}, "that is an old one, in the name of an earlier time": {gone, now.Add(-2 * time.Hour)},
	} {
		r := f.log.Range(c.key, next)
		cp := mock.Clone(r["checkpoint"].(mock.Object))
		cp["time"] = c.at.UnixMilli()
		r["checkpoint"] = mock.SignCheckpoint(cp, f.log.Hub, c.key)
		f.refuses("a checkpoint by a key "+what, mock.Object{"range": r}, "entry_refused", "unavailable")
	}
	f.log.Records = append(f.log.Records, next)
	f.takes(next)
	f.shows(a)
	p.done()
}

func withHub(c mock.Object, hub string) mock.Object {
	out := mock.Clone(c)
	out["hub"] = hub
	return out
}

func hubAuthor(t *suite.T, a *actor) {
	f := farGroup(t, a)
	f.sends("one")
	third := social(t)
	as := func(user string, sign func(r mock.Record) mock.Record) func(r *mock.Record) {
		return func(r *mock.Record) {
			r.Submission["sender"] = user
			renews(r)
			*r = sign(*r)
		}
	}
	unsigned := func(r mock.Record) mock.Record { return r }
	by := func(key mock.Key) func(mock.Record) mock.Record {
		return func(r mock.Record) mock.Record { return r.Signed(key) }
	}
	ring, err := t.Env.Mock.Keys(t.Context())
	t.Expect(err == nil, "%v", err)
	codes := []string{"entry_refused", "unavailable"}
	f.spoils("an entry of the server's own user without a signature", as(a.id, unsigned))
	f.spoils("an entry of the server's own user, signed by the hub", as(a.id, by(f.p.Key)), codes...)
	f.spoils("an entry of the server's own user, signed by another in the name of its key", as(a.id, by(mock.Key{ID: ring.First(), Private: f.p.Key.Private})), codes...)
	f.spoils("an entry of a user of a third server without a signature", as(third.first("dave"), unsigned))
	f.spoils("an entry of a user of a third server, signed by the hub", as(third.first("dave"), by(f.p.Key)), codes...)
	f.spoils("an entry of the hub's own user with a signature", func(r *mock.Record) { *r = r.Signed(f.p.Key) })
	f.spoils("an entry of a user with another's signature", func(r *mock.Record) {
		*r = r.Signed(f.p.Key)
		as(a.id, unsigned)(r)
	}, codes...)
	f.sends("two")
	f.shows(a)
	f.p.done()
}

func hubContent(t *suite.T, a *actor) {
	f := farGroup(t, a)
	f.sends("one")
	content := func(kind, text string) func(r *mock.Record) {
		return func(r *mock.Record) {
			r.Content = text
			r.Submission["type"], r.Submission["contentHash"] = kind, mock.ContentHash(r.Salt, text)
			renews(r)
		}
	}
	f.spoils("content that nobody committed to", func(r *mock.Record) { r.Content = mock.Text("another") }, form...)
	f.spoils("another salt", func(r *mock.Record) { r.Salt = mock.Random(16) }, form...)
	f.spoils("a kind of content that nobody knows", content("message", mock.Encode(mock.Object{"content": "x", "contentType": "hologram"})), form...)
	f.spoils("a message of nothing", content("message", mock.Encode(mock.Object{"contentType": "text"})), form...)
	f.spoils("a member that nobody knows", content("message", mock.Encode(mock.Object{"content": "x", "contentType": "text", "more": int64(1)})), form...)
	f.spoils("content of more than its bound", content("message", mock.Text(strings.Repeat("x", 65_536))), form...)
	f.spoils("content with white space", content("message", `{"content": "x","contentType":"text"}`), form...)
	f.spoils("content that is no JSON", content("message", "x"), form...)
	f.spoils("a type that nobody knows", func(r *mock.Record) {
		content("levitate", "{}")(r)
	}, form...)
	item := func(change func(wire mock.Object)) mock.Object {
		f.mu.Lock()
		defer f.mu.Unlock()
		r := f.log.Append(mock.Submission(f.log.ID, f.bob, "rename", mock.Encode(mock.Object{"name": "Other"})))
		rng := f.log.Range(f.p.Key, r)
		change(rng["entries"].([]any)[0].(mock.Object))
		f.log.Records, f.log.State.Name = f.log.Records[:len(f.log.Records)-1], "Far"
		return mock.Object{"range": rng}
	}
	f.refuses("a change of the state without its content", item(func(w mock.Object) { delete(w, "salt"); delete(w, "content") }), form...)
	f.refuses("content without its salt", item(func(w mock.Object) { delete(w, "salt") }), form...)
	f.refuses("a salt without content", item(func(w mock.Object) { delete(w, "content") }), form...)
	f.sends("two")
	f.shows(a)
	f.p.done()
}

func hubCanonical(t *suite.T, a *actor) {
	f := farDirect(t, a)
	f.sends("one")
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, part := range []string{"submission", "entry"} {
		for what, change := range map[string]func(text string) string{
			"with white space":                func(s string) string { return strings.Replace(s, ":", ": ", 1) },
			"with a member twice":             func(s string) string { return strings.TrimSuffix(s, "}") + `,"v":1}` },
			"with a member that nobody knows": func(s string) string { return strings.TrimSuffix(s, "}") + `,"x":1}` },
			"with a fraction":                 func(s string) string { return strings.Replace(s, `"v":1`, `"v":1.0`, 1) },
			"with an exponent":                func(s string) string { return strings.Replace(s, `"v":1`, `"v":1e0`, 1) },
			"with 1e400":                      func(s string) string { return strings.Replace(s, `"v":1`, `"v":1e400`, 1) },
			"with 2^53":                       func(s string) string { return strings.Replace(s, `"v":1`, `"v":9007199254740992`, 1) },
			"that is deep":                    func(s string) string { return strings.Replace(s, `"v":1`, `"v":`+deep, 1) },
			"with an escape":                  func(s string) string { return strings.Replace(s, `"v"`, `"\u0076"`, 1) },
			"in another order":                func(s string) string { return `{"v":1,` + strings.TrimPrefix(strings.Replace(s, `,"v":1`, "", 1), "{") },
			"that is a text":                  func(s string) string { return mock.Encode(s) },
			"that is null":                    func(string) string { return "null" },
		} {
			f.mu.Lock()
			r := f.log.Append(mock.Submission(f.log.ID, f.bob, "message", mock.Text("x")))
			f.log.Records = f.log.Records[:len(f.log.Records)-1]
			f.mu.Unlock()
			rng := f.log.Range(f.p.Key, r)
			wire := rng["entries"].([]any)[0].(mock.Object)
			wire[part] = mock.Raw(change(mock.Encode(wire[part])))
			f.refusedOrMalformed("an object "+part+" "+what, rng)
		}
	}
	f.sends("two")
	f.shows(a)
	f.p.done()
}

// refusedOrMalformed wants an item, or the whole body if the server reads that strictly, to be refused.
func (f *far) refusedOrMalformed(what string, rng mock.Object) {
	body := mock.Encode(mock.Object{"items": []any{mock.Object{"conversationId": f.log.ID, "range": rng}}})
	a := f.p.send(func() *mock.Request { return f.p.Signed().Sign("POST", transactionsPath, []byte(body)) })
	if a.Status == http.StatusBadRequest {
		f.t.Expect(slices.Contains(form, a.Code()), "%s: %s", what, a.Code())
		return
	}
	var out struct{ Results []result }
	f.t.Expect(a.Status == http.StatusOK && a.Read(&out) == nil && len(out.Results) == 1, "%s: status %d %s", what, a.Status, a.Code())
	f.t.Expect(slices.Contains(form, out.Results[0].Code), "%s: code %q", what, out.Results[0].Code)
}

func hubState(t *suite.T, a *actor) {
	f := farGroup(t, a)
	f.sends("one")
	f.spoils("a message with a stateHash", func(r *mock.Record) { r.Entry["stateHash"] = f.log.State.Hash() })
	change := func(what string, spoil func(r *mock.Record)) {
		f.mu.Lock()
		r := f.log.Append(mock.Submission(f.log.ID, f.bob, "rename", mock.Encode(mock.Object{"name": "Other"}))).Clone()
		f.log.Records, f.log.State.Name = f.log.Records[:len(f.log.Records)-1], "Far"
		f.mu.Unlock()
		spoil(&r)
		f.refuses(what, mock.Object{"range": f.log.Range(f.p.Key, r)}, "entry_refused")
	}
	change("a change without a stateHash", func(r *mock.Record) { delete(r.Entry, "stateHash") })
	change("a change with another stateHash", func(r *mock.Record) { r.Entry["stateHash"] = mock.Base64(mock.Random(32)) })
	change("a change with the stateHash from before", func(r *mock.Record) { r.Entry["stateHash"] = f.log.State.Hash() })
	f.takes(f.changes("rename", mock.Object{"name": "Farther"}))
	f.shows(a)
	f.p.done()
}

func hubRights(t *suite.T, a *actor) {
	f := farGroup(t, a)
	f.sends("one")
	carol, eve := f.p.first("carol"), f.p.first("eve")
	by := func(what, user, kind string, content mock.Object) {
		f.mu.Lock()
		state := *f.log.State
		members := slices.Clone(state.Members)
		r := f.log.Append(mock.Submission(f.log.ID, user, kind, mock.Encode(content)))
		f.log.Records = f.log.Records[:len(f.log.Records)-1]
		state.Members = members
		*f.log.State = state
		f.mu.Unlock()
		f.refuses(what, mock.Object{"range": f.log.Range(f.p.Key, r)}, form...)
	}
	by("a message of who is no member", eve, "message", mock.Object{"content": "x", "contentType": "text"})
	by("a removal by a member", carol, "member_remove", mock.Object{"userIds": []any{f.bob}})
	by("a removal of who is no member", f.bob, "member_remove", mock.Object{"userIds": []any{eve}})
	by("a second create", f.bob, "create", mock.Object{"type": "group"})
	f.takes(f.changes("member_remove", mock.Object{"userIds": []any{carol}}))
	by("a message of who was removed", carol, "message", mock.Object{"content": "x", "contentType": "text"})
	f.sends("two")
	f.shows(a)
	f.p.done()
}

func hubErased(t *suite.T, a *actor) {
	f := farDirect(t, a)
	r := f.says("erased")
	erased := r.Clone()
	erased.Content = ""
	f.takes(erased, f.changes("delete", mock.Object{"targetMessageId": r.Entry["messageId"]}))
	f.sends("two")
	f.shows(a)
	t.Expect(f.event(a, 1).At("content").Text() == "", "an erased message has the content %v", f.event(a, 1).At("content"))
	f.p.done()
}

func hubParts(t *suite.T, a, b *actor) {
	f := farDirect(t, a)
	bad := f.says("bad")
	g := &far{p: f.p, bob: f.bob, log: mock.NewLog(mock.DirectCreate(f.bob, b.id), f.bob)}
	good := mock.Object{"conversationId": g.log.ID, "snapshot": g.log.Snapshot(f.p.Key)}
	spoilt := bad.Clone()
	spoilt.Entry["count"] = int64(7)
	list := f.p.push(
		mock.Object{"conversationId": f.log.ID, "range": f.log.Range(f.p.Key, spoilt)},
		mock.Object{"conversationId": f.log.ID, "range": mock.Raw(`{"entries":7}`)},
		good,
		mock.Object{"conversationId": "c" + mock.Base64(mock.Random(32)), "head": mock.Checkpoint(f.log.Hub, f.p.Key, bad)},
	)
	t.Expect(slices.Contains(form, list[0].Code) && list[0].Seq == 0, "a bad range: seq %d %q", list[0].Seq, list[0].Code)
	t.Expect(list[1].Code != "", "an item that is no item is taken")
	t.Expect(list[2].Code == "" && list[2].Seq == 0, "a good snapshot beside bad items: seq %d %q", list[2].Seq, list[2].Code)
	t.Expect(list[3].Code != "", "a head of another conversation is taken")
	// What came before the bad entry of a range stays taken.
	more := f.says("more")
	worse := more.Clone()
	worse.Entry["count"] = int64(9)
	r := f.push(mock.Object{"range": f.log.Range(f.p.Key, bad, worse)})
	t.Expect(slices.Contains(form, r.Code) && r.Seq <= 1, "a range that ends badly: seq %d %q", r.Seq, r.Code)
	f.takes(bad, more)
	f.shows(a)
	f.p.done()
}

func hubSize(t *suite.T, a *actor) {
	f := farDirect(t, a)
	for range 51 {
		f.says("x")
	}
	post := func(what string, items []any) {
		body := []byte(mock.Encode(mock.Object{"items": items}))
		res := f.p.send(func() *mock.Request { return f.p.Signed().Sign("POST", transactionsPath, body) })
		var out struct{ Results []result }
		if res.Status == http.StatusOK && res.Read(&out) == nil && len(out.Results) > 0 {
			t.Expect(out.Results[0].Code != "", "%s is taken", what)
			return
		}
		wantRefusal(t, res, "invalid_field", what)
	}
	post("a range of 51 entries", []any{mock.Object{"conversationId": f.log.ID, "range": f.log.Range(f.p.Key, f.log.Records[1:]...)}})
	items := []any{}
	for range 101 {
		items = append(items, mock.Object{"conversationId": f.log.ID, "head": mock.Checkpoint(f.log.Hub, f.p.Key, f.log.Records[0])})
	}
	post("a transaction of 101 items", items)
	f.takes(f.log.Records[1:51]...)
	f.takes(f.log.Records[51:]...)
	f.shows(a)
	f.p.done()
}

func hubTwice(t *suite.T, a *actor) {
	f := farDirect(t, a)
	one, two := f.sends("one"), f.says("two")
	f.takes(one, two)
	f.takes(one, two)
	r := f.push(mock.Object{"range": f.log.Range(f.p.Key, one)})
	t.Expect(r.Code == "" && r.Seq == 2, "an old range: seq %d %q, want 2", r.Seq, r.Code)
	r = f.push(mock.Object{"snapshot": (&mock.Log{ID: f.log.ID, Hub: f.log.Hub, Create: f.log.Create, Records: f.log.Records[:1], State: f.log.State}).Snapshot(f.p.Key)})
	t.Expect(r.Seq == 2, "the snapshot again: seq %d %q, want 2", r.Seq, r.Code)
	f.shows(a)
	f.p.done()
}

func hubFork(t *suite.T, a *actor) {
	f := farDirect(t, a)
	one := f.sends("one")
	f.mu.Lock()
	f.log.Records = f.log.Records[:len(f.log.Records)-1]
	other := f.log.Append(mock.Submission(f.log.ID, f.bob, "message", mock.Text("another one")))
	after := f.log.Append(mock.Submission(f.log.ID, f.bob, "message", mock.Text("after it")))
	f.log.Records[1] = one
	f.mu.Unlock()
	r := f.push(mock.Object{"range": f.log.Range(f.p.Key, other)})
	t.Expect(r.Code == "diverged", "another entry at seq 1: seq %d %q, want diverged", r.Seq, r.Code)
	r = f.push(mock.Object{"range": f.log.Range(f.p.Key, other, after)})
	t.Expect(r.Code == "diverged" && r.Seq <= 1, "what follows it: seq %d %q, want diverged", r.Seq, r.Code)
	f.mu.Lock()
	f.log.Records = f.log.Records[:2]
	f.mu.Unlock()
	r = f.push(mock.Object{"range": f.log.Range(f.p.Key, f.says("honest again"))})
	t.Expect(r.Code == "diverged" && r.Seq == 1, "an honest entry after two histories: seq %d %q, want 1 diverged", r.Seq, r.Code)
	list := f.events(a)
	wantSeqs(t, list, 0, 1)
	t.Expect(list[1].At("content").Text() == "one", "the first history is replaced: %v", list[1])
	f.t.Eventually(20*time.Second, "a message there is refused with diverged", func() bool {
		return a.ask(post(f.path("/messages"), message(a.temp(), "x"))).Code() == "diverged"
	})
	f.p.done()
}

// hubPrev shows two histories without a second entry in one place: what follows names another predecessor.
func hubPrev(t *suite.T, a *actor) {
	for what, prev := range map[string]string{"another prev": mock.Base64(mock.Random(32)), "no prev": mock.Base64(make([]byte, 32))} {
		f := farDirect(t, a)
		f.sends("one")
		f.spoils("an entry with "+what, func(r *mock.Record) { r.Entry["prev"] = prev }, "diverged", "entry_refused")
		wantSeqs(t, f.events(a), 0, 1)
		f.p.done()
	}
}

func snapshotBad(t *suite.T, a *actor) {
	p := social(t)
	bob := p.first("bob")
	l := mock.NewLog(mock.DirectCreate(bob, a.id), bob)
	other := social(t)
	refuse := func(what string, from *peer, spoil func(s mock.Object)) {
		s := l.Snapshot(p.Key)
		spoil(s)
		r := from.push(mock.Object{"conversationId": l.ID, "snapshot": s})[0]
		t.Expect(r.Code != "" && r.Code != "internal" && r.Seq == -1, "%s: seq %d %q, want a refusal", what, r.Seq, r.Code)
	}
	state := func(old, new string) func(mock.Object) {
		return func(s mock.Object) { s["state"] = strings.Replace(s["state"].(string), old, new, 1) }
	}
	refuse("a snapshot with another role in its state", p, state(`"role":"member"`, `"role":"owner"`))
	refuse("a snapshot with white space in its state", p, state(`,"name"`, `, "name"`))
	refuse("a snapshot with a state that is no JSON", p, func(s mock.Object) { s["state"] = "x" })
	refuse("a snapshot without a state", p, func(s mock.Object) { delete(s, "state") })
	refuse("a snapshot with another create object", p, func(s mock.Object) {
		s["create"] = mock.Encode(mock.DirectCreate(p.first("carol"), a.id))
	})
	refuse("a snapshot with white space in its create object", p, func(s mock.Object) { s["create"] = s["create"].(string) + " " })
	refuse("a snapshot without a checkpoint", p, func(s mock.Object) { delete(s, "checkpoint") })
	refuse("a snapshot with a checkpoint by another", p, func(s mock.Object) {
		s["checkpoint"] = mock.SignCheckpoint(s["checkpoint"].(mock.Object), p.Name, mock.Key{ID: p.Key.ID, Private: other.Key.Private})
	})
	refuse("a snapshot without its content", p, func(s mock.Object) {
		e := s["entry"].(mock.Object)
		delete(e, "content")
		delete(e, "salt")
	})
	refuse("a snapshot from a server that is not the hub", other, func(mock.Object) {})
	refuse("a snapshot from a server that signs as its hub", other, func(s mock.Object) {
		s["checkpoint"] = mock.SignCheckpoint(withHub(s["checkpoint"].(mock.Object), other.Name), other.Name, other.Key)
	})
	l.Append(mock.Submission(l.ID, bob, "message", mock.Text("x")))
	refuse("a snapshot of a message", p, func(mock.Object) {})
	a.refused("unknown_conversation", get("/conversations/"+l.ID))
	p.done()
}

func snapshotNobody(t *suite.T) {
	p := social(t)
	bob := p.first("bob")
	for what, other := range map[string]string{
		"who has no account": "nobody-" + t.Env.RunID + "@" + t.Env.ServerName(), "of another server": p.last("dave"),
	} {
		l := mock.NewLog(mock.DirectCreate(bob, other), bob)
		r := p.push(mock.Object{"conversationId": l.ID, "snapshot": l.Snapshot(p.Key)})[0]
		t.Expect(r.Code == "no_member_here" && r.Seq == -1, "a conversation with somebody %s: seq %d %q, want -1 no_member_here", what, r.Seq, r.Code)
	}
	p.done()
}

func snapshotHeld(t *suite.T, a *actor) {
	f := farGroup(t, a)
	f.sends("one")
	for range 2 {
		f.says("missing")
	}
	f.changes("rename", mock.Object{"name": "Ahead"})
	r := f.push(mock.Object{"snapshot": f.log.Snapshot(f.p.Key)})
	t.Expect(r.Seq >= 1, "a snapshot from ahead: seq %d %q", r.Seq, r.Code)
	f.shows(a)
	t.Expect(f.see(a).At("name").Text() == "Ahead", "it is called %v", f.see(a).At("name"))
	f.p.done()
}
