// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// faults has several senders send random commands to a node whose store fails at random, before and after commits, and which
// is killed now and then. Every command is sent again until it is acknowledged.
func faults(t *testing.T, open Open) {
	for seed := range uint64(2) {
		s := open(t, []id.Shard{0, 2}, []id.Shard{1, 3})
		r := &rough{t: t, store: s, acked: map[id.Conversation]map[string]bool{}}
		r.start(Hooks{})
		convs := groups(t, r.current(), 5)
		for _, c := range convs {
			r.acked[c] = map[string]bool{"create": true}
		}
		r.current().Wire.Set(r.hooks(seed))
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() { r.send(rand.New(rand.NewPCG(seed, uint64(i))), i, convs) })
		}
		for k := range uint64(3) {
			time.Sleep(30 * time.Millisecond)
			r.current().Kill()
			r.start(r.hooks(seed*10 + k))
		}
		wg.Wait()
		for _, c := range convs {
			onceEach(t, Verify(t, s, c), r.acked[c])
		}
		VerifyShards(t, s, convs)
	}
}

type rough struct {
	t     *testing.T
	store timeline.Store
	as    id.Server

	mu    sync.Mutex
	node  *Node
	acked map[id.Conversation]map[string]bool
}

func (r *rough) current() *Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.node
}

func (r *rough) start(h Hooks) {
	n := Start(r.t, r.store, func(o *timeline.Options) {
		o.Self = r.as
		o.FlushEvery, o.ReceiptEvery, o.ColdWindow = 20*time.Millisecond, 5*time.Millisecond, 16
	})
	n.Wire.Set(h)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.node = n
}

func (r *rough) hooks(seed uint64) Hooks {
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 99))
	fail := func(one int) error {
		mu.Lock()
		defer mu.Unlock()
		if rnd.IntN(one) == 0 {
			return ErrInjected
		}
		return nil
	}
	commit := func(*timeline.Batch) error { return fail(12) }
	return Hooks{
		BeforeCommit: commit, AfterCommit: commit,
		Index: func() error { return fail(4) }, Load: func() error { return fail(60) },
	}
}

// send sends random commands, each until its outcome is known.
func (r *rough) send(rnd *rand.Rand, sender int, convs []id.Conversation) {
	for k := range 25 {
		c, temp := convs[rnd.IntN(len(convs))], fmt.Sprint(sender, "/", k)
		cmd := Message(r.t, c, User("bob"), temp, temp)
		if rnd.IntN(6) == 0 {
			cmd = Change(r.t, c, User("alice"), frame.TypeMemberAdd, temp, frame.Change{UserIDs: []string{fmt.Sprintf("u%d-%d@example.org", sender, k)}})
		}
		var err error
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			_, err = r.current().Append(r.t.Context(), cmd)
			if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Draining) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			r.t.Errorf("%s: %v", temp, err)
			continue
		}
		r.mu.Lock()
		r.acked[c][temp] = true
		r.mu.Unlock()
	}
}
