// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"parley.chat/internal/history"
	"parley.chat/protocol/frame"
)

const (
	maxWaiting = 6                // messages of a device without an acknowledgement
	ackTimeout = 20 * time.Second // after which a living connection is called stuck
)

// outbox holds what a device sends until it is acknowledged. The same tempId is sent again until then.
type outbox struct {
	device *device

	mu    sync.Mutex
	items []*item // oldest first
	next  int
}

// item is one message on its way.
type item struct {
	frame.Send
	flying   bool      // sent on the connection of now, without an answer
	accepted bool      // the server has it and will tell what becomes of it
	at       time.Time // sent, or not to be sent again before
}

// ownTempID is the form of the tempIds that devices give: those that servers give are in capitals.
const ownTempID = "t%d"

func isOwn(tempID string) bool { return strings.HasPrefix(tempID, ownTempID[:1]) }

// askAgain is when a device asks what became of a message that was accepted, by sending it again.
const askAgain = 2 * time.Second

func (o *outbox) key(conversation, tempID string) history.Send {
	l := o.device.login
	return history.Send{Device: l.device, User: l.user, Conversation: conversation, TempID: tempID}
}

// compose adds a new message unless too many wait.
func (o *outbox) compose(rng *rand.Rand) {
	conversation := o.device.choose(rng)
	o.mu.Lock()
	defer o.mu.Unlock()
	if conversation == "" || len(o.items) >= maxWaiting {
		return
	}
	o.next++
	o.items = append(o.items, &item{Send: frame.Send{
		TempID: fmt.Sprintf(ownTempID, o.next), ConversationID: conversation, ContentType: "text",
		Content: fmt.Sprintf("message %d, %0*d", o.next, 20+rng.IntN(150), 0),
	}})
}

// due takes what is to be sent now and records it as invoked. stuck tells that an answer is overdue.
func (o *outbox) due() (list []frame.Send, stuck bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for _, i := range o.items {
		if i.flying {
			stuck = stuck || now.Sub(i.at) > ackTimeout
			continue
		}
		if now.Before(i.at) {
			continue
		}
		i.flying, i.at = true, now
		o.device.w.rec.Invoke(o.key(i.ConversationID, i.TempID))
		list = append(list, i.Send)
	}
	return list, stuck
}

// acked takes an acknowledgement, also of something that was given up meanwhile. live tells that it came on the
// connection of now.
func (o *outbox) acked(a *frame.Ack, live bool) {
	w, key := o.device.w, o.key(a.ConversationID, a.TempID)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch a.Status {
	case frame.Accepted:
		w.rec.Accepted(key)
		w.count(&w.stats.accepted)
		if i := o.find(a.TempID); i != nil {
			i.accepted, i.flying, i.at = true, false, time.Now().Add(askAgain)
		}
	case frame.Failed:
		w.rec.Fail(key)
		w.count(&w.stats.failed)
		if !mayFail(a.Code) {
			w.problem("device %s: send %s failed: %s", key.Device, a.TempID, a.Code)
		}
		o.remove(a.TempID)
		return
	default:
		w.rec.OK(key, a.Seq, a.MessageID)
		o.remove(a.TempID)
	}
	w.acked(o.device, live)
}

// mayFail tells whether who is put out of a conversation now and then may be refused so.
func mayFail(code string) bool { return code == "not_member" }

func (o *outbox) find(tempID string) *item {
	for _, i := range o.items {
		if i.TempID == tempID {
			return i
		}
	}
	return nil
}

func (o *outbox) remove(tempID string) {
	for n, i := range o.items {
		if i.TempID == tempID {
			o.items = append(o.items[:n:n], o.items[n+1:]...)
			return
		}
	}
}

// refused takes an error that answers a message.
func (o *outbox) refused(tempID, code string, after time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	w := o.device.w
	for _, i := range o.items {
		if i.TempID != tempID {
			continue
		}
		key := o.key(i.ConversationID, tempID)
		switch {
		case mayFail(code):
			w.rec.Fail(key)
			o.remove(tempID)
			return
		case isPassing(code) || i.accepted && isUndone(code):
			w.rec.Unknown(key)
		case isUndone(code):
			w.rec.Fail(key)
		default:
			w.problem("device %s: send %s was refused: %s", key.Device, tempID, code)
			w.rec.Unknown(key)
			o.remove(tempID)
			return
		}
		// As a client should, but not with every patience: crashes come quickly here.
		i.flying, i.at = false, time.Now().Add(min(after, time.Second)/4)
		return
	}
}

// isPassing tells of a code that says nothing about what became of a message.
func isPassing(code string) bool {
	return slices.Contains([]string{"unavailable", "draining", "internal", "timeout"}, code)
}

// isUndone tells of one that says that nothing came of this attempt.
func isUndone(code string) bool {
	return slices.Contains([]string{"rate_limited", "sync_required", "queue_full"}, code)
}

// lost ends the connection: nobody knows what became of what was on its way.
func (o *outbox) lost() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, i := range o.items {
		if i.flying {
			o.device.w.rec.Unknown(o.key(i.ConversationID, i.TempID))
			i.flying, i.at = false, time.Time{}
		}
	}
}

// forget gives up everything that waits; what was accepted waits no more, and only its outcome is still to come.
func (o *outbox) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := o.items[:0]
	for _, i := range o.items {
		if i.flying {
			o.device.w.rec.Unknown(o.key(i.ConversationID, i.TempID))
		}
		if i.accepted {
			i.flying = false
			kept = append(kept, i)
		}
	}
	o.device.w.countN(&o.device.w.stats.forgotten, len(o.items)-len(kept))
	o.items = kept
}

func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.items)
}

// pump writes what is due to a connection until it is lost, and makes new load.
func (o *outbox) pump(ctx context.Context, conn *websocket.Conn, rng *rand.Rand) {
	d, pause := o.device, 5*time.Millisecond
	for sleep(ctx, pause) {
		if _, synced, _ := d.state(); !synced {
			pause = 5 * time.Millisecond
			continue
		}
		pause = time.Duration(40+rng.IntN(160)) * time.Millisecond
		if d.w.loading() {
			for range rng.IntN(3) {
				o.compose(rng)
			}
			d.aside(ctx, conn, rng)
		}
		list, stuck := o.due()
		if stuck {
			d.w.problem("device %s: no answer to a send within %s", d.login.device, ackTimeout)
			d.lose()
			return
		}
		for _, s := range list {
			if write(ctx, conn, frame.SendMessage, s) != nil {
				d.lose()
				return
			}
		}
	}
}

// aside does now and then what clients do beside sending: receipts and reads.
func (d *device) aside(ctx context.Context, conn *websocket.Conn, rng *rand.Rand) {
	conversation := d.choose(rng)
	d.mu.Lock()
	message := d.newest[conversation]
	d.mu.Unlock()
	switch n := rng.IntN(40); {
	case n < 8 && message != "":
		status := []string{delivered, isRead}[n%2]
		_ = write(ctx, conn, frame.DeliveryAck, frame.Delivery{ConversationID: conversation, MessageID: message, Status: status})
	case n == 8 && conversation != "":
		d.read(ctx, conversation)
	case n == 9 && conversation != "":
		d.lookAround(ctx, conversation)
	}
}
