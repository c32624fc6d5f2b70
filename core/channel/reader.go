// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"context"
	"sync"
	"time"

	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// readers holds the rows that were looked at lately, and what is to be flushed.
type readers struct {
	mu     sync.Mutex
	rows   map[key]*row
	dirty  map[key]*row
	views  map[Place]spread // of pointers that are dirty
	flying map[Place]spread // being flushed
	serial int              // counts changes of rows, so that a reading from before is not kept
}

type key struct {
	Place
	user id.User
}

// row is what the store has for a key, or that it has nothing, with the pointer where it is now.
type row struct {
	Reader
	exists bool
	epoch  int64
}

func (r *readers) init() {
	r.rows, r.dirty, r.views = map[key]*row{}, map[key]*row{}, map[Place]spread{}
}

// reader finds the row of u, a subscriber's or a ban.
func (c *Channels) reader(ctx context.Context, v timeline.View, u id.User) (Reader, bool, error) {
	k := key{place(v), u}
	epoch, err := c.Owner.Epoch(v.Shard)
	if err != nil {
		return Reader{}, false, err
	}
	have, serial, ok := c.readers.get(k, epoch)
	if ok {
		return have.Reader, have.exists, nil
	}
	rows, err := c.Store.Readers(ctx, v.Shard, []int64{v.Conv}, u)
	if err != nil {
		return Reader{}, false, away(err)
	}
	read, exists := rows[v.Conv]
	kept := c.readers.learn(k, row{Reader: read, exists: exists, epoch: epoch}, serial, c.MaxReaders)
	return kept.Reader, kept.exists, nil
}

// Readers reads the subscriptions of u among some views of one shard, in one go. Faults: Unavailable.
func (c *Channels) Readers(ctx context.Context, n id.Shard, views []timeline.View, u id.User) (map[id.Conversation]Reader, error) {
	epoch, err := c.Owner.Epoch(n)
	if err != nil {
		return nil, err
	}
	out := make(map[id.Conversation]Reader, len(views))
	var missing []int64
	serial := 0
	for _, v := range views {
		have, now, ok := c.readers.get(key{place(v), u}, epoch)
		if serial = now; !ok {
			missing = append(missing, v.Conv)
		} else if have.exists && have.BannedAt == 0 {
			out[v.State.ID] = have.Reader
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	rows, err := c.Store.Readers(ctx, n, missing, u)
	if err != nil {
		return nil, away(err)
	}
	for _, v := range views {
		if r, ok := rows[v.Conv]; ok && r.BannedAt == 0 {
			out[v.State.ID] = c.readers.learn(key{place(v), u}, row{Reader: r, exists: true, epoch: epoch}, serial, c.MaxReaders).Reader
		}
	}
	return out, nil
}

func (r *readers) get(k key, epoch int64) (have row, serial int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.rows[k]; p != nil && (p.epoch == epoch || r.dirty[k] == p) {
		return *p, r.serial, true
	}
	return row{}, r.serial, false
}

// learn keeps what was read, unless rows changed meanwhile, and returns what is true now.
func (r *readers) learn(k key, read row, serial, limit int) row {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.dirty[k]; p != nil {
		return *p
	}
	if r.serial == serial && r.room(limit) {
		r.rows[k] = &read
	}
	return read
}

// room drops a row that can be read again, if there are too many. It is false if there are none. The caller holds mu.
func (r *readers) room(limit int) bool {
	if len(r.rows) < limit {
		return true
	}
	looked := 0
	for k, p := range r.rows {
		if r.dirty[k] != p {
			delete(r.rows, k)
			return true
		}
		if looked++; looked == 64 {
			break
		}
	}
	return false
}

// put replaces a row that was written; a pointer that moved meanwhile stays.
func (r *readers) put(p Place, now Reader, epoch int64, limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	k := key{p, now.User}
	if have := r.rows[k]; have != nil && have.exists && have.ReadSeq > now.ReadSeq {
		now.ReadSeq, now.ReadCount = have.ReadSeq, have.ReadCount
	}
	if have := r.rows[k]; have != nil {
		have.Reader, have.exists, have.epoch = now, true, epoch
	} else if r.room(limit) {
		r.rows[k] = &row{Reader: now, exists: true, epoch: epoch}
	}
}

func (r *readers) forget(p Place, u id.User) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serial++
	delete(r.rows, key{p, u})
	delete(r.dirty, key{p, u})
}

// Receive moves the read pointer of a subscriber up to an entry; it never moves back. The entries it passes for the first time
// get a view each. It is durable with the next flush and told to nobody. Faults: UnknownConversation, Unavailable.
func (c *Channels) Receive(ctx context.Context, v timeline.View, u id.User, ref timeline.Ref) error {
	for range 3 {
		r, ok, err := c.reader(ctx, v, u)
		if err != nil {
			return err
		}
		if !ok || r.BannedAt > 0 {
			return fault.New(fault.UnknownConversation, "no such conversation")
		}
		if ref.Seq <= r.ReadSeq || c.readers.move(key{place(v), u}, ref, c.MaxReaders) {
			return nil
		}
	}
	return fault.Retry(fault.Unavailable, time.Second, "too many pointers move at once, try again")
}

// move is false if the row is not in memory or too much waits for a flush.
func (r *readers) move(k key, ref timeline.Ref, limit int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.rows[k]
	if p == nil || !p.exists || r.dirty[k] == nil && len(r.dirty) >= limit*3/4 {
		return false
	}
	if ref.Seq <= p.ReadSeq {
		return true
	}
	r.spread(k.Place).add(max(p.ReadSeq+1, ref.Seq-MaxViewed+1), ref.Seq, 1)
	p.ReadSeq, p.ReadCount = ref.Seq, ref.Count
	r.dirty[k] = p
	return true
}

func (r *readers) spread(p Place) spread {
	s := r.views[p]
	if s == nil {
		s = spread{}
		r.views[p] = s
	}
	return s
}

// Set changes the settings of a subscriber. Faults: UnknownConversation, Unavailable.
func (c *Channels) Set(ctx context.Context, v timeline.View, u id.User, change func(*Settings)) error {
	r, ok, err := c.reader(ctx, v, u)
	if err != nil {
		return err
	}
	if !ok || r.BannedAt > 0 {
		return fault.New(fault.UnknownConversation, "no such conversation")
	}
	change(&r.Settings)
	if err := c.Store.Set(ctx, place(v), u, r.Settings); err != nil {
		return away(err)
	}
	epoch, err := c.Owner.Epoch(v.Shard)
	if err != nil {
		return err
	}
	c.readers.put(place(v), r, epoch, c.MaxReaders)
	c.nudge(ctx, v.State.ID, u)
	return nil
}

// List lists the subscribers after a user id, in order of user id, or those who are banned. Faults: Unavailable.
func (c *Channels) List(ctx context.Context, v timeline.View, after id.User, banned bool, limit int) ([]Reader, error) {
	list, err := c.Store.Subscribers(ctx, place(v), after, banned, limit)
	if err != nil {
		return nil, away(err)
	}
	return list, nil
}
