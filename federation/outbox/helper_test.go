// SPDX-License-Identifier: Apache-2.0

package outbox_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/core/conversation"
	"parley.chat/core/follower"
	"parley.chat/core/timeline"
	"parley.chat/federation/outbox"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

const (
	self   = id.Server("a.test")
	alice  = id.User("alice@a.test")
	shards = 4
)

// hub is a homeserver in memory as its outbox sees it: logs, positions, keys.
type hub struct {
	mu     sync.Mutex
	convs  map[id.Conversation]*room
	ids    []id.Conversation
	rows   map[rowKey]follower.Row // that the store keeps
	dests  map[id.Server]follower.Destination
	retry  map[id.Server]int64
	epochs [shards]int64
	broken error // of every read of the log
	writes int
	reads  int // of positions, by page

	key ed25519.PrivateKey
}

type rowKey struct {
	conv   id.Conversation
	server id.Server
	since  int64
}

// room is one log. What is not shown yet is not committed.
type room struct {
	ref    follower.Ref
	log    []timeline.Foreign
	states []*conversation.State // after each entry
	shown  int64
}

func newHub() *hub {
	h := &hub{convs: map[id.Conversation]*room{}, rows: map[rowKey]follower.Row{}, dests: map[id.Server]follower.Destination{}, retry: map[id.Server]int64{}}
	h.key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	for n := range h.epochs {
		h.epochs[n] = 1
	}
	return h
}

// open makes a conversation of alice and others.
func (h *hub) open(members ...id.User) *room {
	members = append(slices.Clone(members), alice)
	slices.Sort(members)
	create := event.Create{Creators: []id.User{alice}, Hub: self, Members: members, Type: event.Group}
	create.Nonce[0], create.Nonce[1] = byte(len(h.ids)), byte(len(h.ids)>>8)
	raw := must(create.Canonical())
	r := &room{ref: follower.Ref{ID: event.ConversationID(raw), Conv: int64(len(h.ids) + 1)}}
	r.ref.Shard = r.ref.ID.Shard(shards)
	h.mu.Lock()
	h.convs[r.ref.ID] = r
	h.ids = append(h.ids, r.ref.ID)
	h.mu.Unlock()
	h.append(r, frame.TypeCreate, alice, raw)
	return r
}

func (r *room) state() *conversation.State {
	if len(r.states) == 0 {
		return nil
	}
	return r.states[len(r.states)-1]
}

// append makes the next entry and shows it.
func (h *hub) append(r *room, typ string, by id.User, content []byte) *conversation.Event {
	e := h.prepare(r, typ, by, content)
	h.show(r, e.Seq)
	return e
}

// prepare makes the next entry.
func (h *hub) prepare(r *room, typ string, by id.User, content []byte) *conversation.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := &conversation.Event{Shard: r.ref.Shard, Conv: r.ref.Conv, ConversationID: r.ref.ID, Type: typ, Sender: by, Device: "01J9ZK3V8Q2M6T4R7X5W1Y0ABC", TempID: fmt.Sprint("t", len(r.log)), Content: content}
	var head conversation.Head
	f := timeline.Foreign{Event: e}
	if n := len(r.log); n > 0 {
		head, f.Prev = conversation.HeadAt(r.log[n-1].Event), r.log[n-1].Hash
	}
	after := must(conversation.Seal(e, head, r.state(), 1790000000000))
	if conversation.ChangesState(typ) {
		hash := must(after.Hash())
		f.StateHash = &hash
	}
	if by.Server() != self {
		f.KeyID, f.Signature = "ed25519:b1", make([]byte, 64)
	}
	r.log, r.states = append(r.log, f), append(r.states, after)
	return e
}

// show commits what was prepared up to a seq: followers begin and end.
func (h *hub) show(r *room, seq int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ; r.shown <= seq; r.shown++ {
		var had []id.Server
		if r.shown > 0 {
			had = r.states[r.shown-1].Servers()
		}
		now := r.states[r.shown].Servers()
		for _, s := range now {
			if s != self && !slices.Contains(had, s) {
				h.rows[rowKey{r.ref.ID, s, r.shown}] = follower.Row{Ref: r.ref, Server: s, Since: r.shown, Until: follower.None, Acked: follower.None}
			}
		}
		for k, row := range h.rows {
			if k.conv == r.ref.ID && row.Until == follower.None && !slices.Contains(now, k.server) {
				row.Until = r.shown
				h.rows[k] = row
			}
		}
	}
}

