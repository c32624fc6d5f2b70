// SPDX-License-Identifier: Apache-2.0

package timelinetest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.chat/core/conversation"
	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Device is the device of senders that do not say.
const Device = id.Device("01J9ZK3V8Q2M6T4R7X5W1Y0ABC")

// Node is a running Timeline.
type Node struct {
	*timeline.Timeline
	Out   *Out
	Wire  *Faulty
	end   context.CancelFunc
	ended chan struct{}
}

// Start runs a Timeline on the store until the test ends, and waits until it owns all shards. change may alter the options.
func Start(t testing.TB, s timeline.Store, change ...func(*timeline.Options)) *Node {
	t.Helper()
	n := StartUnready(t, s, change...)
	Eventually(t, "owns all shards", n.Ready)
	return n
}

// StartUnready is Start without waiting for the shards.
func StartUnready(t testing.TB, s timeline.Store, change ...func(*timeline.Options)) *Node {
	t.Helper()
	n := &Node{Out: &Out{}, ended: make(chan struct{})}
	n.Wire, _ = s.(*Faulty)
	if n.Wire == nil {
		n.Wire = NewFaulty(s)
	}
	o := timeline.Options{
		Store: n.Wire, Out: n.Out, Node: "a", Limits: conversation.Limits{MaxMembers: event.MaxMembers},
		Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&o)
	}
	n.Timeline = timeline.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	n.end = cancel
	go func() {
		defer close(n.ended)
		_ = n.Run(ctx)
	}()
	t.Cleanup(n.Stop)
	return n
}

// Stop ends the node in order: what is dirty is flushed.
func (n *Node) Stop() {
	n.end()
	<-n.ended
}

// Kill ends the node as SIGKILL does: nothing more reaches the store.
func (n *Node) Kill() {
	n.Wire.Cut()
	n.Stop()
}

// Eventually waits until ok holds. It fails the test after ten seconds.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not come true: %s", what)
		}
	}
}

// SentOut waits until the event of an answer went out, which is after the answer, and returns all that went out so far.
func (n *Node) SentOut(t testing.TB, res timeline.Result) (out []conversation.Committed) {
	t.Helper()
	Eventually(t, fmt.Sprintf("seq %d goes out", res.Seq), func() bool {
		out = n.Out.Events()
		return slices.ContainsFunc(out, func(c conversation.Committed) bool { return c.Event.MessageID == res.MessageID })
	})
	return out
}

// Out records what a Timeline sends out.
type Out struct {
	mu       sync.Mutex
	events   []conversation.Committed
	receipts []conversation.Receipt
	lost     int
	erased   []conversation.Erased
}

// Committed implements timeline.Out.
func (o *Out) Committed(_ context.Context, events []conversation.Committed) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, events...)
	return nil
}

// Receipts implements timeline.Out.
func (o *Out) Receipts(_ context.Context, receipts []conversation.Receipt) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.receipts = append(o.receipts, receipts...)
	return nil
}

// Lost implements timeline.Out.
func (o *Out) Lost() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost++
}

// Erased implements timeline.Out.
func (o *Out) Erased(_ context.Context, erased []conversation.Erased) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.erased = append(o.erased, erased...)
	return nil
}

// GotErased are the expired messages told so far.
func (o *Out) GotErased() []conversation.Erased {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]conversation.Erased(nil), o.erased...)
}

// Events are those sent out so far.
func (o *Out) Events() []conversation.Committed {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]conversation.Committed(nil), o.events...)
}

// GotReceipts are the receipts sent out so far.
func (o *Out) GotReceipts() []conversation.Receipt {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]conversation.Receipt(nil), o.receipts...)
}

// Losses counts how often Lost was called.
func (o *Out) Losses() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

// User is a test user.
func User(name string) id.User { return id.NewUser(name, "example.org") }

// Group is the command that creates a group; nonce tells groups apart.
func Group(t testing.TB, nonce string, members ...id.User) timeline.Command {
	t.Helper()
	c := event.Create{Creators: members[:1], Hub: "example.org", Members: sorted(members), Name: nonce, Type: event.Group}
	copy(c.Nonce[:], nonce)
	return create(t, c, members[0])
}

// Direct is the command that creates the direct conversation of two users.
func Direct(t testing.TB, a, b id.User) timeline.Command {
	t.Helper()
	return create(t, event.NewDirect(a, b), a)
}

func create(t testing.TB, c event.Create, by id.User) timeline.Command {
	t.Helper()
	content, err := c.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return timeline.Command{
		ConversationID: event.ConversationID(content),
		Proposal:       conversation.Proposal{Type: frame.TypeCreate, Sender: by, Create: c},
		Device:         Device, TempID: "create", Content: content,
	}
}

// Message is the command that sends a text.
func Message(t testing.TB, c id.Conversation, by id.User, tempID, text string) timeline.Command {
	t.Helper()
	content, err := event.MessageContent(frame.Send{Content: text, ContentType: "text"})
	if err != nil {
		t.Fatal(err)
	}
	return timeline.Command{
		ConversationID: c, Proposal: conversation.Proposal{Type: frame.TypeMessage, Sender: by},
		Device: Device, TempID: tempID, Content: content, AuthorTime: 1790000000000,
	}
}

// Change is the command of a state event.
func Change(t testing.TB, c id.Conversation, by id.User, typ, tempID string, ch frame.Change) timeline.Command {
	t.Helper()
	content, err := event.ChangeContent(ch)
	if err != nil {
		t.Fatal(err)
	}
	return timeline.Command{
		ConversationID: c, Proposal: conversation.Proposal{Type: typ, Sender: by, Change: ch},
		Device: Device, TempID: tempID, Content: content,
	}
}

// MustAppend appends and wants success.
func (n *Node) MustAppend(t testing.TB, cmd timeline.Command) timeline.Result {
	t.Helper()
	res, err := n.Append(t.Context(), cmd)
	if err != nil {
		t.Fatalf("append %s %s: %v", cmd.Type, cmd.TempID, err)
	}
	return res
}
