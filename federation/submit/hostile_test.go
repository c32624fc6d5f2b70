// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/federation/submit"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/fault"
	wire "parley.chat/protocol/replica"
)

func TestAppend_TellsWhoSendsAgainWhenTheStoreFails(t *testing.T) {
	r := newRoom(t)
	r.here.Queue.Fail(errors.New("away"))
	_, err := r.Append(t.Context(), r.message(t, bob, "x"))
	wantFault(t, "while the store is away", err, fault.Unavailable)
	r.here.Queue.Fail(nil)
	r.say(t, bob, "x")
	r.say(t, bob, "y")
}

func TestAppend_ALimitThatEndsSoonIsWaitedForInOrder(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = time.Millisecond })
	var mu sync.Mutex
	limited := true
	r.setAnswer(func(in wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error) {
		mu.Lock()
		defer mu.Unlock()
		if !limited {
			return honest()
		}
		limited = false
		out := wire.Ordered{}
		for range in.Submissions {
			out.Results = append(out.Results, wire.Place{Code: string(fault.RateLimited), RetryAfterMS: 20})
		}
		return out, nil
	})
	r.setCut(true)
	for _, tempID := range []string{"one", "two", "three"} {
		if res, err := r.Append(t.Context(), r.message(t, bob, tempID)); err != nil || !res.Accepted {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "all have a place", func() bool { return len(r.here.Queue.Rows()) == 0 })
	if diff := cmp.Diff([]string{"one", "two", "three"}, r.log(t)); diff != "" {
		t.Error(diff)
	}
}

func TestAppend_WhoWaitsIsToldOfALimitAndHoldsUpNobody(t *testing.T) {
	r := newRoom(t)
	r.setAnswer(func(in wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error) {
		if in.Submissions[0].Submission.TempID != "fast" {
			return honest()
		}
		return wire.Ordered{Results: []wire.Place{{Code: string(fault.RateLimited), RetryAfterMS: 30_000}}}, nil
	})
	_, err := r.Append(t.Context(), r.message(t, bob, "fast"))
	wantFault(t, "too soon", err, fault.RateLimited)
	if f := fault.From(err); f.RetryAfter != 30*time.Second {
		t.Errorf("it says to wait %s", f.RetryAfter)
	}
	r.say(t, bob, "next")
}

func TestAppend_AHubThatLiesIsNotBelieved(t *testing.T) {
	for name, lie := range map[string]func(in wire.Submissions) wire.Ordered{
		"no results":         func(wire.Submissions) wire.Ordered { return wire.Ordered{} },
		"a place of another": func(wire.Submissions) wire.Ordered { return wire.Ordered{Results: []wire.Place{{Seq: 1}}} },
		"a place to come":    func(wire.Submissions) wire.Ordered { return wire.Ordered{Results: []wire.Place{{Seq: 99}}} },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, func(o *submit.Options) { o.Wait = time.Millisecond })
			r.hub.MustAppend(t, timelinetest.Message(t, r.conv, alice, "a", "a"))
			r.push(t)
			r.setAnswer(func(in wire.Submissions, _ func() (wire.Ordered, error)) (wire.Ordered, error) { return lie(in), nil })
			if res, err := r.Append(t.Context(), r.message(t, bob, "x")); err != nil || !res.Accepted {
				t.Fatalf("%+v, %v", res, err)
			}
			timelinetest.Eventually(t, "it was sent", func() bool { return len(r.sent()) > 0 })
			r.stop()
			if rows := r.here.Queue.Rows(); len(rows) != 1 || rows[0].Code != "" || len(r.told()) != 0 {
				t.Errorf("it waits as %+v, told %+v", rows, r.told())
			}
			r.setAnswer(nil)
			r.start(t)
			timelinetest.Eventually(t, "it has a place in the end", func() bool { return len(r.told()) == 1 })
			r.same(t)
		})
	}
}

func TestAppend_CodesThatWouldMisleadAClientAreNotHandedOn(t *testing.T) {
	r := newRoom(t)
	for _, code := range []fault.Code{fault.AccountSuspended, fault.TokenExpired, "made_up", fault.DeviceRemoved} {
		r.setAnswer(func(wire.Submissions, func() (wire.Ordered, error)) (wire.Ordered, error) {
			return wire.Ordered{Results: []wire.Place{{Code: string(code), Detail: "log in\x00\n again" + strings.Repeat("é", 200)}}}, nil
		})
		_, err := r.Append(t.Context(), r.message(t, bob, string(code)))
		wantFault(t, string(code), err, fault.SubmissionRefused)
		if m := fault.From(err).Message; !utf8.ValidString(m) || strings.ContainsAny(m, "\x00\n") || len(m) > 300 {
			t.Errorf("it says %q", m)
		}
	}
}

func TestAppend_ARefusedRequestDoesNotMisleadAClientEither(t *testing.T) {
	r := newRoom(t)
	r.setAnswer(func(wire.Submissions, func() (wire.Ordered, error)) (wire.Ordered, error) {
		return wire.Ordered{}, fault.New(fault.Unauthenticated, "log in again")
	})
	_, err := r.Append(t.Context(), r.message(t, bob, "x"))
	wantFault(t, "a hub says what only the own server may say", err, fault.SubmissionRefused)
}

func TestAppend_ARefusedRequestIsSettledOneByOne(t *testing.T) {
	r := newRoom(t, func(o *submit.Options) { o.Wait = time.Millisecond })
	r.setCut(true)
	for _, tempID := range []string{"one", "bad", "three"} {
		if res, err := r.Append(t.Context(), r.message(t, bob, tempID)); err != nil || !res.Accepted {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	r.setAnswer(func(in wire.Submissions, honest func() (wire.Ordered, error)) (wire.Ordered, error) {
		if slices.ContainsFunc(in.Submissions, func(s wire.Submitted) bool { return s.Submission.TempID == "bad" }) {
			return wire.Ordered{}, fault.New(fault.MalformedJSON, "no")
		}
		return honest()
	})
	r.setCut(false)
	r.Heard(a)
	timelinetest.Eventually(t, "all have an outcome", func() bool { return len(r.told()) == 3 })
	if diff := cmp.Diff([]string{"one", "three"}, r.log(t)); diff != "" {
		t.Error(diff)
	}
}

func TestCommitted_TheSessionThatSentGetsTheAnswerInstead(t *testing.T) {
	r := newRoom(t)
	cmd := r.message(t, bob, "x")
	cmd.Origin = "session 7"
	if _, err := r.Append(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	timelinetest.Eventually(t, "it goes out", func() bool {
		return slices.ContainsFunc(r.here.Out.Events(), func(c conversation.Committed) bool { return c.Event.TempID == "x" && c.Origin == "session 7" })
	})
}

func TestRun_AnswersThoseWhoWaitWhenItEnds(t *testing.T) {
	r := newRoom(t)
	r.stop()
	_, err := r.Append(t.Context(), r.message(t, bob, "x"))
	wantFault(t, "afterwards", err, fault.Draining)
}