func message(text string) []byte {
	return must(event.MessageContent(frame.Send{Content: text, ContentType: "text"}))
}

func users(list ...string) []byte { return must(event.ChangeContent(frame.Change{UserIDs: list})) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// View implements outbox.Timeline.
func (h *hub) View(_ context.Context, c id.Conversation) (timeline.View, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.convs[c]
	if r == nil {
		return timeline.View{}, fault.New(fault.UnknownConversation, "no")
	}
	if h.epochs[r.ref.Shard] == 0 {
		return timeline.View{}, fault.New(fault.Unavailable, "another node has it")
	}
	return r.view(), nil
}

func (r *room) view() timeline.View {
	return timeline.View{Shard: r.ref.Shard, Conv: r.ref.Conv, State: r.states[r.shown-1], Head: conversation.HeadAt(r.log[r.shown-1].Event)}
}

// Heads implements outbox.Timeline: memory knows the heads of conversations with an odd number.
func (h *hub) Heads(n id.Shard, convs []id.Conversation, f func(int, timeline.View)) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range convs {
		if r := h.convs[c]; r.ref.Conv%2 == 1 {
			f(i, r.view())
		}
	}
	return h.epochs[n]
}

// Epoch implements outbox.Timeline.
func (h *hub) Epoch(n id.Shard) (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.epochs[n] == 0 {
		return 0, errors.New("not owned")
	}
	return h.epochs[n], nil
}

// Records implements outbox.Log.
func (h *hub) Records(_ context.Context, _ id.Shard, conv, from, to int64, limit, size int) (out []timeline.Foreign, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken != nil {
		return nil, h.broken
	}
	r := h.convs[h.ids[conv-1]]
	for seq := from; seq <= to && seq < r.shown && len(out) < limit; seq++ {
		if size -= 900 + len(r.log[seq].Content); size < 0 && len(out) > 0 {
			break
		}
		out = append(out, r.log[seq])
	}
	return out, nil
}

// Handover implements outbox.Store.
func (h *hub) Handover(context.Context, id.Conversation, int64) ([]byte, error) { return nil, nil }

// Shards implements outbox.Cursors.
func (h *hub) Shards() int { return shards }

// Followers implements outbox.Cursors; a head as flushed is that of memory only for conversations with an even number.
func (h *hub) Followers(_ context.Context, n id.Shard, p follower.Page) (out []follower.Row, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	for _, r := range h.rows {
		if r.Shard == n && (p.Server == "" || r.Server == p.Server && r.Conv >= p.After.Conv) && (p.Server != "" && r.Conv == p.After.Conv && r.Since > p.After.Since || p.Server != "" && r.Conv > p.After.Conv || p.Server == "" && order(r, p.After) > 0) {
			out = append(out, h.stored(r))
		}
	}
	slices.SortFunc(out, order)
	return out[:min(len(out), p.Limit)], nil
}

func order(a, b follower.Row) int {
	return cmp.Or(cmp.Compare(a.Conv, b.Conv), cmp.Compare(a.Server, b.Server), cmp.Compare(a.Since, b.Since))
}

// stored is a row with what the conversation's row says; its head is flushed only if its number is even.
func (h *hub) stored(r follower.Row) follower.Row {
	room := h.convs[r.ID]
	r.State = room.states[room.shown-1].Seq
	if r.Conv%2 == 0 {
		r.Head = room.shown - 1
	}
	return r
}

// Cursors implements outbox.Cursors.
func (h *hub) Cursors(_ context.Context, n id.Shard, server id.Server, convs []int64) (out []follower.Row, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.rows {
		if r.Server == server && r.Shard == n && slices.Contains(convs, r.Conv) {
			out = append(out, h.stored(r))
		}
	}
	slices.SortFunc(out, order)
	return out, nil
}

// MoveCursors implements outbox.Cursors.
func (h *hub) MoveCursors(_ context.Context, rows []follower.Row) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes++
	for _, r := range rows {
		k := rowKey{r.ID, r.Server, r.Since}
		if have, ok := h.rows[k]; ok {
			have.Acked, have.Parked, have.ParkedAt = r.Acked, r.Parked, r.ParkedAt
			h.rows[k] = have
		}
	}
	return nil
}

// DropFollower implements outbox.Cursors.
func (h *hub) DropFollower(_ context.Context, r follower.Row) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.rows, rowKey{r.ID, r.Server, r.Since})
	return nil
}

