// SPDX-License-Identifier: Apache-2.0

package channel

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"parley.chat/core/timeline"
)

// MaxViewed bounds the entries that one movement of a pointer counts as viewed: the newest. spec: CHAN-VIEWS-2
const MaxViewed = 1000

// maxFlushed bounds the rows of views that one flush writes; the rest waits for the next.
const maxFlushed = 20_000

// spread is a sum of ranges: each value holds from its key on until the next. So a pointer that passes many entries costs two.
type spread map[int64]int64

func (s spread) add(first, last, n int64) {
	s.bump(first, n)
	s.bump(last+1, -n)
}

func (s spread) bump(at, n int64) {
	if s[at] += n; s[at] == 0 {
		delete(s, at)
	}
}

// ranges are the parts of the spread that are not 0, in order.
func (s spread) ranges(p Place) []Views {
	var out []Views
	sum, at := int64(0), int64(0)
	for _, next := range slices.Sorted(maps.Keys(s)) {
		if sum != 0 {
			out = append(out, Views{Place: p, First: at, Last: next - 1, Add: sum})
		}
		sum, at = sum+s[next], next
	}
	return out
}

// Views tells how often entries were read by subscribers, those included that wait for a flush. Faults: Unavailable.
func (c *Channels) Views(ctx context.Context, v timeline.View, seqs []int64) (map[int64]int64, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	out, err := c.Store.Views(ctx, place(v), seqs)
	if err != nil {
		return nil, away(err)
	}
	c.readers.overlay(place(v), seqs, out)
	return out, nil
}

// overlay adds what waits for a flush.
func (r *readers) overlay(p Place, seqs []int64, out map[int64]int64) {
	r.mu.Lock()
	waiting := append(r.views[p].ranges(p), r.flying[p].ranges(p)...)
	r.mu.Unlock()
	for _, w := range waiting {
		for _, seq := range seqs {
			if seq >= w.First && seq <= w.Last {
				out[seq] += w.Add
			}
		}
	}
}

// flush writes the pointers that moved, and the views they made.
func (c *Channels) flush(ctx context.Context) {
	points, views := c.readers.take()
	if len(points) == 0 && len(views) == 0 {
		return
	}
	err := c.Store.Flush(ctx, points, views)
	if err != nil {
		c.Log.Warn("read pointers of subscribers not written, tried again", slog.Int("pointers", len(points)), slog.Any("error", err))
	}
	c.readers.landed(points, err == nil)
}

// take cuts off what is to be flushed.
func (r *readers) take() (points []Point, views []Views) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, p := range r.dirty {
		points = append(points, Point{Place: k.Place, User: k.user, Read: p.ReadSeq, ReadCount: p.ReadCount})
	}
	r.flying = map[Place]spread{}
	rows := int64(0)
	for p, s := range r.views {
		for _, v := range s.ranges(p) {
			if rows += v.Last - v.First + 1; rows > maxFlushed {
				return points, views
			}
			views = append(views, v)
			s.add(v.First, v.Last, -v.Add)
			if r.flying[p] == nil {
				r.flying[p] = spread{}
			}
			r.flying[p].add(v.First, v.Last, v.Add)
		}
		delete(r.views, p)
	}
	return points, views
}

// landed ends a flush: what was written is clean unless it moved again, what was not goes back.
func (r *readers) landed(points []Point, written bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range points {
		k := key{p.Place, p.User}
		if have := r.dirty[k]; have != nil && written && have.ReadSeq == p.Read {
			delete(r.dirty, k)
		}
	}
	if !written {
		for p, s := range r.flying {
			for at, n := range s {
				r.spread(p).bump(at, n)
			}
		}
	}
	r.flying = nil
}
