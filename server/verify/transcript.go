// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"parley.chat/core/conversation"
	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
	"parley.chat/protocol/key"
	"parley.chat/protocol/replica"
)

// Report is what a transcript shows.
type Report struct {
	ConversationID id.Conversation
	Server         id.Server // whose replica it was
	Hub            id.Server // of the last entry
	First, Last    int64     // seq
	Messages       int64
	Erased         int // entries without content
	Signed         int // entries with a signature of their author's server
	Moves          int // of the hub: what its own users said before is vouched for by the hubs that followed
	Hash           event.Hash
	Keys           []Fingerprint // of the documents that came with it, in their order
}

// Fingerprint is a key by which something in the transcript is signed.
type Fingerprint struct {
	Server id.Server
	KeyID  string
	Sum    string // SHA-256 of the public key, hexadecimal
}

// Transcript reads a transcript to its end and verifies all of it. The error says what is amiss first; then the report tells how
// far all was well.
func Transcript(r io.Reader) (Report, error) {
	a := &audit{documents: map[id.Server]key.Document{}}
	err := replica.ReadTranscript(r, a.line)
	if err == nil && !a.isWhole {
		err = errors.New("the transcript ends without the checkpoint of its last entry")
	}
	return a.report, err
}

// audit is one transcript while it is read.
type audit struct {
	report    Report
	documents map[id.Server]key.Document
	log       *conversation.Replay
	last      event.Entry
	isWhole   bool // the checkpoint of the last entry came
}

func (a *audit) line(l replica.Line) error {
	if a.isWhole {
		return errors.New("something follows the checkpoint")
	}
	if (l.Transcript != nil) != (a.report.ConversationID == "") {
		return errors.New("a transcript begins with what it is of, and says it once")
	}
	switch {
	case l.Transcript != nil:
		return a.begin(*l.Transcript)
	case l.Keys != "":
		return a.keys([]byte(l.Keys))
	case l.Snapshot != nil:
		return a.snapshot(*l.Snapshot)
	case l.Record != nil:
		return a.record(*l.Record)
	}
	return a.checkpoint(*l.Checkpoint)
}

func (a *audit) begin(h replica.TranscriptHead) error {
	if _, err := id.ParseConversation(string(h.ConversationID)); err != nil || h.V != 1 {
		return errors.New("not a transcript of version 1")
	}
	a.report.ConversationID, a.report.Server = h.ConversationID, h.ServerName
	return nil
}

func (a *audit) keys(raw []byte) error {
	server, err := key.ServerOf(raw)
	if err != nil {
		return err
	}
	d, err := key.Parse(raw, server)
	if err != nil {
		return err
	}
	if _, twice := a.documents[server]; twice {
		return fmt.Errorf("the keys of %s come twice", server)
	}
	a.documents[server] = d
	for _, list := range [][]key.Key{d.Keys, d.Old} {
		for _, k := range list {
			sum := sha256.Sum256(k.Public)
			a.report.Keys = append(a.report.Keys, Fingerprint{Server: server, KeyID: k.ID, Sum: hex.EncodeToString(sum[:])})
		}
	}
	return nil
}

// find is a key that was in its life at a time.
func (a *audit) find(sig event.Signature, at int64) (key.Key, error) {
	d, ok := a.documents[sig.Server]
	if !ok {
		return key.Key{}, fmt.Errorf("the keys of %s are not in the transcript", sig.Server)
	}
	k, ok := d.Find(sig.KeyID)
	if !ok {
		return key.Key{}, fmt.Errorf("%s has no key %s", sig.Server, sig.KeyID)
	}
	if !k.Covers(at) {
		return key.Key{}, fmt.Errorf("key %s of %s was not in its life then", sig.KeyID, sig.Server)
	}
	return k, nil
}

func (a *audit) snapshot(s replica.Snapshot) error {
	if a.log != nil {
		return errors.New("a snapshot comes before the first entry")
	}
	create, err := event.ParseCreate([]byte(s.Create))
	if err != nil {
		return err
	}
	state, err := conversation.ParseState([]byte(s.State), create, s.JoinedAt)
	if err != nil {
		return err
	}
	sum := canonical.Hash("state", []byte(s.State))
	if s.Record.Entry.StateHash == nil || *s.Record.Entry.StateHash != event.Hash(sum) {
		return errors.New("the state is not the one that the entry commits to")
	}
	e, err := a.event(s.Record)
	if err != nil {
		return err
	}
	if err := a.signed(s.Checkpoint, s.Record.Entry); err != nil {
		return err
	}
	a.log = conversation.ReplayFrom(state, e)
	a.note(s.Record)
	a.report.First = e.Seq
	return nil
}

