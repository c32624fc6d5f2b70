// SPDX-License-Identifier: Apache-2.0

package report

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
	"parley.chat/protocol/rest"
)

// Keys finds the public key of a server by its id, nil if there is none.
type Keys func(server id.Server, keyID string) ed25519.PublicKey

// Verify tells why a proof does not hold, nil if it does. A proof without entries, of a report about a user or a whole
// conversation, claims nothing and holds.
func Verify(p rest.Proof, keys Keys) error {
	for i, e := range p.Entries {
		if err := verify(e, keys); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}

func verify(e rest.Evidence, keys Keys) error {
	sub, err := submission(e.Submission)
	if err != nil {
		return err
	}
	if err := checkContent(e, sub.ContentHash); err != nil {
		return err
	}
	subHash, err := sub.Hash(nil)
	if err != nil {
		return err
	}
	ent, err := entry(e.Entry)
	if err != nil {
		return err
	}
	if ent.SubmissionHash != subHash || ent.ConversationID != sub.ConversationID {
		return errors.New("the entry is not that of the submission")
	}
	if ent.MessageID != id.NewMessage(ent.HubTime, ent.Seq, subHash) {
		return errors.New("the message id is not that of the entry")
	}
	hash, err := ent.Hash(nil)
	if err != nil {
		return err
	}
	return checkSignature(e.Checkpoint, ent, hash, keys)
}

// checkContent wants content and salt to be those that were committed to, or both to be erased.
func checkContent(e rest.Evidence, want event.Hash) error {
	if e.Content == "" && e.Salt == "" {
		return nil
	}
	raw, err := canonical.DecodeBase64(e.Salt)
	if err != nil || len(raw) != event.SaltSize {
		return errors.New("the salt has the wrong form")
	}
	if event.ContentHash([event.SaltSize]byte(raw), []byte(e.Content)) != want {
		return errors.New("the content is not the one that was sent")
	}
	return nil
}

func checkSignature(c rest.Checkpoint, ent event.Entry, hash event.Hash, keys Keys) error {
	signed, err := digest(c.Hash)
	if err != nil {
		return err
	}
	point := event.Checkpoint{ConversationID: id.Conversation(c.ConversationID), Hash: signed, Hub: id.Server(c.Hub), Seq: c.Seq, Term: c.Term, Time: c.Time}
	if point.Hash != hash || point.Seq != ent.Seq || point.ConversationID != ent.ConversationID || point.Term != ent.Term || c.V != 1 {
		return errors.New("the checkpoint is of another entry")
	}
	for keyID, text := range c.Signatures[c.Hub] {
		key := keys(point.Hub, keyID)
		raw, err := canonical.DecodeBase64(text)
		if key == nil || err != nil {
			continue
		}
		if err := point.Verify(event.Signature{Server: point.Hub, KeyID: keyID, Bytes: raw}, key); err != nil {
			return err
		}
		return nil
	}
	return errors.New("no signature of the hub by a key that is known")
}

func submission(s rest.LogSubmission) (event.Submission, error) {
	content, err := digest(s.ContentHash)
	if err != nil {
		return event.Submission{}, err
	}
	conv, err := id.ParseConversation(s.ConversationID)
	if err != nil || s.V != 1 {
		return event.Submission{}, errors.New("the submission has the wrong form")
	}
	sender, err := id.ParseUser(s.Sender)
	if err != nil {
		return event.Submission{}, err
	}
	return event.Submission{
		AuthorTime: s.AuthorTime, ContentHash: content, ConversationID: conv, DeviceID: id.Device(s.DeviceID),
		Sender: sender, TempID: s.TempID, Type: s.Type,
	}, nil
}

func entry(e rest.LogEntry) (event.Entry, error) {
	prev, errPrev := digest(e.Prev)
	sub, errSub := digest(e.SubmissionHash)
	m, errID := id.ParseMessage(e.MessageID)
	if err := errors.Join(errPrev, errSub, errID); err != nil {
		return event.Entry{}, err
	}
	if e.V != 1 || e.Seq < 0 || e.Seq > id.MaxSeq || e.HubTime < 0 {
		return event.Entry{}, errors.New("the entry has the wrong form")
	}
	out := event.Entry{
		ConversationID: id.Conversation(e.ConversationID), Count: e.Count, HubTime: e.HubTime, MessageID: m, Prev: prev,
		Seq: e.Seq, SubmissionHash: sub, Term: e.Term,
	}
	if e.StateHash != "" {
		state, err := digest(e.StateHash)
		if err != nil {
			return out, err
		}
		out.StateHash = &state
	}
	return out, nil
}

func digest(text string) (h event.Hash, err error) {
	raw, err := canonical.DecodeBase64(text)
	if err != nil {
		return h, err
	}
	if len(raw) != len(h) {
		return h, errors.New("a hash has the wrong length")
	}
	return event.Hash(raw), nil
}
