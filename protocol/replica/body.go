// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"github.com/go-json-experiment/json"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// The paths of the operations; all are POST.
const (
	TransactionsPath = "/federation/v1/transactions"
	SubmissionsPath  = "/federation/v1/submissions"
	EntriesPath      = "/federation/v1/entries"
	SnapshotPath     = "/federation/v1/snapshot"
	InvitesPath      = "/federation/v1/invites"
	UsersPath        = "/federation/v1/users"
	LinksPath        = "/federation/v1/links"
	HeadsPath        = "/federation/v1/heads"
	HubPath          = "/federation/v1/hub"
)

// Transaction is what a server has to tell another, of many conversations at once.
type Transaction struct {
	Items  []Item         `json:"items,omitempty"`
	Typing []frame.Typing `json:"typing,omitempty"`
}

// UnmarshalJSON reads the items one by one: what is amiss with one is noted in it and does not hold up the others.
func (t *Transaction) UnmarshalJSON(raw []byte) error {
	var w struct {
		Items  []rawObject    `json:"items"`
		Typing []frame.Typing `json:"typing"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return wrong("transaction", err)
	}
	if len(w.Items) > MaxItems || len(w.Typing) > MaxItems {
		return fault.Invalid("items", "must be at most %d", MaxItems)
	}
	out := Transaction{Items: make([]Item, len(w.Items)), Typing: w.Typing}
	for i, item := range w.Items {
		out.Items[i] = readItem(item)
	}
	*t = out
	return nil
}

// Item is about one conversation.
type Item struct {
	ConversationID id.Conversation `json:"conversationId"`
	Snapshot       *Snapshot       `json:"snapshot,omitempty"` // for who has no replica
	Range          *Range          `json:"range,omitempty"`
	Head           *Checkpoint     `json:"head,omitempty"`     // how far there is to pull, where the range is too long
	Receipts       []Receipt       `json:"receipts,omitempty"` // of the sending server's users

	Wrong *fault.Error `json:"-"` // of an item that was read: what is amiss with it; nothing else is to be used then
}

// readItem reads an item, with as much as can be told of one that is amiss.
func readItem(raw []byte) Item {
	type plain Item
	var out plain
	err := json.Unmarshal(raw, &out)
	if err == nil {
		err = Item(out).check()
	}
	if err != nil {
		var name struct {
			ConversationID string `json:"conversationId"`
		}
		_ = json.Unmarshal(raw, &name) // The rest of it is not to be trusted.
		conv, _ := id.ParseConversation(name.ConversationID)
		return Item{ConversationID: conv, Wrong: wrong("item", err)}
	}
	return Item(out)
}

// check wants the parts to be of the one conversation.
func (i Item) check() error {
	conv, err := id.ParseConversation(string(i.ConversationID))
	switch {
	case err != nil:
		return fault.Invalid("conversationId", "is no conversation id").Because(err)
	case i.Snapshot != nil && i.Snapshot.Record.Entry.ConversationID != conv,
		i.Range != nil && i.Range.ConversationID != conv,
		i.Head != nil && i.Head.ConversationID != conv:
		return fault.Invalid("conversationId", "is not that of what the item holds")
	case len(i.Receipts) > event.MaxMembers:
		return fault.Invalid("receipts", "must be at most %d", event.MaxMembers)
	}
	return nil
}

// Receipt are the pointers of one member; -1 is before the first.
type Receipt struct {
	UserID       id.User `json:"userId"`
	DeliveredSeq int64   `json:"deliveredSeq"`
	ReadSeq      int64   `json:"readSeq"`
}

// Taken is the answer to a transaction: a result for each item, in their order.
type Taken struct {
	Results []Result `json:"results"`
}

// Result tells how far the replica is: -1 if there is none. With a code the item, or a part of it, was not taken.
type Result struct {
	ConversationID id.Conversation `json:"conversationId"`
	Seq            int64           `json:"seq"`
	Code           string          `json:"code,omitempty"`
}

// Seen is the head the author's server had.
type Seen struct {
	Term int64  `json:"term"`
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"` // base64url
}

// Submissions are events that want a place in a conversation, in the order they are to get.
type Submissions struct {
	ConversationID id.Conversation `json:"conversationId"`
	Seen           *Seen           `json:"seen,omitempty"` // absent without a replica
	Submissions    []Submitted     `json:"submissions"`
}

// Submitted is one submission with the signature of its author's server and its content.
type Submitted struct {
	Submission event.Submission
	Signature  event.Signature
	Salt       [event.SaltSize]byte
	Content    []byte
	Secret     string // of a link, of who joins by it
}

type submitted struct {
	Submission rawObject  `json:"submission"`
	Signature  *signature `json:"signature"`
	Salt       string     `json:"salt"`
	Content    string     `json:"content"`
	Secret     string     `json:"secret,omitempty"`
}

// MarshalJSON writes the submission.
func (s Submitted) MarshalJSON() ([]byte, error) {
	raw, err := s.Submission.Canonical(nil)
	if err != nil {
		return nil, err
	}
	return json.Marshal(submitted{Submission: raw, Signature: writeSignature(&s.Signature), Salt: canonical.EncodeBase64(s.Salt[:]),
		Content: string(s.Content), Secret: s.Secret})
}

// UnmarshalJSON reads a submission, which must be canonical and commit to its content; the signature is there and not verified.
func (s *Submitted) UnmarshalJSON(raw []byte) error {
	var w submitted
	err := json.Unmarshal(raw, &w)
	if err != nil {
		return malformed("submission").Because(err)
	}
	var out Submitted
	if out.Submission, err = event.ParseSubmission(w.Submission); err != nil {
		return err
	}
	if w.Signature == nil || w.Content == "" {
		return fault.Invalid("signature", "a submission comes with signature and content")
	}
	sig, err := readSignature(w.Signature, out.Submission.Sender.Server())
	if err != nil {
		return err
	}
	if out.Salt, out.Content, err = readContent(w.Salt, w.Content, out.Submission.ContentHash); err != nil {
		return err
	}
	out.Signature, out.Secret = *sig, w.Secret
	*s = out
	return nil
}

// Ordered is the answer: a place or a refusal for each submission, in their order, and what follows Seen, or a snapshot for
// who has no replica.
type Ordered struct {
	Results  []Place   `json:"results"`
	Snapshot *Snapshot `json:"snapshot,omitempty"`
	Range    *Range    `json:"range,omitempty"`
}

// Place is where a submission came to stand, or with a code why it does not.
type Place struct {
	Seq          int64      `json:"seq"`
	MessageID    id.Message `json:"messageId,omitzero"`
	Code         string     `json:"code,omitempty"`
	Detail       string     `json:"detail,omitempty"`
	RetryAfterMS int64      `json:"retryAfterMs,omitzero"`
}

// Entries asks for a range: the entries after AfterSeq, or those before BeforeSeq.
type Entries struct {
	ConversationID id.Conversation `json:"conversationId"`
	AfterSeq       *int64          `json:"afterSeq,omitempty"`
	BeforeSeq      *int64          `json:"beforeSeq,omitempty"`
	Limit          int             `json:"limit,omitzero"` // MaxRecords if 0
}

// AskSnapshot asks for a snapshot.
type AskSnapshot struct {
	ConversationID id.Conversation `json:"conversationId"`
}

// AskHub asks a server whether it will order a conversation in a term, the one after that which holds. spec: FED-MOVE-6
type AskHub struct {
	ConversationID id.Conversation `json:"conversationId"`
	Term           int64           `json:"term"`
}

// HubAccepted is the server's word, as it stands in the entry that hands the conversation over.
type HubAccepted struct {
	KeyID     string `json:"keyId"`
	Signature string `json:"signature"` // base64url
}

// rawObject keeps the bytes of an object as they came.
type rawObject []byte

// MarshalJSON returns the bytes.
func (r rawObject) MarshalJSON() ([]byte, error) { return r, nil }

// UnmarshalJSON keeps the bytes.
func (r *rawObject) UnmarshalJSON(raw []byte) error {
	*r = append((*r)[:0], raw...)
	return nil
}

// Decode reads a body: one JSON object without duplicate keys, of at most MaxBody bytes. The error is a fault.
func Decode(body []byte, into any) error {
	if len(body) > MaxBody {
		return fault.Invalid("body", "must be at most %d bytes", MaxBody)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return wrong("body", err)
	}
	return nil
}
