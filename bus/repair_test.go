// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"parley.chat/core/conversation"
	"parley.chat/core/fanout"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// plan is one run of a homeserver of several nodes over broken links.
type plan struct {
	seed    uint64
	faults  Faults
	nodes   int // the first commits, all have sessions
	bursts  []int
	doubts  int // bursts after which the sender says Lost
	restart int // burst before which the sending node starts anew, 0 for never
}

func drawPlan(t *rapid.T) plan {
	odds := rapid.SampledFrom([]float64{0, 0.1, 0.3, 0.6})
	return plan{
		seed: rapid.Uint64().Draw(t, "seed"),
		faults: Faults{
			Drop:    odds.Draw(t, "drop"),
			Double:  odds.Draw(t, "double"),
			Reorder: odds.Draw(t, "reorder"),
			Delay:   odds.Draw(t, "delay"),
		},
		nodes:   rapid.IntRange(2, 4).Draw(t, "nodes"),
		bursts:  rapid.SliceOfN(rapid.IntRange(1, 5), 1, 40).Draw(t, "bursts"),
		doubts:  rapid.IntRange(0, 3).Draw(t, "doubts"),
		restart: rapid.IntRange(0, 20).Draw(t, "restart"),
	}
}

// listener is a session that notes when, in positions committed so far, it was told what.
type listener struct {
	id   string
	user id.User
	now  func() int64

	mu   sync.Mutex
	got  []int64
	lost int64 // positions committed when Lost was last told, 0 for never
}

func (l *listener) ID() string        { return l.id }
func (l *listener) User() id.User     { return l.user }
func (l *listener) Device() id.Device { return "" }
func (l *listener) Revoke(fault.Code) {}

func (l *listener) Deliver(n *fanout.Note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got = append(l.got, n.Pos)
}

func (l *listener) Lost() {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = now
}

// verdict says what is wrong, "" if nothing: the positions rise, and none is missing after the last Lost.
func (l *listener) verdict(last int64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	have := map[int64]bool{}
	var before int64
	for _, pos := range l.got {
		if pos <= before {
			return fmt.Sprintf("%s got %d after %d", l.id, pos, before)
		}
		have[pos], before = true, pos
	}
	for pos := l.lost + 1; pos <= last; pos++ {
		if !have[pos] {
			return fmt.Sprintf("%s misses %d of %d and was last told Lost at %d", l.id, pos, last, l.lost)
		}
	}
	return ""
}

type byServer struct{}

func (byServer) NodeOf(u id.User) fanout.Node { return fanout.Node(u.Server()) }

// world is the nodes of a plan within a bubble.
type world struct {
	t         *testing.T
	hub       *Hub
	state     *conversation.State
	sender    *fanout.Fanout
	stop      context.CancelFunc
	faulty    []*Faulty
	listeners []*listener

	mu  sync.Mutex
	pos int64
}

func (w *world) committed() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pos
}

// start runs a node until the function returned is called.
func (w *world) start(name fanout.Node, seed uint64, faults Faults) (*fanout.Fanout, context.CancelFunc) {
	local := w.hub.Join(name)
	broken := NewFaulty(local, seed, faults)
	w.faulty = append(w.faulty, broken)
	f := fanout.New(fanout.Options{
		Self: name, Bus: broken, Placement: byServer{}, Peers: func() []fanout.Node { return w.hub.Nodes(name) },
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	go func() { _ = local.Run(ctx) }()
	go func() { _ = f.Run(ctx) }()
	return f, cancel
}

func (w *world) set(faults Faults) {
	for _, f := range w.faulty {
		f.Set(faults)
	}
}

func (w *world) commit(n int) {
	batch := make([]fanout.Committed, n)
	w.mu.Lock()
	for i := range batch {
		w.pos++
		batch[i] = fanout.Committed{State: w.state, Event: &conversation.Event{
			Pos: w.pos, Seq: w.pos, Type: frame.TypeMessage, Content: []byte(`{"contentType":"text"}`),
		}}
	}
	w.mu.Unlock()
	if err := w.sender.Committed(w.t.Context(), batch); err != nil {
		w.t.Error(err)
	}
}

func newWorld(t *testing.T, p plan) *world {
	w := &world{t: t, hub: NewHub(), state: &conversation.State{
		Create: event.Create{Type: event.Group}, Members: map[id.User]conversation.Member{},
	}}
	for i := range p.nodes {
		name := fanout.Node(fmt.Sprintf("n%d", i))
		f, stop := w.start(name, p.seed+uint64(i), p.faults)
		if i == 0 {
			w.sender, w.stop = f, stop
		}
		for j := range 2 {
			u := id.User(fmt.Sprintf("u%d@%s", j, name))
			w.state.Members[u] = conversation.Member{Membership: conversation.Joined}
			l := &listener{id: string(u), user: u, now: w.committed}
			if i > 0 { // The sender's own sessions end with it when it starts anew.
				w.listeners = append(w.listeners, l)
			}
			f.Register(l)
		}
	}
	return w
}

// restart ends the sending node without a word about what it has just committed, and starts it anew.
func (w *world) restart(p plan) {
	w.stop()
	synctest.Wait()
	w.mu.Lock()
	w.pos++ // Committed, and never handed to anyone.
	w.mu.Unlock()
	w.sender, w.stop = w.start("n0", p.seed+100, p.faults)
}

// play runs the plan and says what is wrong once the links work again.
func play(t *testing.T, p plan) (problems []string) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, p)
		rng := rand.New(rand.NewPCG(p.seed, 1))
		w.set(Faults{})
		time.Sleep(3 * time.Second) // The nodes greet each other.
		w.set(p.faults)
		for i, n := range p.bursts {
			if p.restart > 0 && i == p.restart {
				w.restart(p)
			}
			w.commit(n)
			synctest.Wait()
			if i < p.doubts {
				w.sender.Lost()
			}
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
		}
		w.set(Faults{})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		for _, l := range w.listeners {
			if v := l.verdict(w.committed()); v != "" {
				problems = append(problems, v)
			}
		}
	})
	return problems
}

func TestRepair_EverySessionGotAllInOrderOrWasToldLostAfterTheLastItMisses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		if problems := play(t, p); len(problems) > 0 {
			rt.Fatalf("%+v: %v", p, problems)
		}
	})
}

func TestRepair_OverGoodLinksNothingIsLostAndAllArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, plan{nodes: 3})
		for range 50 {
			w.commit(3)
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		for _, l := range w.listeners {
			if v := l.verdict(150); v != "" || l.lost != 0 || len(l.got) != 150 {
				t.Errorf("%s: %q, lost at %d, got %d", l.id, v, l.lost, len(l.got))
			}
		}
	})
}
