// SPDX-License-Identifier: Apache-2.0

//go:build linux

package servers_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"parley.chat/internal/history"
	"parley.chat/internal/netlab/servers"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/rest"
	"parley.chat/sdk"
)

// talker is a user with one device, made of the SDK, who writes and notes what becomes of it.
type talker struct {
	*sdk.Client
	t       *testing.T
	rec     *history.Recorder
	http    *http.Client
	session sdk.Session

	mu       sync.Mutex
	said     int
	open     map[string]bool // messages that are not in the log, by tempId; true: accepted
	newest   map[string]int64
	problems []string
}

// newTalker makes a user and stays connected until the test ends.
func newTalker(t *testing.T, s *servers.Server, rec *history.Recorder, name string) *talker {
	t.Helper()
	k := &talker{t: t, rec: rec, http: s.Client(), open: map[string]bool{}, newest: map[string]int64{}}
	var err error
	k.Client, err = sdk.New(sdk.Options{BaseURL: servers.BaseURL, HTTP: k.http, FullHistory: true, MaxBackoff: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if k.session, err = k.Register(t.Context(), rest.Register{Username: name, Password: "correct horse battery"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := k.Run(ctx); err != nil {
			k.problem("the client ended: %v", err)
		}
		cancel()
	})
	work.Go(func() { k.listen(ctx) })
	t.Cleanup(func() { cancel(); work.Wait(); k.http.CloseIdleConnections() })
	return k
}

func (k *talker) problem(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.problems = append(k.problems, k.session.UserID+": "+fmt.Sprintf(format, args...))
}

func (k *talker) listen(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case u := <-k.Events():
			k.take(u)
		}
	}
}

func (k *talker) take(u sdk.Update) {
	switch u := u.(type) {
	case sdk.Message:
		k.event(&u.Event)
	case sdk.StateChange:
		k.event(&u.Event)
	case sdk.MessageChange:
		k.event(&u.Event)
	case sdk.Accepted:
		k.mark(u.TempID, true)
	case sdk.Acked:
		k.rec.OK(k.key(u.ConversationID, u.TempID), u.Seq, u.MessageID)
		k.mu.Lock()
		delete(k.open, u.TempID)
		k.mu.Unlock()
	case sdk.SendFailed:
		k.problem("message %s was given up: %v", u.Send.TempID, u.Err)
	}
}

// mark notes a message that is on its way, unless it arrived meanwhile.
func (k *talker) mark(tempID string, accepted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.open[tempID]; ok {
		k.open[tempID] = accepted
	}
}

// event notes an entry. Messages say by their content which they are.
func (k *talker) event(e *frame.Event) {
	k.rec.Received(history.Reception{
		Reader: history.Reader{Device: k.session.DeviceID, User: k.session.UserID, Conversation: e.ConversationID},
		Source: history.Live, Seq: e.Seq, MessageID: e.MessageID, TempID: e.Content, Sender: e.SenderID,
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	if last, ok := k.newest[e.ConversationID]; ok && e.Seq != last+1 {
		k.problems = append(k.problems, fmt.Sprintf("%s got %s seq %d after seq %d", k.session.UserID, e.ConversationID, e.Seq, last))
	}
	k.newest[e.ConversationID] = e.Seq
}

func (k *talker) key(conv, tempID string) history.Send {
	return history.Send{Device: k.session.DeviceID, User: k.session.UserID, Conversation: conv, TempID: tempID}
}

// say sends a number of messages to each conversation and does not wait.
func (k *talker) say(count int, convs ...string) {
	k.t.Helper()
	for range count {
		for _, conv := range convs {
			k.mu.Lock()
			k.said++
			text := fmt.Sprintf("%s-%d", k.session.UserID, k.said)
			k.open[text] = false
			k.mu.Unlock()
			k.rec.Invoke(k.key(conv, text))
			if _, err := k.SendAsync(k.t.Context(), frame.Send{ConversationID: conv, TempID: text, Content: text}); err != nil {
				k.t.Fatal(err)
			}
		}
	}
}

// waiting tells how many messages are not in the log, and how many of these the own server has.
func (k *talker) waiting() (open, accepted int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range k.open {
		if a {
			accepted++
		}
	}
	return len(k.open), accepted
}

func (k *talker) hasProblems() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.problems) > 0
}

// has is the seq of the newest entry that came, -1 for none.
func (k *talker) has(conv string) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if seq, ok := k.newest[conv]; ok {
		return seq
	}
	return -1
}

// log reads a whole conversation, oldest first.
func (k *talker) log(conv string) []frame.Event {
	k.t.Helper()
	var out []frame.Event
	for after, more := int64(-1), true; more; {
		page, err := k.Messages(k.t.Context(), conv, sdk.Range{AfterSeq: &after, Limit: 100})
		if err != nil {
			k.t.Fatal(err)
		}
		out = append(out, page.Messages...)
		if more = page.HasMore && len(page.Messages) > 0; more {
			after = page.Messages[len(page.Messages)-1].Seq
		}
	}
	return out
}
