// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"encoding/json"
	"fmt"
)

// Follower verifies a conversation entry by entry, as a server that follows its hub does.
type Follower struct {
	ID, Hub string
	Records []Record // from Base on
	Base    int64
	State   *State
	// Key finds a key of a server whose life holds a time.
	Key func(server, keyID string, at int64) ([]byte, error)
}

// wireRecord keeps the bytes of what is hashed.
type wireRecord struct {
	Submission, Entry json.RawMessage
	Signature         *struct{ KeyID, Signature string }
	Salt, Content     *string
}

// ReadRecord reads a record strictly, and checks what its own parts say of each other.
func ReadRecord(raw []byte) (Record, error) {
	var w wireRecord
	if err := json.Unmarshal(raw, &w); err != nil {
		return Record{}, err
	}
	var r Record
	var err error
	if r.Submission, err = Parse(w.Submission); err != nil {
		return r, err
	}
	if r.Entry, err = Parse(w.Entry); err != nil {
		return r, err
	}
	if w.Signature != nil {
		r.Signature = Object{"keyId": w.Signature.KeyID, "signature": w.Signature.Signature}
	}
	if (w.Salt == nil) != (w.Content == nil) {
		return r, fmt.Errorf("record: salt without content, or content without salt")
	}
	if w.Content != nil {
		if r.Salt, err = FromBase64(*w.Salt); err != nil {
			return r, err
		}
		r.Content = *w.Content
	}
	return r, r.check()
}

// check wants the members of the schemas and the hashes that bind the parts.
func (r Record) check() error {
	s, e := Clone(r.Submission), Clone(r.Entry)
	delete(s, "expects")
	delete(s, "stateKey")
	if err := exactly(s, "authorTime", "contentHash", "conversationId", "deviceId", "sender", "tempId", "type", "v"); err != nil {
		return fmt.Errorf("submission: %w", err)
	}
	delete(e, "stateHash")
	if err := exactly(e, "conversationId", "count", "hubTime", "messageId", "prev", "seq", "submissionHash", "term", "v"); err != nil {
		return fmt.Errorf("entry: %w", err)
	}
	at, isTime := e["hubTime"].(int64)
	hash := HashText("submission", Encode(r.Submission))
	switch {
	case !isTime || at < 0 || r.Seq() < 0:
		return fmt.Errorf("entry: hubTime %v, seq %v", e["hubTime"], e["seq"])
	case e["submissionHash"] != hash || e["conversationId"] != s["conversationId"]:
		return fmt.Errorf("entry %d is not of the submission", r.Seq())
	case e["messageId"] != MessageID(at, r.Seq(), hash):
		return fmt.Errorf("entry %d has the messageId %v", r.Seq(), e["messageId"])
	case r.Content != "" && (len(r.Salt) != 16 || ContentHash(r.Salt, r.Content) != s["contentHash"]):
		return fmt.Errorf("entry %d has another content than its submission commits to", r.Seq())
	}
	return nil
}

// Next takes the record as the next one, or tells what is wrong with it.
func (f *Follower) Next(r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.Entry["conversationId"] != f.ID {
		return fmt.Errorf("an entry of %v", r.Entry["conversationId"])
	}
	if err := f.place(r); err != nil {
		return err
	}
	if err := f.author(r); err != nil {
		return err
	}
	if f.State == nil {
		f.State = &State{ID: f.ID}
	}
	changes := f.State.Fold(r)
	if hash, has := r.Entry["stateHash"]; has != changes || has && hash != f.State.Hash() {
		return fmt.Errorf("entry %d: stateHash is %v, of the state %s", r.Seq(), hash, f.State.Text())
	}
	f.Records = append(f.Records, r)
	return nil
}

// place wants the entry to continue the chain.
func (f *Follower) place(r Record) error {
	count, _ := r.Entry["count"].(int64)
	at, _ := r.Entry["hubTime"].(int64)
	if r.Submission["type"] == "message" {
		count--
	}
	if len(f.Records) == 0 {
		if r.Seq() != 0 || r.Entry["prev"] != Base64(make([]byte, 32)) || count != 0 || r.Entry["term"] != int64(0) || r.Submission["type"] != "create" ||
			r.Content != "" && ConversationID(r.Content) != f.ID {
			return fmt.Errorf("%w: %s", errChain, Encode(r.Entry))
		}
		return nil
	}
	before := f.Records[len(f.Records)-1]
	if r.Seq() != before.Seq()+1 || r.Entry["prev"] != before.Hash() || count != before.Entry["count"].(int64) || at < before.Entry["hubTime"].(int64) ||
		r.Entry["term"] != before.Entry["term"] {
		return fmt.Errorf("%w: %s after %s", errChain, Encode(r.Entry), Encode(before.Entry))
	}
	return nil
}

// author wants the signature of the author's server, or none if that is the hub.
func (f *Follower) author(r Record) error {
	if f.Key == nil {
		return nil
	}
	sender, _ := r.Submission["sender"].(string)
	server := ServerOf(sender)
	if server == f.Hub {
		if r.Signature != nil {
			return fmt.Errorf("entry %d of a user of the hub has a signature", r.Seq())
		}
		return nil
	}
	if r.Signature == nil {
		return fmt.Errorf("entry %d of %s has no signature", r.Seq(), sender)
	}
	at, _ := r.Entry["hubTime"].(int64)
	id, _ := r.Signature["keyId"].(string)
	sig, _ := r.Signature["signature"].(string)
	public, err := f.Key(server, id, at)
	if err != nil {
		return err
	}
	if !Verify(public, "submission", Encode(r.Submission), sig) {
		return fmt.Errorf("entry %d: the signature of %s does not verify", r.Seq(), server)
	}
	return nil
}

