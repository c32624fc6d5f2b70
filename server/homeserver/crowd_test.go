// SPDX-License-Identifier: Apache-2.0

package homeserver_test

import (
	"fmt"
	"sync"
	"testing"

	"parley.chat/internal/testenv"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

const crowdSize = 500

// crowd are users with a connected device each, all members of one group of the first.
type crowd struct {
	srv     *testenv.Server
	users   []*testenv.User
	sockets []*testenv.Socket
	conv    string
}

func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	c := &crowd{srv: testenv.Start(t), users: make([]*testenv.User, n), sockets: make([]*testenv.Socket, n)}
	c.each(func(i int) { c.users[i] = c.srv.User(t, fmt.Sprintf("u%03d", i)) })
	c.conv = c.users[0].Group("All", c.users[1:]...)
	c.each(func(i int) { c.sockets[i] = c.users[i].Socket(nil) })
	return c
}

// each runs f for every member, several at a time.
func (c *crowd) each(f func(i int)) {
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := n; i < len(c.users); i += 8 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// pointers reads how far every member got.
func (c *crowd) pointers() map[string]rest.Member {
	out := map[string]rest.Member{}
	for cursor, more := "", true; more; {
		var page rest.Members
		c.users[0].Do("GET", "/conversations/"+c.conv+"/members?limit=100&cursor="+cursor, nil, &page)
		for _, m := range page.Members {
			out[m.UserID] = m
		}
		cursor, more = page.NextCursor, page.HasMore
	}
	return out
}

func TestCrowd_500DevicesReceiveInOrderAndReadByCountsAreExact(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, crowdSize)
	sender := c.sockets[0]
	sender.Watch(func(f testenv.Frame) {
		if f.Type == frame.Resync {
			t.Error("the sender is told to resync: receipts of a crowd overflow its queue")
		}
	})
	var acks []frame.Ack
	for i := range 20 {
		acks = append(acks, c.sockets[0].Text(c.conv, fmt.Sprintf("message %d", i)))
	}
	first, last := acks[0], acks[len(acks)-1]
	c.each(func(i int) {
		c.sockets[i].Holds(c.conv, last.Seq)
		if err := c.sockets[i].Book.Dense(c.conv, 0, last.Seq); err != nil {
			t.Errorf("u%03d: %v", i, err)
		}
	})
	// Of the 499 others a fifth each: says nothing, got the first, got all, read the first, read all.
	c.each(func(i int) {
		d := frame.Delivery{ConversationID: c.conv, MessageID: first.MessageID, Status: "delivered"}
		if i%5 == 2 || i%5 == 4 {
			d.MessageID = last.MessageID
		}
		if i%5 >= 3 {
			d.Status = "read"
		}
		if i > 0 && i%5 > 0 {
			c.sockets[i].Send(frame.DeliveryAck, d)
		}
	})
	count := func(seq int64) (delivered, read int) {
		for u, m := range c.pointers() {
			if u != c.users[0].ID && m.DeliveredSeq >= seq {
				delivered++
			}
			if u != c.users[0].ID && m.ReadSeq >= seq {
				read++
			}
		}
		return delivered, read
	}
	c.srv.Until("the receipts are in", func() bool { d, r := count(first.Seq); return d == 400 && r == 200 })
	if d, r := count(last.Seq); d != 200 || r != 100 {
		t.Errorf("the last message is delivered to %d and read by %d, want 200 and 100", d, r)
	}
	c.srv.Until("the sender's device knows who read", func() bool {
		read := 0
		for _, u := range c.users[1:] {
			if c.sockets[0].Book.Receipt(c.conv, u.ID).ReadSeq >= last.Seq {
				read++
			}
		}
		return read == 100
	})
	for n, m := range map[int]frame.Ack{0: first, 1: last} {
		var r rest.MessageReceipts
		c.users[0].Do("GET", "/conversations/"+c.conv+"/messages/"+m.MessageID+"/receipts", nil, &r)
		if want := [2][2]int{{400, 200}, {200, 100}}[n]; r.DeliveredCount != want[0] || r.ReadCount != want[1] || r.MemberCount != crowdSize-1 {
			t.Errorf("receipts of message %d: delivered to %d, read by %d of %d, want %v of %d", n, r.DeliveredCount, r.ReadCount, r.MemberCount, want, crowdSize-1)
		}
	}
	if unread := c.users[4].Get(c.conv).UnreadCount; unread != 0 {
		t.Errorf("who read all has %d unread", unread)
	}
	if unread := c.users[3].Get(c.conv).UnreadCount; unread != int64(len(acks)-1) {
		t.Errorf("who read the first has %d unread", unread)
	}
}
