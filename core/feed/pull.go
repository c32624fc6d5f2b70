// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"parley.chat/core/channel"
	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Page is one answer of Pull.
type Page struct {
	frame.Sync
	Next Cursor
}

// Empty tells that nothing moved.
func (p *Page) Empty() bool {
	return len(p.Messages) == 0 && len(p.Conversations) == 0 && len(p.Receipts) == 0 && len(p.AccountData) == 0 && !p.AccountReset
}

// Pull reads one page of what moved for u since the cursor. With HasMore the next page follows at Next. Faults:
// InvalidCursor if the cursor is ahead of the log, Unavailable.
func (f *Feed) Pull(ctx context.Context, u id.User, since Cursor) (*Page, error) {
	p := &puller{feed: f, user: u, next: since.clone(), page: &Page{}}
	if err := p.subscribe(ctx); err != nil {
		return nil, err
	}
	p.ends = f.ends()
	p.page.Messages, p.page.Conversations, p.page.Receipts = []frame.Event{}, []frame.Conversation{}, []frame.Receipt{}
	goOn, err := p.account(ctx)
	var shards []id.Shard
	if goOn {
		shards, err = p.source(ctx)
	}
	if err != nil {
		return nil, err
	}
	for _, n := range shards {
		if err := p.shard(ctx, n); err != nil {
			return nil, err
		}
		if p.page.HasMore {
			break
		}
	}
	if !p.page.HasMore {
		p.next.page = nil
		p.coverAll()
	}
	p.page.Next = p.next
	p.page.Cursor = f.Encode(p.next, u)
	return p.page, nil
}

type puller struct {
	feed  *Feed
	user  id.User
	next  Cursor
	page  *Page
	bytes int
	ends  []end
	upto  int64 // of the shard at hand

	recent map[id.Shard][]timeline.View // what moved, if memory knows it for every shard
	index  map[id.Shard][]Membership    // else the user's index

	channels []id.Conversation                  // the user's subscriptions
	rows     map[id.Conversation]channel.Reader // of those that moved, of a shard
}

// end is the committed end of a shard. All are read before the index: a conversation that is not in the index yet then lies
// past them, and is not skipped.
type end struct {
	timeline.Position
	err error
}

func (f *Feed) ends() []end {
	out := make([]end, f.Shards)
	for n := range out {
		out[n].Position, out[n].err = f.Owner.Position(id.Shard(n))
	}
	return out
}

// movedConv is a conversation that moved, and where.
type movedConv struct {
	Membership
	key    int64 // pos that orders the pages: of the head, or of the end of a past membership
	events bool
}

func (p *puller) shard(ctx context.Context, n id.Shard) error {
	since, after := p.next.at[n], int64(-1)
	upto, err := p.ends[n].Position, p.ends[n].err
	if err != nil {
		return err
	}
	if since.Pos > upto.Pos || since.Mark > upto.Mark {
		return fault.New(fault.InvalidCursor, "the cursor is ahead of the log; sync without one")
	}
	if pg := p.next.page; pg != nil {
		if n < pg.shard {
			return nil // Done on an earlier page.
		}
		if n == pg.shard {
			after, upto = pg.after, pg.upto
		}
	}
	p.upto = upto.Pos
	list, err := p.list(ctx, n, since)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.key <= after {
			continue
		}
		if p.full() {
			p.page.HasMore = true
			p.next.page = &place{shard: n, after: after, upto: upto}
			return nil
		}
		if err := p.add(ctx, n, c, since); err != nil {
			return err
		}
		after = c.key
	}
	p.next.at[n] = upto
	return nil
}

func (p *puller) full() bool {
	return len(p.page.Conversations) >= pageConversations || len(p.page.Messages) >= pageEvents || p.bytes >= pageBytes
}

// errForgotten is an owner that dropped its memory while heads were read: they may be older than the end of the shard, and a
// cursor at that end would skip what moved between.
var errForgotten = errors.New("feed: the shard's memory was dropped meanwhile")

// moved lists what moved in the shard since then, in order of key. The store is read first and memory overlaid after: what
// is flushed between the two stays in memory for a while.
func (p *puller) moved(ctx context.Context, n id.Shard, index []Membership, since timeline.Position) ([]movedConv, error) {
	convs := make([]id.Conversation, len(index))
	for i, m := range index {
		convs[i] = m.ID
	}
	epoch, err := p.feed.Owner.Epoch(n)
	if err != nil {
		return nil, err
	}
	stored, err := p.feed.Log.Heads(ctx, n, convs)
	if err != nil {
		return nil, away(err)
	}
	heads := make([]Head, len(convs))
	for i, c := range convs {
		heads[i] = stored[c]
	}
	if p.feed.Owner.Heads(n, convs, func(i int, v timeline.View) {
		heads[i] = Head{Pos: v.Head.Pos, Mark: v.Mark}
	}) != epoch {
		return nil, away(errForgotten)
	}
	var out []movedConv
	for i, m := range index {
		c := movedConv{Membership: m, key: heads[i].Pos}
		switch m.Membership {
		case conversation.Joined:
		case Subscribed:
			heads[i].Mark = 0
		default:
			c.key = m.ChangedPos // Its mark moves on with others' receipts; add sees whether that was one of its own.
		}
		c.events = c.key > since.Pos
		if c.events || heads[i].Mark > since.Mark {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b movedConv) int { return cmp.Compare(a.key, b.key) })
	return out, nil
}

