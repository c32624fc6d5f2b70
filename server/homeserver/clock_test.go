// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/frame"
)

// clock is the real time, shifted.
type clock struct {
	mu    sync.Mutex
	shift time.Duration
}

func newClock() *clock { return &clock{} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.shift)
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shift += d
}

func unmarshal(raw []byte, into any) error { return json.Unmarshal(raw, into) }

func TestClock_SteppedBackAnHourKeepsTheOrder(t *testing.T) {
	t.Parallel()
	c := newClock()
	srv := testenv.Start(t, testenv.Clock(c.Now))
	us := srv.Users(t, "alice", "bob")
	conv := us[0].Direct(us[1])
	s, peer := us[0].Socket(nil), us[1].Socket(nil)
	m := testenv.Text(conv, "before the step")
	s.Send(frame.SendMessage, m)
	before := s.Ack(m.TempID)
	c.Add(-time.Hour)
	s.Send(frame.SendMessage, m) // Remembered all the same.
	if again := s.Ack(m.TempID); again != before {
		t.Errorf("again %+v, first %+v", again, before)
	}
	last := before
	for i := range 5 {
		ack := s.Text(conv, fmt.Sprint(i))
		if ack.Seq != last.Seq+1 || ack.Timestamp < last.Timestamp || ack.MessageID <= last.MessageID {
			t.Errorf("%+v follows %+v", ack, last)
		}
		last = ack
	}
	peer.Received(last.MessageID)
	check(t, peer.Book.Dense(conv, 0, last.Seq))
	if page := us[1].Page(conv, "limit=3"); page.Messages[0].MessageID != last.MessageID {
		t.Errorf("the newest is %+v", page.Messages[0])
	}
	srv.Restart()
	if ack := us[0].Post(conv, "after a restart"); ack.MessageID <= last.MessageID || ack.Timestamp < last.Timestamp {
		t.Errorf("%+v follows %+v", ack, last)
	}
	back := us[1].Socket(peer.Book)
	back.Holds(conv, last.Seq+1)
	check(t, back.Book.Dense(conv, 0, last.Seq+1))
}
