// SPDX-License-Identifier: Apache-2.0

package fanout

import (
	"fmt"
	"testing"

	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// sink is a session that costs nothing.
type sink struct {
	id   string
	user id.User
	n    int
}

func (s *sink) ID() string        { return s.id }
func (s *sink) User() id.User     { return s.user }
func (s *sink) Device() id.Device { return "" }
func (s *sink) Deliver(*Note)     { s.n++ }
func (s *sink) Lost()             {}
func (s *sink) Revoke(fault.Code) {}

func benchmark(b *testing.B, members int, place func(i int) string) {
	f := New(Options{Self: "a", Bus: &outbox{}, Placement: byName{}})
	var users []id.User
	for i := range members {
		u := id.User(fmt.Sprintf("user%04d@%s", i, place(i)))
		users = append(users, u)
		if u.Server() == "a" {
			f.Register(&sink{id: string(u), user: u})
		}
	}
	r, _ := newRoom(b, users...)
	m := r.message(users[0])
	m.Origin = "none"
	b.ReportAllocs()
	for b.Loop() {
		now(f, m)
		*f.opt.Bus.(*outbox) = outbox{}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/receiver")
}

func BenchmarkEvent_2MembersHere(b *testing.B) {
	benchmark(b, 2, func(int) string { return "a" })
}

func BenchmarkEvent_500MembersHere(b *testing.B) {
	benchmark(b, 500, func(int) string { return "a" })
}

func BenchmarkEvent_500MembersOnFourNodes(b *testing.B) {
	benchmark(b, 500, func(i int) string { return string(rune('a' + i%4)) })
}

func BenchmarkEvent_500MembersNobodyOnline(b *testing.B) {
	benchmark(b, 500, func(int) string { return "none" })
}