// Unpark implements outbox.Cursors.
func (h *hub) Unpark(_ context.Context, n id.Shard, before int64, server id.Server, conv int64) (out []id.Server, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, r := range h.rows {
		if r.Parked != "" && r.Shard == n && r.ParkedAt < before && (server == "" || server == r.Server) && (conv == 0 || conv == r.Conv) {
			r.Parked, r.ParkedAt = "", 0
			h.rows[k] = r
			out = append(out, r.Server)
		}
	}
	return out, nil
}

// CountParked implements outbox.Cursors.
func (h *hub) CountParked(context.Context) (n int, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.rows {
		if r.Parked != "" {
			n++
		}
	}
	return n, nil
}

// SetDestination implements outbox.Destinations.
func (h *hub) SetDestination(_ context.Context, d follower.Destination) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dests[d.Server] = d
	return nil
}

// ForgetDestination implements outbox.Destinations.
func (h *hub) ForgetDestination(_ context.Context, server id.Server) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.dests, server)
	return nil
}

// Destinations implements outbox.Destinations.
func (h *hub) Destinations(context.Context) (out []follower.Destination, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.dests {
		out = append(out, d)
	}
	return out, nil
}

// Retries implements outbox.Destinations.
func (h *hub) Retries(_ context.Context, since int64) (out []id.Server, newest int64, _ error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	newest = since
	for s, at := range h.retry {
		if at > since {
			out, newest = append(out, s), max(newest, at)
		}
	}
	return out, newest, nil
}

// Sign implements outbox.Signer.
func (h *hub) Sign(c event.Checkpoint) (event.Signature, error) { return c.Sign("ed25519:a1", h.key) }

// servers are those with members after an entry.
func (h *hub) servers(c id.Conversation, seq int64) []id.Server {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.convs[c].states[seq].Servers()
}

// row reads the newest position.
func (h *hub) row(r *room, server id.Server) (newest follower.Row, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, row := range h.rows {
		if k.conv == r.ref.ID && k.server == server && (!ok || row.Since > newest.Since) {
			newest, ok = row, true
		}
	}
	return newest, ok
}

// world are the hub, its outbox, and servers that follow it. Everything runs in a bubble of testing/synctest.
type world struct {
	t *testing.T
	*hub
	out     *outbox.Outbox
	end     context.CancelFunc
	ended   chan struct{}
	remotes map[id.Server]*remote // under mu
}

// run makes a world in a bubble, with the outbox running.
func run(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, hub: newHub(), remotes: map[id.Server]*remote{}}
		w.start()
		f(w)
		w.stop()
		for _, r := range w.remotes {
			r.sound(t)
		}
	})
}

func (w *world) start() {
	w.out = outbox.New(outbox.Options{Self: self, Timeline: w.hub, Store: w.hub, Client: w, Signer: w.hub, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	w.end, w.ended = cancel, make(chan struct{})
	go func() {
		defer close(w.ended)
		_ = w.out.Run(ctx)
	}()
	synctest.Wait()
}

func (w *world) stop() {
	w.touch()
	w.end()
	<-w.ended
}

// remote is a server that follows.
func (w *world) remote(name id.Server) *remote {
	r := &remote{name: name, w: w, have: map[id.Conversation]*copied{}, refuse: map[id.Conversation]string{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remotes[name] = r
	return r
}

// say appends messages and tells the outbox of each.
func (w *world) say(r *room, n int) {
	for range n {
		w.tell(r, w.append(r, frame.TypeMessage, alice, message(fmt.Sprint("message ", len(r.log)))))
	}
}

func (w *world) tell(r *room, e *conversation.Event) {
	w.touch()
	w.out.Moved(e, r.states[e.Seq])
}

// touch makes what the test read come before what the outbox does from now on.
func (w *world) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.remotes {
		r.set(func(*remote) {})
	}
}

func (w *world) change(r *room, typ string, by id.User, list ...string) *conversation.Event {
	e := w.append(r, typ, by, users(list...))
	w.tell(r, e)
	return e
}

// pass lets time pass until everybody waits.
func (w *world) pass(d time.Duration) {
	w.touch()
	time.Sleep(d)
	synctest.Wait()
}

// Call implements outbox.Client.
func (w *world) Call(ctx context.Context, to id.Server, path string, in, out any) error {
	w.mu.Lock()
	r := w.remotes[to]
	w.mu.Unlock()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if r == nil {
		return errors.New("there is no such server")
	}
	if path != replica.TransactionsPath {
		return fmt.Errorf("asked at %s", path)
	}
	answer, err := r.take(ctx, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(must(json.Marshal(answer)), out)
}
