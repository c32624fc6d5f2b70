// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// flush is what one commit writes of derived things: heads that moved, pointers that moved.
type flush struct {
	full     bool // heads too, not receipts alone
	heads    map[*conv]conversation.Head
	points   map[*pointer]Pointer
	prefs    map[*pointer]*conv
	stamped  map[*pointer]stamp
	owner    map[*pointer]*conv
	marked   []*conv
	marks    map[*shard]int64
	flushed  map[*shard]int64
	receipts []conversation.Receipt
}

func (g *group) hasMoved() bool {
	for _, sh := range g.shards {
		sh.mu.RLock()
		n := len(sh.moved)
		sh.mu.RUnlock()
		if n > 0 {
			return true
		}
	}
	return false
}

// collect completes the batch: the shards it advances, receipts that moved, and from time to time the dirty heads.
func (g *group) collect(w *work) *flush {
	fl := &flush{
		heads: map[*conv]conversation.Head{}, points: map[*pointer]Pointer{}, owner: map[*pointer]*conv{},
		prefs: map[*pointer]*conv{}, stamped: map[*pointer]stamp{},
		marks: map[*shard]int64{}, flushed: map[*shard]int64{},
	}
	now := time.Now()
	if fl.full = now.Sub(g.flushedAt) >= g.t.FlushEvery; fl.full {
		g.flushedAt = now
	}
	receipts := now.Sub(g.receiptsAt) >= g.t.ReceiptEvery || fl.full || g.flushNow
	g.flushNow = false
	if receipts {
		g.receiptsAt = now
	}
	if fl.full || receipts {
		for _, sh := range g.shards {
			w.collect(sh, fl, receipts)
		}
		return fl
	}
	for sh := range w.touched {
		w.collect(sh, fl, false)
	}
	for sh := range w.sweeping() {
		w.collect(sh, fl, false)
	}
	return fl
}

// collect takes what is to be flushed from a shard.
func (w *work) collect(sh *shard, fl *flush, receipts bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.owned || sh.group.gen.Load() != w.gen {
		return // The memory is not the one the batch was built on; commit will see it.
	}
	adv := Advance{Shard: sh.n, Epoch: sh.lease.Epoch, PrevPos: sh.lease.Pos, Pos: sh.lease.Pos, Flushed: -1, Mark: -1}
	pos, touched := w.touched[sh]
	if touched {
		adv.Pos = pos
	}
	if receipts && len(sh.moved) > 0 {
		adv.Mark = sh.lease.Mark + 1
		fl.marks[sh] = adv.Mark
		for c := range sh.moved {
			w.addReceipts(c, adv.Mark, fl)
		}
		clear(sh.moved)
	}
	if fl.full {
		w.addHeads(sh, fl)
		if sh.lease.Flushed != sh.lease.Pos {
			adv.Flushed = sh.lease.Pos
			fl.flushed[sh] = adv.Flushed
		}
	}
	if touched || w.sweeping()[sh] || adv.Mark >= 0 || adv.Flushed >= 0 {
		w.Advance = append(w.Advance, adv)
	}
}

// addHeads flushes the dirty heads of a shard, and with them the pointers that own sends moved.
func (w *work) addHeads(sh *shard, fl *flush) {
	for _, c := range sh.convs {
		if !c.dirty || !c.view.Head.Exists {
			continue
		}
		w.addHead(c, c.mark, fl)
		for u, p := range c.pointers {
			if p.dirty {
				w.addPoint(c, u, p, 0, fl)
			}
		}
	}
}

func (w *work) addHead(c *conv, mark int64, fl *flush) {
	if _, have := fl.heads[c]; have {
		return
	}
	w.Heads = append(w.Heads, HeadRow{Shard: c.shard.n, Conv: c.view.Conv, Head: c.view.Head, Mark: mark})
	fl.heads[c] = c.view.Head
}

func (w *work) addPoint(c *conv, u id.User, p *pointer, mark int64, fl *flush) {
	if _, have := fl.points[p]; have {
		return
	}
	w.Points = append(w.Points, PointRow{Shard: c.shard.n, Conv: c.view.Conv, User: u, Pointer: p.Pointer, Mark: mark})
	fl.points[p], fl.owner[p] = p.Pointer, c
}

