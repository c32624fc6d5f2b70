// SPDX-License-Identifier: Apache-2.0

package replica_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/replica"
)

const device = id.Device("01J9ZK3V8Q2M6T4R7X5W1Y0ABC")

func private(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// create is the direct conversation of everything here; its hub is a.example.
func create() string {
	return string(must(event.NewDirect("alice@a.example", "bob@b.example").Canonical()))
}

// record makes the entry at seq after prev, by sender, signed by his server unless that is the hub.
func record(seq int64, prev event.Hash, sender id.User, typ, content string) replica.Record {
	r := replica.Record{Salt: [16]byte{byte(seq)}, Content: []byte(content)}
	r.Submission = event.Submission{AuthorTime: 1790000000000, ContentHash: event.ContentHash(r.Salt, r.Content),
		ConversationID: event.ConversationID([]byte(create())), DeviceID: device, Sender: sender, TempID: "<t&1>", Type: typ}
	sub := must(r.Submission.Hash(nil))
	r.Entry = event.Entry{ConversationID: r.Submission.ConversationID, Count: seq, HubTime: 1790000000000 + seq, Prev: prev, Seq: seq,
		MessageID: id.NewMessage(1790000000000+seq, seq, sub), SubmissionHash: sub}
	if typ == frame.TypeCreate {
		r.Entry.StateHash = &event.Hash{7}
	}
	if sender.Server() != "a.example" {
		s := must(r.Submission.Sign("ed25519:b1", private(2)))
		r.Signature = &s
	}
	return r
}

func point(r replica.Record) replica.Checkpoint {
	c := event.Checkpoint{ConversationID: r.Entry.ConversationID, Hash: must(r.Entry.Hash(nil)), Hub: "a.example", Seq: r.Entry.Seq, Term: r.Entry.Term, Time: 1790000001000}
	return replica.Checkpoint{Checkpoint: c, Signatures: []event.Signature{must(c.Sign("ed25519:a1", private(1)))}}
}

func example() (replica.Snapshot, replica.Range) {
	first := record(0, event.Hash{}, "alice@a.example", frame.TypeCreate, create())
	one := record(1, must(first.Entry.Hash(nil)), "bob@b.example", frame.TypeMessage, `{"content":"<hi> & \"bye\"","contentType":"text"}`)
	two := record(2, must(one.Entry.Hash(nil)), "alice@a.example", frame.TypeMessage, `{"content":"erased","contentType":"text"}`)
	two.Salt, two.Content = [16]byte{}, nil
	end := point(two)
	return replica.Snapshot{Create: create(), State: "{}", JoinedAt: map[id.User]int64{"alice@a.example": 5, "bob@b.example": 6}, Record: first, Checkpoint: point(first)},
		replica.Range{ConversationID: one.Entry.ConversationID, Records: []replica.Record{one, two}, Checkpoint: &end}
}

func transaction() replica.Transaction {
	snap, rng := example()
	head := point(rng.Records[0])
	return replica.Transaction{
		Items: []replica.Item{{ConversationID: rng.ConversationID, Snapshot: &snap, Range: &rng, Head: &head,
			Receipts: []replica.Receipt{{UserID: "alice@a.example", DeliveredSeq: 2, ReadSeq: -1}}}},
		Typing: []frame.Typing{{ConversationID: string(rng.ConversationID), UserID: "alice@a.example", IsTyping: true}},
	}
}

func TestTransaction_ComesBackAsItWasSent(t *testing.T) {
	sent := transaction()
	raw := must(json.Marshal(sent))
	var got replica.Transaction
	if err := replica.Decode(raw, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sent, got); d != "" {
		t.Error(d)
	}
	if again := must(json.Marshal(got)); !bytes.Equal(raw, again) {
		t.Errorf("another text the second time:\n%s\n%s", raw, again)
	}
}

func TestSubmissions_ComeBackAsTheyWereSent(t *testing.T) {
	_, rng := example()
	r := rng.Records[0]
	sent := replica.Submissions{ConversationID: rng.ConversationID, Seen: &replica.Seen{Seq: 4, Hash: "AA"},
		Submissions: []replica.Submitted{{Submission: r.Submission, Signature: *r.Signature, Salt: r.Salt, Content: r.Content, Secret: "s"}}}
	var got replica.Submissions
	if err := replica.Decode(must(json.Marshal(sent)), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sent, got); d != "" {
		t.Error(d)
	}
	if err := got.Submissions[0].Submission.Verify(got.Submissions[0].Signature, private(2).Public().(ed25519.PublicKey)); err != nil {
		t.Error(err)
	}
}

// TestRange_RefusesWhatDoesNotBelongTogether changes one thing at a time in a range that is good.
func TestRange_RefusesWhatDoesNotBelongTogether(t *testing.T) {
	_, good := example()
	raw := string(must(json.Marshal(good)))
	for _, c := range []struct{ name, old, new string }{
		{"a space in an entry", `"count":1,`, `"count":1, `},
		{"a key out of order", `"authorTime":1790000000000,"contentHash"`, `"v":1,"contentHash"`},
		{"an unknown key in an entry", `"term":0,"v":1`, `"term":0,"u":0,"v":1`},
		{"another version", `"term":0,"v":1`, `"term":0,"v":2`},
		{"a seq that is left out", `"seq":2,`, `"seq":3,`},
		{"another hub time", `"hubTime":1790000000001`, `"hubTime":1790000000009`},
		{"another sender", `"sender":"bob@b.example"`, `"sender":"eve@b.example"`},
		{"another content", `\u003chi`, `hello`},
		{"content without salt", `"salt":"AQAAAAAAAAAAAAAAAAAAAA",`, ``},
		{"a number beyond the canonical ones", `"count":1`, `"count":9007199254740993`},
		{"a number with an exponent", `"count":1`, `"count":1e0`},
		{"a short signature", `"keyId":"ed25519:b1","signature":"`, `"keyId":"ed25519:b1","signature":"AA`},
		{"a checkpoint of another seq", `"hub":"a.example","seq":2`, `"hub":"a.example","seq":1`},
	} {
		bad := strings.Replace(raw, c.old, c.new, 1)
		if bad == raw {
			bad = strings.Replace(raw, "<hi", c.new, 1)
		}
		if bad == raw {
			t.Errorf("%s: nothing to change in %s", c.name, raw)
			continue
		}
		var got replica.Range
		err := replica.Decode([]byte(bad), &got)
		if _, ok := errors.AsType[*fault.Error](err); !ok {
			t.Errorf("%s: %v is no fault", c.name, err)
		}
	}
}

func TestTransaction_OneBadItemLeavesTheOthers(t *testing.T) {
	sent := transaction()
	sent.Items = append(sent.Items, sent.Items[0])
	raw := strings.Replace(string(must(json.Marshal(sent))), `"count":1,`, `"count": 1,`, 1)
	var got replica.Transaction
	if err := replica.Decode([]byte(raw), &got); err != nil {
		t.Fatal(err)
	}
	if got.Items[0].Wrong == nil || got.Items[0].ConversationID != sent.Items[0].ConversationID || got.Items[1].Wrong != nil {
		t.Errorf("wrong: %v %v", got.Items[0].Wrong, got.Items[1].Wrong)
	}
}

func TestItem_HoldsOneConversationOnly(t *testing.T) {
	sent := transaction()
	sent.Items[0].ConversationID = id.NewConversation([32]byte{9})
	var got replica.Transaction
	if err := replica.Decode(must(json.Marshal(sent)), &got); err != nil || got.Items[0].Wrong == nil {
		t.Errorf("%v %v", err, got.Items[0].Wrong)
	}
}

func TestSnapshot_WantsItsOwnCreateObject(t *testing.T) {
	snap, _ := example()
	snap.Create = string(must(event.NewDirect("alice@a.example", "eve@b.example").Canonical()))
	var got replica.Snapshot
	if err := replica.Decode(must(json.Marshal(snap)), &got); !fault.Is(err, fault.InvalidField) {
		t.Error(err)
	}
	snap, _ = example()
	snap.Record.Entry.StateHash = nil
	snap.Checkpoint = point(snap.Record)
	if err := replica.Decode(must(json.Marshal(snap)), &got); !fault.Is(err, fault.InvalidField) {
		t.Error(err)
	}
}

func TestDecode_BoundsWhatItReads(t *testing.T) {
	var got replica.Transaction
	if err := replica.Decode(bytes.Repeat([]byte{' '}, replica.MaxBody+1), &got); !fault.Is(err, fault.InvalidField) {
		t.Error(err)
	}
	many := replica.Transaction{Items: make([]replica.Item, replica.MaxItems+1)}
	if err := replica.Decode(must(json.Marshal(many)), &got); !fault.Is(err, fault.InvalidField) {
		t.Error(err)
	}
	for _, bad := range []string{``, `[]`, `{"items":1}`, `{"items":[],"items":[]}`, "{\"items\":\"\xff\"}"} {
		if err := replica.Decode([]byte(bad), &got); !fault.Is(err, fault.MalformedJSON) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzTransaction_IsRefusedOrTheSameAgain(f *testing.F) {
	f.Add(must(json.Marshal(transaction())))
	f.Add([]byte(`{"items":[{"conversationId":"c","range":{"entries":[{}]}}],"typing":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got replica.Transaction
		if replica.Decode(raw, &got) != nil {
			return
		}
		for _, item := range got.Items {
			if item.Wrong != nil {
				return
			}
		}
		var again replica.Transaction
		if err := replica.Decode(must(json.Marshal(got)), &again); err != nil {
			t.Fatal(err)
		}
		if a, b := must(json.Marshal(got)), must(json.Marshal(again)); !bytes.Equal(a, b) {
			t.Errorf("%s\n%s", a, b)
		}
	})
}

func FuzzSubmissions_AreRefusedOrTheSameAgain(f *testing.F) {
	_, rng := example()
	r := rng.Records[0]
	f.Add(must(json.Marshal(replica.Submissions{ConversationID: rng.ConversationID,
		Submissions: []replica.Submitted{{Submission: r.Submission, Signature: *r.Signature, Salt: r.Salt, Content: r.Content}}})))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got, again replica.Submissions
		if replica.Decode(raw, &got) != nil {
			return
		}
		if err := replica.Decode(must(json.Marshal(got)), &again); err != nil {
			t.Fatal(err)
		}
		if a, b := must(json.Marshal(got)), must(json.Marshal(again)); !bytes.Equal(a, b) {
			t.Errorf("%s\n%s", a, b)
		}
	})
}
