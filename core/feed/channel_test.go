// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"parley.chat/core/channel"
	"parley.chat/core/conversation"
	"parley.chat/core/fanout"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// subscriptions are Channels in memory, with a horizon that a test moves.
type subscriptions struct {
	of      map[id.User][]id.Conversation
	ended   map[id.Conversation]bool // the row is gone, the list does not know yet
	horizon map[id.Shard]int64
	queries int
}

func (s *subscriptions) Of(_ context.Context, u id.User) ([]id.Conversation, error) {
	return s.Known(u), nil
}

func (s *subscriptions) Known(u id.User) []id.Conversation {
	return slices.Sorted(slices.Values(s.of[u]))
}

func (s *subscriptions) Readers(_ context.Context, _ id.Shard, views []timeline.View, u id.User) (map[id.Conversation]channel.Reader, error) {
	s.queries++
	out := map[id.Conversation]channel.Reader{}
	for _, v := range views {
		if slices.Contains(s.of[u], v.State.ID) && !s.ended[v.State.ID] {
			out[v.State.ID] = channel.Reader{User: u, SinceSeq: 0, ReadSeq: 0, SubscribedAt: 1}
		}
	}
	return out, nil
}

func (s *subscriptions) Subscribers(context.Context, timeline.View) (int64, error) { return 7, nil }
func (s *subscriptions) Horizon(n id.Shard) int64                                  { return s.horizon[n] }

// news makes a channel of alice's.
func (w *world) news(t testing.TB, n int, members ...id.User) id.Conversation {
	members = append(members, alice)
	slices.Sort(members)
	create := event.Create{
		Creators: []id.User{alice}, Hub: "example.org", Members: members, Name: fmt.Sprint(n),
		Nonce: [16]byte{byte(n)}, Type: event.Channel, Visibility: event.Public,
	}
	raw, err := create.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	c := event.ConversationID(raw)
	w.append(t, c, conversation.Event{Type: frame.TypeCreate, Sender: alice, Content: raw})
	return c
}

func subscribed(w *world, convs ...id.Conversation) (*Feed, *subscriptions) {
	s := &subscriptions{of: map[id.User][]id.Conversation{bob: convs}, ended: map[id.Conversation]bool{}, horizon: map[id.Shard]int64{}}
	f := w.feed()
	f.Channels = s
	return f, s
}

func TestPull_ShowsSubscribedChannelsThatMovedWithoutEvents(t *testing.T) {
	for _, recent := range []bool{false, true} {
		t.Run(fmt.Sprint("memory reaches back: ", recent), func(t *testing.T) {
			w := newWorld()
			w.recent = recent
			a, b, foreign := w.news(t, 1), w.news(t, 2), w.news(t, 3)
			f, _ := subscribed(w, a, b)
			pull := func(since Cursor) (*Page, map[string]frame.Conversation) {
				page, err := f.Pull(t.Context(), bob, since)
				if err != nil {
					t.Fatal(err)
				}
				have := map[string]frame.Conversation{}
				for _, c := range page.Conversations {
					if _, twice := have[c.ConversationID]; twice || c.Gap != nil || c.Membership != Subscribed || c.SubscriberCount != 7 {
						t.Errorf("%+v, twice %v", c, twice)
					}
					have[c.ConversationID] = c
				}
				if len(page.Messages)+len(page.Receipts) > 0 {
					t.Errorf("with %v and %v", page.Messages, page.Receipts)
				}
				return page, have
			}
			page, have := pull(newCursor())
			if len(have) != 2 {
				t.Errorf("at first %v", have)
			}
			again, have := pull(page.Next)
			if !again.Empty() {
				t.Errorf("nothing moved: %v", have)
			}
			w.send(t, b, alice, "news")
			w.send(t, foreign, alice, "for others")
			page, have = pull(again.Next)
			if c := have[string(b)]; len(have) != 1 || c.HeadSeq != 1 || c.UnreadCount != 1 || c.LastMessage == nil {
				t.Errorf("after a post: %+v", have)
			}
			if next, _ := pull(page.Next); !next.Empty() {
				t.Errorf("it stays in the pages: %+v", next.Sync)
			}
		})
	}
}

func TestPull_AMembershipIsMoreThanASubscriptionAndAPastOneLess(t *testing.T) {
	for _, recent := range []bool{false, true} {
		w := newWorld()
		w.recent = recent
		member, past := w.news(t, 1, bob), w.news(t, 2, bob)
		w.append(t, past, conversation.Event{Type: frame.TypeMemberLeave, Sender: bob, Content: []byte("{}")})
		f, s := subscribed(w, member, past)
		for _, c := range []id.Conversation{member, past} {
			w.send(t, c, alice, "news")
		}
		page, err := f.Pull(t.Context(), bob, newCursor())
		if err != nil || len(page.Conversations) != 2 {
			t.Fatalf("recent %v: %+v %v", recent, page, err)
		}
		for _, c := range page.Conversations {
			want := map[id.Conversation]string{member: conversation.Joined, past: Subscribed}[id.Conversation(c.ConversationID)]
			if c.Membership != want || c.HeadSeq != int64(len(w.events[id.Conversation(c.ConversationID)])-1) {
				t.Errorf("recent %v: %+v, want %s", recent, c, want)
			}
		}
		index, err := f.Index(t.Context(), bob)
		if err != nil || len(index) != 2 {
			t.Errorf("the index is %v %v", index, err)
		}
		s.ended[past] = true
		if page, err := f.Pull(t.Context(), bob, newCursor()); err != nil || len(page.Conversations) != 1 {
			t.Errorf("recent %v: after the end: %+v %v", recent, page, err)
		}
	}
}

