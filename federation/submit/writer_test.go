// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/federation/submit"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	wire "parley.chat/protocol/replica"
)

func TestAppend_AMessageToAnotherHubIsSent(t *testing.T) {
	r := newRoom(t)
	res := r.say(t, bob, "one")
	if res.Seq != 1 || res.MessageID == (id.Message{}) {
		t.Errorf("it has the place %+v", res)
	}
	r.same(t)
	if rows := r.here.Queue.Rows(); len(rows) != 0 {
		t.Errorf("still waiting: %+v", rows)
	}
	if told := r.told(); len(told) != 0 {
		t.Errorf("who had the answer was told again: %+v", told)
	}
	again, err := r.Append(t.Context(), r.message(t, bob, "one"))
	if err != nil || again.Seq != 1 || !again.Duplicate {
		t.Errorf("the same again: %+v, %v", again, err)
	}
	other := r.message(t, bob, "two")
	other.TempID = "one"
	_, err = r.Append(t.Context(), other)
	wantFault(t, "something else with the tempId", err, fault.TempIDConflict)
}

func TestAppend_ConversationsOfThisServerGoToTheTimeline(t *testing.T) {
	r := newRoom(t)
	r.conv = r.here.Group(t, "ours", bob, bert)
	r.say(t, bob, "x")
	done := make(chan timeline.Result, 1)
	if err := r.Submit(t.Context(), r.message(t, bert, "y"), func(res timeline.Result, err error) { done <- res }); err != nil {
		t.Fatal(err)
	}
	if res := <-done; res.Seq != 2 || len(r.sent()) != 0 {
		t.Errorf("it has the place %+v, %d requests", res, len(r.sent()))
	}
	_, err := r.Append(t.Context(), timelinetest.Message(t, id.NewConversation([32]byte{7}), bob, "x", "x"))
	wantFault(t, "a conversation that is not", err, fault.UnknownConversation)
}

func TestSubmit_ManyKeepTheirOrderAndShareTransactionsAndRequests(t *testing.T) {
	r := newRoom(t)
	const n = 200
	var mu sync.Mutex
	var got []int64
	var group sync.WaitGroup
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("m", i))
		group.Add(1)
		err := r.Submit(t.Context(), r.message(t, []id.User{bob, bert}[0], names[i]), func(res timeline.Result, err error) {
			defer group.Done()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			got = append(got, res.Seq)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
	if diff := cmp.Diff(names, r.log(t)); diff != "" {
		t.Error(diff)
	}
	if len(got) != n || !slices.IsSorted(got) {
		t.Errorf("the answers came as %v", got)
	}
	if w, s := r.here.Queue.Writes(), len(r.sent()); w > n/4 || s > n/4 {
		t.Errorf("%d messages took %d transactions and %d requests", n, w, s)
	}
	r.same(t)
}

func TestAppend_WaitsAtTheServerWhileTheHubIsAway(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = 20 * time.Millisecond })
	r.setCut(true)
	names := []string{"m0"}
	res, err := r.Append(t.Context(), r.message(t, bob, "m0"))
	if err != nil || !res.Accepted || res.MessageID != (id.Message{}) {
		t.Fatalf("while the hub is away: %+v, %v", res, err)
	}
	for i := 1; i < 120; i++ {
		names = append(names, fmt.Sprint("m", i))
		if res, err := r.Append(t.Context(), r.message(t, bob, names[i])); err != nil || !res.Accepted {
			t.Fatalf("while the hub is away: %+v, %v", res, err)
		}
	}
	if n := len(r.sent()); n > 5 {
		t.Errorf("an absent hub was asked %d times", n)
	}
	again, err := r.Append(t.Context(), r.message(t, bob, "m3"))
	if err != nil || !again.Accepted {
		t.Errorf("the same again while it waits: %+v, %v", again, err)
	}
	other := r.message(t, bob, "else")
	other.TempID = "m3"
	_, err = r.Append(t.Context(), other)
	wantFault(t, "something else with a tempId that waits", err, fault.TempIDConflict)
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "all are told of their places", func() bool { return len(r.told()) == len(names) })
	if diff := cmp.Diff(names, r.log(t)); diff != "" {
		t.Error(diff)
	}
	for i, o := range r.told() {
		if o.Err != nil || o.Result.Seq != int64(i+1) || o.TempID != names[i] || o.Sender != bob || o.ConversationID != r.conv || o.Device != timelinetest.Device {
			t.Errorf("told %+v", o)
		}
	}
	r.same(t)
}

