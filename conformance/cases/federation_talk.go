// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

// Paths of the operations about people and conversations.
const (
	transactionsPath = "/federation/v1/transactions"
	submissionsPath  = "/federation/v1/submissions"
	entriesPath      = "/federation/v1/entries"
	snapshotPath     = "/federation/v1/snapshot"
	invitesPath      = "/federation/v1/invites"
	usersPath        = "/federation/v1/users"
	presencePath     = "/federation/v1/presence"
)

// social makes a homeserver on which every user exists, for servers under test that have conversations across servers.
func social(t *suite.T) *peer { return socialWith(t, func(*peer) {}) }

// socialWith prepares the homeserver before anybody hears of it.
func socialWith(t *suite.T, prepare func(p *peer)) *peer {
	p := newPeer(t)
	prepare(p)
	a := p.send(func() *mock.Request { return p.Signed().Sign("POST", transactionsPath, []byte("{}")) })
	if a.Code() == "unknown_route" {
		t.Skip("the server has no conversations across servers")
	}
	p.Handle(usersPath, func(w http.ResponseWriter, v *mock.Visit) {
		list := []any{}
		for _, id := range idsOf(v, "userIds") {
			list = append(list, mock.Object{"userId": id, "displayName": "Of " + p.Name})
		}
		mock.Reply(w, mock.Object{"users": list})
	})
	p.Handle(invitesPath, func(w http.ResponseWriter, v *mock.Visit) {
		list := []any{}
		for _, id := range idsOf(v, "userIds") {
			list = append(list, mock.Object{"userId": id})
		}
		mock.Reply(w, mock.Object{"results": list})
	})
	p.Handle(presencePath, func(w http.ResponseWriter, v *mock.Visit) {
		list := []any{}
		o, _ := value(v)
		for _, ask := range o.At("asks").List() {
			for _, id := range ask.At("userIds").Texts() {
				list = append(list, mock.Object{"userId": id, "status": "offline"})
			}
		}
		mock.Reply(w, mock.Object{"presence": list})
	})
	p.Handle(transactionsPath, func(w http.ResponseWriter, v *mock.Visit) {
		o, _ := value(v)
		list := []any{}
		for _, item := range o.At("items").List() {
			list = append(list, mock.Object{"conversationId": item.At("conversationId").Text(), "seq": int64(-1)})
		}
		mock.Reply(w, mock.Object{"results": list})
	})
	return p
}

func value(v *mock.Visit) (client.Value, error) { return client.Parse(v.Request.Body) }

func idsOf(v *mock.Visit, member string) []string {
	o, _ := value(v)
	return o.At(member).Texts()
}

// first and last name a user of the homeserver whose id comes before, or after, every user of the suite, so that the one's
// direct conversations have their hub here and the other's at the server under test.
func (p *peer) first(name string) string { return "a-" + name + "@" + p.Name }
func (p *peer) last(name string) string  { return "z-" + name + "@" + p.Name }

// result is what a server says of an item of a transaction.
type result struct {
	ConversationID string
	Seq            int64
	Code           string
}

// push sends a transaction and returns the results, one for each item.
func (p *peer) push(items ...mock.Object) []result {
	a := p.send(func() *mock.Request {
		return p.Signed().Sign("POST", transactionsPath, []byte(mock.Encode(mock.Object{"items": items})))
	})
	var out struct{ Results []result }
	p.t.Expect(a.Status == http.StatusOK && a.Read(&out) == nil, "a transaction: status %d %s", a.Status, a.Code())
	p.t.Expect(len(out.Results) == len(items), "a transaction of %d items has %d results", len(items), len(out.Results))
	for i, r := range out.Results {
		p.t.Expect(r.ConversationID == items[i]["conversationId"], "result %d is of %s, the item of %v", i, r.ConversationID, items[i]["conversationId"])
	}
	return out.Results
}

// far is a conversation that a homeserver of the suite orders.
type far struct {
	*talk
	p       *peer
	bob     string
	mu      sync.Mutex
	log     *mock.Log
	asked   []int64 // afterSeq of what was asked for
	silence bool    // what is asked for gets no entries
}

// farDirect begins a direct conversation of a user of the suite's homeserver with one of the server under test.
func farDirect(t *suite.T, a *actor) *far { return farDirectOf(t, social(t), a) }

func farDirectOf(t *suite.T, p *peer, a *actor) *far {
	bob := p.first("bob")
	if bob > a.id {
		t.Impossible("the given account %s comes before %s", a.id, bob)
	}
	f := &far{p: p, bob: bob, log: mock.NewLog(mock.DirectCreate(bob, a.id), bob)}
	f.talk = &talk{t: t, id: f.log.ID}
	f.serve()
	f.begin()
	return f
}

