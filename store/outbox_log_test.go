// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"parley.chat/core/conversation"
	"parley.chat/core/follower"
	"parley.chat/federation/outbox"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

func (f *followed) say(t *testing.T, by id.User, n int) {
	t.Helper()
	for range n {
		f.node.MustAppend(t, timelinetest.Message(t, f.ref.ID, by, fmt.Sprint("t", f.tempID), "hello"))
		f.tempID++
	}
}

// What is handed on hashes to what the log has, so that the chain of who gets it holds.
func TestRecords_AreTheEntriesThatWereHashed(t *testing.T) {
	f := newFollowed(t, "bob@b.test")
	f.say(t, "alice@a.test", 3)
	f.change(t, frame.TypeMemberAdd, "alice@a.test", "carl@c.test")
	f.say(t, "bob@b.test", 2)
	erased := f.node.MustAppend(t, timelinetest.Message(t, f.ref.ID, "alice@a.test", "gone", "to be deleted"))
	f.node.MustAppend(t, timelinetest.About(t, f.ref.ID, "alice@a.test", erased.MessageID, conversation.Proposal{Type: frame.TypeDelete}, ""))
	f.change(t, frame.TypeMemberLeave, "bob@b.test")
	list, err := f.Records(t.Context(), f.ref.Shard, f.ref.Conv, 0, 100, 100, 1<<20)
	if err != nil || len(list) != 10 {
		t.Fatalf("%d records, %v", len(list), err)
	}
	bare := 0
	for _, rec := range list {
		r, err := outbox.Record(rec, true)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Entry.Hash(nil); err != nil || got != rec.Hash {
			t.Errorf("entry %d, a %s, does not hash to what the log has (%v)", rec.Seq, rec.Type, err)
		}
		if conversation.ChangesState(rec.Type) != (rec.StateHash != nil) {
			t.Errorf("entry %d, a %s: state hash kept: %t", rec.Seq, rec.Type, rec.StateHash != nil)
		}
		if r.Content == nil {
			bare++
		}
	}
	if bare != 1 {
		t.Errorf("%d without content", bare)
	}
}

// taker follows in memory, and takes what continues.
type taker struct {
	mu   sync.Mutex
	seqs map[id.Server]int64
	text bytes.Buffer
}

// Call implements outbox.Client.
func (k *taker) Call(_ context.Context, to id.Server, _ string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	var t replica.Transaction
	if err := replica.Decode(raw, &t); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	taken := out.(*replica.Taken)
	for _, it := range t.Items {
		res := replica.Result{ConversationID: it.ConversationID, Seq: k.at(to)}
		if it.Snapshot != nil {
			res.Seq = it.Snapshot.Record.Entry.Seq
		}
		if it.Range != nil && it.Range.Records[0].Entry.Seq == res.Seq+1 {
			res.Seq += int64(len(it.Range.Records))
		}
		fmt.Fprintf(&k.text, "%s: snapshot %t, range %t, head %t, at %d\n", to, it.Snapshot != nil, it.Range != nil, it.Head != nil, res.Seq)
		k.seqs[to] = res.Seq
		taken.Results = append(taken.Results, res)
	}
	return nil
}

func (k *taker) at(s id.Server) int64 {
	if seq, ok := k.seqs[s]; ok {
		return seq
	}
	return -1
}

// Sign implements outbox.Signer.
func (k *taker) Sign(c event.Checkpoint) (event.Signature, error) {
	return c.Sign("ed25519:1", ed25519.NewKeyFromSeed(make([]byte, 32)))
}

func TestOutbox_OnTheRealTables(t *testing.T) {
	f := newFollowed(t, "bob@b.test", "carl@c.test")
	k := &taker{seqs: map[id.Server]int64{}}
	o := outbox.New(outbox.Options{Self: "a.test", Timeline: f.node, Store: f.testLog, Client: k, Signer: k, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(k.text.String())
		}
	})
	told := 0
	tell := func(last int64) { // As the one who hands on what is committed does it.
		t.Helper()
		timelinetest.Eventually(t, "it goes out", func() bool {
			out := f.node.Out.Events()
			return out[len(out)-1].Event.Seq == last
		})
		for _, c := range f.node.Out.Events()[told:] {
			o.Moved(c.Event, c.State)
			told++
		}
	}
	until := func(what string, want ...follower.Row) {
		t.Helper()
		timelinetest.Eventually(t, what, func() bool {
			rows := f.rows(t)
			if len(rows) != len(want) {
				return false
			}
			for i := range rows {
				if rows[i] != want[i] {
					return false
				}
			}
			return true
		})
	}
	at := func(s id.Server, since, acked int64) follower.Row {
		return follower.Row{Server: s, Since: since, Until: -1, Acked: acked}
	}
	until("both begin, found in the tables", at("b.test", 0, 0), at("c.test", 0, 0))
	f.say(t, "alice@a.test", 3)
	tell(3)
	until("both get what is said", at("b.test", 0, 3), at("c.test", 0, 3))
	f.change(t, frame.TypeMemberLeave, "bob@b.test")
	f.say(t, "alice@a.test", 1)
	tell(5)
	until("who left follows no more", at("c.test", 0, 5))
	f.change(t, frame.TypeMemberAdd, "alice@a.test", "bob@b.test")
	f.say(t, "alice@a.test", 1)
	tell(7)
	until("and begins again", at("b.test", 6, 7), at("c.test", 0, 7))
}
