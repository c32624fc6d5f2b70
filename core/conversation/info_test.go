// SPDX-License-Identifier: Apache-2.0

package conversation_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// longUser is one of the longest user ids.
func longUser(i int) id.User {
	name := fmt.Sprintf("u%063d", i)
	return id.User(name + "@" + strings.Repeat(strings.Repeat("a", 62)+".", 3) + strings.Repeat("b", 66-4))
}

// stuffed is a group into which all went that the rules let in, of the longest there is.
func stuffed(t *testing.T) *world {
	t.Helper()
	w := newWorld("stuffed")
	owner := longUser(0)
	try := func(p conversation.Proposal) error {
		_, err := w.propose(p)
		var f *fault.Error
		if err != nil && !errors.As(err, &f) {
			t.Fatalf("%s: %v", p.Type, err)
		}
		return err
	}
	if err := try(conversation.Proposal{Type: frame.TypeCreate, Sender: owner, Create: w.create(owner, []string{"group", "with", string(longUser(1))})}); err != nil {
		t.Fatal(err)
	}
	text, url := strings.Repeat("\n", conversation.MaxDescription), "/"+strings.Repeat(`"`, conversation.MaxAvatarURL-1)
	if err := try(conversation.Proposal{Type: frame.TypeSettings, Sender: owner, Change: frame.Change{Description: &text, AvatarURL: &url}}); err != nil {
		t.Fatal(err)
	}
	for i := range conversation.MaxPins + 1 {
		m := id.NewMessage(startTime, int64(i), [32]byte{})
		_ = try(conversation.Proposal{Type: frame.TypePin, Sender: owner, Change: frame.Change{TargetMessageID: m.String()}, Target: &conversation.Target{Type: frame.TypeMessage}})
	}
	for i := range conversation.MaxLinks + 1 {
		name := fmt.Sprint(i)
		_ = try(conversation.Proposal{Type: frame.TypeLinkCreate, Sender: owner, Change: frame.Change{
			LinkID: w.linkID(name), SecretHash: w.secretHash(name), ExpiresAt: startTime * 2, MaxUses: conversation.MaxUses, NeedsApproval: true,
		}})
	}
	for i := range conversation.MaxRequests + 1 {
		_ = try(conversation.Proposal{Type: frame.TypeJoinRequest, Sender: longUser(10 + i), Change: frame.Change{LinkID: w.linkID("1")}, SecretHash: w.secretHash("1")})
	}
	for i := range conversation.MaxBans + 1 {
		_ = try(conversation.Proposal{Type: frame.TypeMemberBan, Sender: owner, Change: frame.Change{UserIDs: []string{string(longUser(1000 + i))}}})
	}
	return w
}

func TestInfo_IsNeverLargerThanSignedJSONMayBe(t *testing.T) {
	w := stuffed(t)
	raw, err := w.state.Info.Canonical()
	if err != nil || len(raw) > canonical.MaxSize || len(raw) < 50_000 {
		t.Errorf("the info has %d bytes: %v", len(raw), err)
	}
	if err := canonical.Check(raw); err != nil {
		t.Error(err)
	}
	_, err = w.propose(conversation.Proposal{Type: frame.TypeMemberBan, Sender: longUser(0), Change: frame.Change{UserIDs: []string{string(longUser(9999))}}})
	if !fault.Is(err, fault.LimitReached) {
		t.Errorf("one more ban: %v", err)
	}
	if at, err := verify(w.log); err != nil {
		t.Errorf("breaks at %d: %v", at, err)
	}
}

func TestDecide_EveryListHasItsLimit(t *testing.T) {
	w := play(t, scene{title: "limits of lists", lines: []string{
		"alice creates group -> seq 0", "alice links A approved -> seq 1",
	}})
	limit := func(what string, n int, propose func(i int) conversation.Proposal) {
		for i := range n {
			if _, err := w.propose(propose(i)); err != nil {
				t.Fatalf("%s %d: %v", what, i, err)
			}
		}
		_, err := w.propose(propose(n))
		if f := fault.From(err); err == nil || f.Code != fault.LimitReached || f.Field != what {
			t.Errorf("%s beyond %d: %v", what, n, err)
		}
	}
	alice := full("alice")
	limit("pins", conversation.MaxPins, func(i int) conversation.Proposal {
		m := id.NewMessage(startTime, int64(i), [32]byte{})
		return conversation.Proposal{Type: frame.TypePin, Sender: alice, Change: frame.Change{TargetMessageID: m.String()}, Target: &conversation.Target{Type: frame.TypeMessage}}
	})
	limit("requests", conversation.MaxRequests, func(i int) conversation.Proposal {
		return conversation.Proposal{Type: frame.TypeJoinRequest, Sender: full(fmt.Sprint("r", i)), Change: frame.Change{LinkID: w.linkID("A")}, SecretHash: w.secretHash("A")}
	})
	limit("bans", conversation.MaxBans, func(i int) conversation.Proposal {
		return conversation.Proposal{Type: frame.TypeMemberBan, Sender: alice, Change: frame.Change{UserIDs: []string{string(full(fmt.Sprint("b", i)))}}}
	})
}

