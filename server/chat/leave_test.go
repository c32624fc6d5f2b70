// SPDX-License-Identifier: Apache-2.0

package chat

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/frame"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

// cutOff is an app of alice@x with so many messages queued and no way to the server.
func cutOff(t *testing.T, queued int) (*app, *paper) {
	t.Helper()
	store := sdk.NewMemoryStore()
	err := store.Update(t.Context(), func(s *sdk.State) {
		s.Session = &sdk.Session{UserID: "alice@x", DeviceID: "A", ExpiresAt: time.Now().Add(time.Hour)}
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := sdk.New(sdk.Options{BaseURL: "http://127.0.0.1:1", Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if _, known, err := c.Resume(t.Context()); err != nil || !known {
		t.Fatal(known, err)
	}
	p := &paper{}
	a := newApp(c, p, true)
	a.open = "c"
	for range queued {
		if err := a.do(t.Context(), "unsent"); err != nil {
			t.Fatal(err)
		}
	}
	p.took()
	return a, p
}

func TestLeave_TellsHowManyAreUnsentAndWaitsThreeSeconds(t *testing.T) {
	for queued, want := range map[int][]string{
		0: nil,
		1: {
			"1 message is unsent; waiting 3 s at most.",
			"1 message is still unsent; it stays queued and goes next time.",
		},
		2: {
			"2 messages are unsent; waiting 3 s at most.",
			"2 messages are still unsent; they stay queued and go next time.",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, p := cutOff(t, queued)
			began := time.Now()
			if err := a.flush(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			wait := 3 * time.Second
			if queued == 0 {
				wait = 0
			}
			if took := time.Since(began); took != wait {
				t.Errorf("%d queued: took %v", queued, took)
			}
			if d := cmp.Diff(want, p.took()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLeave_WhatWasUnsentGoesNextTime(t *testing.T) {
	f := sdktest.New(t)
	var lost atomic.Bool
	lost.Store(true)
	f.OnSend = func(int, frame.Send) sdktest.Verdict {
		return sdktest.Verdict{NoStore: lost.Load(), NoAck: lost.Load()}
	}
	state := t.TempDir()
	first := talk(t, f, "alice", state)
	first.expect("connected")
	first.enter("/dm bob")
	first.expect("── bob ──")
	first.enter("the last word")
	first.expect("… the last word")
	first.enter("/quit")
	first.expect("1 message is unsent")
	first.expect("1 message is still unsent")
	first.exit(0)
	lost.Store(false)
	second := talk(t, f, "alice", state)
	second.expect("connected")
	second.enter("/quit")
	second.exit(0)
	for _, conv := range f.Conversations() {
		if d := cmp.Diff([]string{"the last word"}, f.Stored(conv)); d != "" {
			t.Error(d)
		}
	}
}
