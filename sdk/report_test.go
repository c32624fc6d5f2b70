// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"testing"
	"time"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/sdk/sdktest"
)

func TestSend_ARateIsWaitedOutWithTheSameTempID(t *testing.T) {
	f := sendThrough(t, sdktest.Verdict{Refuse: &frame.Error{Code: "rate_limited", RetryAfterMs: 5}})
	got := f.Received(frame.SendMessage)
	if len(got) != 2 || got[0] != got[1] {
		t.Errorf("sent %q", got)
	}
}

func TestOutbox_DelayTellsWhatWaitsAndForHowLong(t *testing.T) {
	o := newOutbox(10, make(chan struct{}, 1))
	if err := o.add(&queued{send: frame.Send{TempID: "1", ConversationID: "c", Content: "x"}}); err != nil {
		t.Fatal(err)
	}
	s, wait := o.delay("1", time.Unix(1, 0), fault.Retry(fault.RateLimited, 40*time.Second, "slowly"))
	if s == nil || s.TempID != "1" || wait < 40*time.Second {
		t.Errorf("%+v waits %s", s, wait)
	}
	if s, wait := o.delay("2", time.Unix(1, 0), nil); s != nil || wait != 0 {
		t.Errorf("what is not queued: %+v, %s", s, wait)
	}
}
