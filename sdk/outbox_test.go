// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"errors"
	"testing"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
)

var epoch = time.Unix(1_795_435_200, 0)

func outboxOf(t *testing.T, sends ...[2]string) *outbox {
	t.Helper()
	o := newOutbox(10, make(chan struct{}, 1))
	for _, s := range sends {
		if err := o.add(&queued{send: frame.Send{ConversationID: s[0], TempID: s[1]}}); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o *outbox) expect(t *testing.T, now time.Time, want string) {
	t.Helper()
	got := ""
	if s, _ := o.next(now); s != nil {
		got = s.TempID
	}
	if got != want {
		t.Errorf("next is %q, want %q", got, want)
	}
}

func TestOutbox_OneOfAConversationIsOnTheWay(t *testing.T) {
	o := outboxOf(t, [2]string{"c", "1"}, [2]string{"c", "2"})
	o.expect(t, epoch, "1")
	o.expect(t, epoch, "")
	if s := o.settle("1", outcome{}); s == nil || s.TempID != "1" {
		t.Errorf("settled %v", s)
	}
	o.expect(t, epoch, "2")
	if s := o.settle("1", outcome{}); s != nil {
		t.Errorf("settled twice: %v", s)
	}
}

func TestOutbox_ConversationsDoNotWaitForEachOther(t *testing.T) {
	o := outboxOf(t, [2]string{"c", "1"}, [2]string{"d", "2"})
	a, _ := o.next(epoch)
	b, _ := o.next(epoch)
	if a == nil || b == nil || a.TempID == b.TempID {
		t.Errorf("next are %v and %v", a, b)
	}
}

func TestOutbox_UnansweredIsSentAgain(t *testing.T) {
	o := outboxOf(t, [2]string{"c", "1"})
	o.expect(t, epoch, "1")
	if _, wait := o.next(epoch); wait != ackTimeout {
		t.Errorf("wait %v", wait)
	}
	o.expect(t, epoch.Add(ackTimeout), "1")
}

func TestOutbox_ReconnectSendsAgainAtOnceUnlessPutOff(t *testing.T) {
	o := outboxOf(t, [2]string{"c", "1"})
	o.expect(t, epoch, "1")
	o.reconnected()
	o.expect(t, epoch, "1")
	o.delay("1", epoch, fault.Retry(fault.Unavailable, time.Minute, "later"))
	o.reconnected()
	o.expect(t, epoch.Add(59*time.Second), "")
	o.expect(t, epoch.Add(61*time.Second), "1")
}

func TestOutbox_BehindAnAcceptedOneTheNextFollows(t *testing.T) {
	o := outboxOf(t, [2]string{"c", "1"}, [2]string{"c", "2"})
	o.expect(t, epoch, "1")
	if !o.accept(frame.Ack{TempID: "1", Status: frame.Accepted}, epoch) {
		t.Fatal("not in the outbox")
	}
	o.expect(t, epoch, "2")
	o.expect(t, epoch, "")
	o.expect(t, epoch.Add(ackTimeout), "2")
	o.expect(t, epoch.Add(acceptedTimeout), "2")
	o.expect(t, epoch.Add(acceptedTimeout), "1") // What became of it may have got lost.
	o.reconnected()
	o.expect(t, epoch.Add(acceptedTimeout), "1")
	if o.settle("1", outcome{}) == nil || o.accept(frame.Ack{TempID: "1"}, epoch) {
		t.Error("settled once only")
	}
}

func TestOutbox_WhoWaitsIsToldThatItIsAccepted(t *testing.T) {
	o := newOutbox(10, make(chan struct{}, 1))
	done := make(chan outcome, 1)
	if err := o.add(&queued{send: frame.Send{ConversationID: "c", TempID: "1"}, done: done}); err != nil {
		t.Fatal(err)
	}
	o.accept(frame.Ack{TempID: "1", Status: frame.Accepted}, epoch)
	if r := <-done; r.err != nil || r.ack.Status != frame.Accepted {
		t.Errorf("%+v", r)
	}
	if o.waiting() != 1 {
		t.Error("it left the outbox")
	}
}

func TestOutbox_DelaysGrow(t *testing.T) {
	o := outboxOf(t, [2]string{"c", "1"})
	for _, want := range []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond} {
		o.delay("1", epoch, fault.New(fault.Unavailable, "later"))
		if _, wait := o.next(epoch); wait < want/2 || wait > want {
			t.Errorf("wait %v, want %v to %v", wait, want/2, want)
		}
	}
	o.delay("unknown", epoch, nil)
}