func TestAppend_HoursOfAbsenceCostFewAttempts(t *testing.T) {
	at := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	r := newRoom(t, func(o *submit.Options) { o.Wait, o.Now = time.Millisecond, clock })
	r.setCut(true)
	if res, err := r.Append(t.Context(), r.message(t, bob, "x")); err != nil || !res.Accepted {
		t.Fatalf("%+v, %v", res, err)
	}
	timelinetest.Eventually(t, "it is tried", func() bool { return len(r.sent()) == 1 })
	for range 30 {
		mu.Lock()
		at = at.Add(10 * time.Minute)
		mu.Unlock()
		n := len(r.sent())
		if _, err := r.Append(t.Context(), r.message(t, bob, fmt.Sprint("w", n))); err != nil { // Wakes the couriers.
			t.Fatal(err)
		}
		timelinetest.Eventually(t, "it is tried again", func() bool { return len(r.sent()) == n+1 })
	}
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "all is sent", func() bool { return len(r.told()) == 31 })
	r.same(t)
}

// The process dies between any two steps; nothing is lost, doubled or out of order.
func TestAppend_SurvivesACrashBetweenTheSteps(t *testing.T) {
	for name, answer := range map[string]func(in wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error){
		"before the hub hears": func(wire.Submissions, func() (wire.Ordered, error)) (wire.Ordered, error) {
			return wire.Ordered{}, errCut
		},
		"before the answer is heard": func(_ wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error) {
			_, _ = honest()
			return wire.Ordered{}, errCut
		},
		"before the entries are taken": func(_ wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error) {
			out, err := honest()
			out.Range = nil
			return out, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, func(o *submit.Options) { o.Wait = time.Millisecond })
			r.setAnswer(answer)
			for _, tempID := range []string{"one", "two", "three"} {
				if _, err := r.Append(t.Context(), r.message(t, bob, tempID)); err != nil {
					t.Fatal(err)
				}
			}
			timelinetest.Eventually(t, "something was sent", func() bool { return len(r.sent()) > 0 })
			r.stop()
			r.here.Kill()
			r.setAnswer(nil)
			r.here.Start(t, func(o *timeline.Options) { o.Out = &out{room: r, Out: o.Out} })
			r.start(t)
			timelinetest.Eventually(t, "nothing waits", func() bool { return len(r.here.Queue.Rows()) == 0 })
			if diff := cmp.Diff([]string{"one", "two", "three"}, r.log(t)); diff != "" {
				t.Error(diff)
			}
			r.push(t)
			r.same(t)
			res, err := r.Append(t.Context(), r.message(t, bob, "two"))
			if err != nil || res.Seq != 2 || !res.Duplicate {
				t.Errorf("the same again: %+v, %v", res, err)
			}
		})
	}
}

func TestAppend_TheEntryMayComeBeforeTheAnswer(t *testing.T) {
	r := newRoom(t)
	r.setAnswer(func(_ wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error) {
		out, err := honest()
		r.push(t)
		return out, err
	})
	r.say(t, bob, "x")
	r.same(t)
	if told := r.told(); len(told) != 0 {
		t.Errorf("told twice: %+v", told)
	}
}

func TestAppend_AnEntryThatDoesNotComeIsPulled(t *testing.T) {
	r := newRoom(t)
	r.setAnswer(func(_ wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error) {
		out, err := honest()
		out.Range = nil
		return out, err
	})
	r.say(t, bob, "x")
	r.same(t)
}

func TestAppend_WhatFollowsDoesNotWaitForAnEntryThatWasPromised(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = time.Millisecond })
	r.deaf.Store(true)
	r.setAnswer(func(_ wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error) {
		out, err := honest()
		out.Range = nil
		return out, err
	})
	for i := range 5 {
		name := fmt.Sprint("m", i)
		if _, err := r.Append(t.Context(), r.message(t, bob, name)); err != nil {
			t.Fatal(err)
		}
		timelinetest.Eventually(t, "the hub has it", func() bool { return slices.Contains(r.log(t), name) })
		if n := len(r.sent()); n != i+1 {
			t.Errorf("%d requests for %d messages", n, i+1)
		}
	}
	r.deaf.Store(false)
	r.push(t)
	timelinetest.Eventually(t, "nothing waits", func() bool { return len(r.here.Queue.Rows()) == 0 })
	r.same(t)
}

