// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/core/timeline"
	"parley.chat/federation/replica"
	"parley.chat/internal/federationtest"
	"parley.chat/internal/timelinetest"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	wire "parley.chat/protocol/replica"
)

// Every lie is told about the honest range 1..4: alice, bob (here), carol (of a third server), and a rename by alice. None is taken,
// and the honest range is taken afterwards.
func TestTake_RefusesLies(t *testing.T) {
	type lie struct {
		name string
		from id.Server
		tell func(t *testing.T, r *room, rng *wire.Range)
		code fault.Code
		seq  int64
	}
	resign := func(t *testing.T, r *room, rng *wire.Range) {
		federationtest.Reseal(t, rng.Records)
		r.hub.SignRange(t, rng)
	}
	for _, l := range []lie{
		{name: "another server hands it on", from: m, code: fault.UnknownConversation, seq: -1},
		{name: "a member's server hands it on", from: c, code: fault.UnknownConversation, seq: -1},
		{name: "we are told by ourselves", from: b, code: fault.UnknownConversation, seq: -1},
		{name: "there is no checkpoint", tell: func(_ *testing.T, _ *room, rng *wire.Range) { rng.Checkpoint = nil }},
		{name: "the checkpoint is not signed", tell: func(_ *testing.T, _ *room, rng *wire.Range) { rng.Checkpoint.Signatures = nil }},
		{name: "a bit of the signature", tell: func(_ *testing.T, _ *room, rng *wire.Range) { rng.Checkpoint.Signatures[0].Bytes[5] ^= 1 }},
		{name: "another time than was signed", tell: func(_ *testing.T, _ *room, rng *wire.Range) { rng.Checkpoint.Time-- }},
		{name: "another server signed", tell: func(t *testing.T, r *room, rng *wire.Range) {
			r.Servers[m].SignHead(t, rng.Checkpoint)
			rng.Checkpoint.Signatures[0].Server = a
		}, code: fault.Unavailable}, // The hub has no such key.
		{name: "a member's server signed in its own name", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Checkpoint.Hub = c
			r.Servers[c].SignHead(t, rng.Checkpoint)
		}},
		{name: "the checkpoint of an earlier entry", code: fault.InvalidField, tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Checkpoint = r.hub.Checkpoint(t, rng.Records[2].Entry)
		}},
		{name: "another term", tell: func(t *testing.T, r *room, rng *wire.Range) {
			for i := range rng.Records {
				rng.Records[i].Entry.Term = 1
			}
			resign(t, r, rng)
		}},
		{name: "a term in the middle", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[1].Entry.Term = 1
			resign(t, r, rng)
		}},
		{name: "an author's signature is missing", tell: func(_ *testing.T, _ *room, rng *wire.Range) { rng.Records[2].Signature = nil }},
		{name: "an author's signature by the hub", tell: func(t *testing.T, r *room, rng *wire.Range) {
			sig, err := rng.Records[2].Submission.Sign(r.hub.KeyID, r.hub.Private)
			if err != nil {
				t.Fatal(err)
			}
			rng.Records[2].Signature = &event.Signature{Server: c, KeyID: r.Servers[c].KeyID, Bytes: sig.Bytes}
		}},
		{name: "the hub's own user is signed for", tell: func(t *testing.T, r *room, rng *wire.Range) {
			sig, err := rng.Records[0].Submission.Sign(r.hub.KeyID, r.hub.Private)
			if err != nil {
				t.Fatal(err)
			}
			rng.Records[0].Signature = &sig
		}},
		{name: "the hub makes a member of a third server say something", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rename(t, &rng.Records[2], "I resign")
			resign(t, r, rng)
		}},
		{name: "the hub makes our user say something", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rename(t, &rng.Records[1], "I resign")
			resign(t, r, rng)
		}},
		{name: "the hub makes another of our users say what one said", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[1].Submission.Sender = bert
			resign(t, r, rng)
		}},
		{name: "our user's words without a signature", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rename(t, &rng.Records[1], "I resign")
			rng.Records[1].Signature = nil
			resign(t, r, rng)
		}},
		{name: "a submission for another conversation", code: fault.InvalidField, tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[2].Submission.ConversationID = id.NewConversation([32]byte{9})
			resign(t, r, rng)
		}},
		{name: "a stranger says something", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[0].Submission.Sender = id.NewUser("eve", a)
			resign(t, r, rng)
		}},
		{name: "a member without the right renames", seq: 3, tell: func(t *testing.T, r *room, rng *wire.Range) {
			sub := &rng.Records[3]
			sub.Submission.Sender = carol
			federationtest.Reseal(t, rng.Records)
			sig, err := sub.Submission.Sign(r.Servers[c].KeyID, r.Servers[c].Private)
			if err != nil {
				t.Fatal(err)
			}
			sub.Signature = &sig
			r.hub.SignRange(t, rng)
		}},
		{name: "another state than follows", seq: 3, tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[3].Entry.StateHash = &event.Hash{1}
			resign(t, r, rng)
		}},
		{name: "a state hash on a message", seq: 0, tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[0].Entry.StateHash = &event.Hash{1}
			resign(t, r, rng)
		}},
		{name: "another count", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[0].Entry.Count = 2
			resign(t, r, rng)
		}},
		{name: "time falls", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[0].Entry.HubTime = 5
			resign(t, r, rng)
		}},
		{name: "an entry of the future", code: fault.Unavailable, tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[3].Entry.HubTime = time.Now().Add(time.Hour).UnixMilli()
			resign(t, r, rng)
		}},
		{name: "the content of a change is missing", tell: func(_ *testing.T, _ *room, rng *wire.Range) {
			rng.Records[3].Content, rng.Records[3].Salt = nil, [16]byte{}
		}},
		{name: "an address that is a script", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[0].Content = []byte(`{"contentType":"image","mediaUrl":"javascript:alert(1)"}`)
			resign(t, r, rng)
		}},
		{name: "content that nobody can show", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[0].Content = []byte(`{"content":{},"contentType":"text"}`)
			resign(t, r, rng)
		}},
		{name: "a type that there is not", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[0].Submission.Type = "hub_steal"
			resign(t, r, rng)
		}},
		{name: "a second create", tell: func(t *testing.T, r *room, rng *wire.Range) {
			log, _ := r.hub.Log(t, r.conv)
			rng.Records[0].Submission.Type, rng.Records[0].Content = frame.TypeCreate, log[0].Content
			resign(t, r, rng)
		}},
		{name: "an entry is left out", code: fault.InvalidField, tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records = append(rng.Records[:1:1], rng.Records[2:]...)
			r.hub.SignRange(t, rng)
		}},
		{name: "entries that do not chain", tell: func(t *testing.T, r *room, rng *wire.Range) {
			rng.Records[2].Entry.Prev = event.Hash{1}
			r.hub.SignRange(t, rng)
		}},
	} {
		t.Run(l.name, func(t *testing.T) {
			r := newRoom(t)
			r.begin(t)
			r.say(t, alice, "one")
			r.say(t, bob, "two")
			r.say(t, carol, "three")
			r.change(t, frame.TypeRename, frame.Change{Name: "four"})
			rng := r.hub.Range(t, r.conv, 1, 4)
			from, code := a, fault.EntryRefused
			if l.from != "" {
				from = l.from
			}
			if l.code != "" {
				code = l.code
			}
			if l.tell != nil {
				l.tell(t, r, &rng)
			}
			seq, err := r.give(t, from, wire.Item{Range: &rng})
			want(t, "a lie", seq, err, l.seq, code)
			if have := r.head(t); have != max(l.seq, 0) {
				t.Errorf("the replica is at %d", have)
			}
			seq, err = r.giveRange(t, 1, 4)
			want(t, "the truth", seq, err, 4, "")
			r.same(t)
		})
	}
}

