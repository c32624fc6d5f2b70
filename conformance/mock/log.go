// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Record is an entry with the submission it orders.
type Record struct {
	Submission Object
	Signature  Object // keyId and signature of the author's server; nil for authors of the hub
	Entry      Object
	Salt       []byte
	Content    string // "" if erased
}

// Hash is that of the entry.
func (r Record) Hash() string { return HashText("entry", Encode(r.Entry)) }

// Seq is that of the entry.
func (r Record) Seq() int64 {
	n, _ := r.Entry["seq"].(int64)
	return n
}

// Wire returns the record as servers send it.
func (r Record) Wire() Object {
	out := Object{"submission": r.Submission, "entry": r.Entry}
	if r.Signature != nil {
		out["signature"] = r.Signature
	}
	if r.Content != "" {
		out["salt"], out["content"] = Base64(r.Salt), r.Content
	}
	return out
}

// Clone returns a copy that can be spoilt.
func (r Record) Clone() Record {
	out := Record{Submission: Clone(r.Submission), Entry: Clone(r.Entry), Salt: slices.Clone(r.Salt), Content: r.Content}
	if r.Signature != nil {
		out.Signature = Clone(r.Signature)
	}
	return out
}

// DirectCreate is the one create object of the direct conversation between two users.
func DirectCreate(a, b string) Object {
	if a > b {
		a, b = b, a
	}
	sum := sha256.Sum256([]byte("parley/v1/direct\n" + a + "\n" + b))
	return Object{
		"creators": []any{a, b}, "hub": ServerOf(a), "members": []any{a, b}, "nonce": Base64(sum[:16]), "type": "direct", "v": int64(1),
	}
}

// ServerOf returns the server of a user.
func ServerOf(user string) string {
	_, server, _ := strings.Cut(user, "@")
	return server
}

// ConversationID names a conversation by its create object.
func ConversationID(create string) string { return "c" + HashText("create", create) }

// Submission returns an honest submission of a user with its content, unsigned.
func Submission(conversation, sender, kind, content string) Record {
	salt := Random(16)
	return Record{Salt: salt, Content: content, Submission: Object{
		"authorTime": time.Now().UnixMilli(), "contentHash": ContentHash(salt, content), "conversationId": conversation, "deviceId": "01J9ZK3V8Q2M6T4R7X5W1Y0ABC",
		"sender": sender, "tempId": "t-" + Base64(Random(9)), "type": kind, "v": int64(1),
	}}
}

// Text is the content of a message of text.
func Text(text string) string { return Encode(Object{"content": text, "contentType": "text"}) }

// Signed returns the record with the signature of the author's server over its submission.
func (r Record) Signed(key Key) Record {
	r.Signature = Object{"keyId": key.ID, "signature": Sign(key.Private, "submission", Encode(r.Submission))}
	return r
}

// Submitted returns what is sent to a hub.
func (r Record) Submitted() Object {
	return Object{"submission": r.Submission, "signature": r.Signature, "salt": Base64(r.Salt), "content": r.Content}
}

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// MessageID composes the id of an entry.
func MessageID(hubTime, seq int64, submissionHash string) string {
	hash, _ := FromBase64(submissionHash)
	raw := make([]byte, 16)
	for i := range 6 {
		raw[i] = byte(hubTime >> (40 - 8*i))
	}
	for i := range 5 {
		raw[6+i] = byte(seq >> (32 - 8*i))
	}
	copy(raw[11:], hash)
	out := make([]byte, 26)
	for i := range out {
		v := 0
		for bit := i*5 - 2; bit < i*5+3; bit++ { // 130 bits, the first two of them zero.
			v <<= 1
			if bit >= 0 && raw[bit/8]>>(7-bit%8)&1 == 1 {
				v |= 1
			}
		}
		out[i] = crockford[v]
	}
	return string(out)
}

// Log is a conversation as its hub has it.
type Log struct {
	ID, Hub, Create string
	Records         []Record
	State           *State
}

