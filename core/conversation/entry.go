// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"fmt"

	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// maxTime is the latest hub time a message id carries: 48 bits.
const maxTime = 1<<48 - 1

// Seal completes e as the entry after head and state s (nil before create), and returns the state after it: seq, count,
// hub time, message id, hash and the end of an ephemeral message are set here, everything else but Pos must be. now is the hub's clock in Unix
// milliseconds; a clock that stepped back is held at the head's time. spec: LOG-ENTRY-2 LOG-ENTRY-3
func Seal(e *Event, head Head, s *State, now int64) (*State, error) {
	e.Seq, e.Count = 0, 0
	if head.Exists {
		e.Seq, e.Count = head.Seq+1, head.Count
	}
	if Countable(e.Type) {
		e.Count++
	}
	e.HubTime = max(now, head.Time)
	e.ExpiresAt = Expiry(e, s)
	if e.Seq > id.MaxSeq || e.HubTime < 0 || e.HubTime > maxTime {
		return nil, fmt.Errorf("seal seq %d at time %d: beyond what a message id carries", e.Seq, e.HubTime)
	}
	after, err := Apply(s, e)
	if err != nil {
		return nil, err
	}
	entry, err := EntryOf(e, head.Hash, s.Term(), after)
	if err != nil {
		return nil, err
	}
	e.MessageID = entry.MessageID
	e.Hash, err = entry.Hash(nil)
	return after, err
}

// Expiry is the end of an ephemeral message after state s, 0 if there is none. It is hub time and follows from the log.
func Expiry(e *Event, s *State) int64 {
	if !Countable(e.Type) || s == nil || s.Info.EphemeralTimer == 0 {
		return 0
	}
	return e.HubTime + 1000*s.Info.EphemeralTimer
}

// Submission is what the author's server vouches for. Of erased content ContentHash stands for it.
func (e *Event) Submission() event.Submission {
	return event.Submission{
		AuthorTime:     e.AuthorTime,
		ContentHash:    e.contentHash(),
		ConversationID: e.ConversationID,
		DeviceID:       e.Device,
		Expects:        e.Expects,
		Sender:         e.Sender,
		TempID:         e.TempID,
		Type:           e.Type,
	}
}

// EntryOf recomputes the entry of a complete event, given the hash before it, the term of the state before it and the state
// after it; the chain holds if its Hash equals e.Hash.
func EntryOf(e *Event, prev event.Hash, term int64, after *State) (event.Entry, error) {
	subHash, err := e.Submission().Hash(nil)
	if err != nil {
		return event.Entry{}, err
	}
	entry := event.Entry{
		ConversationID: e.ConversationID,
		Count:          e.Count,
		HubTime:        e.HubTime,
		MessageID:      messageID(e, subHash),
		Prev:           prev,
		Seq:            e.Seq,
		SubmissionHash: subHash,
		Term:           term,
	}
	if ChangesState(e.Type) && after != nil {
		h, err := after.Hash()
		if err != nil {
			return event.Entry{}, err
		}
		entry.StateHash = &h
	}
	return entry, nil
}

func messageID(e *Event, sub event.Hash) id.Message {
	return id.NewMessage(e.HubTime, e.Seq, sub)
}

// EventOf puts an event together of what servers hand on: the submission, its entry, and content with salt, nil once erased. What is
// not in them is not set: its place in the shard, and what happened to it since.
func EventOf(sub event.Submission, entry event.Entry, salt [event.SaltSize]byte, content []byte) (*Event, error) {
	hash, err := entry.Hash(nil)
	if err != nil {
		return nil, err
	}
	e := &Event{
		ConversationID: entry.ConversationID, Seq: entry.Seq, Count: entry.Count, HubTime: entry.HubTime, AuthorTime: sub.AuthorTime,
		MessageID: entry.MessageID, Type: sub.Type, Sender: sub.Sender, Device: sub.DeviceID, TempID: sub.TempID, Expects: sub.Expects,
		Salt: salt, Hash: hash, Content: content,
	}
	if content == nil {
		e.ContentHash = sub.ContentHash
	}
	return e, nil
}