func TestAppend_ARefusalIsToldAndDoesNotHoldUpTheRest(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = time.Millisecond })
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberAdd, "add", frame.Change{UserIDs: []string{string(bert)}}))
	r.push(t)
	r.setCut(true)
	for _, by := range []id.User{bob, bert} {
		if res, err := r.Append(t.Context(), r.message(t, by, by.Username())); err != nil || !res.Accepted {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberRemove, "remove", frame.Change{UserIDs: []string{string(bob)}}))
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "both have an outcome", func() bool { return len(r.told()) == 2 })
	for _, o := range r.told() {
		if (o.Sender == bob) != fault.Is(o.Err, fault.NotMember) || (o.Sender == bert) != (o.Err == nil) {
			t.Errorf("told %+v", o)
		}
	}
	rows := r.here.Queue.Rows()
	if len(rows) != 1 || rows[0].Code != fault.NotMember {
		t.Errorf("kept are %+v", rows)
	}
	r.same(t)
}

func TestAppend_WhoAsksForARefusalIsToldOnce(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = time.Millisecond })
	refuses := func(in wire.Submissions, _ func() (wire.Ordered, error)) (wire.Ordered, error) {
		out := wire.Ordered{}
		for range in.Submissions {
			out.Results = append(out.Results, wire.Place{Code: string(fault.Forbidden), Detail: "no"})
		}
		return out, nil
	}
	r.setCut(true)
	if res, err := r.Append(t.Context(), r.message(t, bob, "x")); err != nil || !res.Accepted {
		t.Fatalf("%+v, %v", res, err)
	}
	r.setAnswer(refuses)
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "the session is told", func() bool { return len(r.told()) == 1 })
	r.setAnswer(nil)
	_, err := r.Append(t.Context(), r.message(t, bob, "x"))
	wantFault(t, "who was away asks", err, fault.Forbidden)
	r.sayInTheEnd(t, bob, "x")
}

func TestAppend_WhatWaitsIsBounded(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait, o.MaxConversation, o.MaxUser = time.Millisecond, 5, 3 })
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberAdd, "add", frame.Change{UserIDs: []string{string(bert)}}))
	r.push(t)
	r.setCut(true)
	accepted := map[id.User]int{}
	for i := range 10 {
		for _, by := range []id.User{bob, bert} {
			res, err := r.Append(t.Context(), r.message(t, by, fmt.Sprint(by.Username(), i)))
			switch {
			case err == nil && res.Accepted:
				accepted[by]++
			default:
				wantFault(t, "too many", err, fault.QueueFull)
			}
		}
	}
	if accepted[bob] != 3 || accepted[bert] != 2 {
		t.Errorf("accepted %v", accepted)
	}
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "nothing waits", func() bool { return len(r.here.Queue.Rows()) == 0 })
	r.sayInTheEnd(t, bob, "after")
}

// sayInTheEnd appends a message, and waits for its place however long that takes.
func (r *room) sayInTheEnd(t *testing.T, by id.User, tempID string) {
	t.Helper()
	if _, err := r.Append(t.Context(), r.message(t, by, tempID)); err != nil {
		t.Fatal(err)
	}
	timelinetest.Eventually(t, "it has a place", func() bool { return slices.Contains(r.log(t), tempID) })
}

func TestAppend_RefusesAtOnceWhatTheReplicaTells(t *testing.T) {
	r := newRoom(t)
	_, err := r.Append(t.Context(), r.message(t, bert, "x"))
	wantFault(t, "a stranger", err, fault.UnknownConversation)
	cmd := r.message(t, bob, "y")
	cmd.Mentions = []string{"nobody@a.test"}
	_, err = r.Append(t.Context(), cmd)
	wantFault(t, "a mention of nobody", err, fault.InvalidField)
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberRemove, "remove", frame.Change{UserIDs: []string{string(bob)}}))
	r.push(t)
	_, err = r.Append(t.Context(), r.message(t, bob, "z"))
	wantFault(t, "one who was removed", err, fault.NotMember)
	if len(r.sent()) != 0 {
		t.Errorf("%d requests were made", len(r.sent()))
	}
}

