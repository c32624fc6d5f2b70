// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"parley.chat/conformance/mock"
	"parley.chat/conformance/suite"
)

func submissionCases(a *area) {
	a.add("FED-SUBMIT", "a submission of another server gets a place, and comes back with its signature", "FED-SUBMIT-12 FED-SUBMIT-7 FED-RECORD-3 ID-MSG-2", submitting)
	a.add("FED-SUBMIT-AGAIN", "the same submission again has the same place", "FED-SUBMIT-8", submitAgain)
	a.add("FED-SUBMIT-WHO", "a submission of a user of another server than the sender is refused", "FED-SUBMIT-5", submitWho)
	a.add("FED-SUBMIT-SIGNED", "a submission with a wrong signature or content is refused", "FED-SUBMIT-6 FED-RECORD-1", submitSigned)
	a.add("FED-SUBMIT-CANONICAL", "a submission in another encoding is refused", "FED-SUBMIT-6 ENC-CANON-4 ENC-CANON-6", submitCanonical)
	a.add("FED-SUBMIT-RULES", "a submission is judged by the state and by what it expects", "FED-SUBMIT-7 LOG-SUBMISSION-3 LOG-SUBMISSION-4", submitRules)
	a.add("FED-SUBMIT-AMONG", "one refusal does not hold up the submissions after it", "FED-SUBMIT-9 FED-SUBMIT-12", submitAmong)
	a.add("FED-SUBMIT-SEEN", "a head that the hub never issued is refused", "FED-SUBMIT-10", submitSeen)
	a.add("FED-SUBMIT-WHERE", "submissions are for the hub, from servers with members", "FED-SUBMIT-11", submitWhere)
	a.add("FED-SUBMIT-OUT", "what a user says in another server's conversation goes to its hub", "FED-SUBMIT-1 FED-SUBMIT-4 LOG-SUBMISSION-1", submitOut)
	a.add("FED-SUBMIT-AWAY", "what is said while the hub is away is accepted, and goes there in order", "FED-SUBMIT-1 MSG-ACK-1 MSG-ACK-3", submitAway, slow(2*time.Minute))
	a.add("FED-SUBMIT-CLAIM", "a place that a hub names is believed when the entry is there", "FED-SUBMIT-13 MSG-ACK-1", submitClaim, slow(time.Minute))
}

// place is what a hub says of a submission.
type place struct {
	Seq       int64
	MessageID string
	Code      string
}

// submit sends submissions and returns the places, one for each.
func (n *near) submit(list ...mock.Object) []place {
	a := n.ask(list...)
	var out struct{ Results []place }
	n.t.Expect(a.Status == http.StatusOK && a.Read(&out) == nil, "submissions: status %d %s", a.Status, a.Code())
	n.t.Expect(len(out.Results) == len(list), "%d submissions have %d results", len(list), len(out.Results))
	return out.Results
}

func (n *near) ask(list ...mock.Object) *mock.Answer {
	return n.p.asks(submissionsPath, n.id, mock.Object{"submissions": list})
}

// words is an honest message of the suite's user.
func (n *near) words(text string) mock.Record {
	return mock.Submission(n.id, n.bob, "message", mock.Text(text)).Signed(n.p.Key)
}

// refused wants a submission, or the whole request, to be refused with one of the codes, and no entry to be made.
func (n *near) refused(what string, s mock.Object, codes ...string) {
	a := n.ask(s)
	if len(codes) == 0 {
		codes = []string{"submission_refused", "invalid_field", "malformed_json"}
	}
	code := a.Code()
	if a.Status == http.StatusOK {
		var out struct{ Results []place }
		n.t.Expect(a.Read(&out) == nil && len(out.Results) == 1, "%s: the answer is %.200s", what, a.Body)
		code = out.Results[0].Code
	}
	n.t.Expect(slices.Contains(codes, code), "%s: status %d code %q, want %s", what, a.Status, code, strings.Join(codes, " or "))
}

