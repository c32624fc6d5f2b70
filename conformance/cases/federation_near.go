// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

// near is a conversation that the server under test orders and a homeserver of the suite follows.
type near struct {
	*talk
	p     *peer
	bob   string
	mu    sync.Mutex
	f     *mock.Follower
	begun int                                          // snapshots that came
	txns  int                                          // transactions that were about the conversation
	under int                                          // of them, under way now
	hold  func(n int) (seq int64, status int, ok bool) // what the n-th is answered instead; nil: what is true
}

// follow makes a homeserver that follows what the server under test brings to it.
func follow(t *suite.T) *near {
	p := social(t)
	ring, err := t.Env.Mock.Keys(t.Context())
	t.Expect(err == nil, "%v", err)
	own, err := mock.ReadKeys([]byte(mock.Encode(mock.SignKeys(mock.Keys(p.Name, time.Now(), p.Key), p.Key))), p.Name)
	t.Expect(err == nil, "%v", err)
	n := &near{p: p, bob: p.last("bob"), talk: &talk{t: t}}
	n.f = &mock.Follower{Key: func(server, id string, at int64) ([]byte, error) {
		switch server {
		case t.Env.ServerName():
			return ring.Life(id, at)
		case p.Name:
			return own.Life(id, at)
		}
		return nil, fmt.Errorf("a key of %s", server)
	}}
	p.Handle(transactionsPath, n.take)
	return n
}

// nearDirect lets the actor begin a direct conversation with a user of the suite's homeserver.
func nearDirect(t *suite.T, a *actor) *near {
	n := follow(t)
	if a.id > n.bob {
		t.Impossible("the given account %s comes after %s", a.id, n.bob)
	}
	res := a.ok(http.StatusCreated, post("/conversations", object{"type": "direct", "members": []string{n.bob}}))
	n.talk.id = res.At("conversationId").Text()
	n.holds(1)
	return n
}

// nearGroup lets the actor make a group with a user of the suite's homeserver, and others.
func nearGroup(t *suite.T, a *actor, others ...*actor) *near {
	n := follow(t)
	res := a.ok(http.StatusCreated, post("/conversations", object{"type": "group", "name": "Near", "members": append(ids(others), n.bob)}))
	n.talk.id = res.At("conversationId").Text()
	n.holds(1)
	return n
}

// take answers a transaction, verifying everything.
func (n *near) take(w http.ResponseWriter, v *mock.Visit) {
	var body struct{ Items []map[string]json.RawMessage }
	if err := json.Unmarshal(v.Request.Body, &body); err != nil || len(v.Request.Body) > 1<<20 || len(body.Items) > 100 {
		n.p.Fault("a transaction of %d bytes and %d items: %v", len(v.Request.Body), len(body.Items), err)
	}
	isAbout := false
	for _, item := range body.Items {
		isAbout = isAbout || item["snapshot"] != nil || item["range"] != nil || item["head"] != nil
	}
	if !isAbout {
		n.answer(w, body.Items, n.item)
		return
	}
	count, hold, end := n.enter()
	defer end()
	if hold == nil {
		n.answer(w, body.Items, n.item)
		return
	}
	switch seq, status, ok := hold(count); {
	case ok:
		n.answer(w, body.Items, n.item)
	case status != 0:
		w.Header().Set("Retry-After", "1")
		mock.Refuse(w, status, "unavailable")
	default:
		n.answer(w, body.Items, func(map[string]json.RawMessage) (int64, string) { return seq, "" })
	}
}

// enter counts a transaction that has entries or a head, and wants it to be the only one that is under way.
func (n *near) enter() (count int, hold func(int) (int64, int, bool), end func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.txns++
	n.under++
	if n.under > 1 {
		n.p.Fault("two transactions about one conversation at a time")
	}
	return n.txns, n.hold, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.under--
	}
}

func (n *near) answer(w http.ResponseWriter, items []map[string]json.RawMessage, f func(map[string]json.RawMessage) (int64, string)) {
	list := []any{}
	for _, item := range items {
		var id string
		_ = json.Unmarshal(item["conversationId"], &id)
		seq, code := f(item)
		r := mock.Object{"conversationId": id, "seq": seq}
		if code != "" {
			r["code"] = code
		}
		list = append(list, r)
	}
	mock.Reply(w, mock.Object{"results": list})
}