func TestAppend_WhoWasPutOutIsToldWhatBecameOfWhatWasSaidBefore(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = 20 * time.Millisecond })
	sent := r.say(t, bob, "sent")
	r.setCut(true)
	if res, err := r.Append(t.Context(), r.message(t, bob, "accepted")); err != nil || !res.Accepted {
		t.Fatalf("%+v, %v", res, err)
	}
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberRemove, "remove", frame.Change{UserIDs: []string{string(bob)}}))
	r.push(t) // The other way is open.
	if res, err := r.Append(t.Context(), r.message(t, bob, "sent")); err != nil || !res.Duplicate || res.Seq != sent.Seq {
		t.Errorf("what was sent: %+v, %v", res, err)
	}
	if res, err := r.Append(t.Context(), r.message(t, bob, "accepted")); err != nil || !res.Accepted {
		t.Errorf("what was accepted: %+v, %v", res, err)
	}
	other := r.message(t, bob, "accepted")
	other.Content = r.message(t, bob, "something else").Content
	_, err := r.Append(t.Context(), other)
	wantFault(t, "its tempId for something else", err, fault.TempIDConflict)
	_, err = r.Append(t.Context(), r.message(t, bob, "new"))
	wantFault(t, "something new", err, fault.NotMember)
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "it is told that it failed", func() bool { return len(r.told()) == 1 })
	if o := r.told()[0]; o.TempID != "accepted" || !fault.Is(o.Err, fault.NotMember) {
		t.Errorf("told is %+v", o)
	}
}

type meter struct {
	mu sync.Mutex
	n  int
}

func (m *meter) Allow(id.User, id.Conversation, int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.n--; m.n < 0 {
		return fault.Retry(fault.RateLimited, time.Second, "too many")
	}
	return nil
}

func (m *meter) Past(id.User, id.Conversation, int64) {}

func TestAppend_OwnUsersAreMeteredWhereverTheyWrite(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Meter = &meter{n: 2} })
	r.say(t, bob, "one")
	r.say(t, bob, "two")
	_, err := r.Append(t.Context(), r.message(t, bob, "three"))
	wantFault(t, "the third", err, fault.RateLimited)
	_, err = r.Append(t.Context(), r.change(t, bob, frame.TypeMemberLeave, frame.Change{}))
	if err != nil {
		t.Errorf("leaving: %v", err)
	}
}

func (r *room) change(t testing.TB, by id.User, typ string, ch frame.Change) timeline.Command {
	return timelinetest.Change(t, r.conv, by, typ, "", ch)
}

// about is an event about a message.
func (r *room) about(t testing.TB, by id.User, typ string, rel event.Relation) timeline.Command {
	t.Helper()
	content, err := rel.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	target, err := id.ParseMessage(rel.TargetMessageID)
	if err != nil {
		t.Fatal(err)
	}
	return timeline.Command{
		ConversationID: r.conv, Device: timelinetest.Device, Content: content, About: target,
		Proposal: conversation.Proposal{Type: typ, Sender: by, Action: rel.Action, Emoji: rel.Emoji, Mentions: rel.Mentions},
	}
}

func TestAppend_EditsReactionsAndDeletionsAreCarriedToo(t *testing.T) {
	r := newRoom(t)
	m := r.say(t, bob, "x").MessageID.String()
	for _, cmd := range []timeline.Command{
		r.about(t, bob, frame.TypeEdit, event.Relation{Content: "y", ContentType: "text", TargetMessageID: m}),
		r.about(t, bob, frame.TypeReaction, event.Relation{Action: "add", Emoji: "👍", TargetMessageID: m}),
	} {
		if res, err := r.Append(t.Context(), cmd); err != nil || res.Accepted {
			t.Fatalf("%s: %+v, %v", cmd.Type, res, err)
		}
	}
	_, err := r.Append(t.Context(), r.about(t, bob, frame.TypeReaction, event.Relation{Action: "add", Emoji: "👍", TargetMessageID: m}))
	if !errors.Is(err, conversation.ErrUnchanged) {
		t.Errorf("the same reaction again: %v", err)
	}
	if _, err := r.Append(t.Context(), r.about(t, bob, frame.TypeDelete, event.Relation{TargetMessageID: m})); err != nil {
		t.Errorf("deleting: %v", err)
	}
	_, err = r.Append(t.Context(), r.about(t, bob, frame.TypeEdit, event.Relation{Content: "z", ContentType: "text", TargetMessageID: m}))
	wantFault(t, "an edit of what is deleted", err, fault.MessageDeleted)
	if rows := r.here.Queue.Rows(); len(rows) != 0 {
		t.Errorf("still waiting: %+v", rows)
	}
}

