// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/internal/history"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/store"
)

// logbook is the log as read back from the database, and what is wrong with it by itself.
type logbook struct {
	entries  map[string][]history.Entry
	stays    map[string]map[id.User][]stay
	folded   map[id.Conversation]*folded
	messages map[string]*told
	pointers map[pointer]int64
	problems []string

	before func(c id.Conversation, seq int64) (*conversation.State, conversation.Head) // what a replica began with
	hold   bool
	events map[id.Conversation][]*conversation.Event // if hold
}

// stay is one membership: the first and the last seq it may see, last -1 while it lasts.
type stay struct{ first, last int64 }

// folded is what follows from the events of one conversation.
type folded struct {
	state *conversation.State
	head  conversation.Head
}

func newLogbook() *logbook {
	return &logbook{entries: map[string][]history.Entry{}, stays: map[string]map[id.User][]stay{}, folded: map[id.Conversation]*folded{}, messages: map[string]*told{},
		pointers: map[pointer]int64{}}
}

func (l *logbook) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// add takes the next event of its conversation: it must continue the chain.
func (l *logbook) add(e *conversation.Event) {
	name := string(e.ConversationID)
	entry := history.Entry{Seq: e.Seq, MessageID: e.MessageID.String(), Device: string(e.Device), Kind: e.Type, Hash: hex.EncodeToString(e.Hash[:8]), Content: digest(e.Content)}
	if e.Type == frame.TypeMessage {
		entry.TempID, entry.Countable = e.TempID, true
	}
	l.entries[name] = append(l.entries[name], entry)
	f := l.folded[e.ConversationID]
	if f == nil {
		f = &folded{}
		l.folded[e.ConversationID], l.stays[name] = f, map[id.User][]stay{}
		if e.Seq > 0 && l.before != nil {
			f.state, f.head = l.before(e.ConversationID, e.Seq)
		}
	}
	if l.hold {
		l.events[e.ConversationID] = append(l.events[e.ConversationID], e)
	}
	after, err := conversation.Verify(e, f.head, f.state)
	if err != nil {
		l.problem("%s seq %d: the chain is broken: %v", name, e.Seq, err)
		return
	}
	l.retell(e)
	l.follow(name, f.state, after)
	f.state, f.head = after, conversation.HeadAt(e)
}

// follow notes who came and who went.
func (l *logbook) follow(name string, before, after *conversation.State) {
	if before == after {
		return
	}
	for u, m := range after.Members {
		had, _ := before.Member(u)
		list := l.stays[name][u]
		switch {
		case had.Membership != conversation.Joined && m.Membership == conversation.Joined:
			l.stays[name][u] = append(list, stay{m.JoinedSeq, -1})
		case had.Membership == conversation.Joined && m.Membership != conversation.Joined && len(list) > 0:
			list[len(list)-1].last = m.LeftSeq
		}
	}
}

