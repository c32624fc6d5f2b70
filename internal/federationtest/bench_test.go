// SPDX-License-Identifier: Apache-2.0

package federationtest_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"parley.chat/core/timeline"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/id"
)

// What a message costs until its author has its place: in a conversation of the own server, and in one of another, where it is made
// durable, signed, sent, checked, appended, handed back, verified and followed, on two databases. There is no network.
func BenchmarkMessage(b *testing.B) {
	const here, there = id.Server("a.test"), id.Server("b.test")
	w := newTown(b, time.Minute, here, there)
	for name, hub := range map[string]id.Server{"local": here, "remote": there} {
		c := w.sides[hub].group(b, name)
		w.same(b, c, 0)
		for _, together := range []int{1, 200} {
			b.Run(fmt.Sprintf("%s/%d", name, together), func(b *testing.B) {
				var group sync.WaitGroup
				slots := make(chan struct{}, together)
				b.ReportAllocs()
				for i := range b.N {
					slots <- struct{}{}
					group.Add(1)
					tempID := fmt.Sprint(together, "-", b.N, "-", i)
					err := w.sides[here].writer.Submit(b.Context(), timelinetest.Message(b, c, id.NewUser("user", here), tempID, "hello"), func(_ timeline.Result, err error) {
						if err != nil {
							b.Error(err)
						}
						<-slots
						group.Done()
					})
					if err != nil {
						b.Fatal(err)
					}
				}
				group.Wait()
			})
		}
	}
}