func TestTake_KeysCountWithinTheirLives(t *testing.T) {
	day := 24 * time.Hour.Milliseconds()
	for _, c := range []struct {
		name   string
		server id.Server
		change func(k *key.Key, now int64)
		ok     bool
	}{
		{"the hub's key ended before the checkpoint", a, func(k *key.Key, now int64) { k.Until = now - day }, false},
		{"the hub's key begins later", a, func(k *key.Key, now int64) { k.From = now + day }, false},
		{"the author's key ended before the entry", c, func(k *key.Key, now int64) { k.Until = now - day }, false},
		{"the author's key begins later", c, func(k *key.Key, now int64) { k.From = now + day }, false},
		{"our own key ended before the entry", b, func(k *key.Key, now int64) { k.Until = now - day }, false},
		{"the author's key ended after the entry", c, func(k *key.Key, now int64) { k.Until, k.IsOld = now+1000, true }, true},
		{"the hub's key was revoked after the checkpoint", a, func(k *key.Key, now int64) { k.Until, k.IsOld, k.IsRevoked = now+1000, true, true }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			r.begin(t)
			r.say(t, carol, "x")
			r.say(t, bob, "y")
			rng := r.hub.Range(t, r.conv, 1, 2)
			r.SetKey(c.server, func(k *key.Key) { c.change(k, time.Now().UnixMilli()) })
			seq, err := r.give(t, a, wire.Item{Range: &rng})
			if c.ok {
				want(t, "good", seq, err, 2, "")
			} else {
				want(t, "bad", seq, err, 0, fault.EntryRefused)
			}
		})
	}
}

