// SPDX-License-Identifier: Apache-2.0

package replica

import (
	"errors"

	"github.com/go-json-experiment/json"

	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/id"
)

// Limits of what servers tell each other at once.
const (
	MaxRecords     = 50      // entries of a transaction, a range, an answer
	MaxBody        = 1 << 20 // bytes
	MaxSubmissions = 50
	MaxUsers       = 100
	MaxHeads       = 100
	MaxItems       = 100 // conversations in a transaction
)

// Range are consecutive entries of a conversation. With a checkpoint, which is of the last one, it stands by itself; without, it
// holds as far as an entry that is known names the last one as its prev.
type Range struct {
	ConversationID id.Conversation `json:"conversationId"`
	Records        []Record        `json:"entries"`
	Checkpoint     *Checkpoint     `json:"checkpoint,omitempty"`
}

// UnmarshalJSON reads a range and checks that its parts belong together and follow each other. It verifies no hash but those of the
// records themselves.
func (r *Range) UnmarshalJSON(raw []byte) error {
	type plain Range
	var out plain
	if err := json.Unmarshal(raw, &out); err != nil {
		return wrong("range", err)
	}
	if _, err := id.ParseConversation(string(out.ConversationID)); err != nil {
		return fault.Invalid("conversationId", "is no conversation id").Because(err)
	}
	if len(out.Records) > MaxRecords {
		return fault.Invalid("entries", "must be at most %d", MaxRecords)
	}
	for i, e := range out.Records {
		if e.Entry.ConversationID != out.ConversationID {
			return fault.Invalid("entries", "hold one of another conversation")
		}
		if i > 0 && e.Entry.Seq != out.Records[i-1].Entry.Seq+1 {
			return fault.Invalid("entries", "must be consecutive")
		}
	}
	if err := checkEnd(out.ConversationID, out.Records, out.Checkpoint); err != nil {
		return err
	}
	*r = Range(out)
	return nil
}

// checkEnd wants the checkpoint, if there is one, to be of the last record.
func checkEnd(conv id.Conversation, records []Record, c *Checkpoint) error {
	if c == nil || len(records) == 0 {
		return nil
	}
	last := records[len(records)-1].Entry
	hash, err := last.Hash(nil)
	if err != nil {
		return err
	}
	if c.ConversationID != conv || c.Seq != last.Seq || c.Term != last.Term || c.Hash != hash {
		return fault.Invalid("checkpoint", "is not of the last entry")
	}
	return nil
}

// Snapshot is a conversation as of one change of its state, enough to go on from there. spec: FED-SNAPSHOT-1
type Snapshot struct {
	Create     string            // canonical create object: its hash is the conversation id
	State      string            // canonical state after the entry, as its stateHash has it
	JoinedAt   map[id.User]int64 // hub time at which joined members joined; told by the hub, covered by no hash
	Record     Record
	Checkpoint Checkpoint // of the entry
	Moves      []Moved    // of the hub, oldest first: each signed by the hub before
}

// Moved is the last entry of a term, by which its hub handed the conversation over, with that hub's checkpoint of it. spec: FED-MOVE-10
type Moved struct {
	Record     Record     `json:"entry"`
	Checkpoint Checkpoint `json:"checkpoint"`
}

// MaxMoves is how many moves a snapshot has at most.
const MaxMoves = 64

type snapshot struct {
	Create     string            `json:"create"`
	State      string            `json:"state"`
	JoinedAt   map[id.User]int64 `json:"joinedAt,omitempty"`
	Record     Record            `json:"entry"`
	Checkpoint Checkpoint        `json:"checkpoint"`
	Moves      []Moved           `json:"moves,omitempty"`
}

// MarshalJSON writes the snapshot.
func (s Snapshot) MarshalJSON() ([]byte, error) {
	return json.Marshal(snapshot(s), json.Deterministic(true))
}

// UnmarshalJSON reads a snapshot and checks that its parts belong together. That State is what stateHash commits to is checked by
// who parses it.
func (s *Snapshot) UnmarshalJSON(raw []byte) error {
	var w snapshot
	if err := json.Unmarshal(raw, &w); err != nil {
		return wrong("snapshot", err)
	}
	entry := w.Record.Entry
	if event.ConversationID([]byte(w.Create)) != entry.ConversationID {
		return fault.Invalid("create", "is not the create object of the conversation")
	}
	if _, err := event.ParseCreate([]byte(w.Create)); err != nil {
		return err
	}
	if entry.StateHash == nil || w.Record.Content == nil {
		return fault.Invalid("entry", "must be a change of the state, with its content")
	}
	if err := checkEnd(entry.ConversationID, []Record{w.Record}, &w.Checkpoint); err != nil {
		return err
	}
	if len(w.Moves) > MaxMoves {
		return fault.Invalid("moves", "must be at most %d", MaxMoves)
	}
	for i := range w.Moves {
		if err := checkEnd(entry.ConversationID, []Record{w.Moves[i].Record}, &w.Moves[i].Checkpoint); err != nil {
			return err
		}
	}
	*s = Snapshot(w)
	return nil
}

// wrong keeps a fault that says what is wrong, and makes one of any other error.
func wrong(what string, err error) *fault.Error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return malformed(what).Because(err)
}