func TestAppend_WhatChangesNothingIsNoFailureForWhoDidNotWait(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = time.Second })
	m := r.say(t, bob, "x").MessageID.String()
	r.setCut(true)
	react := func() timeline.Command {
		return r.about(t, bob, frame.TypeReaction, event.Relation{Action: "add", Emoji: "👍", TargetMessageID: m})
	}
	for _, cmd := range []timeline.Command{react(), react(), r.message(t, bob, "last")} {
		if res, err := r.Append(t.Context(), cmd); err != nil || !res.Accepted {
			t.Fatalf("%s: %+v, %v", cmd.Type, res, err)
		}
	}
	before := len(r.told())
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "nothing waits", func() bool { return len(r.here.Queue.Rows()) == 0 && len(r.told()) == before+2 })
	for _, o := range r.told() {
		if o.Err != nil {
			t.Errorf("told is %+v", o)
		}
	}
}

func TestAppend_ChangesOfTheStateAreAskedAtOnce(t *testing.T) {
	r := newRoom(t)
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeMemberRole, "role", frame.Change{UserIDs: []string{string(bob)}, Role: conversation.Admin}))
	r.push(t)
	res, err := r.Append(t.Context(), r.change(t, bob, frame.TypeRename, frame.Change{Name: "new"}))
	if err != nil || res.Seq != 2 {
		t.Fatalf("a rename: %+v, %v", res, err)
	}
	v, err := r.here.View(t.Context(), r.conv)
	if err != nil || v.State.Name != "new" {
		t.Errorf("the replica says %q, %v", v.State.Name, err)
	}
	_, err = r.Append(t.Context(), r.change(t, bob, frame.TypeRename, frame.Change{Name: "new"}))
	if !errors.Is(err, conversation.ErrUnchanged) {
		t.Errorf("the same again: %v", err)
	}
	old := r.change(t, bob, frame.TypeRename, frame.Change{Name: "newer"})
	old.Expects = new(int64)
	_, err = r.Append(t.Context(), old)
	wantFault(t, "one that expects an old state", err, fault.StateChanged)
	r.setCut(true)
	for range 3 {
		_, err = r.Append(t.Context(), r.change(t, bob, frame.TypeRename, frame.Change{Name: "newest"}))
		wantFault(t, "while the hub is away", err, fault.HubUnavailable)
		if f := fault.From(err); f.RetryAfter <= 0 {
			t.Errorf("it does not say when: %v", f)
		}
	}
	r.same(t)
}

func TestAppend_LeavingWaitsBehindWhatWasSaid(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = time.Millisecond })
	r.setCut(true)
	for _, cmd := range []timeline.Command{r.message(t, bob, "bye"), r.change(t, bob, frame.TypeMemberLeave, frame.Change{})} {
		if res, err := r.Append(t.Context(), cmd); err != nil || !res.Accepted {
			t.Fatalf("%s: %+v, %v", cmd.Type, res, err)
		}
	}
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "both have a place", func() bool { return len(r.told()) == 2 })
	v, err := r.here.View(t.Context(), r.conv)
	if m, _ := v.State.Member(bob); err != nil || m.Membership != conversation.Left || m.LeftSeq != 2 {
		t.Errorf("the replica has %+v, %v", m, err)
	}
}

func TestAppend_ADirectConversationIsMadeAtTheOtherServer(t *testing.T) {
	r := newRoom(t)
	cmd := timelinetest.Direct(t, alice, bob)
	cmd.Sender = bob
	r.conv = cmd.ConversationID
	if res, err := r.Append(t.Context(), cmd); err != nil || res.Seq != 0 {
		t.Fatalf("a direct conversation: %+v, %v", res, err)
	}
	r.say(t, bob, "hello")
	r.same(t)
	r.admit = func(*timeline.Command) error { return fault.New(fault.UnknownUser, "no such user") }
	cmd = timelinetest.Direct(t, alice, bert)
	cmd.Sender = bert
	_, err := r.Append(t.Context(), cmd)
	wantFault(t, "with who does not exist", err, fault.UnknownUser)
	cmd.ConversationID = id.NewConversation([32]byte{1})
	r.setCut(true)
	_, err = r.Append(t.Context(), cmd)
	wantFault(t, "while the hub is away", err, fault.HubUnavailable)
}