// A stolen key that was revoked signs a checkpoint back into its life, over entries from after it.
func TestTake_ARevokedKeyCannotReachBackOverNewEntries(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.say(t, alice, "x")
	rng := r.hub.Range(t, r.conv, 1, 1)
	end := rng.Records[0].Entry.HubTime - 1
	rng.Checkpoint.Time = end
	r.hub.SignHead(t, rng.Checkpoint)
	r.SetKey(a, func(k *key.Key) { k.Until, k.IsOld, k.IsRevoked = end, true, true })
	seq, err := r.give(t, a, wire.Item{Range: &rng})
	want(t, "over a new entry", seq, err, 0, fault.EntryRefused)
}

// fork makes the hub tell another story from seq on, for the entries up to the head.
func (r *room) fork(t *testing.T, seq int64) wire.Range {
	t.Helper()
	v, err := r.hub.View(t.Context(), r.conv)
	if err != nil {
		t.Fatal(err)
	}
	rng := r.hub.Range(t, r.conv, seq, v.Head.Seq)
	rng.Records[0].Submission.AuthorTime++ // Another story.
	federationtest.Reseal(t, rng.Records)
	r.hub.SignRange(t, &rng)
	return rng
}

func (r *room) divergedWith(t *testing.T) replica.Proof {
	t.Helper()
	list, err := r.Proofs(t.Context(), 10)
	if err != nil || len(list) != 1 {
		t.Fatalf("there are %d proofs, %v", len(list), err)
	}
	if is, err := r.Diverged(t.Context(), r.conv); err != nil || !is {
		t.Errorf("the conversation is not marked, %v", err)
	}
	return list[0]
}

func (r *room) find(t *testing.T) func(id.Server, string) (key.Key, error) {
	return func(s id.Server, keyID string) (key.Key, error) { return r.Find(t.Context(), s, keyID) }
}

func TestTake_TwoHistoriesAreFoundAndProved(t *testing.T) {
	for _, c := range []struct {
		name string
		tell func(t *testing.T, r *room) wire.Item
		seq  int64
	}{
		{"other entries from one that is held", func(t *testing.T, r *room) wire.Item { rng := r.fork(t, 3); return wire.Item{Range: &rng} }, 4},
		{"other entries from one that is held, and more", func(t *testing.T, r *room) wire.Item {
			r.say(t, alice, "five")
			rng := r.fork(t, 2)
			return wire.Item{Range: &rng}
		}, 2},
		{"another newest entry", func(t *testing.T, r *room) wire.Item { rng := r.fork(t, 4); return wire.Item{Range: &rng} }, 4},
		{"an entry after another head", func(t *testing.T, r *room) wire.Item {
			r.say(t, alice, "five")
			rng := r.fork(t, 4)
			rng.Records = rng.Records[1:]
			return wire.Item{Range: &rng}
		}, 4},
		{"another head", func(t *testing.T, r *room) wire.Item { return wire.Item{Head: r.fork(t, 4).Checkpoint} }, 4},
		{"an old head that is another", func(t *testing.T, r *room) wire.Item {
			rng := r.fork(t, 3)
			rng.Records = rng.Records[:1]
			r.hub.SignRange(t, &rng)
			return wire.Item{Head: rng.Checkpoint}
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			r.begin(t)
			for _, text := range []string{"one", "two", "three"} {
				r.say(t, alice, text)
			}
			r.change(t, frame.TypeRename, frame.Change{Name: "four"}) // What it commits to is part of the proof.
			seq, err := r.giveRange(t, 1, 4)
			want(t, "one story", seq, err, 4, "")
			item := c.tell(t, r)
			seq, err = r.give(t, a, item)
			want(t, "another story", seq, err, 4, fault.Diverged)
			p := r.divergedWith(t)
			if err := replica.VerifyProof(p, r.find(t)); err != nil || p.Seq != c.seq || p.Hub != a || p.ConversationID != r.conv {
				t.Errorf("the proof of seq %d: %v", p.Seq, err)
			}
			at := r.say(t, alice, "after")
			rng := r.hub.Range(t, r.conv, 1, at)
			seq, err = r.give(t, a, wire.Item{Range: &rng})
			want(t, "nothing more is taken", seq, err, 4, fault.Diverged)
			r.restart()
			seq, err = r.give(t, a, wire.Item{Range: &rng})
			want(t, "nor after a restart", seq, err, 4, fault.Diverged)
			timelinetest.Verify(t, r.here.Store, r.conv)
		})
	}
}

