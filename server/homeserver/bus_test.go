// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"parley.chat/bus"
	"parley.chat/core/fanout"
	"parley.chat/internal/history"
	"parley.chat/internal/testenv"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// everywhere places all users on one node.
type everywhere fanout.Node

func (e everywhere) NodeOf(id.User) fanout.Node { return fanout.Node(e) }

// startPair runs two nodes: the owner has the log and no session, the gateway has every session; what the owner tells the
// gateway suffers the faults.
func startPair(t *testing.T, seed uint64, faults bus.Faults) (gateway *testenv.Server, faulty *bus.Faulty) {
	t.Helper()
	hub := bus.NewHub()
	a, b := hub.Join("a"), hub.Join("b")
	faulty = bus.NewFaulty(a, seed, faults)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	wg.Go(func() { _ = b.Run(ctx) })
	t.Cleanup(wg.Wait)
	t.Cleanup(cancel)
	owner := testenv.Start(t, testenv.Joined("a", faulty, everywhere("b")))
	return testenv.Start(t, testenv.GatewayOf(owner), testenv.Joined("b", b, nil)), faulty
}

// follower is a device that records what it sees.
type follower struct {
	user *testenv.User
	rec  *history.Recorder
	book *testenv.Book
	sock *testenv.Socket
}

func (f *follower) reader(conv string) history.Reader {
	return history.Reader{Device: f.user.DeviceID, User: f.user.ID, Conversation: conv}
}

func (f *follower) saw(source history.Source, e frame.Event) {
	tempID := e.TempID
	if e.Type != frame.TypeMessage {
		tempID = ""
	}
	f.rec.Received(history.Reception{
		Reader: f.reader(e.ConversationID), Source: source, Seq: e.Seq, MessageID: e.MessageID, TempID: tempID, Sender: e.SenderID,
	})
}

func (f *follower) watch(fr testenv.Frame) {
	switch fr.Type {
	case frame.SyncFrame:
		var s frame.Sync
		_ = fr.Decode(&s)
		for _, e := range s.Messages {
			f.saw(history.Sync, e)
		}
	case frame.MessageReceived, frame.ConversationUpdated:
		var e frame.Event
		_ = fr.Decode(&e)
		f.saw(history.Live, e)
	case frame.MessageAck:
		var a frame.Ack
		_ = fr.Decode(&a)
		f.rec.OK(history.Send{Device: f.user.DeviceID, User: f.user.ID, Conversation: a.ConversationID, TempID: a.TempID}, a.Seq, a.MessageID)
		f.rec.Received(history.Reception{
			Reader: f.reader(a.ConversationID), Source: history.Ack, Seq: a.Seq, MessageID: a.MessageID, TempID: a.TempID, Sender: f.user.ID,
		})
	}
}

func (f *follower) connect(t *testing.T) {
	t.Helper()
	s, refused := f.user.Dial(f.book, nil)
	if refused != nil {
		t.Fatal(refused)
	}
	f.sock = s
	s.Watch(f.watch)
	s.Sync()
	f.fill(t)
}

// fill fetches what gaps lack.
func (f *follower) fill(t *testing.T) {
	t.Helper()
	open := f.book.Gaps()
	check(t, f.user.FillGaps(f.book, open)) // Not one that comes meanwhile: it would not be recorded.
	for _, g := range open {
		for _, e := range f.book.Events(g.Conversation) {
			if e.Seq > g.AfterSeq && e.Seq < g.BeforeSeq {
				f.saw(history.Page, e)
			}
		}
	}
}

func TestBusFaults_ClientsEndCompleteAndInOrder(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{1, 2} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			gateway, faulty := startPair(t, seed, bus.Faults{Drop: 0.2, Double: 0.2, Reorder: 0.2})
			us := gateway.Users(t, "alice", "bob", "carol")
			convs := []string{us[0].Group("All", us[1:]...), us[0].Direct(us[1]), us[1].Direct(us[2])}
			rec := history.NewRecorder(history.MachineClock)
			var writers, others []*follower
			for _, u := range us {
				writers = append(writers, &follower{user: u, rec: rec, book: testenv.NewBook()})
				others = append(others, &follower{user: u.Device(), rec: rec, book: testenv.NewBook()})
			}
			all := append(append([]*follower{}, writers...), others...)
			follows := func(f *follower, conv string) bool {
				return conv == convs[0] || (f.user.ID != us[2].ID && conv == convs[1]) || (f.user.ID != us[0].ID && conv == convs[2])
			}
			for _, f := range all {
				for _, c := range convs {
					if follows(f, c) {
						rec.Join(f.reader(c), 0)
					}
				}
				f.connect(t)
			}
			var wg sync.WaitGroup
			for i, f := range writers {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(seed, uint64(i)))
					for n := range 80 {
						conv := convs[rng.IntN(3)]
						for !follows(f, conv) {
							conv = convs[rng.IntN(3)]
						}
						m := testenv.Text(conv, fmt.Sprint(n))
						rec.Invoke(history.Send{Device: f.user.DeviceID, User: f.user.ID, Conversation: conv, TempID: m.TempID})
						f.sock.Send(frame.SendMessage, m)
						f.sock.Ack(m.TempID)
					}
				})
			}
			for range 4 { // Devices come and go meanwhile.
				for _, f := range others {
					f.sock.Drop()
					f.connect(t)
				}
			}
			wg.Wait()
			faulty.Set(bus.Faults{}) // A tick tells what the last packets hid.
			final := map[string][]history.Entry{}
			for _, c := range convs {
				reader := us[1]
				for _, e := range reader.History(c) {
					entry := history.Entry{Seq: e.Seq, MessageID: e.MessageID, Kind: e.Type, Device: e.DeviceID}
					if e.Type == frame.TypeMessage {
						entry.TempID, entry.Countable = e.TempID, true
					}
					final[c] = append(final[c], entry)
				}
				for _, f := range all {
					if follows(f, c) {
						f.sock.Holds(c, int64(len(final[c])-1))
					}
				}
			}
			for _, f := range all {
				f.fill(t)
			}
			rec.Quiet("")
			report := history.Check(rec.History(), final)
			if !report.OK() || report.Stats.Acked != 240 {
				t.Errorf("%v", report)
			}
			for _, f := range all {
				for _, c := range convs {
					if follows(f, c) {
						check(t, f.book.Dense(c, 0, int64(len(final[c])-1)))
					}
				}
			}
			if !gateway.Logged("notes lost on a link") {
				t.Error("no note was lost: the faults did nothing")
			}
		})
	}
}
