// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"net/http"
	"time"

	"parley.chat/conformance/suite"
)

func crash() []*suite.Case {
	a := &area{profile: core}
	a.add("CRASH-ACKED", "what was acknowledged outlives the end of the process", "GEN-DURABLE-1 LOG-IDEMPOTENCE-4 LOG-ENTRY-4 SYNC-CURSOR-3",
		crashAcked, lab("kill", "start"), alone, slow(3*time.Minute))
	return a.list
}

// crashAcked kills the server while it is written to, and compares what it acknowledged with what it has afterwards.
func crashAcked(t *suite.T, a, b *actor) {
	k := a.group(b)
	before := b.cursor()
	acked := map[string]string{}
	first := a.temp()
	acked[first] = k.sendAs(a, first, first).Value.String()
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for {
			temp := a.temp()
			in := post(k.path("/messages"), message(temp, temp))
			in.Token = a.session.Access
			res, err := t.Env.Server.Do(t.Context(), t.Rec, a.who, in)
			if err != nil || res.Status != http.StatusCreated {
				return
			}
			acked[temp] = res.Value.String()
		}
	}()
	t.Pause(500 * time.Millisecond) // So that the kill comes in the middle of the work.
	hook(t, "kill")
	<-stop
	revive(t, a)
	events := k.events(b)
	wantSeqs(t, events, 0, int64(len(events)-1))
	have := map[string]bool{}
	for _, e := range events {
		have[e.At("tempId").Text()] = true
	}
	for temp, ack := range acked {
		t.Expect(have[temp], "the message %s was acknowledged and is gone", temp)
		again := k.sendAs(a, temp, temp)
		t.Expect(again.String() == ack, "after the restart the answer is %v, before it was %s", again.Value, ack)
	}
	t.Expect(len(k.events(b)) == len(events), "sending acknowledged messages again made entries")
	wantWhole(t, k, b, b.catchUp(before), 0, int64(len(events)-1))
}

// revive starts the server that was killed and waits until it answers.
func revive(t *suite.T, a *actor) {
	hook(t, "start")
	t.Outage()
	t.Eventually(90*time.Second, "the server answers again", func() bool {
		in := get("/users/me")
		in.Token = a.session.Access
		res, err := t.Env.Server.Do(t.Context(), t.Rec, a.who, in)
		return err == nil && res.Status == http.StatusOK
	})
}

func hook(t *suite.T, name string) {
	if err := t.Env.Lab.Run(t.Context(), name, ""); err != nil {
		t.Broken("%v", err)
	}
}
