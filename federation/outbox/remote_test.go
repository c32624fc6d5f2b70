// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/federation/peer"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

// remote is a server that follows, in memory. Its methods are not called while the outbox is busy, but for take.
type remote struct {
	name id.Server
	w    *world

	mu       sync.Mutex
	have     map[id.Conversation]*copied
	away     error
	delay    time.Duration
	refuse   map[id.Conversation]string
	fussy    id.Conversation // any body with it is refused as a whole
	asked    int             // transactions that came, also when away
	taken    int
	under    int
	bytes    int
	entries  int
	heads    int
	snaps    int
	doubled  int // entries that came again
	most     int // items of one transaction
	wrong    []string
	when     []time.Time
	bodies   [][]byte // the first few
	seqOfLie int64
	lies     func(replica.Transaction) replica.Taken // instead of an honest answer
}

// copied is a replica.
type copied struct {
	base, seq int64
	hash      event.Hash
	bare      int
	told      int64
}

func (r *remote) complain(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// sound fails the test if anything came that should not have.
func (r *remote) sound(t *testing.T) {
	t.Helper()
	for _, w := range r.wrong {
		t.Errorf("%s: %s", r.name, w)
	}
}

func (r *remote) take(ctx context.Context, body []byte) (replica.Taken, error) {
	r.mu.Lock()
	r.asked++
	r.when = append(r.when, time.Now())
	if r.under++; r.under > 1 {
		r.complain("%d transactions at once", r.under)
	}
	if len(r.bodies) < 10 {
		r.bodies = append(r.bodies, body)
	}
	away, delay := r.away, r.delay
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.under--
		r.mu.Unlock()
	}()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return replica.Taken{}, ctx.Err()
		}
	}
	if away != nil {
		return replica.Taken{}, away
	}
	var t replica.Transaction
	if err := replica.Decode(body, &t); err != nil {
		r.mu.Lock()
		r.complain("%v", err)
		r.mu.Unlock()
		return replica.Taken{}, err
	}
	if r.lies != nil {
		return r.lies(t), nil
	}
	return r.takeAll(t, len(body))
}

func (r *remote) takeAll(t replica.Transaction, size int) (out replica.Taken, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken++
	r.bytes += size
	r.most = max(r.most, len(t.Items))
	n := 0
	for _, it := range t.Items {
		if it.ConversationID == r.fussy {
			return out, &peer.Refusal{Server: r.name, Status: http.StatusBadRequest, Code: "invalid_field"}
		}
		if it.Range != nil {
			n += len(it.Range.Records)
		}
		if it.Snapshot != nil {
			n++
		}
		seq, code := r.item(it)
		out.Results = append(out.Results, replica.Result{ConversationID: it.ConversationID, Seq: seq + r.seqOfLie, Code: code})
	}
	if r.entries += n; n > replica.MaxRecords+1 {
		r.complain("%d entries at once", n)
	}
	return out, nil
}

func (r *remote) item(it replica.Item) (seq int64, code string) {
	c := r.have[it.ConversationID]
	if it.Wrong != nil {
		r.complain("item: %v", it.Wrong)
		return -1, "malformed_json"
	}
	if code := r.refuse[it.ConversationID]; code != "" {
		seq = -1
		if c != nil {
			seq = c.seq
		}
		return seq, code
	}
	if s := it.Snapshot; s != nil {
		r.snaps++
		r.signed(s.Checkpoint)
		entry := s.Record.Entry
		if c != nil && entry.Seq > c.seq && slices.Contains(r.w.servers(it.ConversationID, c.seq), r.name) {
			r.complain("a snapshot at %d for a replica with members that ends at %d", entry.Seq, c.seq)
		}
		if c == nil || entry.Seq > c.seq {
			c = &copied{base: entry.Seq, seq: entry.Seq, hash: must(entry.Hash(nil))}
			r.have[it.ConversationID] = c
		}
	}
	if c == nil {
		return -1, "unknown_replica"
	}
	if it.Range != nil {
		r.signed(*it.Range.Checkpoint)
		if !r.extend(c, *it.Range) {
			return c.seq, "entries_missing"
		}
	}
	if it.Head != nil {
		r.heads++
		r.signed(*it.Head)
		c.told = max(c.told, it.Head.Seq)
	}
	return c.seq, ""
}

func (r *remote) signed(c replica.Checkpoint) {
	if len(c.Signatures) != 1 || c.Checkpoint.Verify(c.Signatures[0], r.w.key.Public().(ed25519.PublicKey)) != nil || c.Hub != self {
		r.complain("a checkpoint that is not signed: %+v", c)
	}
}

// extend appends what is new and continues the chain.
func (r *remote) extend(c *copied, rng replica.Range) bool {
	for _, rec := range rng.Records {
		switch e := rec.Entry; {
		case e.Seq <= c.seq:
			r.doubled++
		case e.Seq > c.seq+1:
			return false
		case e.Prev != c.hash:
			r.complain("entry %d does not continue the chain", e.Seq)
			return false
		default:
			c.seq, c.hash = e.Seq, must(e.Hash(nil))
			if rec.Content == nil {
				if typ := rec.Submission.Type; typ != frame.TypeMessage && typ != frame.TypeEdit {
					r.complain("entry %d, a %s, without content", e.Seq, typ)
				}
				c.bare++
			}
		}
	}
	return true
}

// pull fetches what it was told of, as a follower does by itself.
func (r *remote) pull() {
	for conv, c := range r.have {
		for c.seq < c.told {
			after := c.seq
			rng, err := r.w.out.Entries(context.Background(), r.name, replica.Entries{ConversationID: conv, AfterSeq: &after})
			if err != nil {
				r.complain("pull: %v", err)
				return
			}
			var got replica.Range // As it crosses the wire.
			body := must(json.Marshal(rng))
			if err := replica.Decode(body, &got); err != nil {
				r.complain("pull: %v", err)
				return
			}
			if len(got.Records) == 0 {
				break
			}
			r.signed(*got.Checkpoint)
			if !r.extend(c, got) {
				r.complain("pull: a hole after %d", c.seq)
				return
			}
		}
	}
}

// at is how far it is, -1 without a replica.
func (r *remote) at(room *room) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.have[room.ref.ID]; c != nil {
		return c.seq
	}
	return -1
}

func (r *remote) set(f func(*remote)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

// wantAt fails the test unless the follower, and what the hub knows of it after a moment, are at a seq.
func (w *world) wantAt(r *remote, room *room, seq int64) {
	w.t.Helper()
	w.pass(2 * time.Second)
	if got := r.at(room); got != seq {
		w.t.Errorf("%s is at %d, want %d", r.name, got, seq)
	}
	if row, ok := w.row(room, r.name); !ok || row.Acked != seq {
		w.t.Errorf("the hub has %s at %+v, want %d", r.name, row, seq)
	}
}