func (a *audit) record(r replica.Record) error {
	if a.log == nil {
		a.log = &conversation.Replay{}
	}
	e, err := a.event(r)
	if err != nil {
		return err
	}
	if a.log.Head.Exists && r.Entry.Prev != a.log.Head.Hash || !a.log.Head.Exists && r.Entry.Prev != (event.Hash{}) {
		return fmt.Errorf("entry %d does not follow the one before it", e.Seq)
	}
	before := a.log.State
	if err := a.log.Next(e); err != nil {
		return err
	}
	if reign := a.log.State.ReignAt(e.Seq); r.Entry.Term != reign.Term {
		return fmt.Errorf("entry %d is of term %d, which is %d there", e.Seq, r.Entry.Term, reign.Term)
	}
	if e.Type == frame.TypeHubTransfer {
		if err := a.acceptance(before, e); err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		a.report.Moves++
	}
	a.note(r)
	return nil
}

// acceptance wants the word of a new hub to be signed by it.
func (a *audit) acceptance(before *conversation.State, e *conversation.Event) error {
	change, err := event.ParseChange(e.Type, e.Content)
	if err != nil {
		return err
	}
	word, sig, err := conversation.AcceptanceOf(before, change)
	if err != nil {
		return err
	}
	k, err := a.find(sig, e.HubTime)
	if err != nil {
		return err
	}
	return word.Verify(sig, k.Public)
}

// event makes the event that the rules judge, once the signature of its author's server is verified.
func (a *audit) event(r replica.Record) (*conversation.Event, error) {
	if r.Entry.ConversationID != a.report.ConversationID {
		return nil, fmt.Errorf("entry %d is of another conversation", r.Entry.Seq)
	}
	if r.Signature != nil {
		k, err := a.find(*r.Signature, r.Entry.HubTime)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", r.Entry.Seq, err)
		}
		if err := r.Submission.Verify(*r.Signature, k.Public); err != nil {
			return nil, fmt.Errorf("entry %d: %w", r.Entry.Seq, err)
		}
	} else if hub := a.hubBefore(); hub != "" && r.Submission.Sender.Server() != hub {
		return nil, fmt.Errorf("entry %d is by %s and not signed by that server", r.Entry.Seq, r.Submission.Sender)
	}
	return conversation.EventOf(r.Submission, r.Entry, r.Salt, r.Content)
}

// hubBefore is who orders the next entry; "" before the first, which says so itself.
func (a *audit) hubBefore() id.Server {
	if a.log == nil || a.log.State == nil {
		return ""
	}
	return a.log.State.Hub()
}

func (a *audit) note(r replica.Record) {
	a.last = r.Entry
	a.report.Hub, a.report.Last, a.report.Messages, a.report.Hash = a.log.State.ReignAt(r.Entry.Seq).Hub, r.Entry.Seq, r.Entry.Count, a.log.Head.Hash
	if r.Content == nil {
		a.report.Erased++
	}
	if r.Signature != nil {
		a.report.Signed++
	}
}

func (a *audit) checkpoint(c replica.Checkpoint) error {
	if a.log == nil {
		return errors.New("a checkpoint without entries")
	}
	if err := a.signed(c, a.last); err != nil {
		return err
	}
	if hub := a.report.Hub; c.Hub != hub {
		return fmt.Errorf("the checkpoint is of %s, the hub is %s", c.Hub, hub)
	}
	a.isWhole = true
	return nil
}

// signed wants the checkpoint to be of the entry, and every signature to be of its hub.
func (a *audit) signed(c replica.Checkpoint, e event.Entry) error {
	hash, err := e.Hash(nil)
	if err != nil {
		return err
	}
	if c.ConversationID != e.ConversationID || c.Seq != e.Seq || c.Term != e.Term || c.Hash != hash {
		return fmt.Errorf("the checkpoint is not of entry %d", e.Seq)
	}
	if len(c.Signatures) == 0 {
		return errors.New("the checkpoint is not signed")
	}
	for _, sig := range c.Signatures {
		k, err := a.find(sig, c.Time)
		if err != nil {
			return err
		}
		if err := c.Verify(sig, k.Public); err != nil {
			return err
		}
	}
	return nil
}
