// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"parley.chat/conformance/client"
	"parley.chat/conformance/suite"
)

// patience is how long a case waits for something that ought to come at once.
const patience = 8 * time.Second

// line is an open socket of an actor.
type line struct {
	*client.Socket
	t      *suite.T
	a      *actor
	cursor string // the newest
	syncs  int    // how many sync frames the last sync ended with
}

// open opens a socket without sending anything.
func (a *actor) open() *line { return a.openAs(client.Dial{}) }

func (a *actor) openAs(d client.Dial) *line {
	if d.Token == "" && d.Header == nil {
		d.Token = a.session.Access
	}
	s, res, err := a.t.Env.Server.Open(a.t.Context(), a.t.Rec, a.who, d)
	if err != nil {
		a.t.Fail("%v", err)
	}
	if s == nil {
		a.t.Fail("%s cannot open a socket: status %d %s", a.who, res.Status, res.Code())
	}
	a.t.Cleanup(s.Close)
	return &line{Socket: s, t: a.t, a: a}
}

// refuse dials and wants a refusal with the code before the upgrade.
func (a *actor) refuse(code string, d client.Dial) {
	s, res, err := a.t.Env.Server.Open(a.t.Context(), a.t.Rec, a.who, d)
	if err != nil {
		a.t.Fail("%v", err)
	}
	if s != nil {
		s.Close()
		a.t.Fail("the socket opens, want the refusal %s", code)
	}
	wantCode(a.t, res, code, "GET /api/v1/ws")
}

// online opens a socket and syncs to the end from a cursor, "" for none.
func (a *actor) online(cursor string) *line {
	l := a.open()
	l.sync(cursor)
	return l
}

// sync sends sync and reads frames until hasMore is false; it returns the frames.
func (l *line) sync(cursor string) []client.Frame {
	data := object{}
	if cursor != "" {
		data["cursor"] = cursor
	}
	l.say("sync", data)
	var out []client.Frame
	for {
		f := l.next("a sync frame")
		if f.Type != "sync" {
			l.t.Fail("a %s frame comes before the sync is over", f.Type)
		}
		out = append(out, f)
		l.cursor = f.Data.At("cursor").Text()
		l.syncs++
		if !f.Data.At("hasMore").Bool() {
			return out
		}
	}
}

// say sends a frame.
func (l *line) say(kind string, data object) {
	if err := l.Send(l.t.Context(), kind, data); err != nil {
		l.t.Fail("%v", err)
	}
}

// next returns the next frame.
func (l *line) next(what string) client.Frame {
	return l.find(what, func(client.Frame) bool { return true })
}

// find returns the next frame that matches and skips those before.
func (l *line) find(what string, match func(client.Frame) bool) client.Frame {
	return l.within(patience, what, match)
}

func (l *line) within(d time.Duration, what string, match func(client.Frame) bool) client.Frame {
	ctx, cancel := context.WithTimeout(l.t.Context(), d)
	defer cancel()
	f, err := l.Find(ctx, match)
	if err != nil {
		l.t.Fail("%s waits for %s in vain: %v", l.a.who, what, err)
	}
	return f
}

// of returns the next frame of a type about a conversation.
func (l *line) of(kind string, k *talk) client.Frame {
	return l.find(kind+" of the conversation", func(f client.Frame) bool {
		return f.Type == kind && f.Data.At("conversationId").Text() == k.id
	})
}

// seq returns the next frame that carries the event with this place.
func (l *line) seq(k *talk, seq int64) client.Frame {
	return l.find("the event", func(f client.Frame) bool {
		return isEvent(f) && f.Data.At("conversationId").Text() == k.id && f.Data.At("seq").Int() == seq
	})
}

func isEvent(f client.Frame) bool {
	return f.Type == "message_received" || f.Type == "conversation_updated"
}

// send sends a text on the socket and returns the data of the answer.
func (l *line) send(k *talk, tempID, text string) client.Value {
	for {
		data := l.trySend(k, tempID, text)
		if data.At("code").Text() != "rate_limited" {
			return data
		}
		l.t.Pause(time.Duration(data.At("retryAfterMs").Int()) * time.Millisecond)
	}
}