func submitting(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	r := n.words("from afar")
	l := a.online("")
	got := n.submit(r.Submitted())[0]
	t.Expect(got.Code == "" && got.Seq == 1, "an honest message: seq %d %s, want 1", got.Seq, got.Code)
	n.holds(2)
	back := n.record(1)
	t.Expect(mock.Encode(back.Submission) == mock.Encode(r.Submission) && mock.Encode(back.Signature) == mock.Encode(r.Signature) && back.Content == r.Content,
		"the entry that comes back has the submission %s", mock.Encode(back.Submission))
	t.Expect(back.Entry["messageId"] == got.MessageID, "the entry's messageId is %v, the answer's %s", back.Entry["messageId"], got.MessageID)
	l.seq(n.talk, 1)
	e := n.event(a, 1)
	t.Expect(e.At("content").Text() == "from afar" && e.At("senderId").Text() == n.bob, "%s reads %v", a.who, e)
	n.send(a, "answer")
	n.holds(3)
	n.p.done()
}

func submitAgain(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	r := n.words("once")
	first := n.submit(r.Submitted())[0]
	again := n.submit(r.Submitted())[0]
	t.Expect(first == again && first.Seq == 1, "again it has %v, the first time %v", again, first)
	other := mock.Submission(n.id, n.bob, "message", mock.Text("another"))
	other.Submission["tempId"] = r.Submission["tempId"]
	n.refused("another content under one tempId", other.Signed(n.p.Key).Submitted(), "temp_id_conflict")
	wantSeqs(t, n.events(a), 0, 1)
	n.p.done()
}

func submitWho(t *suite.T, a, b *actor) {
	n := nearGroup(t, a, b)
	third := social(t)
	codes := []string{"submission_refused", "invalid_field", "malformed_json", "unknown_conversation"}
	as := func(what, user string, key mock.Key) {
		n.refused(what, mock.Submission(n.id, user, "message", mock.Text("forged")).Signed(key).Submitted(), codes...)
	}
	as("a submission of a user of the hub", a.id, n.p.Key)
	as("a submission of a user of a third server", third.last("eve"), n.p.Key)
	as("a submission of a user of a third server, signed by it", third.last("eve"), third.Key)
	res := n.ask(n.words("honest").Submitted(), mock.Submission(n.id, b.id, "message", mock.Text("forged")).Signed(n.p.Key).Submitted())
	t.Expect(res.Status >= 400, "a request with a submission of another server's user among others: status %d, want the whole refused", res.Status)
	k := a.group(b)
	n.refused("a submission in another conversation than the request", mock.Submission(k.id, n.bob, "message", mock.Text("x")).Signed(n.p.Key).Submitted(), codes...)
	wantSeqs(t, n.events(a), 0, 0)
	n.p.done()
}

func submitSigned(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	spoilt := func(what string, spoil func(s mock.Object), codes ...string) {
		s := n.words("x").Submitted()
		spoil(s)
		n.refused(what, s, append(codes, "submission_refused", "invalid_field", "malformed_json")...)
	}
	stranger := mock.NewKey("none")
	sign := func(key mock.Key, domain string) func(s mock.Object) {
		return func(s mock.Object) {
			text := mock.Encode(s["submission"])
			s["signature"] = mock.Object{"keyId": key.ID, "signature": mock.Sign(key.Private, domain, text)}
		}
	}
	spoilt("no signature", func(s mock.Object) { delete(s, "signature") })
	spoilt("a signature by a key that nobody published", sign(stranger, "submission"), "unavailable")
	spoilt("a signature by another in the name of the key", sign(mock.Key{ID: n.p.Key.ID, Private: stranger.Private}, "submission"))
	spoilt("a signature in another domain", sign(n.p.Key, "entry"))
	spoilt("a submission that was changed after it was signed", func(s mock.Object) {
		o := mock.Clone(s["submission"].(mock.Object))
		o["tempId"] = "another"
		s["submission"] = o
	})
	spoilt("another content", func(s mock.Object) { s["content"] = mock.Text("y") })
	spoilt("another salt", func(s mock.Object) { s["salt"] = mock.Base64(mock.Random(16)) })
	spoilt("a short salt", func(s mock.Object) { s["salt"] = mock.Base64(mock.Random(15)) })
	spoilt("no content", func(s mock.Object) { delete(s, "content"); delete(s, "salt") })
	content := func(what, kind, text string, codes ...string) {
		n.refused(what, mock.Submission(n.id, n.bob, kind, text).Signed(n.p.Key).Submitted(), append(codes, "submission_refused", "invalid_field", "malformed_json", "content_too_large")...)
	}
	content("a message of nothing", "message", mock.Encode(mock.Object{"contentType": "text"}))
	content("a kind of content that nobody knows", "message", mock.Encode(mock.Object{"content": "x", "contentType": "hologram"}))
	content("content with white space", "message", `{"content": "x","contentType":"text"}`)
	content("content that is no JSON", "message", "x")
	content("content beyond its bound", "message", mock.Text(strings.Repeat("x", 65_536)))
	content("a type that nobody knows", "levitate", "{}")
	content("a second create", "create", mock.Encode(mock.DirectCreate(a.id, n.bob)), "already_member")
	wantSeqs(t, n.events(a), 0, 0)
	t.Expect(n.submit(n.words("honest").Submitted())[0].Seq == 1, "after them an honest message has no place")
	n.p.done()
}