// item takes one item, and says how far the replica is.
func (n *near) item(item map[string]json.RawMessage) (int64, string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var err error
	if raw := item["snapshot"]; raw != nil {
		n.begun++
		err = n.f.Begin(raw)
	}
	if raw := item["range"]; raw != nil && err == nil {
		if len(n.f.Records) == 0 {
			return -1, "unknown_replica"
		}
		err = n.f.Range(raw)
	}
	if err != nil {
		n.p.Fault("what the hub brought: %v", err)
		return n.seq(), "entry_refused"
	}
	return n.seq(), ""
}

func (n *near) seq() int64 { return n.f.Base + int64(len(n.f.Records)) - 1 }

// holds waits until the replica has so many entries from the first on.
func (n *near) holds(count int64) {
	n.t.Eventually(20*time.Second, fmt.Sprintf("the follower has the entries up to %d of %s", count-1, n.id), func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.f.Records) > 0 && n.seq() >= count-1 || len(n.p.Faults()) > 0
	})
	n.p.done()
}

// record returns what the replica has at a seq.
func (n *near) record(seq int64) mock.Record {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := seq - n.f.Base
	n.t.Expect(i >= 0 && i < int64(len(n.f.Records)), "the replica has no entry %d", seq)
	return n.f.Records[i]
}

func nearCases(a *area) {
	a.add("FED-NEAR-DIRECT", "a direct conversation is brought to the server of the other", "FED-INVITE-1 FED-RECORD-1 FED-RECORD-3 LOG-CHAIN-1 LOG-SUBMISSION-1 LOG-ENTRY-1 LOG-CONTENT-1 FED-AUTH-8", nearBegins)
	a.add("FED-NEAR-GROUP", "a group is brought as long as the server has a member", "FED-TXN-5 FED-SNAPSHOT-1 LOG-STATE-1 LOG-STATE-2 LOG-CONTENT-3", nearMembers)
	a.add("FED-NEAR-ONE", "transactions about one conversation come one after the other", "FED-TXN-2 FED-TXN-1", nearOne)
	a.add("FED-NEAR-AGAIN", "the hub goes on from where the follower says it is", "FED-TXN-4", nearAgain)
	a.add("FED-NEAR-AWAY", "a follower that was away gets everything afterwards", "FED-TXN-7 FED-TXN-5", nearAway, slow(time.Minute))
	a.add("FED-NEAR-ERASED", "what was deleted comes without its content, and the chain holds", "FED-RECORD-2 FED-TXN-5", nearErased)
	a.add("FED-PULL", "a follower asks for entries after and before what it has", "FED-PULL-1 FED-PULL-4", pulling)
	a.add("FED-PULL-WHO", "entries are for servers with members, as far as those may read", "FED-PULL-2 FED-PULL-3", pullWho)
	submissionCases(a)
}

func nearBegins(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	want := mock.Encode(mock.DirectCreate(a.id, n.bob))
	t.Expect(mock.ConversationID(want) == n.id, "the conversation is %s, by its create object %s", n.id, mock.ConversationID(want))
	invites := n.p.Visits(invitesPath)
	t.Expect(len(invites) > 0, "the server of the other was not asked")
	for _, v := range invites {
		o, err := value(v)
		t.Expect(err == nil && o.At("create").Text() == want && o.At("inviterId").Text() == a.id && strings.Join(o.At("userIds").Texts(), " ") == n.bob, "asked with %v", o)
	}
	n.sendN(a, 3)
	n.holds(4)
	salts := map[string]bool{}
	for i := range int64(4) {
		r := n.record(i)
		t.Expect(r.Signature == nil && r.Content != "" && !salts[string(r.Salt)], "record %d: signature %v, salt %x, content %q", i, r.Signature, r.Salt, r.Content)
		salts[string(r.Salt)] = true
		t.Expect(r.Submission["sender"] == a.id, "record %d is of %v", i, r.Submission["sender"])
	}
	t.Expect(n.record(0).Content == want, "the first entry has the content %s", n.record(0).Content)
	t.Expect(n.record(3).Content == mock.Text("message 3 of 3"), "the last entry has the content %s", n.record(3).Content)
	n.p.done()
}

