// SPDX-License-Identifier: Apache-2.0

package ephemeral

import (
	"fmt"
	"testing"
	"time"

	"parley.chat/protocol/id"
)

const conv = id.Conversation("c1")

func (w *world) types(c *Connection, on bool) {
	w.t.Helper()
	if err := c.Typing(w.t.Context(), conv, on, []id.User{alice, carol}); err != nil {
		w.t.Error(err)
	}
}

func typing(to string, on bool) string {
	return fmt.Sprintf(`%s[] {"conversationId":"c1","userId":"bob@a","isTyping":%v}`, to, on)
}

const both = "[alice@a carol@a]"

func TestTyping_ReachesTheMembersInOneFrame(t *testing.T) {
	within(t, func(w *world) {
		c := w.Connect("b1", bob)
		w.types(c, true)
		w.types(c, false)
		w.told(typing(both, true), typing(both, false))
		if n := w.Stats().TypingFrames; n != 2 {
			t.Errorf("%d frames are counted", n)
		}
	})
}

func TestTyping_IsPassedOnOnceASecondOfAConnection(t *testing.T) {
	within(t, func(w *world) {
		c, other := w.Connect("b1", bob), w.Connect("b2", bob)
		for range 40 {
			w.types(c, true)
			w.types(c, false)
			w.after(100 * time.Millisecond)
		}
		var want []string
		for range 4 {
			want = append(want, typing(both, true), typing(both, false))
		}
		w.told(want...)
		w.types(other, true)
		w.told(typing(both, true))
	})
}

func TestTyping_AFalseThatEndsNothingIsDropped(t *testing.T) {
	within(t, func(w *world) {
		c := w.Connect("b1", bob)
		w.types(c, false)
		w.told()
		w.types(c, true)
		w.after(TypingTTL)
		w.types(c, false)
		w.told(typing(both, true))
	})
}

func TestTyping_NobodyHearsInLargeConversationsNorIfTheRulesForbid(t *testing.T) {
	within(t, func(w *world) {
		c := w.Connect("b1", bob)
		many := make([]id.User, TypingMembers)
		if err := c.Typing(t.Context(), conv, true, many); err != nil {
			t.Error(err)
		}
		w.told()
		w.rules.deaf[alice] = true
		w.types(c, true)
		w.told(typing("[carol@a]", true))
		w.rules.deaf[carol] = true
		w.after(time.Second)
		w.types(c, true)
		w.told()
		w.rules.err = errAway
		w.after(time.Second)
		if err := c.Typing(t.Context(), conv, true, many[:3]); err != errAway {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestTyping_MarksAreBoundedAndLetGo(t *testing.T) {
	within(t, func(w *world) {
		c := w.Connect("b1", bob)
		say := func(i int) {
			if err := c.Typing(t.Context(), id.Conversation(fmt.Sprint(i)), true, []id.User{alice}); err != nil {
				t.Error(err)
			}
		}
		for i := range 10 * maxTyping {
			say(i)
		}
		if n := len(c.typing); n != maxTyping {
			t.Errorf("%d marks are kept", n)
		}
		if n := len(w.out.take()); n != maxTyping {
			t.Errorf("%d frames", n)
		}
		w.after(TypingTTL)
		say(-1)
		if n := len(c.typing); n != 1 {
			t.Errorf("%d marks are kept after a while", n)
		}
		c.Close()
		say(-2)
		if n := len(w.out.take()); n != 1 {
			t.Errorf("%d frames, one of them of a closed connection", n)
		}
	})
}

func TestTyping_IsLostWhereThereIsNoRoom(t *testing.T) {
	within(t, func(w *world) {
		w.out.setFull(true)
		w.types(w.Connect("b1", bob), true)
		w.out.setFull(false)
		w.after(5 * time.Second)
		w.told()
		if n := w.Stats().TypingFrames; n != 0 {
			t.Errorf("%d frames are counted", n)
		}
	})
}