func submitCanonical(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for what, change := range map[string]func(text string) string{
		"with white space": func(s string) string { return strings.Replace(s, ":", ": ", 1) }, "with a member twice": func(s string) string { return strings.TrimSuffix(s, "}") + `,"v":1}` },
		"with a member that nobody knows": func(s string) string { return strings.TrimSuffix(s, "}") + `,"x":1}` },
		"with 1e400":                      func(s string) string { return strings.Replace(s, `"v":1`, `"v":1e400`, 1) },
		"with a fraction":                 func(s string) string { return strings.Replace(s, `"v":1`, `"v":1.0`, 1) },
		"that is deep":                    func(s string) string { return strings.Replace(s, `"v":1`, `"v":`+deep, 1) },
		"of another version":              func(s string) string { return strings.Replace(s, `"v":1`, `"v":2`, 1) },
		"without a device":                func(s string) string { return strings.Replace(s, `"deviceId":"01J9ZK3V8Q2M6T4R7X5W1Y0ABC",`, "", 1) },
	} {
		s := n.words("x").Submitted()
		text := change(mock.Encode(s["submission"]))
		s["submission"] = mock.Raw(text)
		s["signature"] = mock.Object{"keyId": n.p.Key.ID, "signature": mock.Sign(n.p.Key.Private, "submission", text)}
		n.refused("a submission "+what, s)
	}
	wantSeqs(t, n.events(a), 0, 0)
	n.p.done()
}

func submitRules(t *suite.T, a, b *actor) {
	n := nearGroup(t, a, b)
	change := func(kind string, expects int64, content mock.Object) mock.Object {
		r := mock.Submission(n.id, n.bob, kind, mock.Encode(content))
		if expects >= 0 {
			r.Submission["expects"] = expects
		}
		return r.Signed(n.p.Key).Submitted()
	}
	n.refused("a message that expects something", change("message", 0, mock.Object{"content": "x", "contentType": "text"}), "submission_refused", "invalid_field", "malformed_json")
	n.refused("a rename by a member", change("rename", -1, mock.Object{"name": "Mine"}), "insufficient_role")
	n.refused("a removal by a member", change("member_remove", -1, mock.Object{"userIds": []any{b.id}}), "insufficient_role")
	must(t, a.ask(request("PATCH", n.path("/members/"+n.bob), object{"role": "admin"})), "making bob an admin")
	n.holds(2)
	n.refused("a change that expects an older state", change("rename", 0, mock.Object{"name": "Mine"}), "state_changed")
	got := n.submit(change("rename", 1, mock.Object{"name": "Mine"}))[0]
	t.Expect(got.Code == "" && got.Seq == 2, "a change that expects what is: seq %d %s", got.Seq, got.Code)
	must(t, a.ask(request("DELETE", n.path("/members/"+n.bob), nil)), "removing bob")
	n.refused("a message of who was removed", n.words("x").Submitted(), "not_member", "unknown_conversation")
	wantSeqs(t, n.events(a), 0, 3)
	n.p.done()
}

func submitAmong(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	bad := mock.Submission(n.id, n.bob, "rename", mock.Encode(mock.Object{"name": "x"})).Signed(n.p.Key)
	list := n.submit(n.words("one").Submitted(), bad.Submitted(), n.words("two").Submitted())
	t.Expect(list[0].Seq == 1 && list[0].Code == "" && list[1].Code != "" && list[2].Code == "" && list[2].Seq == 2, "the places are %v", list)
	res := n.p.asks(submissionsPath, n.id, mock.Object{
		"submissions": []mock.Object{n.words("three").Submitted()},
		"seen":        mock.Object{"term": int64(0), "seq": int64(0), "hash": n.record(0).Hash()},
	})
	t.Expect(res.Status == http.StatusOK, "a submission with the head that was seen: status %d %s", res.Status, res.Code())
	n.holds(4)
	many := []mock.Object{}
	for range 51 {
		many = append(many, n.words("many").Submitted())
	}
	wantRefusal(t, n.ask(many...), "invalid_field", "51 submissions")
	n.p.done()
}