func nearMembers(t *suite.T, a, b *actor) {
	n := nearGroup(t, a, b)
	must(t, n.rename(a, "Nearer"), "renaming")
	n.send(a, "one")
	n.holds(3)
	t.Expect(n.record(1).Content == mock.Encode(mock.Object{"name": "Nearer"}), "renaming has the content %s", n.record(1).Content)
	must(t, n.remove(a, b), "removing")
	n.holds(4)
	must(t, a.ask(request("DELETE", n.path("/members/"+n.bob), nil)), "removing the follower's member")
	n.holds(5)
	secret := n.send(a, "not for bob")
	must(t, n.rename(a, "Not for bob"), "renaming")
	other := nearGroup(t, a) // What is brought to another server later tells that this has had its time.
	other.send(a, "mark")
	other.holds(2)
	n.mu.Lock()
	t.Expect(n.seq() == 4, "the follower without a member is at %d, want 4", n.seq())
	before := n.begun
	n.mu.Unlock()
	must(t, a.ask(post(n.path("/members"), object{"userIds": []string{n.bob}})), "adding again")
	n.t.Eventually(20*time.Second, "a second snapshot comes", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.begun > before || len(n.p.Faults()) > 0
	})
	n.mu.Lock()
	t.Expect(n.f.Base > secret.At("seq").Int(), "the replica begins again at %d, before bob was there", n.f.Base)
	n.mu.Unlock()
	n.p.done()
}

func nearOne(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	n.mu.Lock()
	n.hold = func(int) (int64, int, bool) { time.Sleep(30 * time.Millisecond); return 0, 0, true }
	n.mu.Unlock()
	for i := range 60 {
		n.send(a, fmt.Sprint("m", i))
	}
	n.holds(61)
	n.p.done()
}

func nearAgain(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	n.mu.Lock()
	first := n.txns
	n.hold = func(count int) (int64, int, bool) { return 0, 0, count > first+2 } // Twice it says that nothing came.
	n.mu.Unlock()
	n.sendN(a, 4)
	n.holds(5)
	n.p.done()
}

func nearAway(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	n.mu.Lock()
	first := n.txns
	n.hold = func(count int) (int64, int, bool) { return 0, http.StatusServiceUnavailable, count > first+2 }
	n.mu.Unlock()
	n.sendN(a, 4)
	n.holds(5)
	n.p.done()
}

func nearErased(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	first := n.send(a, "secret words")
	n.holds(2)
	must(t, a.ask(request("DELETE", n.path("/messages/"+first.At("messageId").Text()), nil)), "deleting")
	n.holds(3)
	raw := n.p.pull(n.id, mock.Object{"beforeSeq": int64(3)})
	t.Expect(!strings.Contains(string(raw), "secret words"), "the content is handed on after it was deleted")
	list := n.p.verify(n, raw)
	t.Expect(len(list) == 3 && list[1].Content == "" && list[2].Submission["type"] == "delete", "%d records, the second with %q", len(list), list[1].Content)
	n.p.done()
}

// pull asks for entries and returns the answer's bytes.
func (p *peer) pull(id string, body mock.Object) []byte {
	a := p.asks(entriesPath, id, body)
	p.t.Expect(a.Status == http.StatusOK, "asked for entries %s: status %d %s", mock.Encode(body), a.Status, a.Code())
	return a.Body
}

// asks posts a body about a conversation.
func (p *peer) asks(path, id string, body mock.Object) *mock.Answer {
	body["conversationId"] = id
	return p.send(func() *mock.Request { return p.Signed().Sign("POST", path, []byte(mock.Encode(body))) })
}

