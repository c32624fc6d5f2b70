// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/fanout"
)

// inbox notes who sent which number.
type inbox struct {
	mu  sync.Mutex
	got map[fanout.Node][]uint64
}

func (b *inbox) take(p *fanout.Packet) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.got == nil {
		b.got = map[fanout.Node][]uint64{}
	}
	b.got[p.From] = append(b.got[p.From], p.Seq)
}

func (b *inbox) from(n fanout.Node) []uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got[n])
}

func join(t *testing.T, h *Hub, n fanout.Node) (*Local, *inbox) {
	t.Helper()
	l, in := h.Join(n), &inbox{}
	l.Receive(in.take)
	return l, in
}

func upTo(n uint64) []uint64 {
	var out []uint64
	for i := range n {
		out = append(out, i+1)
	}
	return out
}

func TestLocal_PacketsOfEachSenderArriveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub()
		dst, in := join(t, hub, "dst")
		go func() { _ = dst.Run(t.Context()) }()
		const senders, each = 4, 300
		for i := range senders {
			name := fanout.Node(fmt.Sprintf("src%d", i))
			src := hub.Join(name)
			go func() {
				for seq := range uint64(each) {
					if err := src.Send(t.Context(), "dst", &fanout.Packet{From: name, Seq: seq + 1}); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		synctest.Wait()
		for i := range senders {
			if diff := cmp.Diff(upTo(each), in.from(fanout.Node(fmt.Sprintf("src%d", i)))); diff != "" {
				t.Errorf("sender %d: %s", i, diff)
			}
		}
	})
}

func TestLocal_AFullLinkLosesThePacketAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub()
		src := hub.Join("src")
		dst, in := join(t, hub, "dst")
		for seq := range uint64(linkQueue) {
			if err := src.Send(t.Context(), "dst", &fanout.Packet{From: "src", Seq: seq + 1}); err != nil {
				t.Fatal(err)
			}
		}
		if err := src.Send(t.Context(), "dst", &fanout.Packet{From: "src", Seq: linkQueue + 1}); !errors.Is(err, ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
		if dst.Lost() != 1 {
			t.Errorf("lost %d, want 1", dst.Lost())
		}
		go func() { _ = dst.Run(t.Context()) }()
		synctest.Wait()
		if diff := cmp.Diff(upTo(linkQueue), in.from("src")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLocal_ANodeThatLeftIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub()
		src := hub.Join("src")
		dst, _ := join(t, hub, "dst")
		if diff := cmp.Diff([]fanout.Node{"dst"}, hub.Nodes("src")); diff != "" {
			t.Error(diff)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- dst.Run(ctx) }()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if err := src.Send(t.Context(), "dst", &fanout.Packet{}); !errors.Is(err, ErrUnknownNode) {
			t.Errorf("got %v, want ErrUnknownNode", err)
		}
	})
}

func TestLocal_ANodeThatJoinsAgainTakesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub()
		src := hub.Join("src")
		before, old := join(t, hub, "dst")
		after, fresh := join(t, hub, "dst")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = before.Run(ctx) }()
		cancel()
		synctest.Wait() // The one before ends late and must not take the place with it.
		go func() { _ = after.Run(t.Context()) }()
		if err := src.Send(t.Context(), "dst", &fanout.Packet{From: "src", Seq: 1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(old.from("src")) != 0 || len(fresh.from("src")) != 1 {
			t.Errorf("before got %v, after got %v", old.from("src"), fresh.from("src"))
		}
	})
}