func submitSeen(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	n.send(a, "one")
	n.holds(2)
	for what, seen := range map[string]mock.Object{
		"another hash of an entry that is":   {"term": int64(0), "seq": int64(1), "hash": mock.Base64(mock.Random(32))},
		"an entry that is not there":         {"term": int64(0), "seq": int64(700), "hash": mock.Base64(mock.Random(32))},
		"the hash of another entry than its": {"term": int64(0), "seq": int64(1), "hash": n.record(0).Hash()},
	} {
		res := n.p.asks(submissionsPath, n.id, mock.Object{"submissions": []mock.Object{n.words("x").Submitted()}, "seen": seen})
		code := res.Code()
		var out struct{ Results []place }
		if res.Status == http.StatusOK && res.Read(&out) == nil && len(out.Results) == 1 {
			code = out.Results[0].Code
		}
		t.Expect(code == "diverged", "with %s seen: status %d code %q, want diverged", what, res.Status, code)
	}
	wantSeqs(t, n.events(a), 0, 1)
	n.p.done()
}

func submitWhere(t *suite.T, a *actor) {
	n := nearDirect(t, a)
	stranger := social(t)
	at := func(id string) *mock.Answer {
		s := mock.Submission(id, stranger.last("eve"), "message", mock.Text("x")).Signed(stranger.Key).Submitted()
		return stranger.asks(submissionsPath, id, mock.Object{"submissions": []mock.Object{s}})
	}
	code := func(res *mock.Answer) string {
		var out struct{ Results []place }
		if res.Status == http.StatusOK && res.Read(&out) == nil && len(out.Results) == 1 {
			return out.Results[0].Code
		}
		return res.Code()
	}
	t.Expect(code(at(n.id)) == "unknown_conversation", "a submission of a stranger: %s", code(at(n.id)))
	t.Expect(code(at("c"+mock.Base64(mock.Random(32)))) == "unknown_conversation", "a submission in no conversation is not refused with unknown_conversation")
	f := farDirect(t, a)
	s := mock.Submission(f.log.ID, f.bob, "message", mock.Text("x")).Signed(f.p.Key).Submitted()
	res := f.p.asks(submissionsPath, f.log.ID, mock.Object{"submissions": []mock.Object{s}})
	t.Expect(code(res) == "not_hub", "a submission to a server that is not the hub: status %d %s, want not_hub", res.Status, code(res))
	t.Expect(strings.Contains(string(res.Body), f.p.Name), "not_hub does not name %s: %s", f.p.Name, res.Body)
	n.p.done()
}

// orders lets the suite's homeserver give places to what is submitted to it, verifying it first.
func (f *far) orders() {
	f.p.Handle(submissionsPath, func(w http.ResponseWriter, v *mock.Visit) {
		var body struct {
			ConversationID string
			Submissions    []mock.Submitted
		}
		err := json.Unmarshal(v.Request.Body, &body)
		f.mu.Lock()
		defer f.mu.Unlock()
		if err != nil || body.ConversationID != f.log.ID || len(body.Submissions) > 50 {
			f.p.Fault("%d submissions of %s: %v", len(body.Submissions), body.ConversationID, err)
		}
		before, list := int64(len(f.log.Records)), []any{}
		for _, s := range body.Submissions {
			r, err := f.read(s)
			if err != nil {
				f.p.Fault("a submission: %v", err)
				list = append(list, mock.Object{"code": "submission_refused", "detail": "x", "seq": int64(-1)})
				continue
			}
			r = f.place(r)
			list = append(list, mock.Object{"seq": r.Seq(), "messageId": r.Entry["messageId"]})
		}
		out := mock.Object{"results": list}
		if records := f.log.Records[before:]; len(records) > 0 {
			out["range"] = f.log.Range(f.p.Key, records...)
		}
		mock.Reply(w, out)
	})
}

