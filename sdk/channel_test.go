// SPDX-License-Identifier: Apache-2.0

package sdk

import (
	"net/http"
	"slices"
	"testing"

	"parley.chat/protocol/frame"
	"parley.chat/sdk/sdktest"
)

func TestChannel_CallsGoToTheirResources(t *testing.T) {
	f := sdktest.New(t)
	alice := join(t, f, "alice", Options{})
	alice.untilLive(t, 1)
	var keys []string
	f.OnCall = func(w http.ResponseWriter, key string) bool {
		keys = append(keys, key)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{}`))
		return true
	}
	ctx := t.Context()
	for want, do := range map[string]func() error{
		"POST conversations":  func() error { _, err := alice.CreateChannel(ctx, "News", true); return err },
		"POST subscription":   func() error { _, err := alice.Subscribe(ctx, "c1"); return err },
		"DELETE subscription": func() error { return alice.Unsubscribe(ctx, "c1") },
		"GET subscribers":     func() error { _, err := alice.Subscribers(ctx, "c1", true, "", 5); return err },
		"POST subscribers":    func() error { return alice.AddSubscribers(ctx, "c1", "bob@x") },
		"DELETE bob@x":        func() error { return alice.RemoveSubscriber(ctx, "c1", "bob@x", true) },
	} {
		keys = nil
		if err := do(); err != nil || len(keys) != 1 || keys[0] != want {
			t.Errorf("called %v, want %s: %v", keys, want, err)
		}
	}
}

func TestChannel_AHintIsTold(t *testing.T) {
	f := sdktest.New(t)
	alice := join(t, f, "alice", Options{})
	alice.untilLive(t, 1)
	want := frame.ChannelHead{ConversationID: "c1", HeadSeq: 7, LastMessageAt: 9}
	f.Everyone(frame.ChannelHeadFrame, want)
	alice.until(t, "hint", func(all []Update) bool {
		return slices.Contains(all, Update(ChannelHead{want}))
	})
}