// NewLog makes a log with its first entry, by one of the members.
func NewLog(create Object, creator string) *Log {
	text := Encode(create)
	l := &Log{ID: ConversationID(text), Hub: create["hub"].(string), Create: text}
	l.Append(Submission(l.ID, creator, "create", text))
	return l
}

// Append gives the record the next place. It judges no rights.
func (l *Log) Append(r Record) Record {
	seq, prev, count, at := int64(len(l.Records)), Base64(make([]byte, 32)), int64(0), time.Now().UnixMilli()
	if seq > 0 {
		before := l.Records[seq-1]
		prev, count, at = before.Hash(), before.Entry["count"].(int64), max(at, before.Entry["hubTime"].(int64))
	}
	if r.Submission["type"] == "message" {
		count++
	}
	hash := HashText("submission", Encode(r.Submission))
	r.Entry = Object{
		"conversationId": l.ID, "count": count, "hubTime": at, "messageId": MessageID(at, seq, hash), "prev": prev, "seq": seq,
		"submissionHash": hash, "term": int64(0), "v": int64(1),
	}
	if l.State == nil {
		l.State = &State{ID: l.ID}
	}
	if l.State.Fold(r) {
		r.Entry["stateHash"] = l.State.Hash()
	}
	l.Records = append(l.Records, r)
	return r
}

// Checkpoint signs the head of the log, or an entry that is to be taken for it.
func Checkpoint(hub string, key Key, r Record) Object {
	c := Object{
		"conversationId": r.Entry["conversationId"], "hash": r.Hash(), "hub": hub, "seq": r.Entry["seq"], "term": r.Entry["term"],
		"time": max(time.Now().UnixMilli(), r.Entry["hubTime"].(int64)), "v": int64(1),
	}
	return SignCheckpoint(c, hub, key)
}

// SignCheckpoint replaces the signatures of a checkpoint.
func SignCheckpoint(c Object, server string, key Key) Object {
	out := Clone(c)
	delete(out, "signatures")
	out["signatures"] = Object{server: Object{key.ID: Sign(key.Private, "checkpoint", Encode(out))}}
	return out
}

// Range returns consecutive records with the checkpoint of the last.
func (l *Log) Range(key Key, records ...Record) Object {
	list := []any{}
	for _, r := range records {
		list = append(list, r.Wire())
	}
	return Object{"conversationId": l.ID, "entries": list, "checkpoint": Checkpoint(l.Hub, key, records[len(records)-1])}
}

// Snapshot returns what a replica begins with at the last record, which has to be a change of the state.
func (l *Log) Snapshot(key Key) Object {
	last := l.Records[len(l.Records)-1]
	joined := Object{}
	for _, m := range l.State.Members {
		if m.LeftSeq < 0 {
			joined[m.User] = l.Records[m.JoinedSeq].Entry["hubTime"]
		}
	}
	return Object{
		"create": l.Create, "state": l.State.Text(), "joinedAt": joined, "entry": last.Wire(), "checkpoint": Checkpoint(l.Hub, key, last),
	}
}

// ReadCheckpoint verifies a checkpoint of the hub by its keys.
func ReadCheckpoint(v any, hub string, find func(keyID string, at int64) ([]byte, error)) (Object, error) {
	c, _ := v.(Object)
	if err := exactly(c, "conversationId", "hash", "hub", "seq", "signatures", "term", "time", "v"); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	at, isTime := c["time"].(int64)
	signatures, _ := c["signatures"].(Object)
	own, _ := signatures[hub].(Object)
	if c["hub"] != hub || c["v"] != int64(1) || !isTime || len(own) == 0 {
		return nil, fmt.Errorf("checkpoint: not of %s: %s", hub, Encode(c))
	}
	unsigned := Clone(c)
	delete(unsigned, "signatures")
	for id, sig := range own {
		public, err := find(id, at)
		if err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
		if text, _ := sig.(string); !Verify(public, "checkpoint", Encode(unsigned), text) {
			return nil, fmt.Errorf("checkpoint: the signature of %s does not verify", id)
		}
	}
	return c, nil
}

var errChain = errors.New("the entry does not continue the chain")
