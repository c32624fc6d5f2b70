// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	wire "parley.chat/protocol/replica"
)

// request is what the server of the commands' senders asks.
func (r *room) request(t testing.TB, list ...timeline.Command) wire.Submissions {
	t.Helper()
	in := wire.Submissions{ConversationID: list[0].ConversationID}
	for _, cmd := range list {
		in.Submissions = append(in.Submissions, r.Submitted(t, cmd))
	}
	return in
}

// seen is the head of the replica.
func (r *room) seen(t testing.TB) *wire.Seen {
	t.Helper()
	v, err := r.here.View(t.Context(), r.conv)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.Seen{Term: v.State.Term(), Seq: v.Head.Seq, Hash: canonical.EncodeBase64(v.Head.Hash[:])}
}

func (r *room) mustReceive(t testing.TB, from id.Server, in wire.Submissions) wire.Ordered {
	t.Helper()
	out, err := r.receive(t.Context(), t, from, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func codes(out wire.Ordered) string {
	var list []string
	for _, p := range out.Results {
		list = append(list, p.Code)
	}
	return strings.Join(list, ",")
}

func TestReceive_TheSameSubmissionKeepsItsPlace(t *testing.T) {
	r := newRoom(t)
	in := r.request(t, r.message(t, bob, "one"), r.message(t, bob, "two"))
	in.Seen = r.seen(t)
	first := r.mustReceive(t, b, in)
	if first.Results[0].Seq != 1 || first.Results[1].Seq != 2 || first.Range == nil || len(first.Range.Records) != 2 || first.Range.Checkpoint.Seq != 2 {
		t.Fatalf("answered %+v", first)
	}
	again := r.mustReceive(t, b, in)
	if diff := cmp.Diff(first.Results, again.Results); diff != "" {
		t.Error(diff)
	}
	if n := len(timelinetest.Verify(t, r.hub.Store, r.conv)); n != 3 {
		t.Errorf("there are %d entries", n)
	}
	changed := r.request(t, timelinetest.Message(t, r.conv, bob, "one", "something else"))
	if out := r.mustReceive(t, b, changed); codes(out) != string(fault.TempIDConflict) {
		t.Errorf("something else with the tempId: %+v", out.Results)
	}
}

// Nothing of a request that is not what it should be gets into the log.
func TestReceive_RefusesWhatIsNotTheOriginsToSay(t *testing.T) {
	change := func(t *testing.T, r *room, s *wire.Submitted, f func(*wire.Submitted)) {
		f(s)
		s.Submission.ContentHash = event.ContentHash(s.Salt, s.Content)
		r.SignSubmission(t, s)
	}
	content := func(text string) func(*wire.Submitted) { return func(s *wire.Submitted) { s.Content = []byte(text) } }
	for _, c := range []struct {
		name  string
		from  id.Server
		tell  func(t *testing.T, r *room, in *wire.Submissions)
		whole fault.Code
		code  fault.Code
	}{
		{name: "another server's user", from: c, whole: fault.SubmissionRefused},
		{name: "a stranger's server", from: m, tell: func(t *testing.T, r *room, in *wire.Submissions) {
			*in = r.request(t, r.message(t, id.NewUser("mallory", m), "x"))
		}, whole: fault.UnknownConversation},
		{name: "a server that says it is the hub's user", from: b, tell: func(t *testing.T, r *room, in *wire.Submissions) {
			*in = r.request(t, r.message(t, alice, "x"))
		}, whole: fault.SubmissionRefused},
		{name: "nothing", tell: func(_ *testing.T, _ *room, in *wire.Submissions) { in.Submissions = nil }, whole: fault.InvalidField},
		{name: "too many", tell: func(_ *testing.T, _ *room, in *wire.Submissions) {
			for range wire.MaxSubmissions {
				in.Submissions = append(in.Submissions, in.Submissions[0])
			}
		}, whole: fault.InvalidField},
		{name: "one for another conversation", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			r.conv = r.hub.Group(t, "other", alice, bob)
			in.Submissions = append(in.Submissions, r.request(t, r.message(t, bob, "y")).Submissions...)
		}, whole: fault.SubmissionRefused},
		{name: "all for another conversation than named", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			in.ConversationID = r.hub.Group(t, "other", alice, bob)
		}, whole: fault.SubmissionRefused},
		{name: "a bit of the signature", tell: func(_ *testing.T, _ *room, in *wire.Submissions) { in.Submissions[0].Signature.Bytes[7] ^= 1 }, code: fault.SubmissionRefused},
		{name: "signed by another server", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			sig, err := in.Submissions[0].Submission.Sign(r.Servers[c].KeyID, r.Servers[c].Private)
			if err != nil {
				t.Fatal(err)
			}
			in.Submissions[0].Signature = sig
			in.Submissions[0].Signature.Server = b
		}, code: fault.Unavailable}, // Its server has no such key.
		{name: "a key that is over", tell: func(_ *testing.T, r *room, _ *wire.Submissions) {
			r.SetKey(b, func(k *key.Key) { k.Until = time.Now().Add(-time.Minute).UnixMilli() })
		}, code: fault.SubmissionRefused},
		{name: "a key that was revoked", tell: func(_ *testing.T, r *room, _ *wire.Submissions) {
			r.SetKey(b, func(k *key.Key) { k.IsOld, k.IsRevoked = true, true })
		}, code: fault.SubmissionRefused},
		{name: "another user than signed for", tell: func(_ *testing.T, _ *room, in *wire.Submissions) { in.Submissions[0].Submission.Sender = bert }, code: fault.SubmissionRefused},
		{name: "another tempId than signed for", tell: func(_ *testing.T, _ *room, in *wire.Submissions) { in.Submissions[0].Submission.TempID = "y" }, code: fault.SubmissionRefused},
		{name: "a user who is no member", tell: func(t *testing.T, r *room, in *wire.Submissions) { *in = r.request(t, r.message(t, bert, "x")) }, code: fault.UnknownConversation},
		{name: "the server itself", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			*in = r.request(t, r.message(t, conversation.ServerUser(b), "x"))
		}, code: fault.SubmissionRefused},
		{name: "content of an unknown kind", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			change(t, r, &in.Submissions[0], content(`{"content":"x","contentType":"poll"}`))
		}, code: fault.InvalidField},
		{name: "an address that is a script", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			change(t, r, &in.Submissions[0], content(`{"contentType":"image","mediaUrl":"javascript:alert(1)"}`))
		}, code: fault.InvalidField},
		{name: "a reply to nothing", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			change(t, r, &in.Submissions[0], content(`{"content":"x","contentType":"text","replyToMessageId":"`+id.NewMessage(5, 1, [32]byte{1}).String()+`"}`))
		}, code: fault.UnknownMessage},
		{name: "an unknown type", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			change(t, r, &in.Submissions[0], func(s *wire.Submitted) { s.Submission.Type, s.Content = "hub_steal", []byte(`{}`) })
		}, code: fault.InvalidField},
		{name: "a right that the user has not", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			*in = r.request(t, r.change(t, bob, frame.TypeRename, frame.Change{Name: "mine"}))
		}, code: fault.InsufficientRole},
		{name: "a group of its own at this server", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			group := event.Create{Creators: []id.User{bob}, Hub: a, Members: []id.User{alice, bob}, Name: "x", Type: event.Group}
			raw, err := group.Canonical()
			if err != nil {
				t.Fatal(err)
			}
			*in = r.request(t, timeline.Command{ConversationID: event.ConversationID(raw), Content: raw, Device: timelinetest.Device, TempID: "g",
				Proposal: conversation.Proposal{Type: frame.TypeCreate, Sender: bob}})
		}, code: fault.SubmissionRefused},
		{name: "a direct conversation that is ordered elsewhere", tell: func(t *testing.T, r *room, in *wire.Submissions) {
			*in = r.request(t, timelinetest.Direct(t, bob, carol))
		}, code: fault.NotHub},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			in := r.request(t, r.message(t, bob, "x"))
			conv := r.conv
			if c.tell != nil {
				c.tell(t, r, &in)
			}
			from := b
			if c.from != "" {
				from = c.from
			}
			out, err := r.receive(t.Context(), t, from, in)
			if c.whole != "" {
				wantFault(t, c.name, err, c.whole)
			} else if err != nil || codes(out) != string(c.code) || out.Range != nil || out.Snapshot != nil {
				t.Errorf("answered %+v, %v; want %s", out, err, c.code)
			}
			if n := len(timelinetest.Verify(t, r.hub.Store, conv)); n != 1 {
				t.Errorf("there are %d entries", n)
			}
		})
	}
}

