// SPDX-License-Identifier: Apache-2.0

//go:build linux

package servers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.chat/internal/history"
	"parley.chat/internal/netlab"
	"parley.chat/internal/netlab/servers"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// talk is a conversation ordered by each of two servers, with a user of each in both.
type talk struct {
	t          *testing.T
	alice, bob *talker
	direct     string // ordered by alice's server
	group      string // ordered by bob's
}

func begin(t *testing.T, rec *history.Recorder, a, b *servers.Server) *talk {
	t.Helper()
	k := &talk{t: t, alice: newTalker(t, a, rec, "alice"), bob: newTalker(t, b, rec, "bob")}
	direct, err := k.alice.CreateDirect(t.Context(), "bob@b.test")
	if err != nil {
		t.Fatal(err)
	}
	k.direct = direct.ConversationID
	k.alice.say(1, k.direct)
	k.until("bob has a word of alice", func() bool { return k.bob.has(k.direct) > 0 })
	k.bob.say(1, k.direct) // Who answers knows the other.
	k.settle("the first words", k.direct)
	group, err := k.bob.CreateGroup(t.Context(), "Both", "alice@a.test")
	if err != nil {
		t.Fatal(err)
	}
	k.group = group.ConversationID
	k.until("alice is in the group", func() bool { return k.alice.has(k.group) >= 0 })
	for conv, hub := range map[string]string{k.direct: "a.test", k.group: "b.test"} {
		if x, y := k.checkpoint(k.alice, conv).Hub, k.checkpoint(k.bob, conv).Hub; x != hub || y != hub {
			t.Errorf("the hub of %s is %s for alice and %s for bob, want %s", conv, x, y, hub)
		}
	}
	return k
}

// until waits for a condition, which a slow machine may need time for.
func (k *talk) until(what string, ok func() bool) {
	k.t.Helper()
	for start := time.Now(); !ok(); time.Sleep(30 * time.Millisecond) {
		if time.Since(start) < 4*time.Minute && !k.alice.hasProblems() && !k.bob.hasProblems() {
			continue
		}
		for _, one := range []*talker{k.alice, k.bob} {
			open, accepted := one.waiting()
			k.t.Logf("%s: %d of %d on their way, %d of these accepted, has %d and %d; %v", one.session.UserID, open, one.said, accepted,
				one.has(k.direct), one.has(k.group), one.problems)
		}
		k.t.Fatalf("after %s, still not: %s", time.Since(start).Round(time.Second), what)
	}
}

// settle waits until everything said is in the logs and came to both.
func (k *talk) settle(when string, convs ...string) {
	k.t.Helper()
	start := time.Now()
	k.until(when+": all is acknowledged", func() bool {
		a, _ := k.alice.waiting()
		b, _ := k.bob.waiting()
		return a+b == 0
	})
	k.until(when+": both have all", func() bool {
		for _, conv := range convs {
			heads := max(k.checkpoint(k.alice, conv).Seq, k.checkpoint(k.bob, conv).Seq)
			if k.alice.has(conv) < heads || k.bob.has(conv) < heads {
				return false
			}
		}
		return true
	})
	k.t.Logf("%s: settled after %s", when, time.Since(start).Round(time.Millisecond))
}

// checkpoint is what a user's server signed of a conversation, or has from its hub.
func (k *talk) checkpoint(by *talker, conv string) rest.Checkpoint {
	k.t.Helper()
	r, err := http.NewRequestWithContext(k.t.Context(), http.MethodGet, servers.BaseURL+"/api/v1/conversations/"+conv+"/checkpoint", nil)
	if err != nil {
		k.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+by.session.AccessToken)
	res, err := by.http.Do(r)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	var out rest.Checkpoint
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != http.StatusOK {
		k.t.Fatalf("checkpoint of %s for %s: %d, %v", conv, by.session.UserID, res.StatusCode, err)
	}
	return out
}

