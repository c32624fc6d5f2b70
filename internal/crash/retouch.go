// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// touched is what was acknowledged of messages: they are deleted, or were edited to these texts.
type touched struct {
	deleted map[string]bool
	edits   map[string][]string
}

// retouch edits, deletes and reacts under the load, each once, and looks whether what was deleted shows again.
func (w *world) retouch(ctx context.Context, rng *rand.Rand) {
	for n := 0; sleep(ctx, time.Duration(50+rng.IntN(150))*time.Millisecond); n++ {
		i := rng.IntN(4) // The smallest groups.
		owner, path := w.users[i], "/api/v1/conversations/"+w.groups[i]+"/messages"
		var page rest.Messages
		if !w.loading() || w.api.do(ctx, owner, http.MethodGet, path+"?limit=50", nil, &page) != nil {
			continue
		}
		all := slices.DeleteFunc(page.Messages, func(e frame.Event) bool { return e.Type != frame.TypeMessage })
		w.mustStayDeleted(all)
		own := slices.DeleteFunc(slices.Clone(all), func(e frame.Event) bool { return e.SenderID != owner.user || e.Content == "" })
		if len(all) == 0 || len(own) == 0 {
			continue
		}
		one := path + "/" + all[rng.IntN(len(all))].MessageID
		switch mine, text := own[rng.IntN(len(own))].MessageID, fmt.Sprintf("edit %d", n); rng.IntN(8) {
		case 0:
			m := all[rng.IntN(len(all))].MessageID
			if w.api.do(ctx, owner, http.MethodDelete, path+"/"+m, nil, nil) == nil {
				w.note(func(t *touched) { t.deleted[m] = true })
			}
		case 1, 2, 3:
			if w.api.do(ctx, owner, http.MethodPatch, path+"/"+mine, rest.EditMessage{Content: text}, nil) == nil {
				w.note(func(t *touched) { t.edits[mine] = append(t.edits[mine], text) })
			}
		case 4:
			_ = w.api.do(ctx, owner, http.MethodDelete, one+"/reactions/x", nil, nil) // What became of it is seen in the log.
		default:
			_ = w.api.do(ctx, owner, http.MethodPut, one+"/reactions/"+[]string{"x", "y"}[rng.IntN(2)], nil, nil)
		}
	}
}

func (w *world) note(f func(*touched)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.touched.deleted == nil {
		w.touched = touched{deleted: map[string]bool{}, edits: map[string][]string{}}
	}
	f(&w.touched)
	w.stats.changes++
}

func (w *world) mustStayDeleted(page []frame.Event) {
	for _, e := range page {
		w.mu.Lock()
		gone := w.touched.deleted[e.MessageID]
		w.mu.Unlock()
		if gone && (e.Content != "" || e.DeletedAt == 0) {
			w.problem("message %s was deleted and shows again", e.MessageID)
		}
	}
}

// told is what the log tells of one message.
type told struct {
	hasContent, deleted bool
	edits               []string // that have content
	reactions           map[string]bool
}

// retell folds one event into what is known of messages.
func (l *logbook) retell(e *conversation.Event) {
	if e.Type == frame.TypeMessage {
		l.told(e.MessageID.String()).hasContent = e.Content != nil
		return
	}
	if conversation.ChangesState(e.Type) || e.Content == nil {
		return
	}
	r, err := event.ParseRelation(e.Content)
	if err != nil {
		l.problem("%s seq %d: %v", e.ConversationID, e.Seq, err)
		return
	}
	t := l.told(r.TargetMessageID)
	if t.deleted {
		l.problem("%s seq %d: %s about a message that was deleted", e.ConversationID, e.Seq, e.Type)
	}
	switch e.Type {
	case frame.TypeEdit:
		t.edits = append(t.edits, r.Content)
	case frame.TypeDelete:
		t.deleted, t.reactions = true, nil
	case frame.TypeReaction:
		key := r.Emoji + " " + string(e.Sender)
		if had := t.reactions[key]; had == (r.Action == frame.ActionAdd) {
			l.problem("%s seq %d: %s of a reaction changes nothing", e.ConversationID, e.Seq, r.Action)
		}
		if t.reactions == nil {
			t.reactions = map[string]bool{}
		}
		t.reactions[key] = true
		if r.Action == frame.ActionRemove {
			delete(t.reactions, key)
		}
	}
}

func (l *logbook) told(message string) *told {
	if l.messages[message] == nil {
		l.messages[message] = &told{}
	}
	return l.messages[message]
}

// checkReactions compares the reactions that are stored with those of the log, and wants nothing left of what was deleted.
func (l *logbook) checkReactions(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT e.message_id, r.emoji, r.user_id FROM reactions r JOIN events e USING (shard, conv, seq)`)
	if err != nil {
		return err
	}
	have := map[string]map[string]bool{}
	var message [16]byte
	var emoji, user string
	_, err = pgx.ForEachRow(rows, []any{&message, &emoji, &user}, func() error {
		m := id.Message(message).String()
		if have[m] == nil {
			have[m] = map[string]bool{}
		}
		have[m][emoji+" "+user] = true
		return nil
	})
	for m, t := range l.messages {
		if len(t.reactions)+len(have[m]) > 0 && !cmp.Equal(t.reactions, have[m]) {
			l.problem("message %s: the stored reactions are not what the log says: -log +stored\n%s", m, cmp.Diff(t.reactions, have[m]))
		}
		if t.deleted && (t.hasContent || len(t.edits) > 0) {
			l.problem("message %s is deleted and still has content", m)
		}
	}
	return err
}

// judgeTouched compares what was acknowledged with the log.
func (w *world) judgeTouched(l *logbook) (problems []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for m := range w.touched.deleted {
		if t := l.messages[m]; t == nil || !t.deleted {
			problems = append(problems, fmt.Sprintf("the deletion of %s was acknowledged and is lost", m))
		}
	}
	for m, texts := range w.touched.edits {
		for _, text := range texts {
			if t := l.messages[m]; t == nil || !t.deleted && !slices.Contains(t.edits, text) {
				problems = append(problems, fmt.Sprintf("the edit of %s to %q was acknowledged and is lost", m, text))
			}
		}
	}
	return problems
}