// digest stands for a content that was not erased.
func digest(content []byte) string {
	if content == nil {
		return ""
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

// readLog reads everything back and compares what the database derives from the log with the log.
func readLog(ctx context.Context, dsn string) (*logbook, error) {
	l := newLogbook()
	return l, l.read(ctx, dsn, awaitFlush, l.readEvents, l.checkReactions, l.checkShards, l.checkLoaded, l.checkIndex, l.readPointers)
}

func (l *logbook) read(ctx context.Context, dsn string, steps ...func(context.Context, *pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("read the log back: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, step := range steps {
		if err := step(ctx, conn); err != nil {
			return fmt.Errorf("read the log back: %w", err)
		}
	}
	return nil
}

// awaitFlush waits until heads are as new as the log.
func awaitFlush(ctx context.Context, conn *pgx.Conn) error {
	for deadline := time.Now().Add(20 * time.Second); ; {
		var behind int
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM shards WHERE flushed_pos <> pos`).Scan(&behind); err != nil {
			return err
		}
		if behind == 0 {
			return nil
		}
		if time.Now().After(deadline) || !sleep(ctx, 100*time.Millisecond) {
			return fmt.Errorf("%d shards are not flushed although nothing moves", behind)
		}
	}
}

const readEventsSQL = `
SELECT c.id, e.shard, e.pos, e.conv, e.seq, e.count, e.hub_time, e.author_time, e.message_id, e.type, e.sender, e.device,
       e.temp_id, e.salt, e.hash, e.content, e.content_hash
  FROM events e LEFT JOIN conversations c USING (shard, conv)
 ORDER BY e.shard, e.conv, e.seq`

func (l *logbook) readEvents(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, readEventsSQL)
	if err != nil {
		return err
	}
	var e conversation.Event
	var name, salt, hash, contentHash []byte
	var message [16]byte
	scan := []any{&name, &e.Shard, &e.Pos, &e.Conv, &e.Seq, &e.Count, &e.HubTime, &e.AuthorTime, &message, &e.Type, &e.Sender,
		&e.Device, &e.TempID, &salt, &hash, &e.Content, &contentHash}
	_, err = pgx.ForEachRow(rows, scan, func() error {
		if len(name) != 32 {
			l.problem("shard %d pos %d: an event without a conversation", e.Shard, e.Pos)
			return nil
		}
		next := e
		next.ConversationID, next.MessageID = id.NewConversation([32]byte(name)), message
		next.Content = slices.Clone(e.Content)
		copy(next.ContentHash[:], contentHash)
		copy(next.Salt[:], salt)
		copy(next.Hash[:], hash)
		l.add(&next)
		return nil
	})
	return err
}

// checkShards checks that positions are dense and that the shards know it.
func (l *logbook) checkShards(ctx context.Context, conn *pgx.Conn) error {
	const q = `SELECT s.shard, s.pos, count(e.pos), coalesce(max(e.pos), 0) FROM shards s LEFT JOIN events e USING (shard) GROUP BY s.shard, s.pos`
	rows, err := conn.Query(ctx, q)
	if err != nil {
		return err
	}
	var shard, pos, count, last int64
	_, err = pgx.ForEachRow(rows, []any{&shard, &pos, &count, &last}, func() error {
		if pos != count || pos != last {
			l.problem("shard %d is at pos %d, but holds %d events up to pos %d", shard, pos, count, last)
		}
		return nil
	})
	return err
}

// checkLoaded compares what the next owner of each conversation would load with the fold of its log.
func (l *logbook) checkLoaded(ctx context.Context, conn *pgx.Conn) error {
	var shards int
	if err := conn.QueryRow(ctx, `SELECT max(shard_count) FROM shards`).Scan(&shards); err != nil {
		return err
	}
	var all []id.Shard
	for n := range shards {
		all = append(all, id.Shard(n))
	}
	st, err := store.Open(ctx, shards, []store.Database{{DSN: conn.Config().ConnString(), Shards: all}})
	if err != nil {
		return err
	}
	defer st.Close()
	for c, f := range l.folded {
		have, err := st.LoadConversation(ctx, c.Shard(shards), c, time.Now().UnixMilli(), 1)
		switch {
		case err != nil:
			l.problem("%s cannot be loaded: %v", c, err)
			continue
		case have.Dirty || have.Head != f.head:
			l.problem("%s: the stored head is seq %d, the log's is seq %d", c, have.Head.Seq, f.head.Seq)
		}
		if diff := cmp.Diff(f.state, have.State, cmpopts.IgnoreUnexported(conversation.State{})); diff != "" {
			l.problem("%s: the stored state is not what the log says: -log +stored\n%s", c, diff)
		}
	}
	return nil
}

// checkIndex compares the index of users' conversations with the fold.
func (l *logbook) checkIndex(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT conversation_id, user_id, membership FROM user_conversations`)
	if err != nil {
		return err
	}
	var name []byte
	var u id.User
	var membership string
	have := map[id.Conversation]map[id.User]string{}
	_, err = pgx.ForEachRow(rows, []any{&name, &u, &membership}, func() error {
		if len(name) != 32 {
			return errors.New("a row without the id of a conversation")
		}
		c := id.NewConversation([32]byte(name))
		if have[c] == nil {
			have[c] = map[id.User]string{}
		}
		have[c][u] = membership
		return nil
	})
	for c, f := range l.folded {
		want := map[id.User]string{}
		if f.state != nil {
			for u, m := range f.state.Members {
				want[u] = m.Membership
			}
		}
		if !maps.Equal(want, have[c]) {
			l.problem("%s: the index of its members is not what the log says: -log +index\n%s", c, cmp.Diff(want, have[c]))
		}
	}
	return err
}
