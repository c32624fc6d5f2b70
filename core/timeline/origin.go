// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"fmt"

	"parley.chat/core/conversation"
	"parley.chat/protocol/event"
	"parley.chat/protocol/id"
)

// Signed is what makes a Command the submission of another server: the salt its content was committed with, and the server's
// signature over it, which is kept beside the entry.
type Signed struct {
	Salt      [event.SaltSize]byte
	KeyID     string
	Signature []byte
}

// Foreign is an entry as its hub gave it, and as it is handed on: complete, or with ContentHash in place of erased content. The
// signature is that of the author's server; there is none where that is the hub.
type Foreign struct {
	*conversation.Event
	Prev      event.Hash // of the entry before
	Term      int64
	KeyID     string
	Signature []byte
	StateHash *event.Hash // of a change of the state: that of the state after it; nil if it was not kept
}

// OriginRow is what is written of an entry beside the log, where it is not the default: none of these.
type OriginRow struct {
	Shard     id.Shard
	Conv      int64
	Seq       int64
	Prev      *event.Hash // of the first entry held: that of the one before
	Term      int64
	KeyID     string
	Signature []byte
	Expects   *int64
	StateHash *event.Hash
}

// SettledRow is a submission of an own user whose entry came: it waits no longer.
type SettledRow struct {
	Shard id.Shard
	Conv  int64
	Dedup int64
}

// ElsewhereError says that another server gives the conversation its order.
type ElsewhereError struct{ Hub id.Server }

// Error names the hub.
func (e *ElsewhereError) Error() string { return fmt.Sprintf("timeline: the hub is %s", e.Hub) }

// elsewhere names the hub of a command that is not for this server, "" if it is.
func (t *Timeline) elsewhere(s *conversation.State, cmd *Command) id.Server {
	hub := s.Hub()
	if s == nil {
		hub = cmd.Create.Hub // Empty of all but create: there is no such conversation.
	}
	if t.Self == "" || hub == t.Self {
		return ""
	}
	return hub
}

// isOwn tells whether the user has an account here.
func (t *Timeline) isOwn(u id.User) bool { return t.Self == "" || u.Server() == t.Self }

// key is the dedup key of a tempId. Devices of other servers are told apart by their users: nobody there can use up a tempId of a
// user here.
func (t *Timeline) key(u id.User, d id.Device, tempID string) int64 {
	if t.isOwn(u) {
		return DedupKey(d, tempID)
	}
	return DedupKey(id.Device(u)+"\n"+d, tempID)
}

// origin adds to the batch what is kept of the entry beside the log. before and after are the states
// around it.
func (w *work) origin(p *pending, e *conversation.Event, before, after *conversation.State) {
	row := OriginRow{Shard: e.Shard, Conv: e.Conv, Seq: e.Seq, Term: before.Term(), Expects: e.Expects}
	if s := p.cmd.Signed; s != nil {
		row.KeyID, row.Signature = s.KeyID, s.Signature
	}
	if p.foreign != nil {
		row.Term, row.KeyID, row.Signature = p.foreign.Term, p.foreign.KeyID, p.foreign.Signature
	}
	if p.begin != nil {
		row.Prev = &p.foreign.Prev
	}
	if conversation.ChangesState(e.Type) {
		if hash, err := after.Hash(); err == nil { // It was hashed for the entry: it does not fail now.
			row.StateHash = &hash
		}
	}
	if row.StateHash != nil || row.Term != 0 || row.Signature != nil || row.Expects != nil || row.Prev != nil {
		w.Origins = append(w.Origins, row)
	}
}