func TestPull_ManyChannelsComeInPagesWithFewQueries(t *testing.T) {
	w := newWorld()
	w.recent = true
	var all []id.Conversation
	for i := range 120 {
		all = append(all, w.news(t, i))
	}
	f, s := subscribed(w, all...)
	start := newCursor()
	for n := range shards {
		start.at[id.Shard(n)] = timeline.Position{}
	}
	seen := map[string]int{}
	for since, pages := start, 1; ; pages++ {
		page, err := f.Pull(t.Context(), bob, since)
		if err != nil || len(page.Conversations) > pageConversations {
			t.Fatalf("%d conversations, %v", len(page.Conversations), err)
		}
		for _, c := range page.Conversations {
			seen[c.ConversationID]++
		}
		if since = page.Next; !page.HasMore {
			if pages != 3 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if len(seen) != 120 || s.queries > 12 {
		t.Errorf("%d channels with %d queries", len(seen), s.queries)
	}
}

// watcher is a client that knows the heads it was told of.
type watcher struct {
	client
	heads map[string]int64
}

func (c *watcher) Push(f *fanout.Frame) bool {
	c.learn(f.Payload())
	return true
}

func (c *watcher) PushPage(_ context.Context, payload []byte) error {
	c.learn(payload)
	return nil
}

func (c *watcher) learn(payload []byte) {
	var f struct {
		Type string
		Data struct {
			Cursor        string
			Conversations []frame.Conversation
			frame.ChannelHead
		}
	}
	if err := json.Unmarshal(payload, &f); err != nil {
		panic(err)
	}
	switch f.Type {
	case frame.SyncFrame:
		for _, conv := range f.Data.Conversations {
			c.heads[conv.ConversationID] = max(c.heads[conv.ConversationID], conv.HeadSeq)
		}
		c.cursor = f.Data.Cursor
	case frame.ChannelHeadFrame:
		c.heads[f.Data.ConversationID] = max(c.heads[f.Data.ConversationID], f.Data.HeadSeq)
	}
}

// TestStream_ACursorCoversNoMoveThatWasNotTold posts, chats, hints and reconnects at random: what the client knows after a
// reconnect is where the channel stands.
func TestStream_ACursorCoversNoMoveThatWasNotTold(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := newWorld()
		w.recent = seed%2 == 0
		direct, _ := w.create(t, alice, bob)
		news := id.Conversation("")
		for i := 0; news == "" || news.Shard(shards) != direct.Shard(shards); i++ {
			news = w.news(t, i)
		}
		f, subs := subscribed(w, news)
		n := news.Shard(shards)
		c := &watcher{heads: map[string]int64{}}
		connect := func() *Stream {
			s := f.Open("s", bob, "d", c)
			if err := s.Resume(t.Context(), c.cursor); err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := connect()
		for range 200 {
			switch k := r.IntN(20); {
			case k < 4:
				w.send(t, news, alice, "news")
			case k < 6: // All that is pending is told.
				v := w.view(news)
				data, _ := json.Marshal(frame.ChannelHead{ConversationID: string(news), HeadSeq: v.Head.Seq})
				s.Deliver(&fanout.Note{Shard: n, ConversationID: news, Frame: fanout.NewFrame(frame.ChannelHeadFrame, frame.AppendFrame(nil, frame.ChannelHeadFrame, data))})
				subs.horizon[n] = w.pos[n]
			case k < 18:
				s.Deliver(noteOf(t, w.send(t, direct, alice, "chatter")))
				if r.IntN(3) == 0 {
					s.mu.Lock()
					s.pushCursor()
					s.mu.Unlock()
				}
			default:
				s = connect()
				if want := w.view(news).Head.Seq; c.heads[string(news)] != want {
					t.Fatalf("seed %d: after a reconnect the head is %d, want %d", seed, c.heads[string(news)], want)
				}
			}
		}
	}
}

func TestStream_AHintDuringThePullFollowsThePages(t *testing.T) {
	w := newWorld()
	news := w.news(t, 1)
	f, _ := subscribed(w, news)
	c := &watcher{heads: map[string]int64{}}
	s := f.Open("s", bob, "d", c)
	w.before = func() {
		w.before = nil
		data := []byte(fmt.Sprintf(`{"conversationId":%q,"headSeq":9}`, news))
		s.Deliver(&fanout.Note{Shard: news.Shard(shards), ConversationID: news, Frame: fanout.NewFrame(frame.ChannelHeadFrame, frame.AppendFrame(nil, frame.ChannelHeadFrame, data))})
	}
	if err := s.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if c.heads[string(news)] != 9 {
		t.Errorf("the hint is lost: %v", c.heads)
	}
}
