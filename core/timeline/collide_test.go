// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"errors"
	"log/slog"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

func TestKey_DevicesOfOthersCannotUseUpTempIDsOfOwnUsers(t *testing.T) {
	own, far, device := id.User("alice@a.test"), id.User("mallory@b.test"), id.Device("01J9ZK3V8Q2M6T4R7X5W1Y0ABC")
	tl := &Timeline{Options: Options{Self: "a.test", Log: slog.New(slog.DiscardHandler)}}
	if tl.key(own, device, "t") != DedupKey(device, "t") {
		t.Error("the key of an own user is not the one that submissions have")
	}
	if tl.key(far, device, "t") == tl.key(own, device, "t") || tl.key(far, device, "t") == tl.key("eve@b.test", device, "t") {
		t.Error("another user has the same key by naming the same device")
	}
	if alone := (&Timeline{}); alone.key(far, device, "t") != DedupKey(device, "t") {
		t.Error("a server without a name has users of others")
	}
}

// TestJudge_AKeyAloneIsNoRepeat has the key of an entry's tempId in the window: whether the tempId is the same is looked up.
func TestJudge_AKeyAloneIsNoRepeat(t *testing.T) {
	c := &conv{state: &conversation.State{}, head: conversation.Head{Exists: true, Seq: 4}, window: newWindow(10)}
	c.window.add(Seen{Key: 7, Seq: 3, Message: id.NewMessage(1_000_000_000, 3, [32]byte{})}, 1_000_000_000)
	e := &conversation.Event{Seq: 5, TempID: "t", HubTime: 1_000_000_000 + dedupLife.Milliseconds()}
	p := &pending{conv: c, key: 7, foreign: &Foreign{Event: e}}
	repeat, ok := errors.AsType[*repeatError](judged(c, p))
	if !ok || repeat.first != 3 {
		t.Fatalf("a tempId within the day: %v", judged(c, p))
	}
	p.isFresh = true
	if _, ok := errors.AsType[*repeatError](judged(c, p)); ok {
		t.Error("it was looked up, and is none")
	}
	p.isFresh = false
	e.HubTime++
	if _, ok := errors.AsType[*repeatError](judged(c, p)); ok {
		t.Error("a tempId of the day before")
	}
}

func judged(c *conv, p *pending) error {
	_, err := c.judge(p)
	return err
}