func TestReceive_RefusesContentThatIsNotWhatWasSigned(t *testing.T) {
	r := newRoom(t)
	in := r.request(t, r.message(t, bob, "x"))
	in.Submissions[0].Content = []byte(`{"content":"other","contentType":"text"}`)
	if _, err := r.receive(t.Context(), t, b, in); !fault.Is(err, fault.InvalidField) { // It is not even read.
		t.Errorf("read: %v", err)
	}
	if out, err := r.receiver.Receive(t.Context(), b, in); err != nil || codes(out) != string(fault.SubmissionRefused) {
		t.Errorf("given as it is: %+v, %v", out, err)
	}
}

func TestReceive_AHeadThatWasNeverIssuedRaisesAlarm(t *testing.T) {
	r := newRoom(t)
	r.say(t, bob, "one")
	r.say(t, bob, "two")
	good := r.seen(t)
	log, _ := r.hub.Log(t, r.conv)
	first, err := log[1].Entry.Hash(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, seen := range map[string]wire.Seen{
		"another hash": {Seq: good.Seq, Hash: canonical.EncodeBase64(first[:])},
		"an old one":   {Seq: 1, Hash: good.Hash},
		"the future":   {Seq: 9, Hash: good.Hash},
	} {
		in := r.request(t, r.message(t, bob, "three"))
		in.Seen = &seen
		_, err := r.receive(t.Context(), t, b, in)
		wantFault(t, name, err, fault.Diverged)
	}
	for name, seen := range map[string]wire.Seen{"no hash": {Seq: 1, Hash: "x"}, "no seq": {Seq: -1, Hash: good.Hash}} {
		in := r.request(t, r.message(t, bob, "three"))
		in.Seen = &seen
		_, err := r.receive(t.Context(), t, b, in)
		wantFault(t, name, err, fault.InvalidField)
	}
	in := r.request(t, r.message(t, bob, "three"))
	in.Seen = &wire.Seen{Seq: 1, Hash: canonical.EncodeBase64(first[:])}
	if out := r.mustReceive(t, b, in); codes(out) != "" || out.Range == nil || out.Range.Records[0].Entry.Seq != 2 || len(out.Range.Records) != 2 {
		t.Errorf("behind the head: %+v", out)
	}
	in.Seen.Term = 4
	if out := r.mustReceive(t, b, in); codes(out) != "" {
		t.Errorf("of another term: %+v", out)
	}
}

func TestReceive_OneThatMaySucceedLaterStopsThoseAfterIt(t *testing.T) {
	r := newRoom(t)
	list := []timeline.Command{r.message(t, bob, "one"), r.message(t, bert, "two"), r.message(t, bob, "three"), r.message(t, bob, "four")}
	in := r.request(t, list...)
	in.Submissions[2].Signature.KeyID = "ed25519:gone" // The key cannot be had now.
	out := r.mustReceive(t, b, in)
	if want := ",unknown_conversation,unavailable,unavailable"; codes(out) != want {
		t.Errorf("answered %s, want %s", codes(out), want)
	}
	if diff := cmp.Diff([]string{"one"}, r.log(t)); diff != "" {
		t.Error(diff)
	}
}

func TestReceive_AnEditIsOfTheKindOfItsMessage(t *testing.T) {
	r := newRoom(t)
	text := r.say(t, bob, "text").MessageID.String()
	content, err := event.MessageContent(frame.Send{ContentType: "image", MediaURL: "/x.png"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := r.message(t, bob, "picture")
	cmd.Content = content
	res, err := r.Append(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(by id.User, target, kind string) timeline.Command {
		out := r.about(t, by, frame.TypeEdit, event.Relation{Content: "y", ContentType: kind, TargetMessageID: target})
		out.TempID = fmt.Sprint(by.Username(), target, kind)[:20]
		return out
	}
	for name, c := range map[string]struct {
		cmd  timeline.Command
		code fault.Code
	}{
		"of another kind":     {edit(bob, text, "image"), fault.InvalidField},
		"of what has no text": {edit(bob, res.MessageID.String(), "image"), fault.InvalidField},
		"of another's":        {edit(bert, text, "text"), fault.UnknownConversation},
		"good":                {edit(bob, text, "text"), ""},
	} {
		if out := r.mustReceive(t, b, r.request(t, c.cmd)); codes(out) != string(c.code) {
			t.Errorf("%s: %+v", name, out.Results)
		}
	}
}

// A member who is demoted or removed meanwhile is judged by what is so when the place is given.
func TestReceive_JudgesByTheStateBeforeThePlace(t *testing.T) {
	r := newRoom(t)
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberRole, "up", frame.Change{UserIDs: []string{string(bob)}, Role: conversation.Admin}))
	r.push(t)
	rename := r.change(t, bob, frame.TypeRename, frame.Change{Name: "mine"})
	at := int64(1)
	rename.Expects, rename.TempID = &at, "rename"
	in := r.request(t, rename)
	in.Seen = r.seen(t)
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeSettings, "other", frame.Change{SlowMode: new(int64(5))}))
	if out := r.mustReceive(t, b, in); codes(out) != string(fault.StateChanged) {
		t.Errorf("what expects an old state: %+v", out.Results)
	}
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberRole, "down", frame.Change{UserIDs: []string{string(bob)}, Role: conversation.Simple}))
	rename.Expects, rename.TempID = nil, "again"
	if out := r.mustReceive(t, b, r.request(t, rename)); codes(out) != string(fault.InsufficientRole) {
		t.Errorf("after the demotion: %+v", out.Results)
	}
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberBan, "ban", frame.Change{UserIDs: []string{string(bob)}}))
	if out := r.mustReceive(t, b, r.request(t, r.message(t, bob, "x"))); codes(out) != string(fault.NotMember) {
		t.Errorf("after the ban: %+v", out.Results)
	}
}

