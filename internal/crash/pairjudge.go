// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"parley.chat/core/conversation"
	"parley.chat/internal/history"
	"parley.chat/protocol/id"
)

// PairResult is what came of a run over two servers.
type PairResult struct {
	Result
	Cuts     int
	Same     history.Report // of both logs
	Replicas map[string]history.Replica
	Receipts [2]int // pointers of members, and those that the two servers hold alike
}

// OK reports whether the run was judged and nothing is wrong.
func (r *PairResult) OK() bool { return r.Result.OK() && r.Same.OK() }

// String is the report for people.
func (r *PairResult) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%d cuts; %d messages were accepted first, %d of them told to have failed\n", r.Result.String(), r.Cuts, r.accepted, r.failed)
	fmt.Fprintf(&b, "%d conversations are on both servers, with %d entries at the followers; %d of %d pointers of members are alike\n",
		r.Same.Stats.Conversations, r.Same.Stats.Entries, r.Receipts[1], r.Receipts[0])
	if r.checked && !r.Same.OK() {
		fmt.Fprintf(&b, "the two logs:\n%s", r.Same)
	}
	return b.String()
}

// Keep is that of Result, with the other servers' logs.
func (r *PairResult) Keep(dir string) error {
	if err := r.Result.Keep(dir); err != nil {
		return err
	}
	replicas, err := json.MarshalIndent(r.Replicas, "", " ")
	return errors.Join(err,
		os.WriteFile(filepath.Join(dir, "replicas.json"), replicas, 0o644),
		os.WriteFile(filepath.Join(dir, "report.txt"), []byte(r.String()), 0o644))
}

// sum adds the counters of one side.
func (r *PairResult) sum(c *counters) {
	t := &r.counters
	t.acks, t.resyncs, t.drops, t.forgotten, t.changes = t.acks+c.acks, t.resyncs+c.resyncs, t.drops+c.drops, t.forgotten+c.forgotten, t.changes+c.changes
	t.accepted, t.failed, t.told, t.held = t.accepted+c.accepted, t.failed+c.failed, t.told+c.told, t.held+c.held
}

// rest waits until nothing moves on either side and the logs are as long, then lets every second device sync again from its cursor.
func (r *pairRun) rest(ctx context.Context) error {
	if err := r.awaitSame(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	before := map[*device]int{}
	for _, s := range r.sites {
		for i, d := range s.world.devices {
			if i%2 == 0 {
				before[d] = d.pagesSeen()
				d.lose()
			}
		}
	}
	for d, n := range before {
		for d.pagesSeen() == n {
			if !sleep(ctx, 20*time.Millisecond) {
				return fmt.Errorf("device %s did not sync at the end", d.login.device)
			}
		}
	}
	return r.awaitSame(ctx)
}

// awaitSame waits until everything has come to rest.
func (r *pairRun) awaitSame(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	start := time.Now()
	for {
		busy := r.sites[0].world.busy()
		if busy == "" {
			busy = r.sites[1].world.busy()
		}
		if busy == "" {
			busy = r.differs(ctx)
		}
		if busy == "" {
			r.result.Rest = append(r.result.Rest, time.Since(start))
			return nil
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("nothing came to rest within %s: %s", restTime, busy)
		}
	}
}

// differs says what one side has and the other has not yet, "" for nothing.
func (r *pairRun) differs(ctx context.Context) string {
	var heads [2]map[string]int64
	for i, s := range r.sites {
		dsn, err := s.server.dsn()
		if err != nil {
			return err.Error()
		}
		l := newLogbook()
		waiting := 0
		err = l.read(ctx, dsn, func(ctx context.Context, conn *pgx.Conn) error {
			return conn.QueryRow(ctx, `SELECT count(*) FROM submissions WHERE code IS NULL`).Scan(&waiting)
		}, func(ctx context.Context, conn *pgx.Conn) (err error) {
			heads[i], err = sharedHeads(ctx, conn, names[1-i])
			return err
		})
		switch {
		case err != nil:
			return err.Error()
		case waiting > 0:
			return fmt.Sprintf("%d submissions wait at %s", waiting, s.name)
		}
	}
	for _, i := range []int{0, 1} {
		for name, seq := range heads[i] {
			if have, ok := heads[1-i][name]; !ok || have != seq {
				return fmt.Sprintf("%s ends with seq %d at %s and with %d at %s (%t)", name, seq, names[i], have, names[1-i], ok)
			}
		}
	}
	return ""
}

// sharedHeads reads the ends of the logs that have members of another server.
func sharedHeads(ctx context.Context, conn *pgx.Conn, other string) (map[string]int64, error) {
	rows, err := conn.Query(ctx, `SELECT c.id, max(e.seq) FROM conversations c JOIN events e USING (shard, conv)
 WHERE EXISTS (SELECT FROM members m WHERE m.shard = c.shard AND m.conv = c.conv AND m.membership = 'joined' AND m.user_id LIKE '%@' || $1::text)
 GROUP BY c.id`, other)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	var name []byte
	var seq int64
	_, err = pgx.ForEachRow(rows, []any{&name, &seq}, func() error {
		out[string(id.NewConversation([32]byte(name)))] = seq
		return nil
	})
	return out, err
}

// readBack reads both logs. What a replica began with is folded from the hub's log.
func (r *pairRun) readBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	var raw [2]*logbook
	var dsn [2]string
	for i, s := range r.sites {
		raw[i] = newLogbook()
		raw[i].hold, raw[i].events = true, map[id.Conversation][]*conversation.Event{}
		var err error
		if dsn[i], err = s.server.dsn(); err != nil {
			return err
		}
		if err := raw[i].read(ctx, dsn[i], awaitFlush, raw[i].readEvents); err != nil {
			return err
		}
	}
	for i, s := range r.sites {
		s.book = newLogbook()
		s.book.before = raw[1-i].stateBefore
		b := s.book
		if err := b.read(ctx, dsn[i], b.readEvents, b.checkReactions, b.checkShards, b.checkLoaded, b.checkIndex, b.readPointers); err != nil {
			return err
		}
	}
	return nil
}

