// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// listen subscribes the user of a new session, which then has read its subscriptions.
func listen(t testing.TB, c *Channels, u id.User, name string, views ...timeline.View) *session {
	t.Helper()
	s := &session{user: u, name: name}
	c.Enter(s)
	for _, v := range views {
		must(t, c.Subscribe(t.Context(), v, u, true, false))
	}
	if _, err := c.Of(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	return s
}

func head(t testing.TB, s *session, i int) (h frame.ChannelHead) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var f struct {
		Type string
		Data frame.ChannelHead
	}
	if err := json.Unmarshal(s.got[i].Frame.Payload(), &f); err != nil || f.Type != frame.ChannelHeadFrame {
		t.Fatalf("%s is no hint: %v", s.got[i].Frame.Payload(), err)
	}
	return f.Data
}

func TestHints_TheFirstAtOnceThenOnceASecondWithTheNewestHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		c := m.channels(nil)
		v := m.channel(t, 1, event.Public)
		s := listen(t, c, "bob@x", "s", v)
		before := s.hints() // Of subscribing itself.
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		synctest.Wait()
		pos := int64(10)
		post := func() {
			pos++
			c.Committed([]conversation.Committed{m.post(v, pos)})
			synctest.Wait()
		}
		post()
		if n := s.hints() - before; n != 1 || head(t, s, before).HeadSeq != 1 {
			t.Fatalf("%d hints after the first post", n)
		}
		for range 50 {
			post()
			time.Sleep(10 * time.Millisecond)
		}
		if n := s.hints() - before; n != 1 {
			t.Errorf("%d hints within the second", n)
		}
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if n := s.hints() - before; n != 2 || head(t, s, before+1).HeadSeq != 51 {
			t.Errorf("%d hints after a second, the last of %d", n, head(t, s, s.hints()-1).HeadSeq)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := s.hints() - before; n != 2 {
			t.Errorf("%d hints though nothing moved", n)
		}
	})
}

func TestHints_OnlyForLiveSubscribers(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v, other := m.channel(t, 1, event.Public), m.channel(t, 2, event.Public)
	bob, away, stranger := listen(t, c, "bob@x", "b", v), listen(t, c, "away@x", "a", v), listen(t, c, "s@x", "s", other)
	ended := listen(t, c, "ended@x", "e", v)
	must(t, c.Unsubscribe(t.Context(), v, "ended@x", false))
	c.Leave(away)
	n := []int{bob.hints(), away.hints(), stranger.hints(), ended.hints()}
	c.Committed([]conversation.Committed{m.post(v, 20)})
	c.tell(t.Context())
	for i, s := range []*session{bob, away, stranger, ended} {
		want := 0
		if s == bob {
			want = 1
		}
		if have := s.hints() - n[i]; have != want {
			t.Errorf("%s got %d hints, want %d", s.user, have, want)
		}
	}
	c.Leave(bob)
	if len(c.live.channels) != 1 || len(c.live.moved) != 0 {
		t.Errorf("after all left there are audiences: %v", c.live.channels)
	}
}

// TestCommitted_CostsTheSameForOneAndForManySubscribers counts calls of the store, which are what a million offline
// subscribers could cost, and live entries looked at.
func TestCommitted_CostsTheSameForOneAndForManySubscribers(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v := m.channel(t, 1, event.Public)
	for i := range 5000 {
		must(t, c.Subscribe(t.Context(), v, id.User(fmt.Sprintf("u%d@x", i)), false, false))
	}
	m.calls = map[string]int{}
	c.Committed([]conversation.Committed{m.post(v, 20)})
	c.tell(t.Context())
	if len(m.calls) != 0 || len(c.live.channels) != 0 {
		t.Errorf("a post made calls %v and has audiences %v", m.calls, c.live.channels)
	}
}

func TestHorizon_NeverPassesWhatALiveSessionWasNotTold(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := newMemory()
		now := &clock{at: time.Unix(1000, 0)}
		c := m.channels(func(o *Options) { o.Clock = now.now })
		var views []timeline.View
		for i := range 6 {
			views = append(views, m.channel(t, i, event.Public))
		}
		silent := m.channel(t, 100, event.Public) // Nobody subscribes.
		s := listen(t, c, "bob@x", "s", views...)
		told := map[id.Conversation]int64{} // pos of the head it was told of
		seen := s.hints()
		pos, moved := map[id.Shard]int64{}, map[id.Conversation]int64{}
		for n := range pos {
			pos[n] = 1000
		}
		for range 300 {
			switch r.IntN(4) {
			case 0, 1:
				v := append(views, silent)[r.IntN(len(views)+1)]
				pos[v.Shard]++
				at := pos[v.Shard] + 1000
				c.Committed([]conversation.Committed{m.post(v, at)})
				if v.State.ID != silent.State.ID {
					moved[v.State.ID] = at
				}
			case 2:
				c.tell(t.Context())
			case 3:
				now.move(time.Duration(r.IntN(700)) * time.Millisecond)
			}
			for ; seen < s.hints(); seen++ {
				h := head(t, s, seen)
				told[id.Conversation(h.ConversationID)] = h.LastMessageAt // post makes it the pos
			}
			for conv, at := range moved {
				if told[conv] < at && c.Horizon(conv.Shard(shards)) >= at {
					t.Fatalf("seed %d: the horizon %d covers %d, which was not told", seed, c.Horizon(conv.Shard(shards)), at)
				}
			}
		}
		now.move(2 * time.Second)
		c.tell(t.Context())
		for n, at := range pos {
			if have := c.Horizon(n); have != at+1000 {
				t.Errorf("seed %d: once all is told the horizon is %d, want %d", seed, have, at+1000)
			}
		}
	}
}

func TestHints_AHeadThatCannotBeReadSendsTheSessionToTheLog(t *testing.T) {
	m := newMemory()
	c := m.channels(nil)
	v := m.channel(t, 1, event.Public)
	s := listen(t, c, "bob@x", "s", v)
	c.Committed([]conversation.Committed{m.post(v, 20)})
	delete(m.heads, v.State.ID)
	c.tell(t.Context())
	if s.lost != 1 {
		t.Errorf("lost %d times", s.lost)
	}
}
