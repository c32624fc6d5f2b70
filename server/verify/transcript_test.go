// SPDX-License-Identifier: Apache-2.0

package verify_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	"parley.chat/protocol/replica"
	"parley.chat/server/verify"
)

const now = int64(1_795_400_000_000)

// server signs.
type server struct {
	name    id.Server
	private ed25519.PrivateKey
}

func newServer(name id.Server, seed byte) server {
	return server{name, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))}
}

func (s server) keys(t *testing.T) string {
	t.Helper()
	d := key.Document{Server: s.name, Time: now, Keys: []key.Key{{
		ID: "ed25519:k1", Public: s.private.Public().(ed25519.PublicKey), From: 0, Until: now + 1_000_000_000,
	}}}
	raw, err := d.Sign(map[string]ed25519.PrivateKey{"ed25519:k1": s.private})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// talk is a conversation that the hub, a.test, orders.
type talk struct {
	t     *testing.T
	a, b  server
	state *conversation.State
	head  conversation.Head
	log   []replica.Record
}

func newTalk(t *testing.T) *talk {
	k := &talk{t: t, a: newServer("a.test", 1), b: newServer("b.test", 2)}
	create, err := event.Create{Creators: []id.User{"alice@a.test"}, Hub: "a.test", Members: []id.User{"alice@a.test", "bob@b.test"}, Name: "Team", Type: event.Group}.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	k.say(frame.TypeCreate, "alice@a.test", create)
	return k
}

// say seals what somebody submits, whether he may or not.
func (k *talk) say(typ string, sender id.User, content []byte) {
	k.t.Helper()
	e := &conversation.Event{Type: typ, Sender: sender, Device: "01J9ZK3V8Q2M6T4R7X5W1Y0ABC", TempID: fmt.Sprint("t", len(k.log)), AuthorTime: now, Salt: [16]byte{byte(len(k.log))}, Content: content}
	if k.state != nil {
		e.ConversationID = k.state.ID
	} else {
		e.ConversationID = event.ConversationID(content)
	}
	prev := k.head.Hash
	after, err := conversation.Seal(e, k.head, k.state, now+int64(len(k.log)))
	if err != nil {
		k.t.Fatal(err)
	}
	entry, err := conversation.EntryOf(e, prev, k.state.Term(), after)
	if err != nil {
		k.t.Fatal(err)
	}
	r := replica.Record{Entry: entry, Salt: e.Salt, Content: content, Submission: event.Submission{
		AuthorTime: e.AuthorTime, ContentHash: event.ContentHash(e.Salt, content), ConversationID: e.ConversationID, DeviceID: e.Device,
		Sender: sender, TempID: e.TempID, Type: typ,
	}}
	if sender.Server() == k.b.name {
		sig, err := r.Submission.Sign("ed25519:k1", k.b.private)
		if err != nil {
			k.t.Fatal(err)
		}
		r.Signature = &sig
	}
	k.state, k.head, k.log = after, conversation.HeadAt(e), append(k.log, r)
}

func (k *talk) text(sender id.User, text string) {
	content, err := event.MessageContent(frame.Send{Content: text, ContentType: "text"})
	if err != nil {
		k.t.Fatal(err)
	}
	k.say(frame.TypeMessage, sender, content)
}

func (k *talk) checkpoint(r replica.Record) *replica.Checkpoint {
	hash, err := r.Entry.Hash(nil)
	if err != nil {
		k.t.Fatal(err)
	}
	c := event.Checkpoint{ConversationID: r.Entry.ConversationID, Hash: hash, Hub: "a.test", Seq: r.Entry.Seq, Term: r.Entry.Term, Time: now}
	sig, err := c.Sign("ed25519:k1", k.a.private)
	if err != nil {
		k.t.Fatal(err)
	}
	return &replica.Checkpoint{Checkpoint: c, Signatures: []event.Signature{sig}}
}

// lines is the transcript.
func (k *talk) lines() []replica.Line {
	out := []replica.Line{
		{Transcript: &replica.TranscriptHead{ConversationID: k.state.ID, ServerName: "b.test", Time: now, V: 1}},
		{Keys: k.a.keys(k.t)}, {Keys: k.b.keys(k.t)},
	}
	for i := range k.log {
		out = append(out, replica.Line{Record: &k.log[i]})
	}
	return append(out, replica.Line{Checkpoint: k.checkpoint(k.log[len(k.log)-1])})
}

func write(t *testing.T, lines []replica.Line) string {
	t.Helper()
	var b strings.Builder
	for _, l := range lines {
		if err := replica.WriteLine(&b, l); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func talked(t *testing.T) *talk {
	k := newTalk(t)
	k.text("alice@a.test", "hello")
	k.text("bob@b.test", "hello back")
	k.text("alice@a.test", "soon gone")
	return k
}

func TestTranscript_ShowsAWholeConversation(t *testing.T) {
	k := talked(t)
	k.log[3].Salt, k.log[3].Content = [16]byte{}, nil
	got, err := verify.Transcript(strings.NewReader(write(t, k.lines())))
	if err != nil {
		t.Fatal(err)
	}
	if got.Hub != "a.test" || got.Server != "b.test" || got.First != 0 || got.Last != 3 || got.Messages != 3 || got.Erased != 1 || got.Signed != 1 || len(got.Keys) != 2 || got.Hash != k.head.Hash {
		t.Errorf("%+v", got)
	}
}

func TestTranscript_BeginsWithASnapshot(t *testing.T) {
	k := newTalk(t)
	k.text("alice@a.test", "before")
	change, err := event.ChangeContent(frame.Change{UserIDs: []string{"carol@b.test"}, Role: "member"})
	if err != nil {
		t.Fatal(err)
	}
	k.say(frame.TypeMemberAdd, "alice@a.test", change)
	state, err := k.state.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	begin := k.log[2]
	snap := &replica.Snapshot{Create: string(k.log[0].Content), State: string(state), Record: begin, Checkpoint: *k.checkpoint(begin)}
	k.text("carol@b.test", "hi")
	lines := k.lines()
	lines = append(append(lines[:3:3], replica.Line{Snapshot: snap}), lines[6:]...)
	got, err := verify.Transcript(strings.NewReader(write(t, lines)))
	if err != nil || got.First != 2 || got.Last != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	snap.State = strings.Replace(snap.State, "Team", "Meat", 1)
	if _, err := verify.Transcript(strings.NewReader(write(t, lines))); err == nil {
		t.Error("another state is taken")
	}
}

func TestTranscript_SaysWhatIsAmiss(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(k *talk, lines []replica.Line) []replica.Line
	}{
		{"an entry left out", "line 6", func(_ *talk, l []replica.Line) []replica.Line { return append(l[:5], l[6:]...) }},
		{"the end left out", "ends without", func(_ *talk, l []replica.Line) []replica.Line { return l[:len(l)-1] }},
		{"the last entry left out", "not of entry 2", func(_ *talk, l []replica.Line) []replica.Line { return append(l[:6], l[7]) }},
		{"something after the end", "follows the checkpoint", func(_ *talk, l []replica.Line) []replica.Line { return append(l, l[6]) }},
		{"no keys of the author's server", "keys of b.test", func(_ *talk, l []replica.Line) []replica.Line { return append(l[:2:2], l[3:]...) }},
		{"no signature of the author's server", "not signed by that server", func(_ *talk, l []replica.Line) []replica.Line {
			l[5].Record.Signature = nil
			return l
		}},
		{"a signature by another key", "does not verify", func(k *talk, l []replica.Line) []replica.Line {
			sig, _ := l[5].Record.Submission.Sign("ed25519:k1", k.a.private)
			l[5].Record.Signature = &sig
			return l
		}},
		{"a checkpoint by another key", "does not verify", func(k *talk, l []replica.Line) []replica.Line {
			sig, _ := l[7].Checkpoint.Checkpoint.Sign("ed25519:k1", k.b.private)
			l[7].Checkpoint.Signatures[0] = sig
			return l
		}},
		{"a checkpoint without signature", "not signed", func(_ *talk, l []replica.Line) []replica.Line {
			l[7].Checkpoint.Signatures = nil
			return l
		}},
		{"keys after their life", "not in its life", func(k *talk, l []replica.Line) []replica.Line {
			late := l[7].Checkpoint.Checkpoint
			late.Time = now + 2_000_000_000
			sig, _ := late.Sign("ed25519:k1", k.a.private)
			l[7].Checkpoint = &replica.Checkpoint{Checkpoint: late, Signatures: []event.Signature{sig}}
			return l
		}},
		{"no head", "line 1", func(_ *talk, l []replica.Line) []replica.Line { return l[1:] }},
	} {
		k := talked(t)
		_, err := verify.Transcript(strings.NewReader(write(t, c.change(k, k.lines()))))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestTranscript_AHubThatLetsAnybodySpeakIsFound(t *testing.T) {
	k := talked(t)
	k.text("mallory@a.test", "I am no member")
	if _, err := verify.Transcript(strings.NewReader(write(t, k.lines()))); err == nil || !strings.Contains(err.Error(), "mallory") {
		t.Error(err)
	}
}

func FuzzTranscript(f *testing.F) {
	t := &testing.T{}
	f.Add(write(t, talked(t).lines()))
	f.Add(`{"transcript":{"conversationId":"c","v":1}}`)
	f.Fuzz(func(_ *testing.T, text string) { _, _ = verify.Transcript(strings.NewReader(text)) })
}