// farGroup begins a group of the suite's homeserver with users of the server under test.
func farGroup(t *suite.T, members ...*actor) *far {
	f := farGroupOf(t, social(t), members...)
	f.begin()
	return f
}

// farGroupOf makes the group without telling anybody.
func farGroupOf(t *suite.T, p *peer, members ...*actor) *far {
	bob := p.first("bob")
	all := []string{bob, p.first("carol")}
	for _, m := range members {
		all = append(all, m.id)
	}
	slices.Sort(all)
	list := []any{}
	for _, id := range all {
		list = append(list, id)
	}
	f := &far{p: p, bob: bob, log: mock.NewLog(mock.Object{
		"creators": []any{bob}, "hub": p.Name, "members": list, "name": "Far", "nonce": mock.Base64(mock.Random(16)), "type": "group", "v": int64(1),
	}, bob)}
	f.talk = &talk{t: t, id: f.log.ID}
	f.serve()
	return f
}

// serve answers what followers ask.
func (f *far) serve() {
	f.p.Handle(entriesPath, func(w http.ResponseWriter, v *mock.Visit) {
		o, _ := value(v)
		f.mu.Lock()
		defer f.mu.Unlock()
		after := o.At("afterSeq").Int()
		f.asked = append(f.asked, after)
		if f.silence || after == client.Missing || after+1 >= int64(len(f.log.Records)) {
			mock.Reply(w, mock.Object{"conversationId": f.log.ID, "entries": []any{}, "checkpoint": mock.Checkpoint(f.log.Hub, f.p.Key, f.head())})
			return
		}
		records := f.log.Records[after+1:]
		mock.Reply(w, f.log.Range(f.p.Key, records[:min(len(records), 50)]...))
	})
	f.p.Handle(snapshotPath, func(w http.ResponseWriter, _ *mock.Visit) {
		f.mu.Lock()
		defer f.mu.Unlock()
		mock.Reply(w, f.log.Snapshot(f.p.Key))
	})
}

func (f *far) head() mock.Record { return f.log.Records[len(f.log.Records)-1] }

// begin lets the server under test begin its replica.
func (f *far) begin() {
	r := f.push(mock.Object{"snapshot": f.log.Snapshot(f.p.Key)})
	f.t.Expect(r.Seq == 0 && r.Code == "", "an honest snapshot: seq %d %s, want 0", r.Seq, r.Code)
}

// push sends one item about the conversation.
func (f *far) push(item mock.Object) result {
	item["conversationId"] = f.log.ID
	return f.p.push(item)[0]
}

// says appends a message of the homeserver's own user without telling anybody.
func (f *far) says(text string) mock.Record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Append(mock.Submission(f.log.ID, f.bob, "message", mock.Text(text)))
}

// sends appends a message and wants the server under test to take it.
func (f *far) sends(text string) mock.Record {
	r := f.says(text)
	f.takes(r)
	return r
}

// takes wants an honest range to be taken.
func (f *far) takes(records ...mock.Record) {
	last := records[len(records)-1].Seq()
	r := f.push(mock.Object{"range": f.log.Range(f.p.Key, records...)})
	f.t.Expect(r.Seq == last && r.Code == "", "an honest range up to %d: seq %d %s", last, r.Seq, r.Code)
}

// refuses wants a range not to be taken, for one of the codes, and the replica to stay as it is.
func (f *far) refuses(what string, item mock.Object, codes ...string) {
	before := int64(len(f.log.Records) - 1)
	r := f.push(item)
	f.t.Expect(slices.Contains(codes, r.Code), "%s: code %q, want %s", what, r.Code, strings.Join(codes, " or "))
	f.t.Expect(r.Seq == before || r.Seq == -1 && r.Code == "unknown_conversation", "%s: the replica is at %d, it was at %d", what, r.Seq, before)
}

// shows waits until the actor reads exactly the log's events.
func (f *far) shows(a *actor) {
	f.t.Eventually(15*time.Second, fmt.Sprintf("%s reads %d events of %s", a.who, len(f.log.Records), f.id), func() bool {
		res := a.ask(get(f.path("/messages?limit=100&afterSeq=-1")))
		return res.Status == http.StatusOK && len(res.At("messages").List()) == len(f.log.Records)
	})
	list := f.events(a)
	wantSeqs(f.t, list, 0, int64(len(f.log.Records)-1))
	for i, e := range list {
		r := f.log.Records[i]
		f.t.Expect(e.At("messageId").Text() == r.Entry["messageId"] && e.At("senderId").Text() == r.Submission["sender"],
			"event %d is %v of %v, in the log it is %v of %v", i, e.At("messageId"), e.At("senderId"), r.Entry["messageId"], r.Submission["sender"])
	}
}
