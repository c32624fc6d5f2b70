// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"parley.chat/internal/history"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
)

// pollTime is the timeout of a long poll, short so that a run can end.
const pollTime = 2 * time.Second

// poll follows the feed by long poll until a request fails.
func (d *device) poll(ctx context.Context) {
	for ctx.Err() == nil {
		if err := d.pollOnce(ctx); err != nil {
			d.refused(code(err), fmt.Sprint(err))
			d.w.suspect(d, err)
			return
		}
	}
}

func (d *device) pollOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.mu.Lock()
	d.drop, d.asked = cancel, d.w.pointers.look()
	cursor := d.cursor
	d.mu.Unlock()
	var p frame.Sync
	path := fmt.Sprintf("/api/v1/sync?timeout=%d&cursor=%s", pollTime.Milliseconds(), url.QueryEscape(cursor))
	if err := d.w.api.do(ctx, d.login, http.MethodGet, path, nil, &p); err != nil {
		return err
	}
	d.page(&p)
	return nil
}

// sendByREST sends one message after another, each until it is acknowledged.
func (d *device) sendByREST(ctx context.Context, rng *rand.Rand) {
	for sleep(ctx, time.Duration(40+rng.IntN(160))*time.Millisecond) {
		if d.w.loading() && d.out.waiting() == 0 {
			d.out.compose(rng)
		}
		d.asideByREST(ctx, rng)
		list, _ := d.out.due()
		for _, s := range list {
			d.post(ctx, s)
		}
	}
}

// asideByREST does now and then what aside does.
func (d *device) asideByREST(ctx context.Context, rng *rand.Rand) {
	conversation := d.choose(rng)
	if !d.w.loading() || conversation == "" {
		return
	}
	switch n := rng.IntN(20); {
	case n < 4:
		d.acknowledge(ctx, conversation, []string{delivered, isRead}[n%2])
	case n < 6:
		d.lookAround(ctx, conversation)
	}
}

func (d *device) post(ctx context.Context, s frame.Send) {
	var ack frame.Ack
	path := "/api/v1/conversations/" + s.ConversationID + "/messages"
	opened := time.Now()
	err := d.w.api.do(ctx, d.login, http.MethodPost, path, s, &ack)
	switch {
	case err == nil:
		d.mu.Lock()
		d.openedAt = opened
		d.mu.Unlock()
		d.out.acked(&ack, true)
	case code(err) != "":
		d.out.refused(s.TempID, code(err), time.Second)
	default:
		d.out.lost()
	}
}

// read asks for the newest page of a conversation, or for its head alone, and records what it showed.
func (d *device) read(ctx context.Context, conversation string) {
	r := history.Reading{Reader: d.reader(conversation), From: 0, To: -1, InvokedAt: d.w.rec.Now()}
	path := "/api/v1/conversations/" + conversation
	var whole frame.Conversation
	var page rest.Messages
	var err error
	if r.InvokedAt%2 == 0 {
		err = d.w.api.do(ctx, d.login, http.MethodGet, path, nil, &whole)
		r.Head = whole.HeadSeq
	} else if err = d.w.api.do(ctx, d.login, http.MethodGet, path+"/messages?limit=20", nil, &page); err == nil && len(page.Messages) > 0 {
		r.To, r.From = page.Messages[0].Seq, page.Messages[len(page.Messages)-1].Seq
		r.Head = r.To
	}
	if err == nil {
		d.w.rec.Read(r)
		return
	}
	d.w.suspect(d, err)
}

// fillGaps fetches what sync left out. A gap is forgotten only once it is filled.
func (d *device) fillGaps(ctx context.Context) {
	for {
		d.mu.Lock()
		var g gap
		found := len(d.gaps) > 0
		if found {
			g = d.gaps[0]
		}
		d.mu.Unlock()
		pause := 20 * time.Millisecond
		if found {
			if rest, err := d.fill(ctx, g); err == nil {
				d.shrink(rest)
				continue
			}
			pause = 100 * time.Millisecond
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// fill fetches the oldest page of a gap and returns what is left of it.
func (d *device) fill(ctx context.Context, g gap) (gap, error) {
	path := fmt.Sprintf("/api/v1/conversations/%s/messages?limit=200&afterSeq=%d&beforeSeq=%d", g.conversation, max(g.after, 0), g.before)
	if g.after < 0 { // The beginning of a log has no seq before it.
		path = fmt.Sprintf("/api/v1/conversations/%s/messages?limit=200&beforeSeq=%d", g.conversation, g.before)
	}
	var page rest.Messages
	if err := d.w.api.do(ctx, d.login, http.MethodGet, path, nil, &page); err != nil {
		d.w.suspect(d, err)
		return g, err
	}
	d.received(history.Page, page.Messages...)
	if !page.HasMore || len(page.Messages) == 0 {
		return gap{}, nil
	}
	last := page.Messages[len(page.Messages)-1].Seq
	if g.after < 0 {
		g.before = last
	} else {
		g.after = last
	}
	return g, nil
}

// shrink replaces the first gap by what is left of it.
func (d *device) shrink(left gap) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if left == (gap{}) {
		d.gaps = slices.Delete(d.gaps, 0, 1)
		return
	}
	d.gaps[0] = left
}

func (d *device) openGaps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.gaps)
}