// A follower folds what the hub wrote, but a hub cannot make its memory grow without end.
func TestApply_KeepsListsWithinTheirLimits(t *testing.T) {
	w := small(t)
	s, seq := w.state, int64(1)
	fold := func(typ string, sender id.User, c frame.Change) {
		t.Helper()
		content, err := event.ChangeContent(c)
		if err != nil {
			t.Fatal(err)
		}
		seq++
		if s, err = conversation.Apply(s, &conversation.Event{ConversationID: w.id, Seq: seq, Type: typ, Sender: sender, Content: content, HubTime: startTime}); err != nil {
			t.Fatal(err)
		}
	}
	timer, slow := int64(61), int64(-5)
	fold(frame.TypeSettings, "mallory@example.org", frame.Change{EphemeralTimer: &timer})
	fold(frame.TypeSettings, "mallory@example.org", frame.Change{SlowMode: &slow, Permissions: map[string]string{"fly": "king"}})
	for i := range 2000 {
		name := fmt.Sprint(i)
		fold(frame.TypePin, "mallory@example.org", frame.Change{TargetMessageID: id.NewMessage(startTime, int64(i), [32]byte{}).String()})
		fold(frame.TypePin, "mallory@example.org", frame.Change{TargetMessageID: "nonsense"})
		fold(frame.TypeLinkCreate, "mallory@example.org", frame.Change{LinkID: w.linkID(name), SecretHash: w.secretHash(name)})
		fold(frame.TypeJoinRequest, full("r"+name), frame.Change{LinkID: w.linkID(name)})
		fold(frame.TypeMemberBan, "mallory@example.org", frame.Change{UserIDs: []string{string(full("b" + name))}})
	}
	i := s.Info
	if len(i.Pins) != conversation.MaxPins || len(i.Links) != 2*conversation.MaxLinks || len(i.Requests) != conversation.MaxRequests || len(i.Bans) != conversation.MaxBans {
		t.Errorf("%d pins, %d links, %d requests, %d bans", len(i.Pins), len(i.Links), len(i.Requests), len(i.Bans))
	}
	if i.EphemeralTimer != 0 || i.SlowMode != 0 || i.Permissions != nil {
		t.Errorf("settings without form were folded: %+v", i)
	}
	if i.Links[len(i.Links)-1].ID != w.linkID("1999") {
		t.Error("the newest link is not there")
	}
}

func TestFindLink_AnswersStrangersTheSameWhateverThereIs(t *testing.T) {
	w := play(t, scene{title: "strangers", lines: []string{"alice creates group -> seq 0", "alice links L -> seq 1"}})
	direct := play(t, scene{title: "direct", lines: []string{"alice creates direct with bob -> seq 0"}})
	var none *conversation.State
	want := ""
	for what, ask := range map[string]func() error{
		"another secret":  func() error { _, err := w.state.FindLink(w.linkID("L"), w.secretHash("M")); return err },
		"no secret":       func() error { _, err := w.state.FindLink(w.linkID("L"), ""); return err },
		"another link":    func() error { _, err := w.state.FindLink(w.linkID("M"), w.secretHash("M")); return err },
		"neither":         func() error { _, err := w.state.FindLink("", ""); return err },
		"no conversation": func() error { _, err := none.FindLink(w.linkID("L"), w.secretHash("L")); return err },
		"a direct one":    func() error { _, err := direct.state.FindLink("", ""); return err },
		"joining a missing one": func() error {
			return conversation.Decide(nil, conversation.Proposal{Type: frame.TypeMemberJoin, Sender: full("bob")}, w.limits)
		},
	} {
		err := ask()
		if !fault.Is(err, fault.LinkInvalid) || want != "" && err.Error() != want {
			t.Errorf("%s: %v", what, err)
			continue
		}
		want = err.Error()
	}
}

func TestLinkToken_IsReadBack(t *testing.T) {
	w := small(t)
	secret := make([]byte, conversation.LinkSecretSize)
	secret[3] = 7
	sent := conversation.Token{Conversation: w.id, LinkID: w.linkID("L"), Secret: secret}
	token := sent.String()
	if got, ok := conversation.ParseToken(token); !ok || !cmp.Equal(got, sent) || len(token) != 84 {
		t.Errorf("%s is %+v, %v", token, got, ok)
	}
	sent.Hub = "a.example:8448"
	if got, ok := conversation.ParseToken(token + "@a.example:8448"); !ok || !cmp.Equal(got, sent) || sent.String() != token+"@a.example:8448" {
		t.Errorf("with its hub %s is %+v, %v", token, got, ok)
	}
	for _, bad := range []string{"", "pl_", token[1:], token[:83], token + "A", strings.Replace(token, "pl_", "pa_", 1), "pl_" + strings.Repeat("*", 81),
		token + "@", token + "@A.example", token + "@a.example@b.example", token + "@a.example/x", token[:50] + "@a.example"} {
		if _, ok := conversation.ParseToken(bad); ok {
			t.Errorf("%q is a token", bad)
		}
	}
}

func FuzzParseLinkToken(f *testing.F) {
	f.Add("pl_u4uHtkfDX58RGE4QChML7n0jDYheD-JCposZTiai4wgAAECAwQFBgcICQoLAAECAwQFBgcICQoLDA0ODw")
	f.Add("pl_")
	f.Add("pl_u4uHtkfDX58RGE4QChML7n0jDYheD-JCposZTiai4wgAAECAwQFBgcICQoLAAECAwQFBgcICQoLDA0ODw@a.example")
	f.Fuzz(func(t *testing.T, token string) {
		got, ok := conversation.ParseToken(token)
		if ok && got.String() != token {
			t.Errorf("%q is read as another", token)
		}
	})
}
