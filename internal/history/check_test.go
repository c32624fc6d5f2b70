// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	alice = Reader{Device: "a", User: "alice", Conversation: "c"}
	bob   = Reader{Device: "b", User: "bob", Conversation: "c"}
)

// desk is a Recorder with a clock that moves on by one at each look.
func desk() *Recorder {
	clock := int64(0)
	return NewRecorder(func() int64 { clock++; return clock })
}

func sendBy(r Reader, temp string) Send { return Send{r.Device, r.User, r.Conversation, temp} }

// logOf returns a log of messages by device:tempId, or of a member change for "-".
func logOf(keys ...string) map[string][]Entry {
	var log []Entry
	for i, key := range keys {
		e := Entry{Seq: int64(i), MessageID: fmt.Sprintf("m%d", i), Kind: "member"}
		if device, temp, ok := strings.Cut(key, ":"); ok {
			e.Device, e.TempID, e.Kind, e.Countable = device, temp, "message", true
		}
		log = append(log, e)
	}
	return map[string][]Entry{"c": log}
}

func receive(d *Recorder, r Reader, source Source, seqs ...int64) {
	for _, seq := range seqs {
		d.Received(Reception{Reader: r, Source: source, Seq: seq, MessageID: fmt.Sprintf("m%d", seq)})
	}
}

// requireOnly demands violations of exactly these rules and seqs, in this order.
func requireOnly(t *testing.T, report Report, want ...string) {
	t.Helper()
	var got []string
	for _, v := range report.Violations {
		got = append(got, fmt.Sprintf("%d@%d", int(v.Rule), v.Seq))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s\n%s", diff, report)
	}
}

func TestCheck_EmptyRunIsAccepted(t *testing.T) {
	requireOnly(t, Check(nil, nil))
}

func TestCheck_UnknownOutcomeMayBeEither(t *testing.T) {
	d := desk()
	for _, temp := range []string{"done", "lost", "silent"} {
		d.Invoke(sendBy(alice, temp))
	}
	d.Unknown(sendBy(alice, "done"))
	d.Unknown(sendBy(alice, "lost"))
	report := Check(d.History(), logOf("-", "a:done", "a:silent"))
	requireOnly(t, report)
	if report.Stats.Unknown != 3 || report.Stats.UnknownDone != 2 {
		t.Errorf("stats: %+v", report.Stats)
	}
}

func TestCheck_RetryOfARefusedSendCountsFromTheRetry(t *testing.T) {
	d := desk()
	d.Invoke(sendBy(alice, "1"))
	d.Fail(sendBy(alice, "1"))
	d.Invoke(sendBy(bob, "2"))
	d.OK(sendBy(bob, "2"), 1, "m1")
	d.Invoke(sendBy(alice, "1"))
	d.OK(sendBy(alice, "1"), 0, "m0")
	requireOnly(t, Check(d.History(), logOf("a:1", "b:2")), "8@0")
	requireOnly(t, Check(d.History()[2:], logOf("a:1", "b:2")), "8@0")
}

func TestCheck_FailOfARetryDoesNotUndoTheFirstAttempt(t *testing.T) {
	d := desk()
	d.Invoke(sendBy(alice, "1"))
	d.Unknown(sendBy(alice, "1"))
	d.Invoke(sendBy(alice, "1"))
	d.Fail(sendBy(alice, "1"))
	requireOnly(t, Check(d.History(), logOf("a:1")))
	requireOnly(t, Check(d.History(), logOf("-")))
}

func TestCheck_SameNanosecondIsConcurrent(t *testing.T) {
	at := int64(5)
	d := NewRecorder(func() int64 { return at })
	d.Invoke(sendBy(alice, "1"))
	d.OK(sendBy(alice, "1"), 1, "m1")
	d.Invoke(sendBy(bob, "2"))
	d.OK(sendBy(bob, "2"), 0, "m0")
	d.Read(Reading{Reader: alice, From: 0, To: -1, Head: 0, InvokedAt: at})
	requireOnly(t, Check(d.History(), logOf("b:2", "a:1")))
}

