// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"

	"github.com/jackc/pgx/v5"

	"parley.chat/internal/history"
	"parley.chat/protocol/id"
)

// edited is one edit of a message.
type edited struct{ target, edit int64 }

// readEdits reads which edits are about which messages. The edits themselves tell it only until they are erased.
func (l *logbook) readEdits(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT c.id, a.seq, unnest(a.edit_seqs) FROM annotations a JOIN conversations c USING (shard, conv)`)
	if err != nil {
		return err
	}
	var name []byte
	var e edited
	_, err = pgx.ForEachRow(rows, []any{&name, &e.target, &e.edit}, func() error {
		conversation := string(id.NewConversation([32]byte(name)))
		l.edits[conversation] = append(l.edits[conversation], e)
		return nil
	})
	return err
}

// hidden are the edits of messages from before a member came. They are not sent live, and stand without content in pages and
// sync, so they come when they come. spec: MSG-EDIT-7
func (l *logbook) hidden(conversation string, u id.User) map[int64]bool {
	out := map[int64]bool{}
	for _, e := range l.edits[conversation] {
		for _, s := range l.stays[conversation][u] {
			if e.target < s.first && e.edit >= s.first && (s.last < 0 || e.edit <= s.last) {
				out[e.edit] = true
			}
		}
	}
	return out
}

// forgive writes the edits that are hidden from a reader as come by a page, and by one more at the end, before the last quiet
// mark, in case they did not come at all.
func (l *logbook) forgive(h history.History, readers []history.Reader) history.History {
	last := h[len(h)-1]
	h = h[:len(h)-1]
	type place struct{ device, conversation string }
	hidden := map[place]map[int64]bool{}
	for conversation := range l.edits {
		for _, r := range readers {
			if seqs := l.hidden(conversation, id.User(r.User)); len(seqs) > 0 {
				hidden[place{r.Device, conversation}] = seqs
			}
		}
	}
	for i := range h {
		if r := &h[i]; r.Op == history.Received && hidden[place{r.Device, r.Conversation}][r.Seq] {
			r.Source = history.Page
		}
	}
	for _, r := range readers {
		for conversation := range l.edits {
			for seq := range hidden[place{r.Device, conversation}] {
				h = append(h, l.page(r, conversation, seq, last.At))
			}
		}
	}
	return append(h, last)
}

func (l *logbook) page(r history.Reader, conversation string, seq, at int64) history.Record {
	out := history.Record{Op: history.Received, At: at, Device: r.Device, User: r.User, Conversation: conversation, Source: history.Page, Seq: seq}
	for _, e := range l.entries[conversation] {
		if e.Seq == seq {
			out.MessageID = e.MessageID
		}
	}
	return out
}