func TestAppend_ADirectConversationThatIsThereAlreadyIsFetched(t *testing.T) {
	r := newRoom(t)
	cmd := timelinetest.Direct(t, alice, bert)
	r.hub.MustAppend(t, cmd) // And nobody told us.
	cmd.Sender, cmd.TempID = bert, "other"
	_, err := r.Append(t.Context(), cmd)
	wantFault(t, "making it again", err, fault.AlreadyMember)
	if _, err := r.here.View(t.Context(), cmd.ConversationID); err != nil {
		t.Errorf("it is not here: %v", err)
	}
}

func TestAppend_LongEntriesOfOthersDoNotHoldItUp(t *testing.T) {
	r := newRoom(t)
	long := strings.Repeat("x", 60_000)
	for i := range 40 {
		r.hub.MustAppend(t, timelinetest.Message(t, r.conv, alice, fmt.Sprint("long", i), long))
	}
	longest := 0
	r.setAnswer(func(_ wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error) {
		out, err := honest()
		if raw, err := json.Marshal(out); err == nil {
			longest = max(longest, len(raw))
		}
		return out, err
	})
	if res := r.say(t, bob, "short"); res.Seq != 41 {
		t.Errorf("it has the place %+v", res)
	}
	if longest > wire.MaxBody || longest < 400_000 {
		t.Errorf("an answer had %d bytes", longest)
	}
	r.same(t)
}

// A hub that lies gets nothing more, and those who wrote to it are told.
func TestAppend_NothingGoesToAHubWithTwoHistories(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = time.Millisecond })
	r.sayInTheEnd(t, bob, "one")
	r.push(t)
	r.setCut(true)
	if res, err := r.Append(t.Context(), r.message(t, bob, "two")); err != nil || !res.Accepted {
		t.Fatalf("%+v, %v", res, err)
	}
	log, _ := r.hub.Log(t, r.conv)
	entry := log[1].Entry
	entry.HubTime++
	err := r.replicas.Witness(t.Context(), *r.hub.Checkpoint(t, entry))
	wantFault(t, "another history", err, fault.Diverged)
	_, err = r.Append(t.Context(), r.message(t, bob, "three"))
	wantFault(t, "a new message", err, fault.Diverged)
	_, err = r.Append(t.Context(), r.change(t, bob, frame.TypeRename, frame.Change{Name: "x"}))
	wantFault(t, "a change", err, fault.Diverged)
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "who wrote before is told", func() bool {
		return slices.ContainsFunc(r.told(), func(o submit.Outcome) bool { return o.TempID == "two" && fault.Is(o.Err, fault.Diverged) })
	})
}

func TestJoin_ByALinkOfAConversationThatIsNotKnown(t *testing.T) {
	r := newRoom(t)
	r.conv = r.hub.Group(t, "open", alice, carol)
	var secret [conversation.LinkSecretSize]byte
	link := canonical.EncodeBase64(make([]byte, conversation.LinkIDSize))
	r.hub.MustAppend(t, timelinetest.Change(t, r.conv, alice, frame.TypeLinkCreate, "link", frame.Change{LinkID: link, SecretHash: conversation.SecretHash(secret[:])}))
	r.hub.MustAppend(t, timelinetest.Message(t, r.conv, alice, "before", "not for bob"))
	join := timelinetest.Change(t, r.conv, bob, frame.TypeMemberJoin, "", frame.Change{LinkID: link})
	_, err := r.Join(t.Context(), a, join, canonical.EncodeBase64([]byte("0123456789abcdef")))
	if err == nil {
		t.Error("joined with another secret")
	}
	if _, err := r.here.View(t.Context(), r.conv); !fault.Is(err, fault.UnknownConversation) {
		t.Errorf("something is known of it: %v", err)
	}
	if res, err := r.Join(t.Context(), a, join, canonical.EncodeBase64(secret[:])); err != nil || res.Seq != 3 {
		t.Fatalf("joining: %+v, %v", res, err)
	}
	r.say(t, bob, "hello")
	v, err := r.here.View(t.Context(), r.conv)
	if m, _ := v.State.Member(bob); err != nil || m.Membership != conversation.Joined || v.Base != 3 {
		t.Errorf("the replica: %+v from %d, %v", m, v.Base, err)
	}
}
