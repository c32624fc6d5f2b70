// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"context"
	"log/slog"
	"time"

	"parley.chat/core/submission"
	"parley.chat/core/timeline"
	"parley.chat/protocol/fault"
)

// storeTimeout bounds one call of the store.
const storeTimeout = 10 * time.Second

// write makes queued submissions durable, as many at once as wait.
func (w *Writer) write(ctx context.Context) {
	for {
		select {
		case t := <-w.queue:
			batch := []*ticket{t}
			for more := true; more && len(batch) < batchSize; {
				select {
				case t := <-w.queue:
					batch = append(batch, t)
				default:
					more = false
				}
			}
			w.put(ctx, batch)
		case <-ctx.Done():
			w.stop()
			return
		}
	}
}

// stop answers everyone who is still queued; nobody can queue up afterwards.
func (w *Writer) stop() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	for {
		select {
		case t := <-w.queue:
			t.then(timeline.Result{}, draining())
		default:
			return
		}
	}
}

// put writes a batch in one transaction and has it carried. spec: FED-SUBMIT-1
func (w *Writer) put(ctx context.Context, batch []*ticket) {
	// The node's stop must not tear a transaction that is under way.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var fresh []*ticket
	var rows []submission.Row
	for _, t := range batch {
		isNew, err := w.admit(ctx, t)
		if err != nil {
			t.then(timeline.Result{}, err)
		}
		if isNew {
			fresh, rows = append(fresh, t), append(rows, t.row)
		}
	}
	if len(fresh) == 0 {
		return
	}
	added, err := w.o.Store.AddSubmissions(ctx, rows)
	if err != nil {
		w.o.Log.Warn("submissions are not durable; their senders are asked to send again", slog.Int("submissions", len(fresh)), slog.Any("error", err))
		for _, t := range fresh {
			answer(w.desk.close(t.row.Key(), t.cmd.Sender, true), timeline.Result{}, away(err))
		}
		return
	}
	for i, t := range fresh {
		if !added[i] {
			w.meet(ctx, t)
			continue
		}
		w.desk.durable(t.row.Key(), w.couriers.isAway(t.hub))
		w.couriers.want(t.cmd.ConversationID, t.hub)
	}
}

// admit tells whether t is to be written; what is held already is joined.
func (w *Writer) admit(ctx context.Context, t *ticket) (isNew bool, err error) {
	if done, err := w.desk.join(t); done || err != nil {
		return false, err
	}
	if t.refused != nil {
		return false, w.again(ctx, t)
	}
	if p := (place{t.row.Shard, t.row.Conv}); !w.desk.counted(p) {
		n, err := w.o.Store.CountSubmissions(ctx, p.shard, p.conv)
		if err != nil {
			return false, away(err)
		}
		w.desk.count(p, n)
	}
	if err := w.meter(t.state, &t.cmd); err != nil {
		return false, err
	}
	if err := w.desk.open(t); err != nil {
		return false, err
	}
	return true, nil
}

// again settles t, which cannot be taken now, with the row that was there before it, if there is one. spec: MSG-ACK-5
func (w *Writer) again(ctx context.Context, t *ticket) error {
	row, err := w.o.Store.Submission(ctx, t.row.Key())
	switch {
	case err != nil:
		return away(err)
	case row == nil:
		return t.refused
	}
	if err := w.desk.open(t); err != nil {
		return err
	}
	w.meet(ctx, t)
	return nil
}

// meet settles t with the row that was there before it: the same one that waits, or one that was refused, which is told once.
func (w *Writer) meet(ctx context.Context, t *ticket) {
	k := t.row.Key()
	row, err := w.o.Store.Submission(ctx, k)
	switch {
	case err != nil:
		err = away(err)
	case row == nil: // It has a place now; who sends again finds it in the log.
		err = fault.Retry(fault.Unavailable, 0, "the server cannot do this now, send again")
	case timeline.Fingerprint(row.Submission.Type, row.Content) != timeline.Fingerprint(t.cmd.Type, t.cmd.Content):
		err = conflict(t.cmd.TempID)
	case row.Code != "":
		err = fault.New(row.Code, "%s", row.Detail)
		if gone := w.o.Store.DropSubmission(ctx, k); gone != nil {
			err = away(gone)
		}
	}
	if err != nil {
		answer(w.desk.close(k, t.cmd.Sender, true), timeline.Result{}, err)
		return
	}
	w.desk.recount(k, t.cmd.Sender) // It was counted before.
	w.desk.durable(k, w.couriers.isAway(t.hub))
	w.couriers.want(t.cmd.ConversationID, t.hub)
}