func TestWitness_WhatAnotherServerWasShownConvicts(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.say(t, alice, "one")
	seq, err := r.giveRange(t, 1, 1)
	want(t, "one story", seq, err, 1, "")
	honest, _, err := r.Head(t.Context(), r.conv)
	if err == nil {
		err = r.Witness(t.Context(), honest)
	}
	if err != nil {
		t.Errorf("the same head: %v", err)
	}
	shown := *r.fork(t, 1).Checkpoint
	unsigned := shown
	unsigned.Signatures = nil
	if err := r.Witness(t.Context(), unsigned); !fault.Is(err, fault.EntryRefused) {
		t.Errorf("a head nobody signed: %v", err)
	}
	made := shown
	made.Hub = m
	r.Servers[m].SignHead(t, &made)
	if err := r.Witness(t.Context(), made); !fault.Is(err, fault.UnknownConversation) {
		t.Errorf("a head of another hub: %v", err)
	}
	if err := r.Witness(t.Context(), shown); !fault.Is(err, fault.Diverged) {
		t.Errorf("the head of another story: %v", err)
	}
	if err := replica.VerifyProof(r.divergedWith(t), r.find(t)); err != nil {
		t.Error(err)
	}
}

func TestVerifyProof_NothingLessConvicts(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	for _, text := range []string{"one", "two", "three"} {
		r.say(t, alice, text)
	}
	seq, err := r.giveRange(t, 1, 3)
	want(t, "one story", seq, err, 3, "")
	r.say(t, alice, "four")
	rng := r.fork(t, 2)
	_, err = r.give(t, a, wire.Item{Range: &rng})
	want(t, "another story", 3, err, 3, fault.Diverged)
	good := r.divergedWith(t)
	raw, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(p *replica.Proof){
		"one story twice":        func(p *replica.Proof) { p.Statements[1] = p.Statements[0] },
		"a seq before the fork":  func(p *replica.Proof) { p.Seq = 1 },
		"a seq after both":       func(p *replica.Proof) { p.Seq = 9 },
		"unsigned":               func(p *replica.Proof) { p.Statements[1].Checkpoint.Signatures = nil },
		"a bit of a signature":   func(p *replica.Proof) { p.Statements[1].Checkpoint.Signatures[0].Bytes[3] ^= 1 },
		"another time":           func(p *replica.Proof) { p.Statements[0].Checkpoint.Time++ },
		"another hub":            func(p *replica.Proof) { p.Hub = m },
		"another term":           func(p *replica.Proof) { p.Statements[1].Checkpoint.Term++ },
		"another conversation":   func(p *replica.Proof) { p.ConversationID = id.NewConversation([32]byte{1}) },
		"an entry changed":       func(p *replica.Proof) { p.Statements[1].Entries[0].Count++ },
		"an entry left out":      func(p *replica.Proof) { p.Statements[1].Entries = p.Statements[1].Entries[:1] },
		"an entry of another":    func(p *replica.Proof) { p.Statements[1].Entries[0].ConversationID = id.NewConversation([32]byte{1}) },
		"made of a forged chain": func(p *replica.Proof) { p.Statements[1].Entries[1].Prev = event.Hash{1} },
	} {
		var p replica.Proof
		if err := json.Unmarshal(raw, &p); err != nil {
			t.Fatal(err)
		}
		if err := replica.VerifyProof(p, r.find(t)); err != nil {
			t.Fatalf("the proof itself: %v", err)
		}
		spoil(&p)
		if err := replica.VerifyProof(p, r.find(t)); err == nil {
			t.Errorf("%s convicts", name)
		}
	}
	r.SetKey(a, func(k *key.Key) { k.Until = 5 })
	if err := replica.VerifyProof(good, r.find(t)); err == nil {
		t.Error("a key from before convicts")
	}
}