func TestCheck_LogOutOfOrderNamesTheSeq(t *testing.T) {
	final := logOf("-", "-", "-")
	log := final["c"]
	log[1], log[2] = log[2], log[1]
	d := desk()
	d.Read(Reading{Reader: alice, From: 0, To: 2, Head: 2, InvokedAt: d.Now()})
	requireOnly(t, Check(d.History(), final), "3@1", "3@1")
	if log[1].Seq != 2 {
		t.Error("the caller's log was sorted in place")
	}
}

func TestCheck_LogMustStartAtZero(t *testing.T) {
	final := logOf("-", "-")
	requireOnly(t, Check(nil, map[string][]Entry{"c": final["c"][1:]}), "3@0")
}

func TestCheck_LimitedSyncThenPagesBackwardsIsAccepted(t *testing.T) {
	d := desk()
	d.Join(alice, 0)
	receive(d, alice, Live, 0)
	receive(d, alice, Sync, 0, 5, 6)
	receive(d, alice, Live, 7)
	receive(d, alice, Page, 4, 3, 2, 1)
	d.Quiet("")
	report := Check(d.History(), logOf("-", "-", "-", "-", "-", "-", "-", "-"))
	requireOnly(t, report)
	if report.Stats.Duplicates != 1 || report.Stats.Gaps != 0 {
		t.Errorf("stats: %+v", report.Stats)
	}
}

func TestCheck_LiveGapIsCountedAndAHoleOnlyAtTheMark(t *testing.T) {
	d := desk()
	d.Join(alice, 0)
	receive(d, alice, Live, 0, 2)
	report := Check(d.History(), logOf("-", "-", "-"))
	requireOnly(t, report)
	if report.Stats.Gaps != 1 {
		t.Errorf("gaps: %d", report.Stats.Gaps)
	}
	d.Quiet("")
	d.Quiet("")
	requireOnly(t, Check(d.History(), logOf("-", "-", "-")), "4@1")
}

func TestCheck_QuietMarkOfOneDeviceBindsNoOther(t *testing.T) {
	d := desk()
	d.Join(alice, 0)
	d.Join(bob, 0)
	d.Quiet("b")
	report := Check(d.History(), logOf("-"))
	requireOnly(t, report, "4@0")
	if !strings.Contains(report.Violations[0].Text, "device b ") {
		t.Errorf("wrong reader: %s", report.Violations[0].Text)
	}
}

func TestCheck_MarkAmidTheRunDemandsOnlyWhatWasAcknowledged(t *testing.T) {
	d := desk()
	d.Join(bob, 0)
	d.Invoke(sendBy(alice, "1"))
	d.OK(sendBy(alice, "1"), 0, "m0")
	d.Quiet("")
	d.Invoke(sendBy(alice, "2"))
	receive(d, bob, Live, 0, 1)
	d.Quiet("")
	requireOnly(t, Check(d.History(), logOf("a:1", "a:2")), "4@0")
}

func TestCheck_MarkDoesNotBindWhoJoinsLater(t *testing.T) {
	d := desk()
	d.Invoke(sendBy(alice, "1"))
	d.OK(sendBy(alice, "1"), 0, "m0")
	d.Quiet("")
	d.Join(bob, 0)
	requireOnly(t, Check(d.History(), logOf("a:1")))
	d.Quiet("")
	requireOnly(t, Check(d.History(), logOf("a:1")), "4@0")
}

func TestCheck_OwnMessagesMayCountByTheirAcknowledgement(t *testing.T) {
	d := desk()
	d.Join(alice, 0)
	receive(d, alice, Ack, 1)
	receive(d, alice, Live, 0, 2)
	d.Quiet("")
	requireOnly(t, Check(d.History(), logOf("-", "-", "-")))
}