// addReceipts flushes the pointers of a conversation that members moved.
func (w *work) addReceipts(c *conv, mark int64, fl *flush) {
	w.addHead(c, mark, fl)
	fl.marked = append(fl.marked, c)
	for u, p := range c.pointers {
		if p.newPrefs {
			w.addPrefs(c, u, p, mark, fl)
		}
		if p.moved == nil {
			if p.dirty { // Its head is flushed here, so it would not be looked at again.
				w.addPoint(c, u, p, 0, fl)
			}
			continue
		}
		w.addPoint(c, u, p, mark, fl)
		told := p.moved.delivered != nil || p.moved.again
		w.Points[len(w.Points)-1].ToldDelivered = told
		fl.stamped[p] = stamp{c, told}
		fl.receipts = append(fl.receipts, c.receipts(u, p, mark)...)
		p.moved = nil
	}
}

// done marks as clean what did not move again while the commit ran. In memory that was dropped meanwhile it does no harm;
// the leases must be those of the batch's generation.
func (fl *flush) done(w *work) {
	now := time.Now()
	for c, head := range fl.heads {
		c.shard.mu.Lock()
		if c.view.Head == head {
			c.dirty = false
		}
		c.flushed = now
		c.shard.mu.Unlock()
	}
	for p, v := range fl.points {
		sh := fl.owner[p].shard
		sh.mu.Lock()
		if p.Pointer == v {
			p.dirty = false
		}
		sh.mu.Unlock()
	}
	fl.stamp()
	for _, c := range fl.marked {
		c.shard.mu.Lock()
		c.mark = fl.marks[c.shard]
		touch(c.shard.recency.byMark, &c.markAt, c)
		c.shard.mu.Unlock()
	}
	for sh, mark := range fl.marks {
		sh.mu.Lock()
		if sh.group.gen.Load() == w.gen {
			sh.lease.Mark = mark
		}
		sh.mu.Unlock()
	}
	for sh, pos := range fl.flushed {
		sh.mu.Lock()
		if sh.group.gen.Load() == w.gen {
			sh.lease.Flushed = pos
		}
		sh.mu.Unlock()
	}
}

// stamp is a pointer that was told, the delivered one too or not.
type stamp struct {
	conv      *conv
	delivered bool
}

// stamp remembers when pointers and prefs moved.
func (fl *flush) stamp() {
	for p, s := range fl.stamped {
		s.conv.shard.mu.Lock()
		p.Mark = fl.marks[s.conv.shard]
		if s.delivered {
			p.DeliveredMark = p.Mark
		}
		s.conv.shard.mu.Unlock()
	}
	for p, c := range fl.prefs {
		c.shard.mu.Lock()
		p.PrefsMark = fl.marks[c.shard]
		c.shard.mu.Unlock()
	}
}

// receipts tells who learns of the moved pointer of u: in a direct conversation both members; in a group the member's own
// devices and the authors of the messages it passed, as far as they are recent. The caller holds shard.mu.
func (c *conv) receipts(u id.User, p *pointer, mark int64) []conversation.Receipt {
	one := func(status string, from int64, to *Ref) []conversation.Receipt {
		if to == nil {
			return nil
		}
		return []conversation.Receipt{{
			Shard: c.shard.n, Mark: mark, ConversationID: c.id,
			User: u, Status: status, Seq: to.Seq, MessageID: to.Message, To: c.told(u, from, to.Seq),
		}}
	}
	out := one("delivered", p.moved.from.Delivered, p.moved.delivered)
	return append(out, one("read", p.moved.from.Read, p.moved.read)...)
}

func (c *conv) told(u id.User, from, to int64) []id.User {
	out := []id.User{u}
	if c.pointers[u].Prefs.mute() {
		return out
	}
	if peer := c.view.State.Peer(u); peer != "" {
		if p := c.pointers[peer]; p != nil && p.Prefs != nil && p.Prefs.Consent != "" {
			return out
		}
		return append(out, peer)
	}
	have := map[id.User]bool{u: true}
	for _, r := range c.recent {
		if r.Seq > from && r.Seq <= to && !have[r.Sender] {
			have[r.Sender] = true
			out = append(out, r.Sender)
		}
	}
	return out
}
