// SPDX-License-Identifier: Apache-2.0

package conversation

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"parley.chat/protocol/canonical"
	"parley.chat/protocol/event"
	"parley.chat/protocol/fault"
	"parley.chat/protocol/frame"
	"parley.chat/protocol/id"
)

// Hub is the server that gives the entries their order: the first one, until it was moved. It is empty before create.
func (s *State) Hub() id.Server {
	if s == nil {
		return ""
	}
	if n := len(s.Info.Moves); n > 0 {
		return s.Info.Moves[n-1].Hub
	}
	return s.Create.Hub
}

// Term counts how often the hub was moved. It stands in every entry that follows s.
func (s *State) Term() int64 {
	if s == nil {
		return 0
	}
	return int64(len(s.Info.Moves))
}

// Reign is a term as the state knows it: who orders in it, and where it ends.
type Reign struct {
	Hub  id.Server
	Term int64
	Last int64 // seq of its last entry, which hands over; id.MaxSeq while it lasts
}

// ReignAt is the term of the entry at a seq. spec: FED-MOVE-1
func (s *State) ReignAt(seq int64) Reign {
	r := Reign{Hub: s.Create.Hub, Last: id.MaxSeq}
	for _, m := range s.Info.Moves {
		if seq <= m.Seq {
			r.Last = m.Seq
			return r
		}
		r.Hub, r.Term = m.Hub, r.Term+1
	}
	return r
}

// AcceptanceSize is that of a signature in an acceptance, in bytes.
const AcceptanceSize = 64

// maxKeyID bounds the id of the key of an acceptance.
const maxKeyID = 128

// decideHub lets an owner hand the conversation over to the server of a joined member. Whether that server signed is looked at by who
// can find its keys. spec: FED-MOVE-2 FED-MOVE-3
func decideHub(s *State, m Member, p Proposal, _ Limits) error {
	if m.Role != Owner {
		return fault.New(fault.InsufficientRole, "only an owner moves the conversation to another server")
	}
	if _, err := id.ParseServer(string(p.Change.Hub)); err != nil {
		return fault.Invalid("hub", "is no server name").Because(err)
	}
	hub := id.Server(p.Change.Hub)
	switch {
	case hub == s.Hub():
		return unchanged("hub")
	case !slices.Contains(s.Servers(), hub):
		return fault.Invalid("hub", "must be the server of a member")
	case len(s.Info.Moves) >= MaxMoves:
		return full("moves", MaxMoves)
	}
	return checkAcceptance(p.Change.Acceptance)
}

// checkAcceptance checks the form of an acceptance.
func checkAcceptance(a *frame.Acceptance) error {
	if a == nil {
		return fault.Invalid("acceptance", "must be the word of the new server")
	}
	raw, err := canonical.DecodeBase64(a.Signature)
	if err != nil || len(raw) != AcceptanceSize || !strings.HasPrefix(a.KeyID, "ed25519:") || len(a.KeyID) > maxKeyID {
		return fault.Invalid("acceptance", "is no signature")
	}
	return nil
}

// AcceptanceOf is what the new hub signed, and its signature; that of a hub_transfer that follows s. spec: FED-MOVE-4
func AcceptanceOf(s *State, c frame.Change) (event.Acceptance, event.Signature, error) {
	a := event.Acceptance{ConversationID: s.ID, Hub: id.Server(c.Hub), Term: s.Term() + 1}
	if err := checkAcceptance(c.Acceptance); err != nil {
		return a, event.Signature{}, err
	}
	raw, err := canonical.DecodeBase64(c.Acceptance.Signature)
	return a, event.Signature{Server: a.Hub, KeyID: c.Acceptance.KeyID, Bytes: raw}, err
}

// move folds a hub_transfer. What has no good form stays out of the state, whoever wrote the log.
func (s *State) move(hub string, seq int64) {
	to, err := id.ParseServer(hub)
	if err != nil || to == s.Hub() || len(s.Info.Moves) >= MaxMoves {
		return
	}
	s.Info.Moves = append(slices.Clip(s.Info.Moves), Move{Hub: to, Seq: seq})
}

// servers are those of the joined members, found when they are asked for first.
type servers struct {
	once sync.Once
	list []id.Server
}

// Servers are those of the joined members, sorted; the caller must not change them. Of a State that Apply or ParseState made, or
// that was completed, they are found once.
func (s *State) Servers() []id.Server {
	if s == nil {
		return nil
	}
	if s.servers == nil {
		return s.findServers()
	}
	s.servers.once.Do(func() { s.servers.list = s.findServers() })
	return s.servers.list
}

func (s *State) findServers() []id.Server {
	have := map[id.Server]bool{}
	for u, m := range s.Members {
		if m.Membership == Joined {
			have[u.Server()] = true
		}
	}
	return slices.Sorted(maps.Keys(have))
}

// Complete finishes a State made of rows: it counts the joined members, and remembers their servers once they are asked for.
// It is for whoever built it, before anybody else sees it.
func (s *State) Complete() {
	s.Joined, s.servers = 0, &servers{}
	for _, m := range s.Members {
		if m.Membership == Joined {
			s.Joined++
		}
	}
}