func TestTake_RefusesSnapshotsThatLie(t *testing.T) {
	restate := func(t *testing.T, r *room, s *wire.Snapshot, by *federationtest.Server) {
		h := canonical.Hash("state", []byte(s.State))
		s.Record.Entry.StateHash = (*event.Hash)(&h)
		s.Checkpoint = *by.Checkpoint(t, s.Record.Entry)
	}
	for _, c := range []struct {
		name string
		from id.Server
		tell func(t *testing.T, r *room, s *wire.Snapshot)
		code fault.Code
	}{
		{name: "a member's server gives it", from: c},
		{name: "a stranger gives it", from: m},
		{name: "a stranger signs it in its own name", from: m, tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			s.Checkpoint.Hub = m
			r.Servers[m].SignHead(t, &s.Checkpoint)
		}, code: fault.UnknownConversation},
		{name: "a stranger says that the hub was moved to it", from: m, tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			s.State = strings.Replace(s.State, `"members":`, `"info":{"moves":[{"hub":"m.test","seq":1}]},"members":`, 1)
			s.Record.Entry.Term = 1
			restate(t, r, s, r.Servers[m])
		}},
		{name: "it is not signed", tell: func(_ *testing.T, _ *room, s *wire.Snapshot) { s.Checkpoint.Signatures = nil }},
		{name: "a bit of the signature", tell: func(_ *testing.T, _ *room, s *wire.Snapshot) { s.Checkpoint.Signatures[0].Bytes[0] ^= 1 }},
		{name: "a role in the state", tell: func(_ *testing.T, _ *room, s *wire.Snapshot) {
			s.State = strings.Replace(s.State, `"role":"member","userId":"bob@b.test"`, `"role":"owner","userId":"bob@b.test"`, 1)
		}},
		{name: "a state with unknown members", tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			s.State = strings.Replace(s.State, `"v":1}`, `"v":1,"x":1}`, 1)
			restate(t, r, s, r.hub)
		}},
		{name: "a state with spaces", tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			s.State += " "
			restate(t, r, s, r.hub)
		}},
		{name: "a member twice", tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			s.State = strings.Replace(s.State, `"userId":"carol@c.test"`, `"userId":"bob@b.test"`, 1)
			restate(t, r, s, r.hub)
		}},
		{name: "a state without an owner", tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			s.State = strings.Replace(s.State, `"role":"owner"`, `"role":"member"`, 1)
			restate(t, r, s, r.hub)
		}},
		{name: "at seq 0 another state than create makes", tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			s.State = strings.Replace(s.State, `"role":"member","userId":"bob@b.test"`, `"role":"admin","userId":"bob@b.test"`, 1)
			restate(t, r, s, r.hub)
		}},
		{name: "the create object of another", code: fault.InvalidField, tell: func(_ *testing.T, _ *room, s *wire.Snapshot) {
			s.Create = strings.Replace(s.Create, "news", "olds", 1)
		}},
		{name: "a term", tell: func(t *testing.T, r *room, s *wire.Snapshot) {
			s.Record.Entry.Term = 3
			s.Checkpoint = *r.hub.Checkpoint(t, s.Record.Entry)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRoom(t)
			s := r.hub.Snapshot(t, r.conv, 0)
			from, code := a, fault.EntryRefused
			if c.from != "" {
				from = c.from
			}
			if c.code != "" {
				code = c.code
			}
			if c.tell != nil {
				c.tell(t, r, &s)
			}
			seq, err := r.give(t, from, wire.Item{Snapshot: &s})
			want(t, "a lie", seq, err, -1, code)
			if have := r.head(t); have != -1 {
				t.Errorf("the replica is at %d", have)
			}
			r.begin(t)
			r.same(t)
		})
	}
}