func TestTalk_NothingAcknowledgedIsLostThroughCutsDelayAndLoss(t *testing.T) {
	l, a, b := two(t)
	rec := history.NewRecorder(history.MachineClock)
	k := begin(t, rec, a, b)
	say := func(count int) {
		k.alice.say(count, k.direct, k.group)
		k.bob.say(count, k.direct, k.group)
	}
	say(10)
	k.settle("the link is up", k.direct, k.group)

	l.Set(a.Host, b.Host, netlab.Policy{IsCut: true})
	say(5)
	k.until("what the own server orders is sent, the rest is accepted", func() bool {
		for _, one := range []*talker{k.alice, k.bob} {
			if open, accepted := one.waiting(); open != 5 || accepted != 5 {
				return false
			}
		}
		return true
	})
	if got, want := len(k.bob.log(k.direct)), int(k.bob.has(k.direct)+1); got != want {
		t.Errorf("without its hub the history has %d entries, want %d", got, want)
	}
	l.Set(a.Host, b.Host, netlab.Policy{})
	k.settle("after the cut", k.direct, k.group)

	l.Set(a.Host, b.Host, netlab.Policy{Delay: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.05})
	say(10)
	k.settle("slow and lossy", k.direct, k.group)

	k.flap(l, a, b, say)
	k.settle("after a link that came and went", k.direct, k.group)
	rec.Quiet("")
	k.check(rec)
	t.Logf("from a.test to b.test went %+v", l.Count(a.Host, b.Host))
}

// flap cuts the link again and again while messages are under way, each time another direction.
func (k *talk) flap(l *netlab.Lab, a, b *servers.Server, say func(int)) {
	for i := range 6 {
		before := l.Count(a.Host, b.Host).Packets
		say(3)
		k.until("something is under way", func() bool { return l.Count(a.Host, b.Host).Packets > before })
		if i%2 == 0 {
			l.SetOneWay(a.Host, b.Host, netlab.Policy{IsCut: true})
		} else {
			l.SetOneWay(b.Host, a.Host, netlab.Policy{IsCut: true})
		}
		say(2)
		ctx, cancel := context.WithTimeout(k.t.Context(), time.Second)
		<-ctx.Done()
		cancel()
		l.Set(a.Host, b.Host, netlab.Policy{})
	}
}

// check holds the two logs against each other, and against what the users did and saw.
func (k *talk) check(rec *history.Recorder) {
	k.t.Helper()
	final := map[string][]history.Entry{}
	devices := map[string]string{k.alice.session.UserID: k.alice.session.DeviceID, k.bob.session.UserID: k.bob.session.DeviceID}
	for _, conv := range []string{k.direct, k.group} {
		x, y := k.alice.log(conv), k.bob.log(conv)
		// What a record says to its reader is about the reader: how far it got, and the own tempId.
		if diff := cmp.Diff(x, y, cmpopts.IgnoreFields(frame.Event{}, "Status", "TempID", "DeviceID")); diff != "" {
			k.t.Errorf("the logs of %s are not the same, a.test - b.test +:\n%s", conv, diff)
		}
		k.until("both have the same signed head of "+conv, func() bool {
			p, q := k.checkpoint(k.alice, conv), k.checkpoint(k.bob, conv)
			return p.Hub == q.Hub && p.Seq == q.Seq && p.Seq == int64(len(x)-1) && p.Hash == q.Hash && p.Hash != ""
		})
		for _, e := range x {
			entry := history.Entry{Seq: e.Seq, MessageID: e.MessageID, Kind: e.Type}
			if e.Type == frame.TypeMessage {
				entry.TempID, entry.Device, entry.Countable = e.Content, devices[e.SenderID], true
			}
			final[conv] = append(final[conv], entry)
		}
	}
	report := history.Check(rec.History(), final)
	k.t.Logf("\n%s", report)
	if want := k.alice.said + k.bob.said; !report.OK() || report.Stats.Acked != want || report.Stats.QuietMarks == 0 {
		k.t.Errorf("%d messages were said: %+v", want, report.Violations)
	}
	final[k.group] = final[k.group][:len(final[k.group])-1]
	if history.Check(rec.History(), final).Count(history.NoLoss) == 0 {
		k.t.Error("a log without its last message was not noticed")
	}
	for _, one := range []*talker{k.alice, k.bob} {
		if len(one.problems) > 0 {
			k.t.Error(fmt.Sprint(one.problems))
		}
	}
}
