// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/id"
)

const (
	// coveredShards bounds the shards of which a cursor holds all. With more it holds those with conversations of the user.
	coveredShards = 64
	// recentMoves bounds the conversations of a shard, of all users, that are looked through for those of one.
	recentMoves = 2048
)

// source finds out where to look: in the owner's memory of what moved lately, or, if that does not reach back to the cursor, in
// the user's index. The first costs what moved, the second what exists.
func (p *puller) source(ctx context.Context) ([]id.Shard, error) {
	if p.remember() {
		return slices.Sorted(maps.Keys(p.recent)), nil
	}
	index, err := p.feed.Log.UserIndex(ctx, p.user)
	if err != nil {
		return nil, away(err)
	}
	p.recent, p.index = nil, map[id.Shard][]Membership{}
	for _, m := range p.indexChannels(index) {
		n := m.ID.Shard(p.feed.Shards)
		p.index[n] = append(p.index[n], m)
	}
	return slices.Sorted(maps.Keys(p.index)), nil
}

// remember asks memory for every shard; false if one does not know.
func (p *puller) remember() bool {
	p.recent = map[id.Shard][]timeline.View{}
	for i := range p.feed.Shards {
		n := id.Shard(i)
		since, have := p.next.at[n]
		if !have {
			return false
		}
		moved, ok := p.feed.Owner.Recent(n, since, recentMoves)
		if !ok {
			return false
		}
		p.recent[n] = moved
	}
	return true
}

// list is what moved for the user in a shard, in order of key.
func (p *puller) list(ctx context.Context, n id.Shard, since timeline.Position) (out []movedConv, err error) {
	if p.recent == nil {
		return p.moved(ctx, n, p.index[n], since)
	}
	for _, v := range p.recent[n] {
		m, ok := v.State.Member(p.user)
		if p.reads(v.State.ID, m.Membership) {
			if v.Head.Pos > since.Pos {
				out = append(out, movedConv{Membership: Membership{ID: v.State.ID, Membership: Subscribed}, key: v.Head.Pos})
			}
			continue
		}
		if !ok {
			continue
		}
		c := movedConv{Membership: Membership{ID: v.State.ID, Membership: m.Membership}, key: v.Head.Pos}
		if m.Membership == conversation.Joined {
			c.events = c.key > since.Pos
			out = append(out, c)
			continue
		}
		last, err := p.feed.Log.Events(ctx, n, v.Conv, timeline.Range{From: m.LeftSeq, To: m.LeftSeq, Limit: 1})
		if err != nil {
			return nil, away(err)
		}
		if len(last) == 1 && (last[0].Pos > since.Pos || v.Mark > since.Mark) { // What moved later is not for past members, but for their own settings.
			c.key, c.events = last[0].Pos, last[0].Pos > since.Pos
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b movedConv) int { return cmp.Compare(a.key, b.key) })
	return out, nil
}

// coverAll lets the cursor hold the shards without conversations of the user too, so that memory suffices next time: what is
// made there later lies past their ends, which were read before the index.
func (p *puller) coverAll() {
	if p.feed.Shards > coveredShards {
		return
	}
	for n, e := range p.ends {
		if _, have := p.next.at[id.Shard(n)]; !have && e.err == nil {
			p.next.at[id.Shard(n)] = e.Position
		}
	}
}