func (p *puller) add(ctx context.Context, n id.Shard, c movedConv, since timeline.Position) error {
	v, err := p.feed.Owner.View(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.Membership.Membership == Subscribed {
		return p.channel(ctx, n, v)
	}
	from, to, ok := v.State.Visible(p.user, v.Head.Seq)
	if !ok {
		return nil // The index is ahead of what the owner has shown; the next pull sees it.
	}
	pointers, err := p.feed.Pointers(ctx, v, p.user)
	if err != nil {
		return err
	}
	me, m := pointers[p.user], v.State.Members[p.user]
	changed := me.PrefsMark > since.Mark
	if me.Prefs.Hides() && !changed {
		return nil
	}
	summary, err := p.feed.Conversation(ctx, v, p.user, pointers)
	if err != nil {
		return err
	}
	if c.events && !me.Prefs.Hides() {
		some, err := p.events(ctx, v, &summary, since.Pos, [2]int64{from, me.Top(to)}, pointers)
		if err != nil {
			return err
		}
		changed = changed || some
	}
	if v.Mark > since.Mark && m.Membership == conversation.Joined { // What came later is not for past members.
		receipts, err := p.feed.receipts(ctx, v, p.user, pointers, since.Mark)
		if err != nil {
			return err
		}
		changed = changed || len(receipts) > 0
		p.page.Receipts = append(p.page.Receipts, receipts...)
	}
	if channel.IsChannel(v) && p.feed.Channels != nil && summary.Membership == conversation.Joined {
		if summary.SubscriberCount, err = p.feed.Channels.Subscribers(ctx, v); err != nil {
			return err
		}
		changed = changed || v.Mark > since.Mark
	}
	if changed {
		p.append(summary)
	}
	return nil
}

func (p *puller) append(summary frame.Conversation) {
	p.page.Conversations = append(p.page.Conversations, summary)
	p.bytes += recordBytes + len(summary.Draft)
	if summary.LastMessage != nil {
		p.bytes += len(summary.LastMessage.Content)
	}
}

// events adds the newest events after pos; if older ones moved too, the summary tells the gap. Of a request it tells the gap
// alone. It returns false if nothing moved that the user gets.
func (p *puller) events(ctx context.Context, v timeline.View, summary *frame.Conversation, pos int64, visible [2]int64, pointers map[id.User]timeline.Pointer) (bool, error) {
	to := visible[1]
	if v.Head.Pos > p.upto { // What came after the end of the pull is left to live frames or the next pull, in order.
		last, err := p.feed.Log.SeqAt(ctx, v.Shard, v.Conv, p.upto, -1, v.Head.Seq)
		if err != nil {
			return false, away(err)
		}
		to = min(to, last)
	}
	r := timeline.Sight(v, p.user, pointers[p.user])
	r.To, r.AfterPos, r.Limit, r.Newest = to, pos, newestEvents+1, true
	events, err := p.feed.Log.Events(ctx, v.Shard, v.Conv, r)
	if err != nil {
		return false, away(err)
	}
	if len(events) == 0 {
		return false, nil
	}
	if me := pointers[p.user]; me.Prefs != nil && me.Prefs.Consent != "" {
		low, err := p.feed.Log.SeqAt(ctx, v.Shard, v.Conv, pos, visible[0]-1, to+1)
		if err != nil {
			return false, away(err)
		}
		summary.Gap = &frame.Gap{AfterSeq: low, BeforeSeq: to + 1}
		return true, nil
	}
	if kept := p.fit(events); len(kept) < len(events) {
		events = kept
		low, err := p.feed.Log.SeqAt(ctx, v.Shard, v.Conv, pos, visible[0]-1, events[0].Seq)
		if err != nil {
			return false, away(err)
		}
		summary.Gap = &frame.Gap{AfterSeq: low, BeforeSeq: events[0].Seq}
	}
	records, err := p.feed.Records(v, p.user, pointers, events)
	if err != nil {
		return false, err
	}
	if err := p.feed.Personal(ctx, v, p.user, pointers[p.user], records); err != nil {
		return false, err
	}
	p.page.Messages = append(p.page.Messages, records...)
	return true, nil
}

// fit keeps the newest events that the page has room for, one at least.
func (p *puller) fit(events []*conversation.Event) []*conversation.Event {
	kept := len(events)
	for kept > 0 && len(events)-kept < newestEvents {
		size := len(events[kept-1].Content) + recordBytes
		if kept < len(events) && p.bytes+size > pageBytes {
			break
		}
		p.bytes += size
		kept--
	}
	return events[kept:]
}

// away is the answer while the database does not answer.
func away(err error) error {
	return fault.Retry(fault.Unavailable, time.Second, "the server cannot read this now, try again").Because(err)
}