func TestCheck_MembershipIsAWindow(t *testing.T) {
	d := desk()
	d.Join(alice, 1)
	receive(d, alice, Live, 1, 2)
	d.Leave(alice, 2)
	receive(d, alice, Live, 3)
	d.Join(alice, 4)
	receive(d, alice, Sync, 4, 5)
	d.Read(Reading{Reader: alice, From: 1, To: 2, Head: 5, InvokedAt: d.Now()})
	d.Read(Reading{Reader: alice, From: 3, To: 4, Head: 5, InvokedAt: d.Now()})
	d.Quiet("")
	requireOnly(t, Check(d.History(), logOf("-", "-", "-", "-", "-", "-")), "4@3", "4@3")
}

func TestCheck_NothingIsDemandedOfWhoHasLeft(t *testing.T) {
	d := desk()
	d.Join(alice, 0)
	d.Leave(alice, 1)
	d.Quiet("")
	requireOnly(t, Check(d.History(), logOf("-", "-", "-")))
}

func TestCheck_LeavingWithoutJoiningIsAFaultOfTheHarness(t *testing.T) {
	d := desk()
	d.Leave(alice, 0)
	requireOnly(t, Check(d.History(), logOf("-")), "0@0")
}

func TestCheck_ReaderWithoutAJoinIsCheckedFromItsFirstReception(t *testing.T) {
	d := desk()
	receive(d, alice, Live, 2, 4)
	d.Quiet("")
	report := Check(d.History(), logOf("-", "-", "-", "-", "-"))
	requireOnly(t, report, "4@3")
	if report.Stats.Unjoined != 1 {
		t.Errorf("unjoined: %d", report.Stats.Unjoined)
	}
}

func TestCheck_AnotherUsersAcknowledgementDoesNotBindARead(t *testing.T) {
	d := desk()
	d.Invoke(sendBy(alice, "1"))
	d.OK(sendBy(alice, "1"), 0, "m0")
	d.Read(Reading{Reader: bob, From: 0, To: -1, Head: -1, InvokedAt: d.Now()})
	requireOnly(t, Check(d.History(), logOf("a:1")))
	d.Read(Reading{Reader: Reader{"a2", "alice", "c"}, From: 0, To: -1, Head: -1, InvokedAt: d.Now()})
	requireOnly(t, Check(d.History(), logOf("a:1")), "6@0")
}

// slowRealTime is rule 8 by its definition: every pair of entries.
func slowRealTime(c *conversation) int {
	broken := 0
	for low, s := range c.sendAt {
		if s == nil {
			continue
		}
		if c.seenAt[low] < s.invokedAt && s.invokedAt != never {
			broken++
		}
		for high := low + 1; high < len(c.seenAt); high++ {
			if c.seenAt[high] < s.invokedAt && s.invokedAt != never {
				broken++
				break
			}
		}
	}
	return broken
}

func TestCheckRealTime_AgreesWithTheDefinition(t *testing.T) {
	found := 0
	for seed := range uint64(60) {
		m := newMutant(seeded(seed, 500), seed)
		for range 10 {
			m.h[m.rng.IntN(len(m.h))].At = m.rng.Int64N(3000)
		}
		for name, records := range split(m.h, m.final) {
			report := Report{}
			c := newConversation(name, &report, quietMarks(m.h))
			c.checkLog(m.final[name])
			c.collectSends(records)
			c.checkEntries()
			c.checkSends()
			c.checkReaders(records)
			c.checkReads(records)
			c.checkRealTime()
			found += report.Count(RealTimeOrder)
			if want := slowRealTime(c); report.Count(RealTimeOrder) != want {
				t.Fatalf("seed %d: the sweep found %d inversions, the definition %d", seed, report.Count(RealTimeOrder), want)
			}
		}
	}
	if found == 0 {
		t.Error("no history had an inversion")
	}
}