// verify checks that a range is made of honest records of the conversation, which follow each other.
func (p *peer) verify(n *near, raw []byte) []mock.Record {
	var body struct {
		ConversationID string
		Entries        []json.RawMessage
	}
	p.t.Expect(json.Unmarshal(raw, &body) == nil && body.ConversationID == n.id && len(body.Entries) <= 50, "a range of %s with %d entries", body.ConversationID, len(body.Entries))
	var out []mock.Record
	for _, e := range body.Entries {
		r, err := mock.ReadRecord(e)
		p.t.Expect(err == nil, "%v", err)
		if len(out) > 0 {
			last := out[len(out)-1]
			p.t.Expect(r.Seq() == last.Seq()+1 && r.Entry["prev"] == last.Hash(), "entry %d does not follow entry %d", r.Seq(), last.Seq())
		}
		out = append(out, r)
	}
	return out
}

func pulling(t *suite.T, a *actor) {
	n := nearGroup(t, a)
	must(t, n.rename(a, "Nearer"), "renaming")
	for i := range 60 {
		n.send(a, fmt.Sprint("m", i))
	}
	n.holds(62)
	want := func(what string, body mock.Object, from, to int64) {
		list := n.p.verify(n, n.p.pull(n.id, body))
		t.Expect(len(list) > 0 && list[0].Seq() == from && list[len(list)-1].Seq() == to, "%s: %d entries, want %d to %d", what, len(list), from, to)
	}
	want("after 5", mock.Object{"afterSeq": int64(5), "limit": int64(10)}, 6, 15)
	want("after 5 without a limit", mock.Object{"afterSeq": int64(5)}, 6, 55)
	want("before 20", mock.Object{"beforeSeq": int64(20), "limit": int64(5)}, 15, 19)
	want("before 3", mock.Object{"beforeSeq": int64(3)}, 0, 2)
	f := &mock.Follower{Key: n.f.Key}
	res := n.p.asks(snapshotPath, n.id, mock.Object{})
	t.Expect(res.Status == http.StatusOK, "asked for a snapshot: status %d %s", res.Status, res.Code())
	err := f.Begin(res.Body)
	t.Expect(err == nil, "the snapshot: %v", err)
	t.Expect(f.Base == 1 && f.State.Name == "Nearer", "the snapshot is of entry %d, the newest change of the state is 1", f.Base)
	for after := int64(1); after < 61; after = f.Base + int64(len(f.Records)) - 1 {
		err := f.Range(n.p.pull(n.id, mock.Object{"afterSeq": after}))
		t.Expect(err == nil, "entries after %d: %v", after, err)
		t.Expect(f.Base+int64(len(f.Records))-1 > after, "nothing came after %d", after)
	}
	n.p.done()
}

func pullWho(t *suite.T, a *actor) {
	n := nearGroup(t, a)
	stranger := social(t)
	n.send(a, "one")
	n.holds(2)
	none := "c" + mock.Base64(mock.Random(32))
	for _, path := range []string{entriesPath, snapshotPath} {
		known := stranger.asks(path, n.id, mock.Object{"afterSeq": int64(0)})
		wantRefusal(t, known, "unknown_conversation", path+" of a server without members")
		unknown := stranger.asks(path, none, mock.Object{"afterSeq": int64(0)})
		t.Expect(string(known.Body) == string(unknown.Body), "a conversation that exists is refused with %s, one that does not with %s", known.Body, unknown.Body)
	}
	must(t, a.ask(request("DELETE", n.path("/members/"+n.bob), nil)), "removing the follower's member")
	n.holds(3)
	n.send(a, "afterwards")
	wantRefusal(t, n.p.asks(snapshotPath, n.id, mock.Object{}), "not_member", "a snapshot for a server whose members all left")
	list := n.p.verify(n, n.p.pull(n.id, mock.Object{"afterSeq": int64(0)}))
	t.Expect(len(list) == 2 && list[1].Seq() == 2, "after its member left the server is given %d entries, want 1 and 2", len(list))
	list = n.p.verify(n, n.p.pull(n.id, mock.Object{"afterSeq": int64(2)}))
	t.Expect(len(list) == 0, "the server is given %d entries from after its member left", len(list))
	n.p.done()
}
