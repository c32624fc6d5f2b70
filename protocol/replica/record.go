// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"github.com/go-json-experiment/json"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Record is an entry as servers hand it on, with the submission it orders. spec: FED-RECORD-1
type Record struct {
	Submission event.Submission
	// Signature is that of the author's server over the submission; nil if that server is the hub of the entry's term, whose
	// checkpoint covers it.
	Signature *event.Signature
	Entry     event.Entry
	Salt      [event.SaltSize]byte
	Content   []byte // canonical; nil if erased, or not for the reader
}

// signature is one signature as JSON; whose it is follows from the object.
type signature struct {
	KeyID     string `json:"keyId"`
	Signature string `json:"signature"`
}

type record struct {
	Submission rawObject  `json:"submission"`
	Signature  *signature `json:"signature,omitempty"`
	Entry      rawObject  `json:"entry"`
	Salt       string     `json:"salt,omitempty"`
	Content    string     `json:"content,omitempty"`
}

// MarshalJSON writes the record.
func (r Record) MarshalJSON() ([]byte, error) {
	sub, err := r.Submission.Canonical(nil)
	if err != nil {
		return nil, err
	}
	entry, err := r.Entry.Canonical(nil)
	if err != nil {
		return nil, err
	}
	w := record{Submission: sub, Signature: writeSignature(r.Signature), Entry: entry}
	if r.Content != nil {
		w.Salt, w.Content = canonical.EncodeBase64(r.Salt[:]), string(r.Content)
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads a record and checks what needs no key and no state: that the objects are canonical and belong together,
// and that content and salt are what was committed to. The error is a fault, malformed_json or invalid_field.
func (r *Record) UnmarshalJSON(raw []byte) error {
	var w record
	err := json.Unmarshal(raw, &w)
	if err != nil {
		return malformed("record").Because(err)
	}
	var out Record
	if out.Submission, err = event.ParseSubmission(w.Submission); err != nil {
		return err
	}
	if out.Entry, err = event.ParseEntry(w.Entry); err != nil {
		return err
	}
	if out.Signature, err = readSignature(w.Signature, out.Submission.Sender.Server()); err != nil {
		return err
	}
	if out.Salt, out.Content, err = readContent(w.Salt, w.Content, out.Submission.ContentHash); err != nil {
		return err
	}
	if err := out.check(); err != nil {
		return err
	}
	*r = out
	return nil
}

// check wants entry and submission to be of each other.
func (r *Record) check() error {
	sub, err := r.Submission.Hash(nil)
	switch {
	case err != nil:
		return err
	case r.Entry.SubmissionHash != sub:
		return fault.Invalid("entry", "is not that of the submission")
	case r.Entry.ConversationID != r.Submission.ConversationID:
		return fault.Invalid("entry", "is of another conversation than the submission")
	case r.Entry.MessageID != id.NewMessage(r.Entry.HubTime, r.Entry.Seq, sub):
		return fault.Invalid("entry", "has a messageId that is not composed of hubTime, seq and submission")
	}
	return nil
}

func writeSignature(s *event.Signature) *signature {
	if s == nil {
		return nil
	}
	return &signature{KeyID: s.KeyID, Signature: canonical.EncodeBase64(s.Bytes)}
}

func readSignature(s *signature, of id.Server) (*event.Signature, error) {
	if s == nil {
		return nil, nil
	}
	raw, err := canonical.DecodeBase64(s.Signature)
	if err != nil || len(raw) != 64 || len(s.KeyID) > maxKeyID {
		return nil, fault.Invalid("signature", "must be a key id and 64 bytes in base64url")
	}
	return &event.Signature{Server: of, KeyID: s.KeyID, Bytes: raw}, nil
}

// maxKeyID is the longest key id in bytes.
const maxKeyID = 80

// readContent reads content with its salt, or neither.
func readContent(salt, content string, want event.Hash) (out [event.SaltSize]byte, raw []byte, err error) {
	if salt == "" && content == "" {
		return out, nil, nil
	}
	b, err := canonical.DecodeBase64(salt)
	if err != nil || len(b) != event.SaltSize {
		return out, nil, fault.Invalid("salt", "must be %d bytes in base64url, and absent if there is no content", event.SaltSize)
	}
	raw, out = []byte(content), [event.SaltSize]byte(b)
	if event.ContentHash(out, raw) != want {
		return out, nil, fault.Invalid("content", "is not what the submission commits to")
	}
	return out, raw, canonical.Check(raw)
}

func malformed(what string) *fault.Error {
	return fault.New(fault.MalformedJSON, "not a valid %s", what)
}
