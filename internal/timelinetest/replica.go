// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

// Here and There are the two servers of tests with a replica: the hub is Here.
const (
	Here  = id.Server("example.org")
	There = id.Server("b.example")
)

// Far is a test user of the other server.
func Far(name string) id.User { return id.NewUser(name, There) }

// As makes a node that of a server.
func As(s id.Server) func(*timeline.Options) { return func(o *timeline.Options) { o.Self = s } }

// BySigned makes cmd the submission of the sender's server. The signature is made up: a Timeline believes it.
func BySigned(cmd timeline.Command) timeline.Command {
	sum := sha256.Sum256([]byte(fmt.Sprint(cmd.Sender, cmd.TempID, cmd.Type)))
	cmd.Signed = &timeline.Signed{Salt: [16]byte(sum[:16]), KeyID: "ed25519:test", Signature: append(sum[:], sum[:]...)}
	return cmd
}

// Records reads entries of a conversation as they are handed on.
func Records(t testing.TB, s timeline.Store, c id.Conversation, from, to int64) []timeline.Foreign {
	t.Helper()
	if f, ok := s.(*Faulty); ok {
		s = f.Store
	}
	n := c.Shard(s.Shards())
	l, err := s.LoadConversation(t.Context(), n, c, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.(Recorder).Records(t.Context(), n, l.Conv, from, to, 1<<20, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// SnapshotAt is the snapshot of a whole log at a change of its state.
func SnapshotAt(t testing.TB, log []timeline.Foreign, seq int64) timeline.Snapshot {
	t.Helper()
	var st *conversation.State
	var err error
	for _, e := range log[:seq+1] {
		if st, err = conversation.Apply(st, e.Event); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := st.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	joined := map[id.User]int64{}
	for u, m := range st.Members {
		joined[u] = m.JoinedAt
	}
	read, err := conversation.ParseState(raw, st.Create, joined)
	if err != nil {
		t.Fatalf("the state at %d is not read: %v\n%s", seq, err, raw)
	}
	return timeline.Snapshot{State: read, Entry: log[seq]}
}

// Begin makes the replica begin at seq.
func (n *Node) MustBegin(t testing.TB, log []timeline.Foreign, seq int64) {
	t.Helper()
	if err := n.Begin(t.Context(), SnapshotAt(t, log, seq), nil); err != nil {
		t.Fatalf("begin at %d: %v", seq, err)
	}
}

// MustFollow gives the replica entries and wants it to have them all.
func (n *Node) MustFollow(t testing.TB, log []timeline.Foreign) {
	t.Helper()
	if len(log) == 0 {
		return
	}
	last := log[len(log)-1]
	head, err := n.Follow(t.Context(), last.ConversationID, log, nil)
	if err != nil || head.Seq < last.Seq {
		t.Fatalf("follow %d..%d: head %d, %v", log[0].Seq, last.Seq, head.Seq, err)
	}
}

// Copy gives the replica the log after its head in ranges of random size, some of it twice.
func (n *Node) Copy(t testing.TB, log []timeline.Foreign, rnd *rand.Rand) {
	t.Helper()
	for {
		v, err := n.View(t.Context(), log[0].ConversationID)
		if err != nil {
			t.Fatal(err)
		}
		next := v.Head.Seq + 1
		if next == int64(len(log)) {
			return
		}
		from := max(v.Base, next-rnd.Int64N(4))
		to := min(next+rnd.Int64N(12), int64(len(log)-1))
		n.MustFollow(t, log[from:to+1])
	}
}
