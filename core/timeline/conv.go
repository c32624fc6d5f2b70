// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"container/list"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/protocol/id"
)

// recentRefs is how many newest entries a conversation remembers for receipts.
const recentRefs = 64

// conv is a conversation in memory. It exists also for conversations that do not (yet): then state is nil.
type conv struct {
	id    id.Conversation
	shard *shard
	gen   uint64 // group generation it was loaded in

	// Builder: tentative, ahead of what is committed by two batches at most.
	log       *position
	num       int64
	state     *conversation.State
	head      conversation.Head
	window    *window
	last      *pending // newest one decided, committed or not
	sentAt    map[id.User]int64
	relations relations

	loadedAt int64 // hub time; later messages in slow mode are in sentAt

	turn chan struct{} // guarded by shard.mu: held by who follows; nil until somebody does

	// Committed: guarded by shard.mu.
	view      View
	pointers  map[id.User]*pointer
	recent    []Ref
	mark      int64
	posAt     *list.Element // in the shard's recency
	markAt    *list.Element
	hotAt     int64 // newest hot event, hub time
	knockedAt int64 // when a request was announced last
	related   int64 // events about messages committed under this memory
	dirty     bool  // head is not flushed
	pending   int   // commands and readers that hold it
	used      time.Time
	flushed   time.Time
}

// pointer is a member's pointer in memory. A moved one goes out as a receipt at the next flush; an own send only makes it
// dirty, because the log already tells it.
type pointer struct {
	Pointer
	dirty bool
	moved *moved // by the member since the last flush

	newPrefs bool // to be flushed with the next receipts
	unmuted  bool // the peer may be told again
	untold   bool // no device has to be told of the new prefs
}

// moved is a pointer's way since the last flush: from where, and to which messages. nil means that it stood still.
type moved struct {
	from            Pointer
	delivered, read *Ref
	again           bool // nothing moved, but it may be told again
}

// View is what readers see of a conversation: the committed state and head. State is nil if it does not exist.
type View struct {
	Shard id.Shard
	Conv  int64
	State *conversation.State
	Head  conversation.Head
	Base  int64               // from this seq on the log is held without a hole; 0 where this server was the hub from the start
	Last  *conversation.Event // newest countable event, nil if none or not in memory
	Mark  int64
	// Hushed says that in this direct conversation nothing of the moment is told, and no pointer: there is a block, or a request
	// without an answer. Only View sets it.
	Hushed bool
}

func newConv(sh *shard, c id.Conversation, l *Loaded, gen uint64) *conv {
	t, now := sh.group.t, time.Now()
	out := &conv{id: c, shard: sh, gen: gen, window: newWindow(t.ColdWindow), pointers: map[id.User]*pointer{}, used: now, flushed: now, loadedAt: t.now()}
	out.view.Shard, out.log = sh.n, sh.log
	if l == nil {
		return out
	}
	out.num, out.state, out.head = l.Conv, l.State, l.Head
	l.State.Complete()
	out.seedSent(l)
	for _, s := range l.Window {
		out.window.add(s, t.now())
	}
	out.hotAt = out.window.lastHot
	out.view.Conv, out.view.Base, out.view.State, out.view.Head = l.Conv, l.Base, l.State, l.Head
	for u, p := range l.Pointers {
		// What the log told after the last flush is in no row yet.
		out.pointers[u] = &pointer{Pointer: p, dirty: l.Dirty, newPrefs: l.Dirty && p.Prefs != nil}
		if l.Dirty && p.Prefs != nil {
			sh.moved[out] = struct{}{}
		}
	}
	out.view.Last, out.mark = l.Last, l.Mark
	out.recent = l.Recent
	out.dirty = l.Dirty
	return out
}

// commit makes e visible; the caller holds shard.mu.
func (c *conv) commit(e *conversation.Event, s *conversation.State, prefs map[id.User]*Prefs) {
	c.view.Conv, c.view.State, c.view.Head = e.Conv, s, conversation.HeadAt(e)
	if conversation.Countable(e.Type) {
		c.view.Last = e
	}
	c.remember(Ref{Seq: e.Seq, Count: e.Count, Message: e.MessageID, Sender: e.Sender})
	c.startPointers(e, s, prefs)
	if p := c.pointers[e.Sender]; p != nil && conversation.MovesPointers(e.Type) {
		next := p.spoke(e.Seq, e.Count)
		if next.Prefs != p.Prefs {
			c.answered(p, next.Prefs)
		}
		p.Pointer, p.dirty = next, true
	}
	c.dirty = true
}

func (c *conv) remember(r Ref) {
	if n := len(c.recent); n > 0 && c.recent[n-1].Seq+1 != r.Seq {
		c.recent = nil // A replica began again: there is a hole.
	}
	if len(c.recent) >= 2*recentRefs {
		c.recent = append(c.recent[:0:0], c.recent[recentRefs:]...)
	}
	c.recent = append(c.recent, r)
}

// startPointers gives new members their pointers, at their join entry.
func (c *conv) startPointers(e *conversation.Event, s *conversation.State, prefs map[id.User]*Prefs) {
	if !conversation.ChangesState(e.Type) {
		return
	}
	for u, m := range s.Members {
		if m.Membership == conversation.Joined && m.JoinedSeq == e.Seq {
			c.startPointer(u, Pointer{Delivered: e.Seq, Read: e.Seq, ReadCount: e.Count, Prefs: prefs[u]})
		}
	}
}

// startPointer puts a pointer in place of the one of an earlier membership, whose prefs stay if there are no others.
func (c *conv) startPointer(u id.User, at Pointer) {
	p := &pointer{Pointer: at}
	if before := c.pointers[u]; before != nil && at.Prefs == nil {
		p.Prefs, p.PrefsMark, p.newPrefs = before.Prefs, before.PrefsMark, before.newPrefs
	}
	c.pointers[u] = p
}

// ref finds a recent entry by seq; the caller holds shard.mu.
func (c *conv) ref(seq int64) (Ref, bool) {
	if n := len(c.recent); n > 0 {
		i := seq - c.recent[0].Seq
		if i >= 0 && i < int64(n) {
			return c.recent[i], true
		}
	}
	return Ref{}, false
}
