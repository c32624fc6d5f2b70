// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"parley.chat/internal/history"
	"parley.chat/protocol/frame"
)

// way is how a device hears of what moves. All but a socket send by REST.
type way int

const (
	bySocket way = iota
	byPoll       // long poll
	byEvents     // server-sent events
)

// device is one simulated client: it follows every conversation of its user and sends into them.
type device struct {
	w     *world
	login *login
	way   way
	rng   *rand.Rand
	out   *outbox

	mu       sync.Mutex
	cursor   string
	older    string // a cursor from before, for one that forgets
	convs    map[string]bool
	gaps     []gap
	asked    look              // when the connection of now was opened, or its page asked for
	newest   map[string]string // conversation to its newest message, for receipts
	synced   bool
	drop     func() // ends the connection of now
	openedAt time.Time
	syncs    int // answers without more to come
}

// gap is a range of a conversation that sync left out, both ends excluded.
type gap struct {
	conversation  string
	after, before int64
}

func newDevice(w *world, l *login, by way, rng *rand.Rand) *device {
	d := &device{w: w, login: l, way: by, rng: rng, convs: map[string]bool{}, newest: map[string]string{}, drop: func() {}}
	d.out = &outbox{device: d}
	return d
}

func (d *device) reader(conversation string) history.Reader {
	return history.Reader{Device: d.login.device, User: d.login.user, Conversation: conversation}
}

// received records events in the order in which they came and learns from them.
func (d *device) received(source history.Source, events ...frame.Event) {
	for i := range events {
		e := &events[i]
		d.w.rec.Received(history.Reception{
			Reader: d.reader(e.ConversationID), Source: source, Seq: e.Seq, MessageID: e.MessageID,
			TempID: tempIDOf(e), Sender: e.SenderID,
		})
		if source != history.Page {
			d.learn(e)
		}
	}
	if len(events) > 0 {
		d.w.moved()
	}
}

// tempIDOf is that of a message; the server's own of other events mean nothing to a history.
func tempIDOf(e *frame.Event) string {
	if e.Type != frame.TypeMessage {
		return ""
	}
	return e.TempID
}

func (d *device) learn(e *frame.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newest[e.ConversationID] = e.MessageID
	named := e.Change != nil && slices.Contains(e.Change.UserIDs, d.login.user)
	switch {
	case e.Type == frame.TypeCreate, e.Type == frame.TypeMemberAdd && named, e.Type == frame.TypeMemberJoin && e.SenderID == d.login.user:
		d.convs[e.ConversationID] = true
	case (e.Type == frame.TypeMemberRemove || e.Type == frame.TypeMemberBan) && named:
		delete(d.convs, e.ConversationID)
	}
}

// page takes over one answer of sync.
func (d *device) page(p *frame.Sync) {
	d.received(history.Sync, p.Messages...)
	d.mu.Lock()
	asked := d.asked
	d.mu.Unlock()
	for _, r := range p.Receipts {
		d.shown(asked, r.ConversationID, r.UserID, r.DeliveredSeq, r.ReadSeq)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range p.Conversations {
		if c.Membership == "joined" {
			d.convs[c.ConversationID] = true
		} else {
			delete(d.convs, c.ConversationID)
		}
		if c.Gap != nil {
			d.gaps = append(d.gaps, gap{c.ConversationID, c.Gap.AfterSeq, c.Gap.BeforeSeq})
		}
	}
	if d.older == "" || d.rng.IntN(20) == 0 {
		d.older = d.cursor
	}
	d.cursor = p.Cursor
	if !p.HasMore {
		d.synced = true
		d.syncs++
	}
}

// forget is what a killed client does that had not stored its newest state: it goes back to an older cursor, and what
// waited to be sent is gone.
func (d *device) forget() {
	d.out.forget()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cursor = d.older
}

// refused judges the code of a refused sync.
func (d *device) refused(code, detail string) {
	if code == "invalid_cursor" {
		d.w.problem("device %s: its cursor was refused: %s", d.login.device, detail)
		d.mu.Lock()
		d.cursor, d.older = "", ""
		d.mu.Unlock()
	}
}

// run lives through connections until ctx is done.
func (d *device) run(ctx context.Context) {
	var side sync.WaitGroup
	defer side.Wait()
	side.Go(func() { d.fillGaps(ctx) })
	if d.way != bySocket {
		rng := rand.New(rand.NewPCG(d.rng.Uint64(), 1))
		side.Go(func() { d.sendByREST(ctx, rng) })
	}
	for {
		switch d.way {
		case bySocket:
			d.socket(ctx)
		case byPoll:
			d.poll(ctx)
		case byEvents:
			d.events(ctx)
		}
		if !sleep(ctx, 20*time.Millisecond+time.Duration(d.rng.IntN(80))*time.Millisecond) {
			return
		}
	}
}

// connected notes the connection of now, and what holds for its answers; end is called when it is lost.
func (d *device) connected(asked look, drop func()) (end func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop, d.synced, d.openedAt, d.asked = drop, false, time.Now(), asked
	return func() {
		d.mu.Lock()
		d.drop, d.synced = func() {}, false
		d.mu.Unlock()
		d.out.lost()
	}
}

// lose drops the connection as a bad network does.
func (d *device) lose() {
	d.mu.Lock()
	drop := d.drop
	d.mu.Unlock()
	drop()
}

func (d *device) state() (cursor string, synced bool, openedAt time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cursor, d.synced, d.openedAt
}

func (d *device) pagesSeen() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// choose picks a conversation to send to, "" if there is none.
func (d *device) choose(rng *rand.Rand) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.convs) == 0 {
		return ""
	}
	return slices.Sorted(maps.Keys(d.convs))[rng.IntN(len(d.convs))]
}