// trySend is send that returns the data of an error with rate_limited too.
func (l *line) trySend(k *talk, tempID, text string) client.Value {
	body := message(tempID, text)
	body["conversationId"] = k.id
	l.say("send_message", body)
	return l.find("the message_ack", func(f client.Frame) bool {
		limited := f.Type == "error" && f.Data.At("code").Text() == "rate_limited"
		return (f.Type == "message_ack" || limited) && f.Data.At("tempId").Text() == tempID
	}).Data
}

// error returns the next error frame and wants its code.
func (l *line) error(code string) client.Value {
	f := l.find("the error "+code, func(f client.Frame) bool { return f.Type == "error" })
	if have := f.Data.At("code").Text(); have != code {
		l.t.Fail("the error has code %q, want %s", have, code)
	}
	return f.Data
}

// mark sends a message to oneself's conversation over the socket and waits for the ack: what was sent to this
// connection before it has come.
func (l *line) mark(k *talk) int64 { return l.send(k, l.a.temp(), "mark").At("seq").Int() }

// events returns the frames with events of a conversation so far, in the order they came.
func (l *line) events(k *talk) []client.Frame {
	var out []client.Frame
	for _, f := range l.Frames() {
		if isEvent(f) && f.Data.At("conversationId").Text() == k.id {
			out = append(out, f)
		}
	}
	return out
}

// close wants the socket to be closed with a code within a time.
func (l *line) wantClose(code int, within time.Duration) {
	ctx, cancel := context.WithTimeout(l.t.Context(), within)
	defer cancel()
	have, err := l.Closed(ctx)
	if err != nil {
		l.t.Fail("%s's socket is still open after %v, want close code %d", l.a.who, within, code)
	}
	if have != code {
		l.t.Fail("the socket is closed with %d, want %d", have, code)
	}
}

// ack moves a pointer over the socket.
func (l *line) ack(k *talk, messageID, status string) {
	l.say("delivery_ack", object{"conversationId": k.id, "messageId": messageID, "status": status})
}

// read moves the actor's read pointer to a message and waits until the server shows it.
func (k *talk) read(a *actor, messageID string, seq int64) {
	l := a.online("")
	defer l.Close()
	l.ack(k, messageID, "read")
	k.t.Eventually(patience, "the read pointer moves", func() bool { return k.see(a).At("readSeq").Int() >= seq })
}

// poll asks the long poll once.
func (a *actor) poll(cursor string, timeout time.Duration) *client.Response {
	q := url.Values{}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if timeout > 0 {
		q.Set("timeout", ms(timeout))
	}
	return a.ok(http.StatusOK, get("/sync?"+q.Encode()))
}

// catchUp polls until nothing more has moved and returns the answers.
func (a *actor) catchUp(cursor string) []*client.Response {
	var out []*client.Response
	for {
		res := a.poll(cursor, 0)
		out = append(out, res)
		cursor = res.At("cursor").Text()
		if !res.At("hasMore").Bool() {
			return out
		}
		a.t.Expect(len(out) < 10_000, "the sync does not end")
	}
}

// cursor returns a cursor that covers everything up to now.
func (a *actor) cursor() string {
	all := a.catchUp("")
	return all[len(all)-1].At("cursor").Text()
}

// collect puts the answers together: the events, conversations and receipts of one conversation.
func (k *talk) collect(all []*client.Response) (events, conversations, receipts []client.Value) {
	pick := func(from []client.Value) (out []client.Value) {
		for _, v := range from {
			if v.At("conversationId").Text() == k.id {
				out = append(out, v)
			}
		}
		return out
	}
	for _, res := range all {
		events = append(events, pick(res.At("messages").List())...)
		conversations = append(conversations, pick(res.At("conversations").List())...)
		receipts = append(receipts, pick(res.At("receipts").List())...)
	}
	return events, conversations, receipts
}