// stateBefore folds a conversation up to a seq.
func (l *logbook) stateBefore(c id.Conversation, seq int64) (state *conversation.State, head conversation.Head) {
	for _, e := range l.events[c] {
		if e.Seq >= seq {
			break
		}
		after, err := conversation.Verify(e, head, state)
		if err != nil {
			return nil, head
		}
		state, head = after, conversation.HeadAt(e)
	}
	return state, head
}

// judge completes the history by who might see what, and checks it against the logs of the hubs, and those against the replicas.
func (r *pairRun) judge() {
	final, stays := map[string][]history.Entry{}, map[string]map[id.User][]stay{}
	r.result.Replicas = map[string]history.Replica{}
	for i, s := range r.sites {
		for c, f := range s.book.folded {
			name := string(c)
			if f.state.Hub() != id.Server(s.name) {
				continue
			}
			final[name], stays[name] = s.book.entries[name], s.book.stays[name]
			if other, ok := r.sites[1-i].book.entries[name]; ok || slices.Contains(f.state.Servers(), id.Server(names[1-i])) {
				r.result.Replicas[name] = history.Replica{Hub: final[name], Other: other, From: firstStay(stays[name], names[1-i])}
			}
		}
	}
	for i, s := range r.sites {
		for name := range s.book.entries {
			if _, ok := final[name]; !ok {
				r.result.Problems = append(r.result.Problems, fmt.Sprintf("%s holds %s, of which its hub %s knows nothing", s.name, name, names[1-i]))
			}
		}
		for _, d := range s.world.devices {
			r.join(d.reader(""), stays)
		}
	}
	r.rec.Quiet("")
	r.result.Log = final
	r.result.Report = history.Check(r.rec.History(), final)
	r.result.Same = history.Same(r.result.Replicas)
	for _, s := range r.sites {
		for _, p := range append(slices.Clone(s.book.problems), s.world.pointers.judgeStored(s.book.pointers)...) {
			r.result.Problems = append(r.result.Problems, s.name+": "+p)
		}
	}
	r.result.Problems = append(r.result.Problems, r.judgeTouched()...)
	r.countReceipts()
	r.result.checked = true
}

func (r *pairRun) join(reader history.Reader, stays map[string]map[id.User][]stay) {
	for _, name := range slices.Sorted(maps.Keys(stays)) {
		reader.Conversation = name
		for _, s := range stays[name][id.User(reader.User)] {
			r.rec.Join(reader, s.first)
			if s.last >= 0 {
				r.rec.Leave(reader, s.last)
			}
		}
	}
}

// firstStay is the first seq that a member of a server may see.
func firstStay(stays map[id.User][]stay, server string) int64 {
	first := int64(-1)
	for u, list := range stays {
		if u.Server() == id.Server(server) && len(list) > 0 && (first < 0 || list[0].first < first) {
			first = list[0].first
		}
	}
	return first
}

// judgeTouched compares what was acknowledged, or accepted, of edits and deletions with both logs.
func (r *pairRun) judgeTouched() (problems []string) {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	for _, s := range r.sites {
		for m := range r.shared.deleted {
			if t := s.book.messages[m]; t == nil || !t.deleted {
				problems = append(problems, fmt.Sprintf("%s: the deletion of %s was acknowledged and is lost", s.name, m))
			}
		}
		for m, texts := range r.shared.edits {
			for _, text := range texts {
				if t := s.book.messages[m]; t == nil || !t.deleted && !slices.Contains(t.edits, text) {
					problems = append(problems, fmt.Sprintf("%s: the edit of %s to %q was acknowledged and is lost", s.name, m, text))
				}
			}
		}
	}
	return problems
}

// countReceipts counts the pointers that both servers hold alike. A kill may lose what was on its way, until the next receipt.
func (r *pairRun) countReceipts() {
	for at, seq := range r.sites[0].book.pointers {
		if other, ok := r.sites[1].book.pointers[at]; ok {
			r.result.Receipts[0]++
			if other == seq {
				r.result.Receipts[1]++
			}
		}
	}
}