func TestTake_NoReplicaForNobody(t *testing.T) {
	r := newRoom(t)
	r.say(t, alice, "x")
	seq, err := r.giveRange(t, 1, 1)
	want(t, "a range without a replica", seq, err, -1, fault.UnknownReplica)
	log, _ := r.hub.Log(t, r.conv)
	seq, err = r.give(t, a, wire.Item{Head: r.hub.Checkpoint(t, log[1].Entry)})
	want(t, "a head without a replica", seq, err, -1, fault.UnknownReplica)
	r.consent = func(replica.Joining) (*timeline.Prefs, error) {
		return nil, fault.New(fault.UnknownUser, "no such user")
	}
	seq, err = r.giveSnapshot(t, 0)
	want(t, "a snapshot for users who do not exist", seq, err, -1, fault.NoMemberHere)
	r.consent = nil
	r.conv = r.hub.Group(t, "none", alice, carol)
	seq, err = r.giveSnapshot(t, 0)
	want(t, "a snapshot without our users", seq, err, -1, fault.NoMemberHere)
	if r.head(t) != -1 {
		t.Error("a replica was made")
	}
}

func TestTake_BeginsSoManyReplicasOfOneServer(t *testing.T) {
	r := newRoom(t)
	r.o.BeginPerMin = 2
	r.restart()
	r.setTime(time.Now())
	for i, name := range []string{"g1", "g2", "g3"} {
		r.conv = r.hub.Group(t, name, alice, bob)
		code := fault.Code("")
		wantSeq := int64(0)
		if i == 2 {
			code, wantSeq = fault.RateLimited, -1
		}
		seq, err := r.giveSnapshot(t, 0)
		want(t, name, seq, err, wantSeq, code)
	}
}

func TestTake_OurOwnConversationsAreNobodyElses(t *testing.T) {
	r := newRoom(t)
	r.conv = r.here.Group(t, "ours", bob, alice)
	s := r.here.Snapshot(t, r.conv, 0)
	seq, err := r.give(t, a, wire.Item{Snapshot: &s})
	want(t, "handed back", seq, err, -1, fault.UnknownConversation)
	r.hub.SignHead(t, &s.Checkpoint)
	seq, err = r.give(t, b, wire.Item{Snapshot: &s})
	if err == nil {
		t.Errorf("taken of ourselves up to %d", seq)
	}
}

func TestTake_NothingIsTakenWhileTheStoreIsAway(t *testing.T) {
	r := newRoom(t)
	r.begin(t)
	r.say(t, alice, "x")
	r.restart()
	r.shelf.Err = errors.New("away")
	seq, err := r.giveRange(t, 1, 1)
	want(t, "while it is away", seq, err, 0, fault.Unavailable)
	r.shelf.Err = nil
	seq, err = r.giveRange(t, 1, 1)
	want(t, "afterwards", seq, err, 1, "")
}

// FuzzTake wants that nothing that was changed on the way is taken in another form than the hub's, whatever it is.
func FuzzTake(f *testing.F) {
	r := newRoom(f)
	r.begin(f)
	r.say(f, alice, "one")
	r.say(f, carol, "two")
	rng := r.hub.Range(f, r.conv, 1, 2)
	snapshot := r.hub.Snapshot(f, r.conv, 0)
	for _, item := range []wire.Item{{ConversationID: r.conv, Range: &rng}, {ConversationID: r.conv, Snapshot: &snapshot}, {ConversationID: r.conv, Head: rng.Checkpoint}} {
		raw, err := json.Marshal(wire.Transaction{Items: []wire.Item{item}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	log, _ := r.hub.Log(f, r.conv)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var in wire.Transaction
		if err := wire.Decode(raw, &in); err != nil {
			return
		}
		for _, item := range in.Items {
			if _, err := r.Take(t.Context(), a, item); err != nil && fault.From(err).Code == fault.Internal {
				t.Errorf("an internal error: %v", err)
			}
		}
		_, held := timelinetest.Log(t, r.here.Store, r.conv)
		for i, e := range held {
			if hash, err := log[i].Entry.Hash(nil); err != nil || e.Hash != hash || e.Seq != int64(i) {
				t.Fatalf("entry %d is not the hub's", i)
			}
		}
	})
}
