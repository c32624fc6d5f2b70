// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"parley.chat/internal/history"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
)

// app is a guest made of the SDK. It is killed now and then and goes on with what its store holds.
type app struct {
	w     *world
	url   string
	store *sdk.MemoryStore
	name  history.Reader
	rng   *rand.Rand
	convs []string

	mu     sync.Mutex
	sent   int
	acked  map[string]bool
	high   map[string]int64 // of this life of the app
	online bool
}

func (a *app) reader() history.Reader { return a.name }

func (a *app) options() sdk.Options {
	return sdk.Options{BaseURL: a.url, Store: a.store, FullHistory: true, MinBackoff: 20 * time.Millisecond, MaxBackoff: 300 * time.Millisecond}
}

func (a *app) busy() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.acked) < a.sent || !a.online {
		return fmt.Sprintf("the app of %s has %d of %d messages acknowledged, online %t", a.name.User, len(a.acked), a.sent, a.online)
	}
	return ""
}

// run lives through several lives of the app.
func (a *app) run(ctx context.Context) {
	for ctx.Err() == nil {
		life, kill := context.WithCancel(ctx)
		if a.w.loading() {
			time.AfterFunc(time.Duration(1+a.rng.IntN(4))*time.Second, func() {
				if a.w.loading() {
					kill()
				}
			})
		}
		if err := a.live(life); err != nil && life.Err() == nil {
			a.w.problem("the app of %s ended: %v", a.name.User, err)
		}
		kill()
	}
}

func (a *app) live(ctx context.Context) error {
	c, err := sdk.New(a.options())
	if err != nil {
		return err
	}
	if _, _, err := c.Resume(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	a.high = map[string]int64{}
	a.mu.Unlock()
	ended := make(chan error, 1)
	var side sync.WaitGroup
	defer side.Wait()
	side.Go(func() { ended <- c.Run(ctx) })
	side.Go(func() { a.send(ctx, c) })
	for {
		select {
		case u := <-c.Events():
			a.take(u)
		case err := <-ended:
			return err
		}
	}
}

func (a *app) send(ctx context.Context, c *sdk.Client) {
	for sleep(ctx, 120*time.Millisecond) {
		if !a.w.loading() {
			continue
		}
		a.mu.Lock()
		a.sent++
		m := frame.Send{TempID: fmt.Sprintf("s%d", a.sent), ConversationID: a.convs[a.sent%len(a.convs)], Content: "by the SDK"}
		a.mu.Unlock()
		// A queued message outlives this life of the app, so it is queued whatever happens to the context.
		a.w.rec.Invoke(a.key(m.ConversationID, m.TempID))
		if _, err := c.SendAsync(context.WithoutCancel(ctx), m); err != nil {
			a.w.problem("the SDK did not queue a message: %v", err)
		}
	}
}

func (a *app) key(conversation, tempID string) history.Send {
	return history.Send{Device: a.name.Device, User: a.name.User, Conversation: conversation, TempID: tempID}
}

func (a *app) take(u sdk.Update) {
	switch u := u.(type) {
	case sdk.Message:
		a.event(&u.Event)
	case sdk.StateChange:
		a.event(&u.Event)
	case sdk.MessageChange:
		a.event(&u.Event)
	case sdk.Acked:
		a.w.rec.OK(a.key(u.ConversationID, u.TempID), u.Seq, u.MessageID)
		a.mu.Lock()
		a.acked[u.TempID] = true
		a.mu.Unlock()
	case sdk.SendFailed:
		a.w.problem("the SDK gave up message %s: %v", u.Send.TempID, u.Err)
	case sdk.Connection:
		a.mu.Lock()
		a.online = u.State == sdk.Live
		a.mu.Unlock()
	}
}

// event records an event and checks the SDK's own promise: in one life each once, in order and without holes.
func (a *app) event(e *frame.Event) {
	reader := a.name
	reader.Conversation = e.ConversationID
	a.w.rec.Received(history.Reception{Reader: reader, Source: history.Live, Seq: e.Seq, MessageID: e.MessageID, TempID: tempIDOf(e), Sender: e.SenderID})
	a.w.moved()
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, ok := a.high[e.ConversationID]; ok && e.Seq != last+1 {
		a.w.problem("the SDK handed %s seq %d over after seq %d", e.ConversationID, e.Seq, last)
	}
	a.high[e.ConversationID] = e.Seq
}

// apps invites n apps that talk in one group and, the first two, alone.
func apps(n int) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		var list []*app
		var first *sdk.Client
		var names []string
		for i := range n {
			a := &app{w: w, url: "http://" + w.api.address, store: sdk.NewMemoryStore(), rng: rand.New(rand.NewPCG(w.rng.Uint64(), 0)), acked: map[string]bool{}}
			c, err := sdk.New(a.options())
			if err != nil {
				return err
			}
			s, err := c.Register(ctx, rest.Register{Username: fmt.Sprintf("app%d", i), Password: password})
			if err != nil {
				return err
			}
			a.name = history.Reader{Device: s.DeviceID, User: s.UserID}
			if first == nil {
				first = c
			}
			list, names = append(list, a), append(names, s.UserID)
			w.guests = append(w.guests, a)
		}
		group, err := first.CreateGroup(ctx, "apps", names...)
		if err != nil {
			return err
		}
		direct, err := first.CreateDirect(ctx, names[1])
		if err != nil {
			return err
		}
		for i, a := range list {
			a.convs = []string{group.ConversationID}
			if i < 2 {
				a.convs = append(a.convs, direct.ConversationID)
			}
		}
		return nil
	}
}

func TestCrash_ClientsOfTheSDKSeeEverythingOnceInOrder(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	check(t, Options{Binary: binary(t), Seed: firstSeed(), Kills: max(1, min(10, *kills/5))}, *kills, apps(4))
}
