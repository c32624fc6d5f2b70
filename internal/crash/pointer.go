// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/jackc/pgx/v5"

	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// pointers hold the server to what it tells of how far members got. A receipt that came live was durable before, so nothing may
// take it back. What sync, pages and an answer of 204 say may be a flush ahead of that: it may die with the server, but while
// the server lives no pointer goes back either.
type pointers struct {
	mu    sync.Mutex
	tick  int
	life  int                 // of the server; 0 while it is dying, or may at any moment, or lost its database
	lives int                 // so far
	told  map[pointer][]heard // live: durable
	shown map[pointer][]heard // in this life
}

// pointer names one of the two pointers of a member.
type pointer struct{ conversation, user, status string }

// heard is what was heard of a pointer; in a list ticks and seqs rise.
type heard struct {
	tick int
	seq  int64
}

// look is when something was asked: whatever was heard by then holds for the answer.
type look struct{ tick, life int }

const (
	delivered = "delivered"
	isRead    = "read"
)

func newPointers() *pointers {
	return &pointers{told: map[pointer][]heard{}, shown: map[pointer][]heard{}}
}

func (p *pointers) look() look {
	p.mu.Lock()
	defer p.mu.Unlock()
	return look{p.tick, p.life}
}

// begin starts a life of a server that nothing but a kill will end.
func (p *pointers) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lives++
	p.life = p.lives
	clear(p.shown)
}

// end ends it.
func (p *pointers) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life = 0
	clear(p.shown)
}

// tell takes a receipt that came live. What is read is delivered.
func (p *pointers) tell(at pointer, seq int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hear(p.told, at, seq)
	if at.status == isRead {
		at.status = delivered
		p.hear(p.told, at, seq)
	}
}

// show takes what was answered to somebody who had asked before.
func (p *pointers) show(asked look, at pointer, seq int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if asked.life != 0 && asked.life == p.life {
		p.hear(p.shown, at, seq)
	}
}

func (p *pointers) hear(in map[pointer][]heard, at pointer, seq int64) {
	list := in[at]
	if n := len(list); n > 0 && list[n-1].seq >= seq {
		return
	}
	p.tick++
	in[at] = append(list, heard{p.tick, seq})
}

// judge says what is wrong with a pointer that was answered, "" for nothing.
func (p *pointers) judge(asked look, at pointer, seq int64) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if had := before(p.told[at], asked.tick); had > seq {
		return fmt.Sprintf("%s: %s of %s is %d after it was told to be %d", at.conversation, at.status, at.user, seq, had)
	}
	if had := before(p.shown[at], asked.tick); had > seq && asked.life != 0 && asked.life == p.life {
		return fmt.Sprintf("%s: %s of %s is %d after %d with the same server", at.conversation, at.status, at.user, seq, had)
	}
	return ""
}

// before is the highest seq heard up to a tick, -1 for none.
func before(list []heard, tick int) int64 {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].tick <= tick {
			return list[i].seq
		}
	}
	return -1
}

// judgeStored compares the last receipts with the pointers that the database holds at the end.
func (p *pointers) judgeStored(stored map[pointer]int64) (problems []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for at, list := range p.told {
		if seq, ok := stored[at]; !ok || seq < list[len(list)-1].seq {
			problems = append(problems, fmt.Sprintf("%s: %s of %s was told to be %d and is stored as %d", at.conversation, at.status, at.user, list[len(list)-1].seq, seq))
		}
	}
	return problems
}

// receipt takes the frame delivery_ack.
func (d *device) receipt(r *frame.Delivery) {
	if r.Seq == nil || r.UserID == "" {
		d.w.problem("device %s: a receipt that does not say who, or how far", d.login.device)
		return
	}
	d.told(r.ConversationID, r.UserID, r.Status, r.Seq)
}

// receipts takes the frame receipts.
func (d *device) receipts(m *frame.MovedPointers) {
	for _, r := range m.Receipts {
		d.told(m.ConversationID, r.UserID, delivered, r.DeliveredSeq)
		d.told(m.ConversationID, r.UserID, isRead, r.ReadSeq)
	}
}

func (d *device) told(conversation, user, status string, seq *int64) {
	if seq != nil && d.w.isHome(user) { // Of others, their own server knows.
		d.w.pointers.tell(pointer{conversation, user, status}, *seq)
		d.w.count(&d.w.stats.told)
	}
}

// shown takes both pointers of a member from an answer.
func (d *device) shown(asked look, conversation, user string, deliveredSeq, readSeq int64) {
	if !d.w.isHome(user) {
		return
	}
	for status, seq := range map[string]int64{delivered: deliveredSeq, isRead: readSeq} {
		at := pointer{conversation, user, status}
		if wrong := d.w.pointers.judge(asked, at, seq); wrong != "" {
			d.w.problem("device %s: %s", d.login.device, wrong)
		}
		d.w.pointers.show(asked, at, seq)
		d.w.count(&d.w.stats.held)
	}
}

// lookAround asks how far the members of a conversation got.
func (d *device) lookAround(ctx context.Context, conversation string) {
	asked := d.w.pointers.look()
	var page rest.Members
	if d.w.api.do(ctx, d.login, http.MethodGet, "/api/v1/conversations/"+conversation+"/members?limit=100", nil, &page) != nil {
		return // Whoever was removed is refused.
	}
	for _, m := range page.Members {
		d.shown(asked, conversation, m.UserID, m.DeliveredSeq, m.ReadSeq)
	}
}

// acknowledge moves the device's own pointers by REST. What was answered holds while the server lives.
func (d *device) acknowledge(ctx context.Context, conversation, status string) {
	d.mu.Lock()
	newest := d.newest[conversation]
	d.mu.Unlock()
	m, err := id.ParseMessage(newest)
	if err != nil {
		return
	}
	asked := d.w.pointers.look()
	in := rest.Acknowledge{MessageID: newest, Status: status}
	if d.w.api.do(ctx, d.login, http.MethodPost, "/api/v1/conversations/"+conversation+"/receipts", in, nil) != nil {
		return
	}
	d.w.pointers.show(asked, pointer{conversation, d.login.user, status}, m.Seq())
}

// readPointers reads the pointers that are stored.
func (l *logbook) readPointers(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT c.id, m.user_id, m.delivered_seq, m.read_seq FROM members m JOIN conversations c USING (shard, conv)`)
	if err != nil {
		return err
	}
	var name []byte
	var user string
	var far, seen int64
	_, err = pgx.ForEachRow(rows, []any{&name, &user, &far, &seen}, func() error {
		conversation := string(id.NewConversation([32]byte(name)))
		l.pointers[pointer{conversation, user, delivered}], l.pointers[pointer{conversation, user, isRead}] = far, seen
		return nil
	})
	return err
}
