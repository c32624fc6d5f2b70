// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/federation/submit"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

func TestAccept_TheServerOfAnOwnerForTheNextTerm(t *testing.T) {
	r := newRoom(t)
	here := newHubOf(r, t, b)
	v, err := r.here.View(t.Context(), r.conv)
	if err != nil {
		t.Fatal(err)
	}
	word, err := here.Accept(t.Context(), a, wire.AskHub{ConversationID: r.conv, Term: 1})
	if err != nil {
		t.Fatal(err)
	}
	change := frame.Change{Hub: string(b), Acceptance: &frame.Acceptance{KeyID: word.KeyID, Signature: word.Signature}}
	now := time.Now().UnixMilli()
	if err := submit.CheckAcceptance(t.Context(), r, v.State, change, now); err != nil {
		t.Error(err)
	}
	change.Hub = string(c)
	if err := submit.CheckAcceptance(t.Context(), r, v.State, change, now); err == nil {
		t.Error("it holds for another server")
	}
	for name, one := range map[string]struct {
		at     *submit.Hub
		origin id.Server
		ask    wire.AskHub
		want   fault.Code
	}{
		"a stranger":                {here, m, wire.AskHub{ConversationID: r.conv, Term: 1}, fault.UnknownConversation},
		"no owner":                  {here, c, wire.AskHub{ConversationID: r.conv, Term: 1}, fault.HubRefused},
		"the term that is":          {here, a, wire.AskHub{ConversationID: r.conv}, fault.StateChanged},
		"a term after the next":     {here, a, wire.AskHub{ConversationID: r.conv, Term: 2}, fault.Unavailable},
		"the hub itself":            {r.receiver, a, wire.AskHub{ConversationID: r.conv, Term: 1}, fault.HubRefused},
		"one without a replica":     {newHubOf(r, t, c), a, wire.AskHub{ConversationID: r.conv, Term: 1}, fault.UnknownConversation},
		"of a conversation unknown": {here, a, wire.AskHub{ConversationID: id.NewConversation([32]byte{1}), Term: 1}, fault.UnknownConversation},
	} {
		if got, err := one.at.Accept(t.Context(), one.origin, one.ask); !fault.Is(err, one.want) {
			t.Errorf("%s: %+v, %v; want %s", name, got, err, one.want)
		}
	}
}

func TestReceive_AHubIsMovedWithItsWordOnly(t *testing.T) {
	r := newRoom(t)
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberRole, "crown", frame.Change{UserIDs: []string{string(bob)}, Role: conversation.Owner}))
	transfer := func(tempID string, signer id.Server, term int64) wire.Submissions {
		by := r.Servers[signer]
		sig, err := event.Acceptance{ConversationID: r.conv, Hub: signer, Term: term}.Sign(by.KeyID, by.Private)
		if err != nil {
			t.Fatal(err)
		}
		word := &frame.Acceptance{KeyID: r.Servers[c].KeyID, Signature: canonical.EncodeBase64(sig.Bytes)}
		return r.request(t, timelinetest.Change(t, r.conv, bob, frame.TypeHubTransfer, tempID, frame.Change{Hub: string(c), Acceptance: word}))
	}
	for name, in := range map[string]wire.Submissions{"signed by the owner's server": transfer("1", b, 1), "for another term": transfer("2", c, 2)} {
		if out := r.mustReceive(t, b, in); codes(out) != string(fault.SubmissionRefused) {
			t.Errorf("%s: %+v", name, out.Results)
		}
	}
	if out := r.mustReceive(t, b, transfer("3", c, 1)); codes(out) != "" {
		t.Fatalf("with its word: %+v", out.Results)
	}
	_, err := r.receive(t.Context(), t, b, r.request(t, r.message(t, bob, "too late")))
	if f := fault.From(err); f.Code != fault.NotHub || f.Message != string(c) {
		t.Errorf("the hub before answers %v", err)
	}
}
