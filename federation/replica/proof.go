// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json"

	"parley.chat/core/timeline"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	wire "parley.chat/protocol/replica"
)

// maxChain is how many entries a statement of a proof has at most.
const maxChain = 4096

// Statement is what a hub signed, with the entries that lead up to it.
type Statement struct {
	Checkpoint wire.Checkpoint
	Entries    []event.Entry // consecutive, the last is the checkpoint's; may be empty
}

// Proof shows that a hub gave a place twice: both statements are signed by it in one term, and by them the entry at Seq has two
// hashes. Whoever has the hub's keys can check it with VerifyProof.
type Proof struct {
	ConversationID id.Conversation
	Hub            id.Server
	Term, Seq      int64
	Statements     [2]Statement
}

type proofText struct {
	ConversationID id.Conversation `json:"conversationId"`
	Hub            id.Server       `json:"hub"`
	Term           int64           `json:"term"`
	Seq            int64           `json:"seq"`
	Statements     []statementText `json:"statements"`
	V              int             `json:"v"`
}

type statementText struct {
	Checkpoint wire.Checkpoint `json:"checkpoint"`
	Entries    []string        `json:"entries,omitempty"` // canonical
}

// MarshalJSON writes the proof.
func (p Proof) MarshalJSON() ([]byte, error) {
	w := proofText{ConversationID: p.ConversationID, Hub: p.Hub, Term: p.Term, Seq: p.Seq, V: 1}
	for _, s := range p.Statements {
		text := statementText{Checkpoint: s.Checkpoint}
		for _, e := range s.Entries {
			raw, err := e.Canonical(nil)
			if err != nil {
				return nil, err
			}
			text.Entries = append(text.Entries, string(raw))
		}
		w.Statements = append(w.Statements, text)
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads a proof; nothing of it is verified.
func (p *Proof) UnmarshalJSON(raw []byte) error {
	var w proofText
	if err := json.Unmarshal(raw, &w); err != nil {
		return fault.New(fault.MalformedJSON, "not a proof").Because(err)
	}
	if w.V != 1 || len(w.Statements) != 2 {
		return fault.New(fault.MalformedJSON, "not a proof of version 1")
	}
	out := Proof{ConversationID: w.ConversationID, Hub: w.Hub, Term: w.Term, Seq: w.Seq}
	for i, s := range w.Statements {
		if len(s.Entries) > maxChain {
			return fault.New(fault.MalformedJSON, "a statement of a proof has at most %d entries", maxChain)
		}
		out.Statements[i].Checkpoint = s.Checkpoint
		for _, text := range s.Entries {
			e, err := event.ParseEntry([]byte(text))
			if err != nil {
				return err
			}
			out.Statements[i].Entries = append(out.Statements[i].Entries, e)
		}
	}
	*p = out
	return nil
}

// VerifyProof says why the proof shows nothing; nil means that the hub did show two histories. find returns a key the hub published,
// current or old. It is pure but for find. spec: FED-PROOF-2
func VerifyProof(p Proof, find func(server id.Server, keyID string) (key.Key, error)) error {
	var at [2]event.Hash
	for i, s := range p.Statements {
		cp := s.Checkpoint
		if cp.ConversationID != p.ConversationID || cp.Hub != p.Hub || cp.Term != p.Term {
			return errors.New("proof: a statement is of another conversation, hub or term")
		}
		if err := verifyStatement(s, find); err != nil {
			return fmt.Errorf("proof: statement %d: %w", i+1, err)
		}
		hash, ok := s.says(p.Seq)
		if !ok {
			return fmt.Errorf("proof: statement %d says nothing of seq %d", i+1, p.Seq)
		}
		at[i] = hash
	}
	if at[0] == at[1] {
		return fmt.Errorf("proof: both statements say the same of seq %d", p.Seq)
	}
	return nil
}

func verifyStatement(s Statement, find func(id.Server, string) (key.Key, error)) error {
	cp := s.Checkpoint
	if len(cp.Signatures) == 0 {
		return errors.New("it is not signed")
	}
	for _, sig := range cp.Signatures {
		k, err := find(cp.Hub, sig.KeyID)
		if err != nil {
			return err
		}
		if !k.Covers(cp.Time) {
			return fmt.Errorf("key %s was not in its life when it was signed", sig.KeyID)
		}
		if err := cp.Verify(sig, k.Public); err != nil {
			return err
		}
	}
	var prev event.Hash
	for i, e := range s.Entries {
		hash, err := e.Hash(nil)
		switch {
		case err != nil:
			return err
		case e.ConversationID != cp.ConversationID:
			return errors.New("an entry is of another conversation")
		case i > 0 && (e.Prev != prev || e.Seq != s.Entries[i-1].Seq+1):
			return errors.New("the entries do not chain")
		case i == len(s.Entries)-1 && (hash != cp.Hash || e.Seq != cp.Seq):
			return errors.New("the checkpoint is not of the last entry")
		}
		prev = hash
	}
	return nil
}

// says is the hash that the statement gives the entry at seq.
func (s Statement) says(seq int64) (event.Hash, bool) {
	if s.Checkpoint.Seq == seq {
		return s.Checkpoint.Hash, true
	}
	for i, e := range s.Entries {
		if e.Seq == seq {
			hash, err := e.Hash(nil)
			return hash, err == nil
		}
		if i == 0 && e.Seq == seq+1 {
			return e.Prev, true
		}
	}
	return event.Hash{}, false
}

// statement is what the hub said by a range.
func statement(rng *wire.Range) Statement {
	s := Statement{Checkpoint: *rng.Checkpoint}
	for _, rec := range rng.Records {
		s.Entries = append(s.Entries, rec.Entry)
	}
	return s
}

// diverge keeps the proof that the hub said two things of the entry at seq, here and in theirs, and takes nothing more of the
// conversation. It returns the fault. spec: FED-PROOF-1
func (r *Replicas) diverge(ctx context.Context, v timeline.View, c id.Conversation, theirs Statement, seq int64) error {
	k, err := r.remember(ctx, c)
	if err != nil {
		return err
	}
	p := Proof{ConversationID: c, Hub: theirs.Checkpoint.Hub, Term: theirs.Checkpoint.Term, Seq: seq, Statements: [2]Statement{1: theirs}}
	if k.checkpoint != nil {
		p.Statements[0] = r.ours(ctx, v, *k.checkpoint, seq)
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	r.diverged.Inc()
	r.o.Log.LogAttrs(ctx, slog.LevelError, "a hub shows two histories of a conversation: nothing more of it is taken; see the proof",
		slog.String("conversation", string(c)), slog.String("server", string(p.Hub)), slog.Int64("seq", seq), slog.Int64("term", p.Term))
	if err := r.o.Store.SaveProof(ctx, c, raw); err != nil {
		return fault.Retry(fault.Unavailable, time.Second, "this server cannot do that now").Because(err)
	}
	r.known.put(c, kept{checkpoint: k.checkpoint, diverged: true}, false)
	r.pulls.forget(c)
	return fault.New(fault.Diverged, "the hub of the conversation has shown two histories of it")
}

// ours is the newest checkpoint kept, with the entries held from seq up to it, as far as they can be told.
func (r *Replicas) ours(ctx context.Context, v timeline.View, cp wire.Checkpoint, seq int64) Statement {
	s := Statement{Checkpoint: cp}
	if seq >= cp.Seq || cp.Seq-seq > maxChain {
		return s
	}
	for next := seq + 1; next <= cp.Seq; {
		list, err := r.o.Store.Records(ctx, v.Shard, v.Conv, next, cp.Seq, wire.MaxRecords, wire.MaxBody)
		if err != nil || len(list) == 0 {
			return Statement{Checkpoint: cp}
		}
		for _, f := range list {
			e, ok := entryOf(f)
			if !ok || e.Seq != next {
				return Statement{Checkpoint: cp}
			}
			s.Entries, next = append(s.Entries, e), next+1
		}
	}
	return s
}

// entryOf is the entry as the hub hashed it; false if it cannot be told.
func entryOf(f timeline.Foreign) (event.Entry, bool) {
	sub, err := f.Submission().Hash(nil)
	if err != nil {
		return event.Entry{}, false
	}
	e := event.Entry{
		ConversationID: f.ConversationID, Count: f.Count, HubTime: f.HubTime, MessageID: f.MessageID, Prev: f.Prev, Seq: f.Seq,
		StateHash: f.StateHash, SubmissionHash: sub, Term: f.Term,
	}
	hash, err := e.Hash(nil)
	return e, err == nil && hash == f.Hash
}

// Proofs reads the proofs that were kept, at most so many.
func (r *Replicas) Proofs(ctx context.Context, limit int) ([]Proof, error) {
	list, err := r.o.Store.Proofs(ctx, limit)
	if err != nil {
		return nil, err
	}
	out := make([]Proof, len(list))
	for i, raw := range list {
		if err := json.Unmarshal(raw, &out[i]); err != nil {
			return nil, fmt.Errorf("read proof: %w", err)
		}
	}
	return out, nil
}