// place gives the place that the same submission has already, or the next one.
func (f *far) place(r mock.Record) mock.Record {
	for _, have := range f.log.Records {
		if have.Submission["tempId"] == r.Submission["tempId"] && have.Submission["deviceId"] == r.Submission["deviceId"] {
			return have
		}
	}
	return f.log.Append(r)
}

// read verifies a submission of the server under test.
func (f *far) read(s mock.Submitted) (mock.Record, error) {
	ring, err := f.t.Env.Mock.Keys(f.t.Context())
	if err != nil {
		return mock.Record{}, err
	}
	return s.Read(func(server, keyID string) ([]byte, error) {
		if server != ring.Server {
			return nil, fmt.Errorf("a submission of a user of %s", server)
		}
		return ring.RequestKey(keyID, time.Now().UnixMilli())
	})
}

func submitOut(t *suite.T, a *actor) {
	f := farDirect(t, a)
	f.orders()
	ack := f.send(a, "hello hub")
	t.Expect(ack.At("status").Text() == "sent" && ack.At("seq").Int() == 1, "the ack is %s", ack.Body)
	f.mu.Lock()
	r := f.log.Records[1]
	f.mu.Unlock()
	t.Expect(r.Submission["sender"] == a.id && r.Content == mock.Text("hello hub") && r.Submission["type"] == "message", "the hub got %s of %v", r.Content, r.Submission["sender"])
	t.Expect(r.Entry["messageId"] == ack.At("messageId").Text(), "the ack has the messageId %v, the entry %v", ack.At("messageId"), r.Entry["messageId"])
	must(t, a.ask(request("DELETE", f.path("/messages/"+ack.At("messageId").Text()), nil)), "deleting")
	f.t.Eventually(15*time.Second, "the deletion is at the hub", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.log.Records) > 2
	})
	f.mu.Lock()
	temp, _ := f.log.Records[2].Submission["tempId"].(string)
	f.mu.Unlock()
	t.Expect(temp != "", "a deletion without tempId has none at the hub")
	f.p.done()
}

func submitAway(t *suite.T, a *actor) {
	f := farDirect(t, a)
	f.p.Handle(submissionsPath, func(w http.ResponseWriter, _ *mock.Visit) {
		w.Header().Set("Retry-After", "1")
		mock.Refuse(w, http.StatusServiceUnavailable, "unavailable")
	})
	var temps []string
	for _, text := range []string{"one", "two", "three"} {
		temp := a.temp()
		temps = append(temps, temp)
		res := a.ok(http.StatusAccepted, post(f.path("/messages"), message(temp, text)))
		t.Expect(res.At("status").Text() == "accepted", "while the hub is away the ack is %s", res.Body)
	}
	f.orders()
	f.t.Eventually(80*time.Second, "what was accepted is at the hub", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.log.Records) == 4
	})
	for i, text := range []string{"one", "two", "three"} {
		t.Expect(f.log.Records[i+1].Content == mock.Text(text) && f.log.Records[i+1].Submission["tempId"] == temps[i], "entry %d is %s", i+1, f.log.Records[i+1].Content)
	}
	f.shows(a)
	res := a.ok(http.StatusCreated, post(f.path("/messages"), message(temps[0], "one")))
	t.Expect(res.At("status").Text() == "sent" && res.At("seq").Int() == 1, "the same tempId again: %s", res.Body)
	f.p.done()
}

// submitClaim lets a hub name a place for what it has not ordered.
func submitClaim(t *suite.T, a *actor) {
	f := farDirect(t, a)
	f.p.Handle(submissionsPath, func(w http.ResponseWriter, v *mock.Visit) {
		o, _ := value(v)
		list := []any{}
		for i := range o.At("submissions").List() {
			list = append(list, mock.Object{"seq": int64(i + 1), "messageId": mock.MessageID(time.Now().UnixMilli(), int64(i+1), mock.Base64(mock.Random(32)))})
		}
		mock.Reply(w, mock.Object{"results": list})
	})
	temp := a.temp()
	res := a.ask(post(f.path("/messages"), message(temp, "believed?")))
	t.Expect(res.At("status").Text() != "sent" && res.Status != http.StatusCreated, "the hub names a place without an entry, and the ack is %s", res.Body)
	wantSeqs(t, f.events(a), 0, 0)
	f.takes(f.says("what stands there"))
	list := f.events(a)
	t.Expect(list[1].At("content").Text() == "what stands there", "at the place the hub named stands %v", list[1])
	f.p.done()
}