type wireSnapshot struct {
	Create, State string
	Entry         json.RawMessage
	Checkpoint    json.RawMessage
}

// Begin takes a snapshot of the conversation.
func (f *Follower) Begin(raw []byte) error {
	var w wireSnapshot
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	r, err := ReadRecord(w.Entry)
	if err != nil {
		return err
	}
	create, err := Parse([]byte(w.Create))
	if err != nil {
		return err
	}
	f.ID = ConversationID(w.Create)
	f.Hub, _ = create["hub"].(string)
	if r.Entry["conversationId"] != f.ID || r.Entry["stateHash"] != HashText("state", w.State) || r.Content == "" {
		return fmt.Errorf("snapshot: its parts are not of each other: %s", Encode(r.Entry))
	}
	if _, err := ParseState([]byte(w.State)); err != nil {
		return err
	}
	if f.State, err = readState(w.State); err != nil {
		return err
	}
	if err := f.author(r); err != nil {
		return err
	}
	f.Records, f.Base = []Record{r}, r.Seq()
	return f.Head(w.Checkpoint)
}

// Head verifies a checkpoint of the newest entry.
func (f *Follower) Head(raw []byte) error {
	v, err := ReadLoose(raw)
	if err != nil {
		return err
	}
	c, err := ReadCheckpoint(v, f.Hub, func(id string, at int64) ([]byte, error) { return f.Key(f.Hub, id, at) })
	if err != nil {
		return err
	}
	last := f.Records[len(f.Records)-1]
	if c["conversationId"] != f.ID || c["seq"] != last.Entry["seq"] || c["hash"] != last.Hash() || c["term"] != last.Entry["term"] {
		return fmt.Errorf("checkpoint: %s is not of the newest entry %s", Encode(c), Encode(last.Entry))
	}
	return nil
}

// Range takes what continues the log of a range, passes over what is held, and verifies its checkpoint.
func (f *Follower) Range(raw []byte) error {
	var w struct {
		ConversationID string
		Entries        []json.RawMessage
		Checkpoint     json.RawMessage
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	for _, e := range w.Entries {
		r, err := ReadRecord(e)
		if err != nil {
			return err
		}
		if i := r.Seq() - f.Base; i >= 0 && i < int64(len(f.Records)) {
			if f.Records[i].Hash() != r.Hash() {
				return fmt.Errorf("two entries at seq %d", r.Seq())
			}
			continue
		}
		if err := f.Next(r); err != nil {
			return err
		}
	}
	if len(w.Entries) == 0 || w.Checkpoint == nil {
		return nil
	}
	return f.Head(w.Checkpoint)
}

// ReadLoose reads JSON into the values of signed JSON, whatever its spelling is.
func ReadLoose(raw []byte) (any, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	return loose(v), nil
}

func loose(v any) any {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case []any:
		for i := range v {
			v[i] = loose(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = loose(v[key])
		}
	}
	return v
}

func readState(text string) (*State, error) {
	o, err := ParseState([]byte(text))
	if err != nil {
		return nil, err
	}
	s := &State{}
	s.ID, _ = o["conversationId"].(string)
	s.Name, _ = o["name"].(string)
	s.Type, _ = o["type"].(string)
	list, _ := o["members"].([]any)
	for _, e := range list {
		m, _ := e.(Object)
		var out Member
		out.User, _ = m["userId"].(string)
		out.Role, _ = m["role"].(string)
		out.Membership, _ = m["membership"].(string)
		out.JoinedSeq, _ = m["joinedSeq"].(int64)
		out.LeftSeq, _ = m["leftSeq"].(int64)
		s.Members = append(s.Members, out)
	}
	if s.Text() != text {
		return nil, fmt.Errorf("state: %s is not read whole", text)
	}
	return s, nil
}

// Submitted is what a server submits to a hub, with the bytes of what is signed.
type Submitted struct {
	Submission    json.RawMessage
	Signature     struct{ KeyID, Signature string }
	Salt, Content string
}

// Read verifies a submission with the key of the sender's server.
func (s Submitted) Read(key func(server, keyID string) ([]byte, error)) (Record, error) {
	o, err := Parse(s.Submission)
	if err != nil {
		return Record{}, err
	}
	r := Record{Submission: o, Content: s.Content, Signature: Object{"keyId": s.Signature.KeyID, "signature": s.Signature.Signature}}
	if r.Salt, err = FromBase64(s.Salt); err != nil {
		return r, err
	}
	sender, _ := o["sender"].(string)
	public, err := key(ServerOf(sender), s.Signature.KeyID)
	switch {
	case err != nil:
		return r, err
	case !Verify(public, "submission", string(s.Submission), s.Signature.Signature):
		return r, fmt.Errorf("the signature of %s over a submission does not verify", s.Signature.KeyID)
	case len(r.Salt) != 16 || ContentHash(r.Salt, s.Content) != o["contentHash"]:
		return r, fmt.Errorf("the content is not what the submission commits to")
	}
	return r, nil
}
