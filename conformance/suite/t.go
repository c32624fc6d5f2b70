// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"parley.chat/conformance/client"
)

// T is what a case runs with.
type T struct {
	Env     *Env
	Rand    *rand.Rand // follows from the seed and the case
	Rec     *client.Recorder
	ctx     context.Context
	of      *Case
	outage  bool
	cleanup []func()
}

// end is how a case stops in the middle.
type end struct {
	status    Status
	diagnosis string
}

// Context ends with the time of the case.
func (t *T) Context() context.Context { return t.ctx }

// Case returns the case that runs.
func (t *T) Case() *Case { return t.of }

// Fail ends the case: the server broke a requirement. The diagnosis is one line.
func (t *T) Fail(format string, args ...any) { panic(end{Fail, fmt.Sprintf(format, args...)}) }

// Expect fails the case unless ok.
func (t *T) Expect(ok bool, format string, args ...any) {
	if !ok {
		t.Fail(format, args...)
	}
}

// Skip ends the case because it does not concern the server.
func (t *T) Skip(format string, args ...any) { panic(end{Skip, fmt.Sprintf(format, args...)}) }

// Impossible ends the case because something it needs is not here.
func (t *T) Impossible(format string, args ...any) {
	panic(end{Impossible, fmt.Sprintf(format, args...)})
}

// Broken ends the case because of a fault of the suite or of the machine it runs on.
func (t *T) Broken(format string, args ...any) { panic(end{Error, fmt.Sprintf(format, args...)}) }

// Eventually asks until the condition holds, at most for a time; what completes "within 2s: …".
func (t *T) Eventually(within time.Duration, what string, condition func() bool) {
	deadline := time.Now().Add(within)
	for pause := 5 * time.Millisecond; !condition(); pause = min(2*pause, 200*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fail("not within %v: %s", within, what)
		}
		t.Pause(pause)
	}
}

// Pause waits, or ends the case if its time is over. It is for asking again and for waiting out what the server asked.
func (t *T) Pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.ctx.Done():
		t.Fail("the time of the case (%v) is over", t.of.timeout())
	}
}

// Outage says that the case has hurt the server: from now on Ask also waits out 503, as a client does.
func (t *T) Outage() { t.outage = true }

// Cleanup is called when the case has ended, last added first.
func (t *T) Cleanup(f func()) { t.cleanup = append(t.cleanup, f) }

// Note writes a remark into the record of the case.
func (t *T) Note(format string, args ...any) { t.Rec.Note("suite", format, args...) }
