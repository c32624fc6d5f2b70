// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.chat/core/conversation"
	"parley.chat/internal/history"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// chain makes sound events of one group of alice and bob.
type chain struct {
	t     *testing.T
	state *conversation.State
	head  conversation.Head
	all   []*conversation.Event
}

func newChain(t *testing.T) *chain {
	t.Helper()
	c := &chain{t: t}
	raw, err := event.Create{
		Creators: []id.User{"alice@example.org"}, Hub: "example.org", Name: "team", Type: event.Group,
		Members: []id.User{"alice@example.org", "bob@example.org"},
	}.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	c.add(frame.TypeCreate, "", raw)
	return c
}

func (c *chain) add(typ, tempID string, content []byte) {
	c.t.Helper()
	name := event.ConversationID(content)
	if c.state != nil {
		name = c.state.ID
	}
	e := &conversation.Event{ConversationID: name, Type: typ, Sender: "alice@example.org", Device: id.NewDevice(), TempID: tempID, Content: content}
	after, err := conversation.Seal(e, c.head, c.state, 1790000000000)
	if err != nil {
		c.t.Fatal(err)
	}
	c.state, c.head, c.all = after, conversation.HeadAt(e), append(c.all, e)
}

func (c *chain) say(tempID string) {
	c.t.Helper()
	content, err := event.MessageContent(frame.Send{Content: "hello", ContentType: "text"})
	if err != nil {
		c.t.Fatal(err)
	}
	c.add(frame.TypeMessage, tempID, content)
}

func (c *chain) change(typ string, users ...string) {
	c.t.Helper()
	content, err := event.ChangeContent(frame.Change{UserIDs: users})
	if err != nil {
		c.t.Fatal(err)
	}
	c.add(typ, "of the server", content)
}

func (c *chain) logbook() *logbook {
	l := newLogbook()
	for _, e := range c.all {
		l.add(e)
	}
	return l
}

func TestLogbook_KnowsMessagesAndStays(t *testing.T) {
	c := newChain(t)
	c.say("t1")
	c.change(frame.TypeMemberRemove, "bob@example.org")
	c.say("t2")
	c.change(frame.TypeMemberAdd, "bob@example.org", "carol@example.org")
	l := c.logbook()
	if len(l.problems) > 0 {
		t.Fatal(l.problems)
	}
	name := string(c.state.ID)
	var tempIDs []string
	for _, e := range l.entries[name] {
		tempIDs = append(tempIDs, e.TempID)
	}
	if diff := cmp.Diff([]string{"", "t1", "", "t2", ""}, tempIDs); diff != "" {
		t.Error(diff)
	}
	want := map[id.User][]stay{
		"alice@example.org": {{0, -1}}, "bob@example.org": {{0, 2}, {4, -1}}, "carol@example.org": {{4, -1}},
	}
	if diff := cmp.Diff(want, l.stays[name], cmp.AllowUnexported(stay{})); diff != "" {
		t.Error(diff)
	}
}

func TestLogbook_SeesABrokenChain(t *testing.T) {
	for name, spoil := range map[string]func(*chain){
		"another content": func(c *chain) { c.all[2].Content = c.all[0].Content },
		"another sender":  func(c *chain) { c.all[2].Sender = "bob@example.org" },
		"a lost event":    func(c *chain) { c.all = append(c.all[:2], c.all[3:]...) },
		"two in turn":     func(c *chain) { c.all[2], c.all[3] = c.all[3], c.all[2] },
		"one twice":       func(c *chain) { c.all[3] = c.all[2] },
		"another hash":    func(c *chain) { c.all[2].Hash[0] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain(t)
			for _, tempID := range []string{"t1", "t2", "t3"} {
				c.say(tempID)
			}
			spoil(c)
			l := c.logbook()
			if len(l.problems) == 0 || !strings.Contains(l.problems[0], "chain is broken") {
				t.Errorf("not noticed: %q", l.problems)
			}
		})
	}
}

// judged runs the judge over one device's history and a log.
func judged(c *chain, tell func(*world, *device)) *Result {
	r := &run{world: newWorld("", nil), result: &Result{}}
	d := newDevice(r.world, &login{user: "alice@example.org", device: string(c.all[1].Device)}, bySocket, nil)
	r.world.devices = []*device{d}
	tell(r.world, d)
	r.judge(c.logbook())
	return r.result
}

func TestJudge_AcceptsWhatWasSentAndSeenAndRefusesTheRest(t *testing.T) {
	c := newChain(t)
	c.say("t1")
	name := string(c.state.ID)
	key := history.Send{Device: string(c.all[1].Device), User: "alice@example.org", Conversation: name, TempID: "t1"}
	see := func(d *device, list ...*conversation.Event) {
		for _, e := range list {
			record, err := e.Record()
			if err != nil {
				t.Fatal(err)
			}
			d.received(history.Sync, record)
		}
	}
	good := judged(c, func(w *world, d *device) {
		w.rec.Invoke(key)
		w.rec.OK(key, 1, c.all[1].MessageID.String())
		see(d, c.all...)
	})
	if !good.OK() {
		t.Errorf("a sound run was refused:\n%s", good)
	}
	hole := judged(c, func(w *world, d *device) {
		w.rec.Invoke(key)
		see(d, c.all[0])
	})
	if hole.Report.Count(history.TotalOrder) != 1 {
		t.Errorf("a device that misses an event was not noticed:\n%s", hole)
	}
	lie := judged(c, func(w *world, d *device) {
		w.rec.Invoke(key)
		see(d, c.all...)
		lied := key
		lied.TempID = "t2"
		w.rec.Invoke(lied)
		w.rec.OK(lied, 2, "01KBNZ8Y9S0000003REQT3ZC1B")
	})
	if lie.OK() || lie.Report.Count(history.NoLoss) != 1 {
		t.Errorf("a false acknowledgement was not noticed:\n%s", lie)
	}
}