func TestReceive_SaysWhoTheHubIsToMembersOnly(t *testing.T) {
	r := newRoom(t)
	r.receiver = newHubOf(r, t, b) // As if somebody asked the follower.
	in := r.request(t, r.message(t, carol, "x"))
	_, err := r.receive(t.Context(), t, c, in)
	wantFault(t, "a member's server", err, fault.NotHub)
	if f := fault.From(err); f.Message != string(a) {
		t.Errorf("it says %q", f.Message)
	}
	_, err = r.receive(t.Context(), t, m, r.request(t, r.message(t, id.NewUser("mallory", m), "x")))
	wantFault(t, "a stranger", err, fault.UnknownConversation)
	_, err = r.receive(t.Context(), t, m, r.request(t, r.change(t, id.NewUser("mallory", m), frame.TypeMemberJoin, frame.Change{LinkID: "x"})))
	wantFault(t, "a stranger with a link", err, fault.UnknownConversation)
}

func TestReceive_WhoIsAdmittedIsAsked(t *testing.T) {
	r := newRoom(t)
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberRole, "up", frame.Change{UserIDs: []string{string(bob)}, Role: conversation.Admin}))
	r.admit = func(cmd *timeline.Command) error {
		if cmd.Type != frame.TypeMemberAdd || cmd.Sender != bob {
			t.Errorf("asked about %+v", cmd)
		}
		return fault.New(fault.CannotAdd, "no")
	}
	add := r.change(t, bob, frame.TypeMemberAdd, frame.Change{UserIDs: []string{"anna@a.test"}})
	if out := r.mustReceive(t, b, r.request(t, add)); codes(out) != string(fault.CannotAdd) {
		t.Errorf("who does not want it is added: %+v", out.Results)
	}
}