// socket is one connection from its opening to its loss.
func (d *device) socket(ctx context.Context) {
	asked := d.w.pointers.look()
	conn, err := d.w.api.dial(ctx, d.login)
	if err != nil {
		d.w.suspect(d, err)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	end := d.connected(asked, func() { _ = conn.CloseNow() })
	var side sync.WaitGroup
	defer func() {
		cancel()
		_ = conn.CloseNow()
		side.Wait()
		end()
	}()
	if d.askSync(ctx, conn) != nil {
		return
	}
	rng := rand.New(rand.NewPCG(d.rng.Uint64(), 0))
	side.Go(func() { d.out.pump(ctx, conn, rng) })
	for {
		_, raw, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if err := d.frame(ctx, conn, raw); err != nil {
			return
		}
	}
}

func (d *device) askSync(ctx context.Context, conn *websocket.Conn) error {
	cursor, _, _ := d.state()
	return write(ctx, conn, frame.SyncFrame, frame.SyncRequest{Cursor: cursor})
}

func write(ctx context.Context, conn *websocket.Conn, typ string, data any) error {
	raw, err := json.Marshal(map[string]any{"type": typ, "data": data})
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageText, raw)
}

// frame takes one frame of the server.
func (d *device) frame(ctx context.Context, conn *websocket.Conn, raw []byte) error {
	var e struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		d.w.problem("device %s: a frame that is no JSON: %v", d.login.device, err)
		return err
	}
	switch e.Type {
	case frame.SyncFrame:
		return decode(e.Data, d.page)
	case frame.MessageEdited, frame.MessageDeleted, frame.MessageReaction:
		return decode(e.Data, func(c *frame.Deleted) {
			if c.Event != nil {
				d.received(history.Live, *c.Event)
			}
		})
	case frame.MessageReceived, frame.ConversationUpdated:
		return decode(e.Data, func(e *frame.Event) { d.received(history.Live, *e) })
	case frame.DeliveryAck:
		return decode(e.Data, d.receipt)
	case frame.ReceiptsFrame:
		return decode(e.Data, d.receipts)
	case frame.MessageAck:
		return decode(e.Data, func(a *frame.Ack) {
			if !isOwn(a.TempID) { // What became of an edit or a reaction by REST.
				return
			}
			d.out.acked(a, true)
			if a.Status == frame.Accepted || a.Status == frame.Failed {
				return
			}
			d.received(history.Ack, frame.Event{ConversationID: a.ConversationID, Seq: a.Seq, MessageID: a.MessageID, Type: frame.TypeMessage, TempID: a.TempID})
		})
	case frame.Resync:
		d.w.count(&d.w.stats.resyncs)
		return d.askSync(ctx, conn)
	case frame.ErrorFrame:
		var again bool
		err := decode(e.Data, func(f *frame.Error) { again = d.frameError(f) })
		if err == nil && again && sleep(ctx, 100*time.Millisecond) {
			return d.askSync(ctx, conn)
		}
		return err
	}
	return nil
}

func decode[T any](raw []byte, f func(*T)) error {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	f(&v)
	return nil
}

// frameError takes an error frame; again asks for a new sync.
func (d *device) frameError(f *frame.Error) (again bool) {
	switch {
	case f.TempID != "":
		d.out.refused(f.TempID, f.Code, time.Duration(f.RetryAfterMs)*time.Millisecond)
		return false
	case f.ConversationID != "":
		return false // A receipt; the next one covers it.
	}
	d.refused(f.Code, f.Message)
	d.out.lost() // What was sent without being in sync is not answered one by one.
	return true
}