func TestOutbox_IsBoundedAndRefusesDoubles(t *testing.T) {
	o := newOutbox(2, make(chan struct{}, 1))
	add := func(tempID string) error {
		return o.add(&queued{send: frame.Send{ConversationID: "c", TempID: tempID}})
	}
	if err := add("1"); err != nil {
		t.Fatal(err)
	}
	if err := add("1"); !fault.Is(err, fault.TempIDConflict) {
		t.Errorf("error %v", err)
	}
	if err := add("2"); err != nil || o.accepts("3") == nil {
		t.Fatal(err)
	}
	if err := add("3"); !fault.Is(err, fault.RateLimited) {
		t.Errorf("error %v", err)
	}
}

func TestOutbox_RestoreTellsThoseWhoWait(t *testing.T) {
	o := outboxOf(t)
	done := make(chan outcome, 1)
	if err := o.add(&queued{send: frame.Send{TempID: "1"}, done: done}); err != nil {
		t.Fatal(err)
	}
	o.restore([]frame.Send{{ConversationID: "c", TempID: "2"}})
	if r := <-done; !errors.Is(r.err, errNoSession) {
		t.Errorf("outcome %v", r)
	}
	o.expect(t, epoch, "2")
}

func receiptsOf() *receipts { return newReceipts(make(chan struct{}, 1)) }

func (r *receipts) expect(t *testing.T, now time.Time, want string) {
	t.Helper()
	got := ""
	if d, _ := r.next(now); d != nil {
		got = d.Status + " " + d.MessageID
	}
	if got != want {
		t.Errorf("next is %q, want %q", got, want)
	}
}

func TestReceipts_AreCoalesced(t *testing.T) {
	r := receiptsOf()
	r.note("c", "m1", statusDelivered, 1)
	r.expect(t, epoch, "delivered m1")
	for seq := range int64(50) {
		r.note("c", "m50", statusDelivered, seq+2)
	}
	if d, wait := r.next(epoch); d != nil || wait != receiptEvery {
		t.Errorf("%v, wait %v", d, wait)
	}
	r.expect(t, epoch.Add(receiptEvery), "delivered m50")
	r.expect(t, epoch.Add(time.Minute), "")
}

func TestReceipts_ReadCoversDelivered(t *testing.T) {
	r := receiptsOf()
	r.note("c", "m1", statusDelivered, 1)
	r.note("c", "m1", statusRead, 1)
	r.expect(t, epoch, "read m1")
	r.expect(t, epoch.Add(time.Second), "")
	r.note("c", "m0", statusRead, 0)
	r.expect(t, epoch.Add(time.Second), "")
	r.note("c", "m2", statusDelivered, 2)
	r.expect(t, epoch.Add(time.Second), "delivered m2")
}

func TestReceipts_RecentOnesAreRepeatedAfterAReconnect(t *testing.T) {
	r := receiptsOf()
	r.note("c", "m1", statusRead, 1)
	r.note("d", "m2", statusDelivered, 2)
	first, _ := r.next(epoch)
	second, _ := r.next(epoch)
	if first == nil || second == nil {
		t.Fatal("not told")
	}
	r.reconnected(epoch.Add(time.Second))
	n := 0
	for now := epoch.Add(2 * time.Second); ; n++ {
		if d, _ := r.next(now); d == nil {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d repeated", n)
	}
	r.reconnected(epoch.Add(2 * receiptKeep))
	r.expect(t, epoch.Add(2*receiptKeep), "")
}

func TestReceipts_OldLinesAreForgotten(t *testing.T) {
	r := receiptsOf()
	r.note("c", "m1", statusRead, 1)
	r.expect(t, epoch, "read m1")
	r.expect(t, epoch.Add(2*receiptKeep), "")
	if len(r.lines) != 0 {
		t.Errorf("%d lines", len(r.lines))
	}
}

func TestMarkRead_RefusesWhatIsNoMessageID(t *testing.T) {
	c, err := New(Options{BaseURL: "http://x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MarkRead("c", "nonsense"); !fault.Is(err, fault.InvalidField) {
		t.Errorf("error %v", err)
	}
}