// FuzzReceive wants that no request in the name of a server gets anything into the log that is not signed by it.
func FuzzReceive(f *testing.F) {
	r := newRoom(f)
	r.stop() // What works in the background is no part of what is looked for.
	r.here.Stop()
	for _, s := range []id.Server{c, m} {
		r.Servers[s].Stop()
	}
	seen := &wire.Seen{Hash: canonical.EncodeBase64(make([]byte, 32))}
	for _, in := range []wire.Submissions{
		r.request(f, r.message(f, bob, "x")),
		r.request(f, timelinetest.Change(f, r.conv, bob, frame.TypeMemberLeave, "leave", frame.Change{})),
		r.request(f, r.message(f, alice, "x")),
	} {
		in.Seen = seen
		in.Submissions[0].Signature.Bytes[0] ^= 1
		raw, err := json.Marshal(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var in wire.Submissions
		if err := wire.Decode(raw, &in); err != nil {
			return
		}
		if _, err := r.receiver.Receive(t.Context(), b, in); err != nil && fault.From(err).Code == fault.Internal {
			t.Errorf("an internal error: %v", err)
		}
		if _, held := timelinetest.Log(t, r.hub.Store, r.conv); len(held) != 1 {
			t.Errorf("there are %d entries", len(held))
		}
	})
}
